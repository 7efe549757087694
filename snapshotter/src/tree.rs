//! File trees, read-only: what a build context, an archive and a chain of layers have in common.

use oci::{ContentDigest, Entry, Kind, RootPath};
use std::collections::VecDeque;
use std::io;

/// How many symbolic links one path may go through: Linux's own limit.
const MAX_LINKS: usize = 40;

/// A read-only file tree.
///
/// Paths are taken literally: no method follows a symbolic link, neither in the last component nor before it. A path
/// that goes through anything but directories names nothing. Use [`resolve`] to follow links.
pub trait Tree: Sync {
    /// The entry at `path`, or `None` where nothing is. Never a whiteout; a directory is never opaque.
    fn lookup(&self, path: &RootPath) -> Result<Option<Entry>, TreeError>;

    /// Names and entries in the directory `dir`, sorted by name. An error where `dir` is no directory.
    fn children(&self, dir: &RootPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError>;

    /// Opens the regular file `path` for reading. An error where there is none.
    fn open(&self, path: &RootPath) -> Result<std::fs::File, TreeError>;

    /// BLAKE3 of the regular file `path`: remembered, or computed now. An error where there is none.
    fn content_digest(&self, path: &RootPath) -> Result<ContentDigest, TreeError>;

    /// Everything at and below `dir`, sorted: a directory comes directly before what it holds.
    fn walk(&self, dir: &RootPath) -> Result<Vec<(RootPath, Entry)>, TreeError> {
        let top = self.lookup(dir)?.ok_or_else(|| TreeError::NotFound(dir.clone()))?;
        let mut out = Vec::new();
        let mut stack = vec![(dir.clone(), top)];
        while let Some((path, entry)) = stack.pop() {
            if entry.is_dir() {
                let children = self.children(&path)?;
                stack.extend(children.into_iter().rev().map(|(name, entry)| (path.child(&name), entry)));
            }
            out.push((path, entry));
        }
        Ok(out)
    }
}

/// Why a tree gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Nothing is at this path.
    #[error("{0} does not exist")]
    NotFound(RootPath),
    /// Something else than a directory is at this path.
    #[error("{0} is not a directory")]
    NotDirectory(RootPath),
    /// Something else than a regular file is at this path.
    #[error("{0} is not a regular file")]
    NotFile(RootPath),
    /// More than 40 symbolic links on the way.
    #[error("{0} goes through too many symbolic links")]
    TooManyLinks(RootPath),
    /// The file system refused.
    #[error("{action} {path}")]
    Io {
        /// What was attempted: a verb, as in `open`.
        action: &'static str,
        /// On which path of the tree.
        path: RootPath,
        /// Why it did not work.
        source: io::Error,
    },
}

impl TreeError {
    /// For `map_err`: `action` was attempted on `path`.
    pub fn io(action: &'static str, path: &RootPath) -> impl FnOnce(io::Error) -> TreeError {
        let path = path.clone();
        move |source| TreeError::Io { action, path, source }
    }
}

/// Follows the symbolic links of `path` within `tree` as a chroot would: absolute links start at the tree's root, and
/// `..` stops there. The last component is followed too if `follow_last`.
///
/// The result need not exist; from the first missing component on, names are taken as they are. At most 40 links.
pub fn resolve(tree: &dyn Tree, path: &RootPath, follow_last: bool) -> Result<RootPath, TreeError> {
    let mut todo: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
    let mut at = RootPath::root();
    let mut links = 0;
    let mut missing = false;
    while let Some(name) = todo.pop_front() {
        if name == b".." {
            at = at.parent().unwrap_or(at);
            missing = false;
            continue;
        }
        let next = at.child(&name);
        if missing || (todo.is_empty() && !follow_last) {
            at = next;
            continue;
        }
        match tree.lookup(&next)?.map(|entry| entry.kind) {
            Some(Kind::Symlink(target)) => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(TreeError::TooManyLinks(path.clone()));
                }
                if target.starts_with(b"/") {
                    at = RootPath::root();
                }
                prepend(&mut todo, &target);
            }
            found => {
                missing = found.is_none();
                at = next;
            }
        }
    }
    Ok(at)
}

fn prepend(todo: &mut VecDeque<Vec<u8>>, target: &[u8]) {
    for part in target.split(|b| *b == b'/').rev() {
        if !part.is_empty() && part != b"." {
            todo.push_front(part.to_vec());
        }
    }
}

#[cfg(test)]
mod tests;
