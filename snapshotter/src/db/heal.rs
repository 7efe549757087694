//! A damaged database is set aside, and a new one begun. Step results are a cache and only cost time to make again;
//! images and tags are not, so what can still be read of them is carried over.

use super::{Failed, plain, schema};
use crate::error::StoreError;
use crate::lock::Locks;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// SQLite's companions of the file, and the file itself.
const PARTS: [&str; 3] = ["-wal", "-shm", ""];
/// What is carried over: table, number of columns.
const CARRIED: [(&str, usize); 4] = [("images", 6), ("tags", 2), ("adopted", 3), ("packed", 5)];

/// Remembers that `path` was found damaged: the next who opens the store deals with it.
pub(super) fn mark(path: &Path) {
    if let Err(error) = std::fs::write(with(path, ".damaged"), b"") {
        tracing::warn!(%error, "mark the damaged database");
    }
}

pub(super) fn is_marked(path: &Path) -> bool {
    with(path, ".damaged").exists()
}

/// Replaces the damaged database. Returns what to tell the user.
pub(super) fn set_aside(path: &Path, locks: &Locks) -> Result<String, StoreError> {
    let done = locks.alone(|| {
        let aside = free_name(path);
        for part in PARTS {
            let (from, to) = (with(path, part), with(&aside, part));
            match std::fs::rename(&from, &to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("set aside the damaged database", &from)(error));
                }
                _ => {}
            }
        }
        let images = carry_over(&aside, path).map_err(|failed| failed.into_error(path))?;
        let mark = with(path, ".damaged");
        match std::fs::remove_file(&mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io("remove", &mark)(error))
            }
            _ => Ok(notice(path, &aside, images)),
        }
    })?;
    done.unwrap_or_else(|| Err(StoreError::Damaged { path: path.to_owned() }))
}

fn notice(path: &Path, aside: &Path, images: Option<usize>) -> String {
    let found = match images {
        Some(count) => format!("{count} images were found in it and kept; others may be lost"),
        None => "images and tags are lost: load or build them again".to_owned(),
    };
    format!(
        "the store's database {} was damaged, and is now {}: {found}; steps will run again",
        path.display(),
        aside.display()
    )
}

/// Makes the new database. Returns how many images were found in the old one, or `None` if it tells nothing.
fn carry_over(aside: &Path, path: &Path) -> Result<Option<usize>, Failed> {
    let fresh = plain(path)?;
    schema::create(&fresh)?;
    let Ok(old) = plain(aside) else { return Ok(None) };
    let mut images = None;
    for (table, columns) in CARRIED {
        match copy(&old, &fresh, table, columns) {
            Ok(count) if table == "images" => images = Some(count),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, table, "read a table of the damaged database"),
        }
    }
    Ok(images)
}

/// Copies rows until one cannot be read. Returns how many images the new database has then.
fn copy(old: &Connection, fresh: &Connection, table: &str, columns: usize) -> rusqlite::Result<usize> {
    let mut read = old.prepare(&format!("SELECT * FROM {table}"))?;
    let marks = vec!["?"; columns].join(",");
    let mut write = fresh.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?;
    let mut rows = read.query([])?;
    let mut count = 0;
    while let Ok(Some(row)) = rows.next() {
        let values: Vec<Value> = (0..columns).map(|at| row.get(at)).collect::<Result<_, _>>()?;
        count += write.execute(params_from_iter(values))?;
    }
    Ok(count)
}

fn free_name(path: &Path) -> PathBuf {
    let mut number = 1u32;
    loop {
        let name = with(path, &format!(".damaged-{number}"));
        if !name.exists() {
            return name;
        }
        number += 1;
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
