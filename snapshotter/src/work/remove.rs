//! Removes trees of any shape: no link is followed, no depth is too deep, no mode is in the way.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, SeekFrom, chmodat, openat, renameat, unlinkat,
};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

/// Directories open at a time. What lies deeper is moved up to the top first.
const DEPTH: usize = 32;

/// Removes whatever is at `path`, which may be nothing. The tree must not change meanwhile.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match unlinkat(CWD, path, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    let top = match open(CWD, path) {
        Err(Errno::NOENT) => return Ok(()),
        top => top?,
    };
    let mut remover = Remover { top: top.as_fd(), moved: 0 };
    // Each round removes all but what it moved to the top.
    while remover.empty(top.as_fd(), 0)? {}
    unlinkat(CWD, path, AtFlags::REMOVEDIR)?;
    Ok(())
}

struct Remover<'a> {
    top: BorrowedFd<'a>,
    moved: u64,
}

impl Remover<'_> {
    /// Removes what is in `dir`. Returns whether something was moved to the top on the way.
    fn empty(&mut self, dir: BorrowedFd<'_>, depth: usize) -> io::Result<bool> {
        let before = self.moved;
        for (name, is_dir) in list(dir)? {
            if !is_dir {
                match unlinkat(dir, &name, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => continue,
                    // The file system did not tell what it is.
                    Err(Errno::ISDIR) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if depth >= DEPTH {
                self.hoist(dir, &name)?;
                continue;
            }
            // Most directories to be removed are empty, or few.
            match unlinkat(dir, &name, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            let sub = open(dir, &name)?;
            self.empty(sub.as_fd(), depth + 1)?;
            unlinkat(dir, &name, AtFlags::REMOVEDIR)?;
        }
        Ok(self.moved > before)
    }

    fn hoist(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
        loop {
            let free = format!(".lapstrake-removed-{}", self.moved);
            self.moved += 1;
            match renameat(dir, name, self.top, &free) {
                Ok(()) => return Ok(()),
                // A file or a full directory has that name.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                Err(Errno::ACCESS) => chmodat(dir, name, Mode::RWXU, AtFlags::empty())?,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Opens a directory so that its contents can be removed, whatever its mode.
fn open<P: rustix::path::Arg + Copy>(parent: impl AsFd, name: P) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = openat(parent.as_fd(), name, flags, Mode::empty());
    let fd = match opened {
        Err(Errno::ACCESS) => {
            // Its owner may, whatever the mode says. Nobody else changes this tree: the name is still a directory.
            chmodat(parent.as_fd(), name, Mode::RWXU, AtFlags::empty())?;
            openat(parent, name, flags, Mode::empty())?
        }
        opened => opened?,
    };
    if !rustix::process::geteuid().is_root() {
        rustix::fs::fchmod(&fd, Mode::RWXU)?;
    }
    Ok(fd)
}

/// Names in `dir`, and whether each is known to be a directory.
fn list(dir: BorrowedFd<'_>) -> io::Result<Vec<(CString, bool)>> {
    rustix::fs::seek(dir, SeekFrom::Start(0))?;
    let mut buffer = vec![MaybeUninit::uninit(); 1 << 15];
    let mut iter = RawDir::new(dir, &mut buffer);
    let mut out = Vec::new();
    while let Some(entry) = iter.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            out.push((entry.file_name().to_owned(), entry.file_type() == FileType::Directory));
        }
    }
    Ok(out)
}
