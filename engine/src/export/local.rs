//! The root file system as a directory: what `type=local` gives.
//!
//! As BuildKit does it: files belong to the caller, and an existing directory is merged into, so that what the image
//! does not have stays. Nothing outside of the directory is written, whatever links are in it: every name is used
//! relative to its open parent, and never followed.

use super::flat::{link_to, view};
use super::sink::Cancelable;
use super::{BuildResult, ExportError};
use crate::cancel::Cancel;
use oci::{Entry, Kind, RootPath};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags};
use rustix::io::Errno;
use snapshotter::store::Store;
use snapshotter::tree::Tree;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The name under which a file is written before it takes its place. No image has it: it would be refused as a clash.
const TEMPORARY: &str = ".lapstrake-export-temporary";

pub(super) fn write(
    store: &Store,
    result: &BuildResult,
    dest: &Path,
    cancel: &Cancel,
) -> Result<(), ExportError> {
    write_tree(&view(store, result)?, result.epoch, dest, cancel)
}

/// Writes a tree into `dest`. A new directory appears whole or not at all.
pub(super) fn write_tree(
    tree: &dyn Tree,
    epoch: Option<i64>,
    dest: &Path,
    cancel: &Cancel,
) -> Result<(), ExportError> {
    let io = || ExportError::io(format!("write directory {}", dest.display()));
    let merge = match fs::read_dir(dest) {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => false,
        Err(e) => return Err(io()(e)),
    };
    if merge {
        return Writer::open(tree, epoch, dest, cancel)?.all();
    }
    let dest = &fs::canonicalize(dest).unwrap_or_else(|_| dest.to_owned());
    let parent = dest.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io())?;
    let temporary = tempfile::Builder::new().prefix(".lapstrake-").tempdir_in(parent).map_err(io())?;
    Writer::open(tree, epoch, temporary.path(), cancel)?.all()?;
    // An empty directory keeps its own mode; a new one gets that of any other directory made here.
    let mode = fs::metadata(dest)
        .map_or_else(|_| std::os::unix::fs::PermissionsExt::from_mode(0o755), |m| m.permissions());
    fs::set_permissions(temporary.path(), mode).map_err(io())?;
    match fs::rename(temporary.path(), dest) {
        Ok(()) => drop(temporary.keep()),
        // A mount point cannot be replaced: fill it.
        Err(e) if e.raw_os_error() == Some(Errno::BUSY.raw_os_error()) => {
            Writer::open(tree, epoch, dest, cancel)?.all()?;
        }
        Err(e) => return Err(io()(e)),
    }
    Ok(())
}

struct Writer<'a> {
    tree: &'a dyn Tree,
    epoch: Option<i64>,
    cancel: &'a Cancel,
    root: OwnedFd,
    /// Open directories from the root down to the current one, with the entries that they get when they are complete.
    open: Vec<(RootPath, OwnedFd, Option<Entry>)>,
}

type Done = Result<(), (&'static str, io::Error)>;

impl<'a> Writer<'a> {
    fn open(
        tree: &'a dyn Tree,
        epoch: Option<i64>,
        dest: &Path,
        cancel: &'a Cancel,
    ) -> Result<Self, ExportError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(CWD, dest, flags, Mode::empty());
        let io = |e: Errno| ExportError::io(format!("open directory {}", dest.display()))(e.into());
        let root = open().map_err(io)?;
        let first = open().map_err(io)?;
        Ok(Self { tree, epoch, cancel, root, open: vec![(RootPath::root(), first, None)] })
    }

    fn all(mut self) -> Result<(), ExportError> {
        let entries =
            self.tree.walk(&RootPath::root()).map_err(ExportError::store("read the root file system"))?;
        for (path, entry) in entries.into_iter().filter(|(path, _)| !path.is_root()) {
            if self.cancel.is_canceled() {
                return Err(ExportError::Canceled);
            }
            self.leave_to(&path).and_then(|()| self.entry(&path, entry)).map_err(|(action, source)| {
                ExportError::Io { what: format!("{action} {path} in the output directory"), source }
            })?;
        }
        let end = self.leave_to(&RootPath::root());
        end.map_err(|(action, source)| ExportError::Io {
            what: format!("{action} a directory of the output"),
            source,
        })
    }

    /// Completes the directories that do not hold `path`.
    fn leave_to(&mut self, path: &RootPath) -> Done {
        while self
            .open
            .last()
            .is_some_and(|(dir, ..)| !dir.is_root() && (!path.starts_with(dir) || path == dir))
        {
            if let Some((_, fd, Some(entry))) = self.open.pop() {
                self.finish(fd.as_fd(), &entry)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: &RootPath, entry: Entry) -> Done {
        let (Some(name), Some((_, parent, _))) = (path.name(), self.open.last()) else { return Ok(()) };
        let parent = parent.as_fd();
        if entry.is_dir() {
            let fd = make_dir(parent, name).map_err(|e| ("make directory", e.into()))?;
            self.open.push((path.clone(), fd, Some(entry)));
            return Ok(());
        }
        unlink(parent, TEMPORARY.as_bytes()).map_err(|e| ("clear the way for", e.into()))?;
        let made = self.make(parent, path, &entry);
        let placed = made.and_then(|()| place(parent, name).map_err(|e| ("put in place", e.into())));
        if placed.is_err() && unlink(parent, TEMPORARY.as_bytes()).is_err() {
            tracing::warn!("a temporary file is left beside {path}");
        }
        placed
    }

    /// Makes anything but a directory under the temporary name.
    fn make(&self, parent: BorrowedFd<'_>, path: &RootPath, entry: &Entry) -> Done {
        match &entry.kind {
            Kind::File { .. } if link_to(entry).is_some_and(|head| self.link(parent, head).is_ok()) => Ok(()),
            Kind::File { size, .. } => self.file(parent, path, entry, *size),
            Kind::Symlink(target) => {
                rustix::fs::symlinkat(target.as_slice(), parent, TEMPORARY)
                    .map_err(|e| ("link", e.into()))?;
                self.times(parent, entry).map_err(|e| ("set the time of", e.into()))
            }
            Kind::CharDevice(major, minor) => {
                self.node(parent, entry, FileType::CharacterDevice, (*major, *minor))
            }
            Kind::BlockDevice(major, minor) => {
                self.node(parent, entry, FileType::BlockDevice, (*major, *minor))
            }
            Kind::Fifo => self.node(parent, entry, FileType::Fifo, (0, 0)),
            Kind::Dir { .. } | Kind::Socket | Kind::Whiteout => Ok(()),
        }
    }

    fn link(&self, parent: BorrowedFd<'_>, head: &RootPath) -> rustix::io::Result<()> {
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let dir = head.parent().unwrap_or_else(RootPath::root);
        let dir: &[u8] = if dir.is_root() { b"." } else { dir.relative() };
        let dir = rustix::fs::openat2(&self.root, dir, flags | OFlags::DIRECTORY, Mode::empty(), resolve)?;
        let name = head.name().ok_or(Errno::INVAL)?;
        rustix::fs::linkat(&dir, name, parent, TEMPORARY, AtFlags::empty())
    }

    fn file(&self, parent: BorrowedFd<'_>, path: &RootPath, entry: &Entry, size: u64) -> Done {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(parent, TEMPORARY, flags, Mode::RUSR | Mode::WUSR);
        let mut to = File::from(fd.map_err(|e| ("create", e.into()))?);
        let from = self.tree.open(path).map_err(|e| ("read", io::Error::other(e)))?;
        let copied = if size > 1 << 26 {
            let mut from = Cancelable { inner: from, cancel: self.cancel };
            io::copy(&mut from, &mut to)
        } else {
            // Files as they are: the kernel copies, or shares, the bytes.
            io::copy(&mut &from, &mut to)
        };
        if copied.map_err(|e| ("write", e))? != size {
            return Err(("read", io::ErrorKind::UnexpectedEof.into()));
        }
        self.finish(to.as_fd(), entry)
    }

    /// Mode, xattrs and times of an open file or directory.
    fn finish(&self, fd: BorrowedFd<'_>, entry: &Entry) -> Done {
        for (name, value) in &entry.xattrs {
            match rustix::fs::fsetxattr(fd, name.as_slice(), value, XattrFlags::empty()) {
                // The file system has none, or they are for root alone.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
                Err(e) => return Err(("set an xattr of", e.into())),
            }
        }
        rustix::fs::fchmod(fd, Mode::from_raw_mode(entry.mode)).map_err(|e| ("set the mode of", e.into()))?;
        rustix::fs::futimens(fd, &self.stamps(entry)).map_err(|e| ("set the time of", e.into()))
    }

    fn node(
        &self,
        parent: BorrowedFd<'_>,
        entry: &Entry,
        kind: FileType,
        (major, minor): (u32, u32),
    ) -> Done {
        let mode = Mode::from_raw_mode(entry.mode);
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(parent, TEMPORARY, kind, mode, device).map_err(|e| ("make device", e.into()))?;
        // Not subject to the umask. The name is ours, in a directory that we hold open.
        rustix::fs::chmodat(parent, TEMPORARY, mode, AtFlags::empty())
            .map_err(|e| ("set the mode of", e.into()))?;
        self.times(parent, entry).map_err(|e| ("set the time of", e.into()))
    }

    fn times(&self, parent: BorrowedFd<'_>, entry: &Entry) -> rustix::io::Result<()> {
        rustix::fs::utimensat(parent, TEMPORARY, &self.stamps(entry), AtFlags::SYMLINK_NOFOLLOW)
    }

    fn stamps(&self, entry: &Entry) -> Timestamps {
        let late = self.epoch.filter(|epoch| entry.mtime.secs >= *epoch);
        let time = match late {
            Some(epoch) => Timespec { tv_sec: epoch, tv_nsec: 0 },
            None => Timespec { tv_sec: entry.mtime.secs, tv_nsec: entry.mtime.nanos.into() },
        };
        Timestamps { last_access: time, last_modification: time }
    }
}

/// Makes or keeps a directory and opens it. Anything else of that name is removed.
fn make_dir(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::mkdirat(parent, name, Mode::RWXU) {
        Err(Errno::EXIST) => {
            let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                unlink(parent, name)?;
                rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
            }
        }
        made => made?,
    }
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Renames the temporary file to `name`; a directory that is in its way is removed.
fn place(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    match rustix::fs::renameat(parent, TEMPORARY, parent, name) {
        Err(Errno::ISDIR | Errno::NOTEMPTY | Errno::EXIST) => {
            remove_tree(parent, name)?;
            rustix::fs::renameat(parent, TEMPORARY, parent, name)?;
        }
        renamed => renamed?,
    }
    // Renaming one hard link over another of the same file does nothing.
    unlink(parent, TEMPORARY.as_bytes())
}

fn unlink(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

/// Removes a directory with all that is in it; links are removed, not followed.
fn remove_tree(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    for entry in rustix::fs::Dir::read_from(&dir)? {
        let entry = entry?;
        let child = entry.file_name().to_bytes();
        if child == b"." || child == b".." {
            continue;
        }
        match rustix::fs::unlinkat(&dir, child, AtFlags::empty()) {
            Err(Errno::ISDIR | Errno::PERM) => remove_tree(dir.as_fd(), child)?,
            other => other?,
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests;
