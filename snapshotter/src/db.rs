//! The database: one SQLite file in WAL mode that any number of processes use at once.
//!
//! Nothing on the hot path waits for the disk: a commit is a write to the log, and a power loss may undo the newest
//! ones, never tear one. [`crate::store::Store::sync`] makes them last.

mod heal;
mod marks;
mod schema;

pub(crate) use marks::{Kept, Trust};

use crate::error::StoreError;
use crate::lock::Locks;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long one process waits for another that writes: writes take microseconds, checkpoints may take seconds.
const BUSY: Duration = Duration::from_secs(60);

/// The open database.
#[derive(Debug)]
pub(crate) struct Db {
    connection: Mutex<Connection>,
    path: PathBuf,
    boot: String,
    /// Something was written, by this process, that has not been synced.
    dirty: AtomicBool,
}

impl Db {
    /// Opens `path`, or makes it. What was damaged is set aside, and the second value says so.
    pub(crate) fn open(path: PathBuf, boot: &str, locks: &Locks) -> Result<(Db, Option<String>), StoreError> {
        let mut notice = None;
        let opened = match connect(&path, locks) {
            Err(Failed::Damaged) => {
                notice = Some(heal::set_aside(&path, locks)?);
                connect(&path, locks)
            }
            opened => opened,
        };
        let connection = opened.map_err(|failed| failed.into_error(&path))?;
        let (connection, dirty) = (Mutex::new(connection), AtomicBool::new(false));
        Ok((Db { connection, path, boot: boot.to_owned(), dirty }, notice))
    }

    /// Reads. `action` is for the error.
    pub(crate) fn read<T>(
        &self,
        action: &'static str,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        query(&connection).map_err(|error| self.failed(action, error))
    }

    /// Changes all or nothing.
    pub(crate) fn write<T>(
        &self,
        action: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let changed =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|changes| {
                let value = change(&changes)?;
                changes.commit()?;
                Ok(value)
            });
        self.dirty.store(true, Ordering::Relaxed);
        changed.map_err(|error| self.failed(action, error))
    }

    /// The boot that this process runs in.
    pub(crate) fn boot(&self) -> &str {
        &self.boot
    }

    /// Whether something was written since the last call.
    pub(crate) fn take_dirty(&self) -> bool {
        self.dirty.swap(false, Ordering::Relaxed)
    }

    /// Moves the log into the database, and both to the disk. Not all of it while others read.
    pub(crate) fn checkpoint(&self) -> Result<(), StoreError> {
        self.read("write back the log", |db| {
            // The first waits for the disk and keeps nobody from writing; the second finds little left to do.
            db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
            db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        })
    }

    fn failed(&self, action: &'static str, error: rusqlite::Error) -> StoreError {
        if is_damage(&error) {
            heal::mark(&self.path);
        }
        refused(action, &self.path, error)
    }
}

/// Why a connection was not made.
enum Failed {
    Damaged,
    Newer(u32),
    Store(StoreError),
    Sqlite(rusqlite::Error),
}

impl Failed {
    fn into_error(self, path: &Path) -> StoreError {
        match self {
            Failed::Damaged => StoreError::Damaged { path: path.to_owned() },
            Failed::Newer(found) => {
                let root = path.parent().unwrap_or(path).to_owned();
                StoreError::Newer { root, found, known: schema::VERSION }
            }
            Failed::Store(error) => error,
            Failed::Sqlite(error) => refused("open", path, error),
        }
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Failed::Damaged } else { Failed::Sqlite(error) }
    }
}

fn connect(path: &Path, locks: &Locks) -> Result<Connection, Failed> {
    if heal::is_marked(path) {
        return Err(Failed::Damaged);
    }
    let connection = plain(path)?;
    connection.set_prepared_statement_cache_capacity(64);
    match schema::version(&connection)? {
        schema::VERSION => {}
        0 => {
            let alone = locks.database().map_err(Failed::Store)?;
            schema::create(&connection)?;
            drop(alone);
        }
        newer => return Err(Failed::Newer(newer)),
    }
    Ok(connection)
}

/// A connection that never waits for the disk, but at checkpoints.
fn plain(path: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    restrict(path);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.execute_batch("PRAGMA synchronous=NORMAL")?;
    // The last one to close would otherwise write all back and sync.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Makes the file if there is none, for its owner alone: build arguments and histories are in it. SQLite gives the
/// same mode to the files beside it. What goes wrong here goes wrong again when it is opened.
fn restrict(path: &Path) {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    if let Err(error) = made
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        tracing::debug!(%error, "make the database");
    }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

fn refused(action: &'static str, path: &Path, error: rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            StoreError::Full { action, path: path.to_owned(), source: Box::new(error) }
        }
        // SQLite calls a full disk by its name only in some places.
        Some(ErrorCode::SystemIoFailure) if is_nearly_full(path) => {
            StoreError::Full { action, path: path.to_owned(), source: Box::new(error) }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            let root = path.parent().unwrap_or(path).to_owned();
            StoreError::ReadOnly { root, source: std::io::Error::other(error) }
        }
        _ => StoreError::Db { action, path: path.to_owned(), source: error },
    }
}

/// Whether less is free where `path` is than a write may need.
fn is_nearly_full(path: &Path) -> bool {
    const ENOUGH: u64 = 1 << 20;
    rustix::fs::statvfs(path.parent().unwrap_or(path))
        .is_ok_and(|fs| fs.f_bavail.saturating_mul(fs.f_frsize) < ENOUGH)
}

#[cfg(test)]
mod tests;
