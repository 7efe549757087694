//! Reading files of a context, and noticing when they are no longer those that were walked.

use super::table::{Payload, Stamp};
use super::{ATTRIBUTES, Context, NO_ATTRIBUTES};
use crate::layer::dirfd::{open_below, open_dir};
use crate::layer::scan::hash_reader;
use crate::layer::xattr::{self, Target, Xattrs};
use crate::tree::TreeError;
use oci::entry::Mtime;
use oci::{ContentDigest, Entry, Kind, RootPath};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, OFlags, Statx, StatxFlags, fstatfs, statx};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;

/// File systems that change the ctime with every change of content or metadata, and let nobody set it: ext2 to 4,
/// XFS, Btrfs, tmpfs, ramfs, overlay, F2FS, ZFS, bcachefs, JFS, EROFS, SquashFS. What servers and FUSE programs
/// report is their own business.
const KEEP_CTIME: [u64; 12] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0x0102_1994,
    0x8584_58F6,
    0x794C_7630,
    0xF2F5_2010,
    0x2FC1_2FC1,
    0xCA45_1A4E,
    0x3153_464A,
    0xE0F5_E1E2,
    0x7371_7368,
];

/// A file is not what it was when the context was walked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Changed {
    #[error("it changed during the build")]
    Content,
    #[error("it was removed during the build")]
    Removed,
}

pub(super) fn stamp(stat: &Statx) -> Stamp {
    let time = |time: &rustix::fs::StatxTimestamp| Mtime { secs: time.tv_sec, nanos: time.tv_nsec };
    Stamp {
        dev: u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor),
        ino: stat.stx_ino,
        size: stat.stx_size,
        mtime: time(&stat.stx_mtime),
        ctime: time(&stat.stx_ctime),
        mode: u32::from(stat.stx_mode),
    }
}

/// Whether the file system of this directory is one of [`KEEP_CTIME`].
pub(super) fn keeps_ctime(root: &OwnedFd, path: &RootPath) -> io::Result<bool> {
    let dir = open_dir(root, path.relative())?;
    let kind = fstatfs(&dir)?.f_type;
    Ok(u64::try_from(kind).is_ok_and(|kind| KEEP_CTIME.contains(&(kind & 0xFFFF_FFFF))))
}

impl Context {
    /// The entry of node `at`. `parent` keeps its directory open between calls for siblings.
    pub(super) fn entry(&self, at: usize, parent: &mut Option<OwnedFd>) -> Entry {
        let node = self.table.node(at);
        let mut kind = self.table.kind(at);
        if let Kind::File { digest, .. } = &mut kind {
            *digest = self.digests[at].get().copied();
        }
        let xattrs = self.xattrs(at, parent);
        let (uid, gid) = (node.uid, node.gid);
        Entry { kind, mode: node.stamp.mode & 0o7777, uid, gid, mtime: node.stamp.mtime, xattrs }
    }

    /// Attributes that cannot be read count as none: whoever needs the file fails to open it.
    fn xattrs(&self, at: usize, parent: &mut Option<OwnedFd>) -> Xattrs {
        if self.attributes[at].load(Ordering::Relaxed) == NO_ATTRIBUTES {
            return Xattrs::new();
        }
        match self.read_xattrs(at, parent) {
            Ok(found) => self.remember(at, found),
            Err(_) => Xattrs::new(),
        }
    }

    fn remember(&self, at: usize, found: Xattrs) -> Xattrs {
        let state = if found.is_empty() { NO_ATTRIBUTES } else { ATTRIBUTES };
        self.attributes[at].store(state, Ordering::Relaxed);
        found
    }

    fn read_xattrs(&self, at: usize, parent: &mut Option<OwnedFd>) -> io::Result<Xattrs> {
        if at == 0 {
            return Ok(xattr::read(Target::Fd(self.root.as_fd()))?.kept);
        }
        let dir = match parent {
            Some(dir) => dir,
            None => {
                let path = self.table.path(self.table.node(at).parent as usize);
                parent.insert(open_below(&self.root, path.relative(), OFlags::PATH | OFlags::DIRECTORY)?)
            }
        };
        let name = CString::new(self.table.name(at))?;
        Ok(xattr::read(Target::Name(dir.as_fd(), &name))?.kept)
    }

    /// Opens node `at`, a regular file, if it is still the one that was walked.
    pub(super) fn open_file(&self, at: usize, path: &RootPath) -> Result<File, TreeError> {
        if self.table.node(at).payload != Payload::File {
            return Err(TreeError::NotFile(path.clone()));
        }
        let fd = open_below(&self.root, path.relative(), OFlags::RDONLY | OFlags::NONBLOCK);
        let fd = fd.map_err(gone).map_err(TreeError::io("open", path))?;
        self.check(at, &fd).map_err(TreeError::io("read", path))?;
        Ok(File::from(fd))
    }

    /// BLAKE3 of node `at`.
    pub(super) fn hash(&self, at: usize, path: &RootPath) -> Result<ContentDigest, TreeError> {
        let mut file = self.open_file(at, path)?;
        let size = self.table.node(at).stamp.size;
        let (digest, read) = hash_reader(&mut file, size).map_err(TreeError::io("read", path))?;
        if self.attributes[at].load(Ordering::Relaxed) == 0
            && let Ok(found) = xattr::read(Target::Fd(file.as_fd()))
        {
            self.remember(at, found.kept);
        }
        let unchanged = self.check(at, &file).map_err(TreeError::io("read", path));
        if unchanged.is_ok() && read != size {
            return Err(TreeError::io("read", path)(io::Error::other(Changed::Content)));
        }
        unchanged.map(|()| digest)
    }

    fn check(&self, at: usize, file: &impl AsFd) -> io::Result<()> {
        let found = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS)?;
        match stamp(&found) == self.table.node(at).stamp {
            true => Ok(()),
            false => Err(io::Error::other(Changed::Content)),
        }
    }
}

/// A path that the walk saw can be missing, or behind a link, only because somebody changed it.
fn gone(error: io::Error) -> io::Error {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => {
            io::Error::other(Changed::Removed)
        }
        _ => error,
    }
}
