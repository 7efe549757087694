//! Paths inside the root: resolved as a chroot would, handed on as descriptors, never as strings.

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, mkdirat, mknodat, openat, openat2, readlinkat, statat,
};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// As many links as the kernel follows in one path.
const MAX_LINKS: u32 = 40;

const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What to make at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Directory,
    File,
}

fn relative(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
    if start == path.len() { b"." } else { &path[start..] }
}

/// Opens `path` with every link clamped to `root`.
pub(super) fn resolve(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(root, relative(path), PATH, Mode::empty(), how)?)
}

/// Opens `path`, a real directory reached through real directories, making it (and nothing else) if missing.
pub(super) fn real_directory(root: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    let open = || openat2(root, relative(path), PATH | OFlags::DIRECTORY, Mode::empty(), how);
    match open() {
        Err(Errno::NOENT) => {
            let (dir, name) = split(relative(path));
            let dir = openat2(root, dir, PATH | OFlags::DIRECTORY, Mode::empty(), how)?;
            mkdirat(&dir, name, Mode::from(0o755))?;
            Ok(open()?)
        }
        other => Ok(other?),
    }
}

/// Directory and last name of a relative path.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b".", path),
    }
}

/// Opens `path`, making what is missing of it: directories 0755, a file 0644. Dangling links lead to where they
/// point, clamped to the root. Each thing made is added to `made`, relative to the root, outermost first.
pub(super) fn ensure(
    root: BorrowedFd<'_>,
    path: &[u8],
    want: Want,
    made: &mut Vec<Vec<u8>>,
) -> io::Result<OwnedFd> {
    match resolve(root, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Walk::new(root)?.make(path, want, made),
        other => other,
    }
}

/// Where a walk stands: one descriptor and name a level; the first is the root.
struct Walk {
    levels: Vec<(OwnedFd, Vec<u8>)>,
    /// Names still to come, last first.
    todo: Vec<Vec<u8>>,
    links: u32,
}

impl Walk {
    fn new(root: BorrowedFd<'_>) -> io::Result<Walk> {
        Ok(Walk { levels: vec![(root.try_clone_to_owned()?, Vec::new())], todo: Vec::new(), links: 0 })
    }

    fn push(&mut self, path: &[u8]) {
        self.todo.extend(path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
    }

    fn here(&self) -> io::Result<BorrowedFd<'_>> {
        self.levels.last().map(|(fd, _)| fd.as_fd()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn make(mut self, path: &[u8], want: Want, made: &mut Vec<Vec<u8>>) -> io::Result<OwnedFd> {
        self.push(path);
        while let Some(name) = self.todo.pop() {
            match name.as_slice() {
                b"" | b"." => {}
                b".." if self.levels.len() > 1 => drop(self.levels.pop()),
                b".." => {}
                _ => self.step(name, want, made)?,
            }
        }
        self.levels.pop().map(|(fd, _)| fd).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn step(&mut self, name: Vec<u8>, want: Want, made: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let here = self.here()?;
        let last = self.todo.iter().all(|name| matches!(name.as_slice(), b"" | b"."));
        match statat(here, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Symlink => {
                return self.follow(&name);
            }
            Ok(_) => {}
            Err(Errno::NOENT) => {
                if last && want == Want::File {
                    mknodat(here, name.as_slice(), FileType::RegularFile, Mode::from(0o644), 0)?;
                } else {
                    mkdirat(here, name.as_slice(), Mode::from(0o755))?;
                }
                made.push(self.path_of(&name));
            }
            Err(error) => return Err(error.into()),
        }
        let fd = openat(self.here()?, name.as_slice(), PATH | OFlags::NOFOLLOW, Mode::empty())?;
        self.levels.push((fd, name));
        Ok(())
    }

    fn follow(&mut self, name: &[u8]) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        let target = readlinkat(self.here()?, name, Vec::new())?.into_bytes();
        if target.starts_with(b"/") {
            self.levels.truncate(1);
        }
        self.push(&target);
        Ok(())
    }

    fn path_of(&self, name: &[u8]) -> Vec<u8> {
        let names = self.levels.iter().skip(1).map(|(_, name)| name.as_slice());
        names.chain([name]).collect::<Vec<_>>().join(&b'/')
    }
}

#[cfg(test)]
mod tests;
