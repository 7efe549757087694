//! What of the store's files can be trusted after a crash of the machine.
//!
//! Files are not synced one by one. Instead each layer and blob has a row with the boot in which it was written, and
//! whether it has been synced since. Within that boot the kernel has the bytes; in a later one only what was synced
//! is sure to be there, and everything else is checked against its digest before it is used.

use super::Db;
use crate::error::StoreError;
use rusqlite::{OptionalExtension, params};

/// Of what a mark speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    Layer,
    Blob,
}

/// What is known about a layer or blob whose files are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// As it was written.
    Sure,
    /// To be checked.
    Unknown,
}

/// How far the tables had got when a sync began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Marks {
    layers: i64,
    blobs: i64,
}

impl Kept {
    fn table(self) -> &'static str {
        match self {
            Kept::Layer => "layers",
            Kept::Blob => "blobs",
        }
    }
}

impl Db {
    /// Whether the bytes of `id` are known to be as they were written.
    pub(crate) fn trust(&self, kind: Kept, id: &[u8; 32]) -> Result<Trust, StoreError> {
        let query = match kind {
            Kept::Layer => "SELECT synced OR boot = ?2 FROM layers WHERE id = ?1",
            Kept::Blob => "SELECT synced OR boot = ?2 FROM blobs WHERE id = ?1",
        };
        let sure: Option<bool> = self.read("look up", |db| {
            db.prepare_cached(query)?.query_row(params![id, self.boot()], |row| row.get(0)).optional()
        })?;
        Ok(if sure == Some(true) { Trust::Sure } else { Trust::Unknown })
    }

    /// Notes that `id` is complete. If it is `new`, nothing that was derived from an earlier copy holds any more.
    pub(crate) fn keep(&self, kind: Kept, id: &[u8; 32], size: u64, new: bool) -> Result<(), StoreError> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.write("record a layer or blob", |db| {
            let sql = match kind {
                Kept::Layer => {
                    "INSERT OR REPLACE INTO layers (id, size, boot, synced) VALUES (?1, ?2, ?3, 0)"
                }
                Kept::Blob => "INSERT OR REPLACE INTO blobs (id, size, boot, synced) VALUES (?1, ?2, ?3, 0)",
            };
            db.prepare_cached(sql)?.execute(params![id, size, self.boot()])?;
            if kind == Kept::Layer && new {
                db.prepare_cached("DELETE FROM diff_ids WHERE layer = ?1")?.execute([id])?;
            }
            Ok(())
        })
    }

    /// Forgets `id`, whose files are gone.
    pub(crate) fn forget(&self, kind: Kept, id: &[u8; 32]) -> Result<(), StoreError> {
        self.write("forget a layer or blob", |db| {
            db.execute(&format!("DELETE FROM {} WHERE id = ?1", kind.table()), [id])?;
            match kind {
                Kept::Layer => db.execute("DELETE FROM diff_ids WHERE layer = ?1", [id])?,
                Kept::Blob => db.execute("DELETE FROM packed WHERE blob = ?1", [id])?,
            };
            Ok(())
        })
    }

    /// To be called before the file system is synced.
    pub(crate) fn marks(&self) -> Result<Marks, StoreError> {
        self.read("look up the newest entries", |db| {
            let newest = |table| {
                let sql = format!("SELECT coalesce(max(seq), 0) FROM {table}");
                db.query_row(&sql, [], |row| row.get(0))
            };
            Ok(Marks { layers: newest("layers")?, blobs: newest("blobs")? })
        })
    }

    /// To be called after the file system has been synced.
    pub(crate) fn mark_synced(&self, upto: Marks) -> Result<(), StoreError> {
        self.write("mark what is synced", |db| {
            // Entries of other boots wait for their check.
            let sql =
                |table| format!("UPDATE {table} SET synced = 1 WHERE seq <= ?1 AND boot = ?2 AND NOT synced");
            db.execute(&sql("layers"), params![upto.layers, self.boot()])?;
            db.execute(&sql("blobs"), params![upto.blobs, self.boot()])?;
            Ok(())
        })
    }
}
