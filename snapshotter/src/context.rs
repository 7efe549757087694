//! The build context: a directory of the host, read in place.
//!
//! Opening one walks it in parallel and looks at metadata only. Contents are hashed when something asks for them, and
//! remembered in a stat index between builds (`docs/formats/context-index.md`). A file that changes while a build
//! reads it is an error that names it: metadata seen by the walk is compared again when the file is opened and after
//! it was read.

mod read;
mod stat_index;
mod table;
mod walk;

pub(crate) use read::Changed;

use crate::layer::dirfd::open_root;
use crate::tree::{Tree, TreeError};
use oci::{ContentDigest, Entry, RootPath};
use rayon::prelude::*;
use rustix::fd::OwnedFd;
use stat_index::{Record, StatIndex};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use table::{Payload, Table};

/// What becomes of one path of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Part of the context.
    Keep,
    /// Not part of it, nor is anything below.
    Drop,
    /// Not part of it unless something below is: a later rule may bring that back.
    DropButDescend,
}

/// Decides which paths are part of a context. Asked once per path, from several threads.
pub trait IgnoreFilter: Sync {
    /// The verdict on `rel`: relative to the context, without a leading slash.
    fn verdict(&self, rel: &[u8], is_dir: bool) -> Verdict;
}

/// A filter that keeps everything.
#[derive(Debug, Clone, Copy)]
pub struct KeepAll;

impl IgnoreFilter for KeepAll {
    fn verdict(&self, _rel: &[u8], _is_dir: bool) -> Verdict {
        Verdict::Keep
    }
}

/// Why a context could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// The directory is not there, is none, or may not be read.
    #[error("open the context {dir}")]
    Open {
        /// The context's directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in it could not be looked at.
    #[error("{action} {path} of the context")]
    Io {
        /// What was attempted: a verb, as in `inspect`.
        action: &'static str,
        /// On which path of the context.
        path: RootPath,
        /// Why.
        source: io::Error,
    },
    /// More than 4 billion paths.
    #[error("the context {0} has too many files")]
    TooMany(PathBuf),
}

/// A build context. Names and metadata are those of the time it was opened.
#[derive(Debug)]
pub struct Context {
    dir: PathBuf,
    root: OwnedFd,
    table: Table,
    digests: Vec<OnceLock<ContentDigest>>,
    /// [`NO_ATTRIBUTES`], [`ATTRIBUTES`], or 0 where nobody has looked yet.
    attributes: Vec<AtomicU8>,
    index_file: Option<PathBuf>,
    opened: SystemTime,
    learnt: AtomicBool,
}

const NO_ATTRIBUTES: u8 = 1;
const ATTRIBUTES: u8 = 2;

impl Context {
    /// Walks `dir` and recognises in `index_file` what earlier builds hashed. `now` must not be later than the call:
    /// what changed less than two seconds before is hashed again by the next build.
    ///
    /// A missing or damaged index costs time only. Directories that may not be read are an error when a step needs
    /// them, not here.
    pub fn open(
        dir: &Path,
        ignore: &dyn IgnoreFilter,
        index_file: Option<&Path>,
        now: SystemTime,
    ) -> Result<Context, ContextError> {
        let opened = |source| ContextError::Open { dir: dir.to_owned(), source };
        let root = open_root(dir).map_err(opened)?;
        let index = index_file.map(StatIndex::load).unwrap_or_default();
        let walked = walk::walk(dir, &root, ignore, &index)?;
        let attributes = walked.known.iter().map(|known| match known {
            Some(known) => AtomicU8::new(if known.attributes { ATTRIBUTES } else { NO_ATTRIBUTES }),
            None => AtomicU8::new(0),
        });
        let attributes = attributes.collect();
        let digests = walked.known.iter().map(|known| known.map_or_else(OnceLock::new, |k| k.digest.into()));
        Ok(Context {
            dir: dir.to_owned(),
            root,
            digests: digests.collect(),
            attributes,
            table: walked.table,
            index_file: index_file.map(Path::to_owned),
            opened: now,
            learnt: AtomicBool::new(false),
        })
    }

    /// The directory that was opened.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Number of paths in the context, its own directory included.
    pub fn len(&self) -> usize {
        self.table.visible().count()
    }

    /// Whether the context holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 1
    }

    /// Hashes these regular files on all threads, as [`Tree::content_digest`] does one by one.
    pub fn hash_all(&self, paths: &[RootPath]) -> Result<Vec<ContentDigest>, TreeError> {
        paths.par_iter().map(|path| self.content_digest(path)).collect()
    }

    /// Writes what was learnt to the index file: complete or not at all. Does nothing if nothing is new.
    pub fn save_index(&self) -> io::Result<()> {
        let Some(file) = self.index_file.as_ref().filter(|_| self.learnt.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        let mut kept: HashMap<u64, bool> = HashMap::new();
        let mut records = Vec::new();
        let limit = self.opened.duration_since(UNIX_EPOCH).unwrap_or_default();
        for at in self.table.visible() {
            let stamp = &self.table.node(at).stamp;
            let attributes = self.attributes[at].load(Ordering::Relaxed);
            let Some(digest) = self.digests[at].get().filter(|_| attributes != 0) else { continue };
            if stamp.is_settled(limit)
                && *kept.entry(stamp.dev).or_insert_with(|| self.keeps_ctime(stamp.dev))
            {
                records.push(Record { stamp: *stamp, digest: *digest, attributes: attributes == ATTRIBUTES });
            }
        }
        stat_index::save(file, records)?;
        self.learnt.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether the file system `dev` is one on which every change of a file changes its ctime.
    fn keeps_ctime(&self, dev: u64) -> bool {
        let on_dev = |at: &usize| {
            let node = self.table.node(*at);
            node.stamp.dev == dev && matches!(node.payload, Payload::Dir { .. })
        };
        let Some(at) = self.table.visible().find(on_dev) else { return false };
        read::keeps_ctime(&self.root, &self.table.path(at)).unwrap_or(false)
    }

    fn find(&self, path: &RootPath) -> Result<usize, TreeError> {
        self.table.find(path).ok_or_else(|| TreeError::NotFound(path.clone()))
    }
}

impl Tree for Context {
    fn lookup(&self, path: &RootPath) -> Result<Option<Entry>, TreeError> {
        Ok(self.table.find(path).map(|at| self.entry(at, &mut None)))
    }

    fn children(&self, dir: &RootPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError> {
        let at = self.find(dir)?;
        match self.table.node(at).payload {
            Payload::Dir { .. } => {}
            Payload::Unreadable(errno) => {
                return Err(TreeError::io("list", dir)(io::Error::from_raw_os_error(errno)));
            }
            _ => return Err(TreeError::NotDirectory(dir.clone())),
        }
        let mut parent = None;
        let children = self.table.children(at);
        Ok(children.map(|at| (self.table.name(at).to_vec(), self.entry(at, &mut parent))).collect())
    }

    fn open(&self, path: &RootPath) -> Result<File, TreeError> {
        let at = self.find(path)?;
        self.open_file(at, path)
    }

    fn content_digest(&self, path: &RootPath) -> Result<ContentDigest, TreeError> {
        let at = self.find(path)?;
        if let Some(digest) = self.digests[at].get() {
            return Ok(*digest);
        }
        let digest = self.hash(at, path)?;
        self.learnt.store(true, Ordering::Relaxed);
        Ok(*self.digests[at].get_or_init(|| digest))
    }
}

#[cfg(test)]
mod tests;
