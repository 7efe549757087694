//! The tables. `docs/formats/store.md` describes them.

use rusqlite::{Connection, TransactionBehavior};

/// Of the tables. A change to them that an older lapstrake cannot live with makes it one more.
pub(crate) const VERSION: u32 = 1;

const TABLES: &str = "
CREATE TABLE layers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL, boot TEXT NOT NULL, synced INTEGER NOT NULL);
CREATE TABLE blobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL, boot TEXT NOT NULL, synced INTEGER NOT NULL);
CREATE TABLE observation_sets (
    weak BLOB NOT NULL, hash BLOB NOT NULL, observations BLOB NOT NULL,
    PRIMARY KEY (weak, hash)) WITHOUT ROWID;
CREATE TABLE records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, strong BLOB NOT NULL UNIQUE, weak BLOB NOT NULL, layer BLOB NOT NULL,
    created INTEGER NOT NULL, duration_ms INTEGER NOT NULL, log TEXT, preimage BLOB NOT NULL);
CREATE INDEX records_weak ON records (weak);
CREATE TABLE images (
    id BLOB PRIMARY KEY, manifest BLOB NOT NULL, created INTEGER NOT NULL, size INTEGER NOT NULL,
    platform TEXT NOT NULL, layers TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE tags (reference TEXT PRIMARY KEY, image BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX tags_image ON tags (image);
CREATE TABLE diff_ids (
    layer BLOB NOT NULL, epoch INTEGER NOT NULL, diff_id BLOB NOT NULL, tar_size INTEGER NOT NULL,
    PRIMARY KEY (layer, epoch)) WITHOUT ROWID;
CREATE TABLE adopted (layer BLOB PRIMARY KEY, diff_id BLOB NOT NULL, tar_size INTEGER) WITHOUT ROWID;
CREATE TABLE packed (
    diff_id BLOB NOT NULL, kind TEXT NOT NULL, level INTEGER NOT NULL, blob BLOB NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (diff_id, kind, level)) WITHOUT ROWID;
";

/// The version of the tables in `db`: 0 if there are none.
pub(super) fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Makes the tables, unless somebody has been faster.
pub(super) fn create(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))?;
    let changes = rusqlite::Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    if version(&changes)? == 0 {
        changes.execute_batch(TABLES)?;
        changes.pragma_update(None, "user_version", VERSION)?;
    }
    changes.commit()?;
    // Once in a store's life: without it a power loss could take the tables away.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}
