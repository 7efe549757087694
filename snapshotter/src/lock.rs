//! Locks between threads and between processes, all of them byte ranges of one file, `lock`.
//!
//! They are "open file description" locks (fcntl(2)): each belongs to one opening of the file, so two threads exclude
//! each other as two processes do; they leave nothing behind, and the kernel drops them with their process. A shared
//! lock becomes an exclusive one at once or not at all, which flock(2) cannot do.
//!
//! | bytes | held by |
//! |---|---|
//! | 0 | whoever has the store open: shared; by gc: exclusive |
//! | 1 | who creates or replaces the database |
//! | 2^32 and up | who makes the result of the step with this weak key |

use crate::error::StoreError;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use oci::KeyDigest;
use std::fs::File;
use std::path::{Path, PathBuf};

const USE: i64 = 0;
const DATABASE: i64 = 1;
const STEPS: i64 = 1 << 32;

/// Held while a step's result is being made: see [`crate::store::Store::lock_step`]. Released when dropped, and when
/// the process ends, however it ends.
#[derive(Debug)]
pub struct StepLock(#[allow(dead_code, reason = "held for its drop")] Range);

/// The file that all locks are ranges of.
#[derive(Debug)]
pub(crate) struct Locks {
    path: PathBuf,
    open: Range,
}

/// One locked byte, by an opening of the file of its own.
#[derive(Debug)]
pub(crate) struct Range {
    file: File,
    start: i64,
}

#[derive(Clone, Copy)]
enum Kind {
    Shared,
    Exclusive,
}

impl Locks {
    /// Opens `path`, making it if need be, and joins those who use the store. Waits for a gc that is at work.
    pub(crate) fn open(path: &Path) -> Result<Locks, StoreError> {
        let file = open(path)?;
        set(&file, USE, Kind::Shared, true).map_err(StoreError::io("lock", path))?;
        Ok(Locks { path: path.to_owned(), open: Range { file, start: USE } })
    }

    /// Calls `work` if nobody else uses the store, and keeps everybody out meanwhile; `None` if somebody does.
    pub(crate) fn alone<T>(&self, work: impl FnOnce() -> T) -> Result<Option<T>, StoreError> {
        let error = |e: Errno| StoreError::io("lock", &self.path)(e);
        if !set(&self.open.file, USE, Kind::Exclusive, false).map_err(error)? {
            return Ok(None);
        }
        let done = work();
        set(&self.open.file, USE, Kind::Shared, true).map_err(error)?;
        Ok(Some(done))
    }

    /// For who creates the database.
    pub(crate) fn database(&self) -> Result<Range, StoreError> {
        self.exclusive(DATABASE)
    }

    /// Waits until nobody else makes the step `weak`.
    pub(crate) fn step(&self, weak: &KeyDigest) -> Result<StepLock, StoreError> {
        self.exclusive(step_byte(weak)).map(StepLock)
    }

    /// As [`Locks::step`], but `None` instead of waiting.
    pub(crate) fn try_step(&self, weak: &KeyDigest) -> Result<Option<StepLock>, StoreError> {
        let file = open(&self.path)?;
        let start = step_byte(weak);
        let locked = set(&file, start, Kind::Exclusive, false)
            .map_err(StoreError::io("lock a step in", &self.path))?;
        Ok(locked.then_some(StepLock(Range { file, start })))
    }

    fn exclusive(&self, start: i64) -> Result<Range, StoreError> {
        let file = open(&self.path)?;
        set(&file, start, Kind::Exclusive, true).map_err(StoreError::io("lock", &self.path))?;
        Ok(Range { file, start })
    }
}

impl Drop for Range {
    /// Closing the file would do, but for the moment in which a child between clone and exec still has it open.
    fn drop(&mut self) {
        let free = range(self.start, libc::F_UNLCK);
        if let Err(error) = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&free)) {
            tracing::warn!(%error, "release a lock");
        }
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(StoreError::io("open the lock file", path))
}

/// Keys whose first 62 bits are equal share a byte, and so exclude each other: slower, never wrong.
fn step_byte(weak: &KeyDigest) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&weak.as_bytes()[..8]);
    STEPS + (i64::from_le_bytes(first) & ((1 << 62) - 1))
}

fn range(start: i64, kind: i32) -> libc::flock {
    let l_type = libc::c_short::try_from(kind).unwrap_or_default();
    libc::flock { l_type, l_whence: 0, l_start: start, l_len: 1, l_pid: 0 }
}

/// Whether the lock was taken; always so if `wait`.
fn set(file: &File, start: i64, kind: Kind, wait: bool) -> Result<bool, Errno> {
    let wanted = range(
        start,
        match kind {
            Kind::Shared => libc::F_RDLCK,
            Kind::Exclusive => libc::F_WRLCK,
        },
    );
    loop {
        let arg = if wait { FcntlArg::F_OFD_SETLKW(&wanted) } else { FcntlArg::F_OFD_SETLK(&wanted) };
        match fcntl(file, arg) {
            Ok(_) => return Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) if !wait => return Ok(false),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
