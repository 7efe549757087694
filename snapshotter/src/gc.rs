//! Garbage collection: what an image or a step's result leads to stays, everything else goes.

use crate::content::Manager;
use crate::db::Db;
use crate::error::StoreError;
use crate::images::Parts;
use crate::store::Store;
use crate::work::Works;
use oci::{BlobDigest, LayerId};
use std::collections::HashSet;

/// What a collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GcReport {
    /// Somebody else uses the store: nothing was done.
    pub busy: bool,
    /// Layers removed.
    pub layers: usize,
    /// Blobs removed.
    pub blobs: usize,
    /// Logs removed.
    pub logs: usize,
    /// Bytes of the files in these layers and blobs.
    pub bytes: u64,
}

/// What must stay.
#[derive(Debug, Default)]
struct Live {
    layers: HashSet<LayerId>,
    blobs: HashSet<BlobDigest>,
    logs: HashSet<String>,
}

/// Removes what is not live. Nobody else may have the store open.
///
/// Files go before the rows that describe them: it works on a full disk, where the database cannot be written.
pub(crate) fn collect(store: &Store, db: &Db, works: &Works) -> Result<GcReport, StoreError> {
    works.sweep()?;
    crate::store::root::clear(store.root())?;
    // The caches themselves are the user's to remove: nothing can make them again.
    store.caches().tidy()?;
    let mut live = mark(db)?;
    live.layers.extend(store.failed().live_layers()?);
    let mut report = GcReport::default();
    for id in store.layers().list()? {
        if !live.layers.contains(&id) {
            report.bytes += store.layers().remove(id)?;
            report.layers += 1;
        }
    }
    for (digest, size) in store.content().list()? {
        if !live.blobs.contains(&digest) {
            store.content().remove(&digest)?;
            report.bytes += size;
            report.blobs += 1;
        }
    }
    report.logs = sweep_logs(store, &live)?;
    // Fetched files and repositories: no result needs them.
    let sources = store.root().join("sources");
    crate::work::remove_tree(&sources).map_err(StoreError::io("remove", &sources))?;
    sweep_rows(store, db)?;
    Ok(report)
}

fn mark(db: &Db) -> Result<Live, StoreError> {
    let mut live = Live::default();
    let mut diff_ids: HashSet<[u8; 32]> = HashSet::new();
    let images: Vec<([u8; 32], [u8; 32], String)> = db.read("list the images", |db| {
        let mut query = db.prepare("SELECT id, manifest, layers FROM images")?;
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
    })?;
    for (id, manifest, layers) in images {
        live.blobs.extend([id, manifest].map(BlobDigest::from_bytes));
        // What an index names are images of their own.
        let Parts::Layers(layers) = Parts::read(&layers)? else { continue };
        live.layers.extend(layers.iter().map(|stored| stored.layer));
        diff_ids.extend(layers.iter().map(|stored| *stored.diff_id.as_bytes()));
    }
    type Pairs = Vec<([u8; 32], [u8; 32])>;
    let (tars, packed) = db.read("list the results of steps", |db| {
        let mut records = db.prepare("SELECT layer, log FROM records")?;
        let mut rows = records.query([])?;
        while let Some(row) = rows.next()? {
            live.layers.insert(LayerId::from_bytes(row.get(0)?));
            live.logs.extend(row.get::<_, Option<String>>(1)?);
        }
        let pairs = |sql| -> rusqlite::Result<Pairs> {
            db.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let tars = pairs("SELECT layer, diff_id FROM diff_ids UNION SELECT layer, diff_id FROM adopted")?;
        Ok((tars, pairs("SELECT diff_id, blob FROM packed")?))
    })?;
    let is_live = |(layer, _): &([u8; 32], [u8; 32])| live.layers.contains(&LayerId::from_bytes(*layer));
    diff_ids.extend(tars.into_iter().filter(is_live).map(|(_, diff_id)| diff_id));
    let blobs = packed.into_iter().filter(|(diff_id, _)| diff_ids.contains(diff_id));
    live.blobs.extend(blobs.map(|(_, blob)| BlobDigest::from_bytes(blob)));
    Ok(live)
}

fn sweep_logs(store: &Store, live: &Live) -> Result<usize, StoreError> {
    let dir = store.logs_dir();
    let mut removed = 0;
    for entry in std::fs::read_dir(&dir).map_err(StoreError::io("list", &dir))? {
        let entry = entry.map_err(StoreError::io("list", &dir))?;
        if entry.file_name().to_str().is_some_and(|name| live.logs.contains(name)) {
            continue;
        }
        let path = entry.path();
        crate::work::remove_tree(&path).map_err(StoreError::io("remove", &path))?;
        removed += 1;
    }
    Ok(removed)
}

/// Rows about what is not there any more.
fn sweep_rows(store: &Store, db: &Db) -> Result<(), StoreError> {
    let layers: HashSet<LayerId> = store.layers().list()?.into_iter().collect();
    let gone = |sql: &'static str| -> Result<Vec<[u8; 32]>, StoreError> {
        db.read("list rows", |db| db.prepare(sql)?.query_map([], |row| row.get(0))?.collect())
    };
    let mut lost: HashSet<[u8; 32]> = HashSet::new();
    for sql in ["SELECT id FROM layers", "SELECT layer FROM records", "SELECT layer FROM adopted"] {
        lost.extend(gone(sql)?.into_iter().filter(|id| !layers.contains(&LayerId::from_bytes(*id))));
    }
    let mut missing = Vec::new();
    for id in gone("SELECT DISTINCT blob FROM packed")? {
        if !store.content().path(&BlobDigest::from_bytes(id)).exists() {
            missing.push(id);
        }
    }
    db.write("remove rows", |db| {
        for id in &lost {
            for table in
                ["layers WHERE id", "records WHERE layer", "adopted WHERE layer", "diff_ids WHERE layer"]
            {
                db.prepare_cached(&format!("DELETE FROM {table} = ?1"))?.execute([id])?;
            }
        }
        for id in &missing {
            db.prepare_cached("DELETE FROM packed WHERE blob = ?1")?.execute([id])?;
            db.prepare_cached("DELETE FROM blobs WHERE id = ?1")?.execute([id])?;
        }
        db.execute_batch("DELETE FROM observation_sets WHERE weak NOT IN (SELECT weak FROM records)")
    })?;
    db.checkpoint()
}

#[cfg(test)]
mod tests;
