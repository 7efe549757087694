//! The directory that a layer is unpacked into. Everything is reached from its descriptor, and no symbolic link is
//! ever followed.

use super::ApplyError;
use super::batch::Batch;
use super::content;
use crate::layer::dirfd::{names, open_dir, open_root};
use crate::layer::members::{Member, Members};
use crate::layer::xattr::{self, Target};
use oci::entry::Mtime;
use oci::{ContentDigest, Entry, Kind, RootPath};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown, futimens,
    linkat, makedev, mkdirat, mknodat, openat, symlinkat, unlinkat, utimensat,
};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub(super) struct Place {
    root: OwnedFd,
    /// The directory used last: most members lie beside the one before.
    dir: Option<(RootPath, OwnedFd)>,
    /// Owner and group that new files get by themselves.
    own: (u32, u32),
}

impl Place {
    pub(super) fn open(dir: &Path) -> Result<Self, ApplyError> {
        let at = RootPath::root();
        let root = open_root(dir).map_err(ApplyError::io("open", &at))?;
        if !names(&root).map_err(ApplyError::io("list", &at))?.is_empty() {
            return Err(ApplyError::NotEmpty);
        }
        let own = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(Self { root, dir: None, own })
    }

    /// Makes the files that wait in `batch`.
    pub(super) fn make_all(&self, batch: &mut Batch) -> Result<Vec<(usize, ContentDigest)>, ApplyError> {
        batch.make(&self.root, self.own)
    }

    pub(super) fn mkdir(&mut self, path: &RootPath) -> Result<(), ApplyError> {
        // Its metadata comes at the very end: until then it must stay writable.
        self.at(path, "make directory", |dir, name| mkdirat(dir, name, Mode::RWXU))
    }

    pub(super) fn remove(&mut self, path: &RootPath, is_dir: bool) -> Result<(), ApplyError> {
        if self.dir.as_ref().is_some_and(|(dir, _)| dir == path) {
            self.dir = None;
        }
        let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        self.at(path, "replace", |dir, name| unlinkat(dir, name, flags))
    }

    pub(super) fn whiteout(&mut self, path: &RootPath) -> Result<(), ApplyError> {
        self.at(path, "make whiteout", |dir, name| {
            mknodat(dir, name, FileType::CharacterDevice, Mode::empty(), makedev(0, 0))
        })
    }

    pub(super) fn link(&mut self, target: &RootPath, path: &RootPath) -> Result<(), ApplyError> {
        let error = ApplyError::io("link", path);
        let target_dir = parent(target);
        let from =
            open_dir(&self.root, target_dir.relative()).map_err(ApplyError::io("open", &target_dir))?;
        let old = target.name().unwrap_or_default();
        self.in_dir(path, |dir, new| linkat(&from, old, dir, new, AtFlags::empty())).map_err(error)
    }

    /// Makes something that is neither a directory nor a regular file, with its metadata.
    pub(super) fn node(&mut self, path: &RootPath, entry: &Entry) -> Result<(), ApplyError> {
        let mode = Mode::from_raw_mode(entry.mode);
        self.at(path, "make", |dir, name| match &entry.kind {
            Kind::Symlink(target) => symlinkat(target.as_slice(), dir, name),
            Kind::CharDevice(major, minor) => {
                mknodat(dir, name, FileType::CharacterDevice, mode, makedev(*major, *minor))
            }
            Kind::BlockDevice(major, minor) => {
                mknodat(dir, name, FileType::BlockDevice, mode, makedev(*major, *minor))
            }
            _ => mknodat(dir, name, FileType::Fifo, mode, 0),
        })?;
        let set = |dir: BorrowedFd<'_>, name: &[u8]| set_by_name(dir, name, entry);
        self.in_dir(path, set).map_err(ApplyError::io("set metadata of", path))
    }

    /// Makes a regular file from the current member's data; returns `entry` with its digest.
    pub(super) fn file(
        &mut self,
        path: &RootPath,
        mut entry: Entry,
        member: &Member,
        members: &mut Members<&mut dyn Read>,
        buffer: &mut Vec<u8>,
    ) -> Result<Entry, ApplyError> {
        let mut file = File::from(self.in_dir(path, create).map_err(ApplyError::io("make", path))?);
        let found = content::write(&mut file, path, member, members, buffer)?;
        if let Kind::File { digest, .. } = &mut entry.kind {
            *digest = Some(found);
        }
        set_by_fd(file.as_fd(), &entry, self.own).map_err(ApplyError::io("set metadata of", path))?;
        Ok(entry)
    }

    /// Sets mode, owner, attributes and mtime of a directory or regular file, and overlay's mark if it is opaque.
    pub(super) fn metadata(&mut self, path: &RootPath, entry: &Entry) -> Result<(), ApplyError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |dir: BorrowedFd<'_>, name: &[u8]| openat(dir, name, flags, Mode::empty());
        let fd = self.in_dir(path, open).map_err(ApplyError::io("open", path))?;
        // An owner may have been set before, so none is taken for granted.
        set_by_fd(fd.as_fd(), entry, (u32::MAX, u32::MAX)).map_err(ApplyError::io("set metadata of", path))
    }

    fn at<T>(
        &mut self,
        path: &RootPath,
        action: &'static str,
        call: impl FnOnce(BorrowedFd<'_>, &[u8]) -> rustix::io::Result<T>,
    ) -> Result<T, ApplyError> {
        self.in_dir(path, call).map_err(ApplyError::io(action, path))
    }

    /// Calls `call` with the directory that holds `path`, and its name there: `.` for the root itself.
    fn in_dir<T, E: Into<io::Error>>(
        &mut self,
        path: &RootPath,
        call: impl FnOnce(BorrowedFd<'_>, &[u8]) -> Result<T, E>,
    ) -> io::Result<T> {
        let Some(name) = path.name() else { return call(self.root.as_fd(), b".").map_err(Into::into) };
        let dir = parent(path);
        let known = self.dir.take().filter(|(known, _)| *known == dir);
        let (_, fd) = match known {
            Some(known) => self.dir.insert(known),
            None => {
                let fd = open_dir(&self.root, dir.relative())?;
                self.dir.insert((dir, fd))
            }
        };
        call(fd.as_fd(), name).map_err(Into::into)
    }
}

/// Makes a new regular file that only we may use so far.
pub(super) fn create(dir: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::RUSR | Mode::WUSR)
}

pub(super) fn parent(path: &RootPath) -> RootPath {
    path.parent().unwrap_or_else(RootPath::root)
}

/// In this order: a new owner clears set-id bits and capabilities, and a new mode changes an ACL's mask.
pub(super) fn set_by_fd(fd: BorrowedFd<'_>, entry: &Entry, own: (u32, u32)) -> io::Result<()> {
    if own != (entry.uid, entry.gid) {
        fchown(fd, Some(Uid::from_raw(entry.uid)), Some(Gid::from_raw(entry.gid)))?;
    }
    fchmod(fd, Mode::from_raw_mode(entry.mode))?;
    for (name, value) in &entry.xattrs {
        xattr::set(Target::Fd(fd), name, value)?;
    }
    if entry.kind == (Kind::Dir { opaque: true }) {
        xattr::set(Target::Fd(fd), xattr::OPAQUE, b"y")?;
    }
    Ok(futimens(fd, &times(entry.mtime))?)
}

fn set_by_name(dir: BorrowedFd<'_>, name: &[u8], entry: &Entry) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if !matches!(entry.kind, Kind::Symlink(_)) {
        // Made just now by us: it is no symbolic link.
        rustix::fs::chmodat(dir, name, Mode::from_raw_mode(entry.mode), AtFlags::empty())?;
    }
    let c_name = CString::new(name)?;
    for (key, value) in &entry.xattrs {
        xattr::set(Target::Name(dir, &c_name), key, value)?;
    }
    Ok(utimensat(dir, name, &times(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

fn times(mtime: Mtime) -> Timestamps {
    let time = Timespec { tv_sec: mtime.secs, tv_nsec: mtime.nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}
