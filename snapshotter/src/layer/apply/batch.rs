//! Small files, collected and then made by several threads.

use super::ApplyError;
use super::place::{create, parent, set_by_fd};
use crate::layer::dirfd::open_dir;
use oci::{ContentDigest, Entry, RootPath};
use rayon::prelude::*;
use rustix::fd::{AsFd, OwnedFd};
use std::fs::File;
use std::io::Write;

/// Largest file that waits.
pub(super) const SMALL: u64 = 1 << 16;
/// Files and bytes that wait at most.
const FILES: usize = 1024;
const BYTES: usize = 8 << 20;
/// Files that one thread takes at a time: mostly of one directory.
const PART: usize = 128;

/// A new file, and its number among the layer's inodes.
pub(super) struct Waiting {
    pub(super) path: RootPath,
    pub(super) inode: usize,
    pub(super) entry: Entry,
    pub(super) bytes: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Batch {
    files: Vec<Waiting>,
    bytes: usize,
}

impl Batch {
    /// Adds a file; true if it is time to make them all.
    pub(super) fn add(&mut self, file: Waiting) -> bool {
        self.bytes += file.bytes.len();
        self.files.push(file);
        self.files.len() >= FILES || self.bytes >= BYTES
    }

    /// Makes all that wait, below `root`. New files have `own` as owner and group. Returns inodes and digests.
    pub(super) fn make(
        &mut self,
        root: &OwnedFd,
        own: (u32, u32),
    ) -> Result<Vec<(usize, ContentDigest)>, ApplyError> {
        self.bytes = 0;
        let files = std::mem::take(&mut self.files);
        let parts: Vec<Vec<(usize, ContentDigest)>> =
            files.par_chunks(PART).map(|part| make(root, part, own)).collect::<Result<_, _>>()?;
        Ok(parts.into_iter().flatten().collect())
    }
}

fn make(
    root: &OwnedFd,
    part: &[Waiting],
    own: (u32, u32),
) -> Result<Vec<(usize, ContentDigest)>, ApplyError> {
    let mut out = Vec::with_capacity(part.len());
    let mut open: Option<(RootPath, OwnedFd)> = None;
    for file in part {
        let dir = parent(&file.path);
        let (_, fd) = match open.take().filter(|(known, _)| *known == dir) {
            Some(known) => open.insert(known),
            None => {
                let fd = open_dir(root, dir.relative()).map_err(ApplyError::io("open", &dir))?;
                open.insert((dir, fd))
            }
        };
        let name = file.path.name().unwrap_or_default();
        let new = create(fd.as_fd(), name).map_err(ApplyError::io("make", &file.path))?;
        let mut new = File::from(new);
        new.write_all(&file.bytes).map_err(ApplyError::io("write", &file.path))?;
        set_by_fd(new.as_fd(), &file.entry, own).map_err(ApplyError::io("set metadata of", &file.path))?;
        out.push((file.inode, ContentDigest::of(&file.bytes)));
    }
    Ok(out)
}
