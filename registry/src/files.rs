//! Where the files of a layout come from: a directory or a tar, behind one small trait.

use crate::Error;
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// An open file with its length in bytes.
pub(crate) struct Opened {
    pub(crate) size: u64,
    pub(crate) reader: Box<dyn Read + Send>,
}

/// A read-only set of regular files by relative name.
pub(crate) trait Files: Send + Sync {
    /// Opens a file; `None` if there is none of that name. `name` is plain: relative, without `.` and `..`.
    fn open(&self, name: &str) -> Result<Option<Opened>, Error>;

    /// Names of all files below `dir`, sorted. Diagnostics and whole-archive checks only.
    fn exists(&self, name: &str) -> Result<bool, Error> {
        Ok(self.open(name)?.is_some())
    }
}

/// Files of a directory. Nothing outside of it is ever opened: links that leave it are refused by the kernel.
#[derive(Debug)]
pub(crate) struct DirFiles {
    root: OwnedFd,
    path: PathBuf,
}

impl DirFiles {
    pub(crate) fn open_dir(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty())
            .map_err(|e| Error::io(format!("open directory {}", path.display()))(e.into()))?;
        Ok(Self { root, path: path.to_owned() })
    }
}

impl Files for DirFiles {
    fn open(&self, name: &str) -> Result<Option<Opened>, Error> {
        let what = || format!("open {}/{name}", self.path.display());
        // NONBLOCK: opening a planted fifo must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let fd = match rustix::fs::openat2(&self.root, name, flags, Mode::empty(), resolve) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
            Err(e) => return Err(Error::io(what())(e.into())),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|e| Error::io(what())(e.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(Error::malformed(
                format!("{}/{name}", self.path.display()),
                "it is not a regular file",
            ));
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Some(Opened { size, reader: Box::new(File::from(fd)) }))
    }
}
