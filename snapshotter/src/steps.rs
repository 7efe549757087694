//! What steps have made: the second phase of the cache. See `docs/design/cache-key.md` for what the keys hold.
//!
//! All of this is a cache. What cannot be read is a miss, what cannot be written is forgotten, and both leave a
//! warning in the log; no build fails for it.

use crate::db::Db;
use crate::error::StoreError;
use crate::layers::Layers;
use oci::{KeyDigest, LayerId, ObservationSet};
use rusqlite::{OptionalExtension, Row, params};
use std::sync::Arc;

/// What one run of a step made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its layer.
    pub layer: LayerId,
    /// When it ran, in seconds since 1970: what the image's config and history say.
    pub created: i64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// Name of its output in `logs/`, if there was any.
    pub log: Option<String>,
    /// What the weak key was computed from, for explanations.
    pub preimage: Vec<u8>,
}

/// The step results of a store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Steps {
    db: Arc<Db>,
    layers: Layers,
}

impl Steps {
    pub(crate) fn new(db: Arc<Db>, layers: Layers) -> Steps {
        Steps { db, layers }
    }

    /// What steps of this definition have observed, one entry for each way it has gone.
    pub fn observation_sets(&self, weak: &KeyDigest) -> Vec<ObservationSet> {
        let sets = self.db.read("look up a step", |db| {
            let mut query =
                db.prepare_cached("SELECT observations FROM observation_sets WHERE weak = ?1 ORDER BY hash")?;
            query.query_map([weak.as_bytes()], |row| row.get::<_, Vec<u8>>(0))?.collect::<Result<Vec<_>, _>>()
        });
        let sets = or_warn(sets, "the cache cannot be read").unwrap_or_default();
        // A set of a form that is not known belongs to another version: a miss.
        sets.iter().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect()
    }

    /// What was made under this key, if its layer is still there.
    pub fn lookup(&self, strong: &KeyDigest) -> Option<Record> {
        let found = self.db.read("look up a step's result", |db| {
            let mut query = db.prepare_cached(
                "SELECT layer, created, duration_ms, log, preimage FROM records WHERE strong = ?1",
            )?;
            query.query_row([strong.as_bytes()], record).optional()
        });
        let record = or_warn(found, "the cache cannot be read")??;
        match self.layers.contains(record.layer) {
            Ok(true) => Some(record),
            Ok(false) => {
                self.forget(strong);
                None
            }
            Err(error) => {
                tracing::warn!(%error, layer = %record.layer, "a cached layer cannot be used");
                None
            }
        }
    }

    /// Notes that a step with this weak key observed `set`, whose answers gave `strong`, and made `record`. It takes
    /// the place of an earlier one under the same key.
    pub fn insert(&self, weak: &KeyDigest, set: &ObservationSet, strong: &KeyDigest, record: &Record) {
        let Some(set) = or_warn(serde_json::to_vec(set), "a step's observations cannot be written") else {
            return;
        };
        let hash = blake3::hash(&set);
        let duration = i64::try_from(record.duration_ms).unwrap_or(i64::MAX);
        let written = self.db.write("record a step's result", |db| {
            db.prepare_cached("INSERT OR IGNORE INTO observation_sets VALUES (?1, ?2, ?3)")?
                .execute(params![weak.as_bytes(), hash.as_bytes(), set])?;
            let mut insert = db.prepare_cached(
                "INSERT OR REPLACE INTO records (strong, weak, layer, created, duration_ms, log, preimage)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            let (strong, weak, layer) = (strong.as_bytes(), weak.as_bytes(), record.layer.as_bytes());
            insert.execute(params![
                strong,
                weak,
                layer,
                record.created,
                duration,
                record.log,
                record.preimage
            ])
        });
        or_warn(written, "the cache cannot be written");
    }

    /// Forgets one result. Its layer stays until a gc.
    pub fn forget(&self, strong: &KeyDigest) {
        let done = self.db.write("forget a step's result", |db| {
            db.prepare_cached("DELETE FROM records WHERE strong = ?1")?.execute([strong.as_bytes()])
        });
        or_warn(done, "the cache cannot be written");
    }

    /// The newest results of steps with this definition, newest first, whether or not their layers are still there:
    /// for explanations.
    pub fn history(&self, weak: &KeyDigest) -> Vec<Record> {
        let found = self.db.read("look up a step's results", |db| {
            let mut query = db.prepare_cached(
                "SELECT layer, created, duration_ms, log, preimage FROM records WHERE weak = ?1 ORDER BY seq DESC",
            )?;
            query.query_map([weak.as_bytes()], record)?.collect::<Result<Vec<_>, _>>()
        });
        or_warn(found, "the cache cannot be read").unwrap_or_default()
    }

    /// Forgets all results: every step runs again. Layers that no image needs go with the next gc.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn clear(&self) -> Result<(), StoreError> {
        self.db.write("forget all results", |db| {
            db.execute_batch("DELETE FROM records; DELETE FROM observation_sets")
        })
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        layer: LayerId::from_bytes(row.get(0)?),
        created: row.get(1)?,
        duration_ms: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
        log: row.get(3)?,
        preimage: row.get(4)?,
    })
}

fn or_warn<T, E: std::error::Error + 'static>(result: Result<T, E>, what: &str) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(error = error as &dyn std::error::Error, "{what}")).ok()
}

#[cfg(test)]
mod tests;
