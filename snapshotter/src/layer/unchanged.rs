//! Files that an overlay copied up though nothing about them changed: a new name for a file does that, and a mode that
//! is set to what it was.

use super::{LayerError, LayerIndex};
use crate::tree::Tree;
use oci::{ContentDigest, Entry, Kind, RootPath};
use std::ffi::OsStr;
use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Removes from the layer in `diff_dir`, whose index is `index`, the files that stand `below` exactly as they are here:
/// content, mode, owner, attributes and time. Returns whether any was removed: the index is another one then.
///
/// What is not sure to be the same stays.
pub fn drop_unchanged(diff_dir: &Path, index: &LayerIndex, below: &dyn Tree) -> Result<bool, LayerError> {
    let mut removed = false;
    for (path, entry) in index.iter().filter(|(_, entry)| entry.is_file()) {
        let Ok(Some(before)) = below.lookup(&path) else { continue };
        let now = content(&entry, |head| index.get(head));
        let then = content(&before, |head| below.lookup(head).ok().flatten());
        let same = now.is_some() && now == then && same_metadata(&entry, &before);
        if same && !hidden(index, &path) {
            let file = diff_dir.join(OsStr::from_bytes(path.relative()));
            remove(&file).map_err(LayerError::io("remove", &path))?;
            removed = true;
        }
    }
    Ok(removed)
}

/// The digest of a file's bytes, which further names of it have at the first.
fn content(entry: &Entry, get: impl Fn(&RootPath) -> Option<Entry>) -> Option<ContentDigest> {
    match &entry.kind {
        Kind::File { digest: Some(digest), .. } => Some(*digest),
        Kind::File { link_to: Some(head), .. } => match get(head)?.kind {
            Kind::File { digest, .. } => digest,
            _ => None,
        },
        _ => None,
    }
}

fn same_metadata(a: &Entry, b: &Entry) -> bool {
    (a.mode, a.uid, a.gid, a.mtime, &a.xattrs) == (b.mode, b.uid, b.gid, b.mtime, &b.xattrs)
}

/// Whether the layer hides what is below `path`: a directory above it was made anew.
fn hidden(index: &LayerIndex, path: &RootPath) -> bool {
    let mut at = path.parent();
    while let Some(dir) = at {
        if index.get(&dir).is_some_and(|entry| matches!(entry.kind, Kind::Dir { opaque: true })) {
            return true;
        }
        at = dir.parent();
    }
    false
}

/// Removes a file, and keeps the time of its directory.
fn remove(file: &Path) -> io::Result<()> {
    let dir = File::open(file.parent().unwrap_or(file))?;
    let before = dir.metadata()?.modified()?;
    fs::remove_file(file)?;
    dir.set_times(FileTimes::new().set_modified(before))
}

#[cfg(test)]
mod tests;
