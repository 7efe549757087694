//! Directories that outlive builds: those of `RUN --mount=type=cache`. Their contents are in no key and no layer.
//!
//! Each is `caches/<key>-<number>/`, locked (flock on the directory) by the steps that use it: shared, or alone. In it
//! lie `about.json`, whose mtime is the time of the last use, and `data`, which appears whole or not at all. The key
//! is a digest of the cache's name and of what a new one begins with; further numbers are made where `private` users
//! meet. docs/formats/store.md describes the files.

mod fill;

use crate::error::StoreError;
use crate::extract::ExtractError;
use crate::tree::{Tree, TreeError};
use crate::work::remove_tree;
use oci::{KeyDigest, RootPath};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, flock, fstat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long a waiting step sleeps between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// More users of one private cache at a time are a mistake.
const MOST_PRIVATE: u32 = 10_000;

/// Which directory a step asks for.
#[derive(Clone, Copy)]
pub struct CacheRequest<'a> {
    /// Its name.
    pub id: &'a str,
    /// Who else may use it meanwhile.
    pub sharing: Sharing,
    /// Mode of a new directory.
    pub mode: u32,
    /// Owner of a new directory.
    pub uid: u32,
    /// Group of a new directory.
    pub gid: u32,
    /// What a new directory begins with; empty where `None`.
    pub seed: Option<Seed<'a>>,
}

/// What a new directory begins with. A cache of the same name with another beginning is another cache.
#[derive(Clone, Copy)]
pub struct Seed<'a> {
    /// Where it lies.
    pub tree: &'a dyn Tree,
    /// Identity of that tree.
    pub identity: KeyDigest,
    /// Directory in it.
    pub source: &'a RootPath,
}

impl std::fmt::Debug for Seed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seed").field("identity", &self.identity).field("source", &self.source).finish()
    }
}

impl std::fmt::Debug for CacheRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheRequest").field("id", &self.id).field("sharing", &self.sharing).finish()
    }
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Any number of steps.
    Shared,
    /// Who finds it in use gets another directory.
    Private,
    /// Who finds it in use waits.
    Locked,
}

/// Why a cache could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it begins with cannot be read, or is not there.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// What it begins with is a file.
    #[error("{0} is not a directory: a cache can begin with a directory only")]
    NotDirectory(RootPath),
    /// The wait for another user was given up.
    #[error("wait for the cache")]
    Canceled,
    /// Ten thousand steps use it.
    #[error("every directory of the private cache is in use")]
    TooMany,
}

impl From<ExtractError> for CacheError {
    fn from(error: ExtractError) -> Self {
        match error {
            ExtractError::Tree(error) => Self::Tree(error),
            ExtractError::Store(error) => Self::Store(error),
        }
    }
}

/// One directory, in use until this is dropped.
#[derive(Debug)]
pub struct CacheDir {
    dir: PathBuf,
    _lock: OwnedFd,
}

impl CacheDir {
    /// The directory to mount.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }
}

impl Drop for CacheDir {
    fn drop(&mut self) {
        touch(&self.dir);
    }
}

/// What is known of one directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheInfo {
    /// Of the directory: what [`Caches::remove`] takes.
    pub name: String,
    /// As the steps call it.
    pub id: String,
    /// 0, or a further one of a private cache.
    pub number: u32,
    /// Bytes on disk.
    pub size: u64,
    /// When a step last began or ended to use it.
    pub last_used: SystemTime,
    /// A step uses it now.
    pub in_use: bool,
}

#[derive(Serialize, Deserialize)]
struct About {
    id: String,
    number: u32,
}

/// The caches of a store.
#[derive(Debug, Clone)]
pub struct Caches {
    root: PathBuf,
}

impl Caches {
    pub(crate) fn new(root: PathBuf) -> Caches {
        Caches { root }
    }

    /// The directory for `request`, made if there is none. Waits, if it has to, until `stop` says otherwise.
    ///
    /// Who uses several at a time asks for them in the order of [`order`], or two steps may wait for each other.
    ///
    /// # Errors
    /// See [`CacheError`]. A directory that could not be filled is not there.
    pub fn acquire(
        &self,
        request: &CacheRequest<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<CacheDir, CacheError> {
        let key = key(request).hex();
        if request.sharing != Sharing::Private {
            return self.waiting(&key, request, stop);
        }
        for number in 0..MOST_PRIVATE {
            if let Attempt::Taken(dir) = self.attempt(&key, number, request, true)? {
                return Ok(dir);
            }
        }
        Err(CacheError::TooMany)
    }

    fn waiting(
        &self,
        key: &str,
        request: &CacheRequest<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<CacheDir, CacheError> {
        loop {
            let alone = request.sharing == Sharing::Locked;
            if let Attempt::Taken(dir) = self.attempt(key, 0, request, alone)? {
                return Ok(dir);
            }
            if stop() {
                return Err(CacheError::Canceled);
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Locks one directory, and fills it if it is new.
    fn attempt(
        &self,
        key: &str,
        number: u32,
        request: &CacheRequest<'_>,
        alone: bool,
    ) -> Result<Attempt, CacheError> {
        let dir = self.root.join(format!("{key}-{number}"));
        let data = dir.join("data");
        let io = StoreError::io("lock the cache", &dir);
        // Whoever fills it must be alone.
        let Some(lock) = lock(&dir, alone || !data.exists()).map_err(io)? else {
            return Ok(Attempt::Busy);
        };
        if !data.exists() {
            if !try_lock(&lock, true).map_err(StoreError::io("lock the cache", &dir))? {
                return Ok(Attempt::Busy);
            }
            let about = About { id: request.id.to_owned(), number };
            fill::fill(&dir, request, &about)?;
        }
        if !alone {
            // The change of a lock may let go of it for a moment, in which the cache may be removed.
            let locked = try_lock(&lock, false).map_err(StoreError::io("lock the cache", &dir))?;
            if !locked || !data.exists() {
                return Ok(Attempt::Busy);
            }
        }
        touch(&dir);
        Ok(Attempt::Taken(CacheDir { dir, _lock: lock }))
    }

    /// All of them, by id and number.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn list(&self) -> Result<Vec<CacheInfo>, StoreError> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.root).map_err(StoreError::io("list", &self.root))? {
            let entry = entry.map_err(StoreError::io("list", &self.root))?;
            let dir = entry.path();
            // A new one without a description is nobody's yet.
            let Some((about, last_used)) = about(&dir) else { continue };
            let free = open(&dir).and_then(|fd| try_lock(&fd, true));
            all.push(CacheInfo {
                name: entry.file_name().to_string_lossy().into_owned(),
                id: about.id,
                number: about.number,
                size: size(&dir.join("data")).map_err(StoreError::io("measure", &dir))?,
                last_used,
                in_use: !matches!(free, Ok(true)),
            });
        }
        all.sort_by(|a, b| (&a.id, a.number, &a.name).cmp(&(&b.id, b.number, &b.name)));
        Ok(all)
    }

    /// Removes the directory `name` of [`CacheInfo`], unless it is in use. Returns whether it is gone.
    ///
    /// # Errors
    /// If something in it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<bool, StoreError> {
        let dir = self.root.join(name);
        let lock = match open(&dir) {
            Err(Errno::NOENT) => return Ok(true),
            other => other.map_err(StoreError::io("remove the cache", &dir))?,
        };
        if !try_lock(&lock, true).map_err(StoreError::io("remove the cache", &dir))? {
            return Ok(false);
        }
        remove_tree(&dir).map_err(StoreError::io("remove the cache", &dir))?;
        Ok(true)
    }

    /// Removes what killed processes did not finish to fill. For gc, while nobody else uses the store.
    pub(crate) fn tidy(&self) -> Result<(), StoreError> {
        for entry in std::fs::read_dir(&self.root).map_err(StoreError::io("list", &self.root))? {
            let dir = entry.map_err(StoreError::io("list", &self.root))?.path();
            let unfinished = if dir.join("data").exists() { dir.join(fill::FILLING) } else { dir };
            remove_tree(&unfinished).map_err(StoreError::io("remove", &unfinished))?;
        }
        Ok(())
    }
}

enum Attempt {
    Taken(CacheDir),
    Busy,
}

/// Where `request` stands among those that are asked for together: see [`Caches::acquire`].
pub fn order(request: &CacheRequest<'_>) -> KeyDigest {
    key(request)
}

/// What tells caches apart: BuildKit makes another one, too, for another beginning, mode or owner.
fn key(request: &CacheRequest<'_>) -> KeyDigest {
    let CacheRequest { id, sharing: _, mode, uid, gid, seed } = request;
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"lapstrake cache 1\0");
    hasher.update(&(id.len() as u64).to_le_bytes());
    hasher.update(id.as_bytes());
    for number in [mode, uid, gid] {
        hasher.update(&number.to_le_bytes());
    }
    if let Some(Seed { identity, source, .. }) = seed {
        hasher.update(identity.as_bytes());
        hasher.update(source.relative());
    }
    KeyDigest::from_bytes(*hasher.finalize().as_bytes())
}

fn open(dir: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(dir, flags, Mode::empty())
}

/// Makes the directory if need be. `None` if somebody else holds it, or has just removed it.
fn lock(dir: &Path, alone: bool) -> io::Result<Option<OwnedFd>> {
    match DirBuilder::new().mode(0o710).create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let fd = match open(dir) {
        Err(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    let locked = try_lock(&fd, alone)? && fstat(&fd)?.st_nlink > 0;
    Ok(locked.then_some(fd))
}

fn try_lock(fd: &OwnedFd, alone: bool) -> Result<bool, Errno> {
    let how =
        if alone { FlockOperation::NonBlockingLockExclusive } else { FlockOperation::NonBlockingLockShared };
    match flock(fd, how) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

fn about(dir: &Path) -> Option<(About, SystemTime)> {
    let path = dir.join("about.json");
    let about = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    Some((about, path.metadata().ok()?.modified().ok()?))
}

/// Notes a use. What cannot be noted makes the cache look older, and does no other harm.
fn touch(dir: &Path) {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    let path = dir.join("about.json");
    if let Err(error) = rustix::fs::utimensat(CWD, &path, &times, rustix::fs::AtFlags::empty()) {
        tracing::debug!(%error, path = %path.display(), "note the use of a cache");
    }
}

/// Bytes of everything below `dir`. What vanishes meanwhile counts for nothing.
fn size(dir: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(found) = entry.metadata() else { continue };
            total += found.blocks() * 512;
            if found.is_dir() {
                todo.push(entry.path());
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests;
