//! Removal of the mount-point stubs that had to be made in the upper directory.

use crate::error::{At, Failure, Step};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, openat2, statat, unlinkat};
use rustix::io::Errno;
use std::os::fd::BorrowedFd;

/// Removes `stubs`, paths relative to `upper` in the order of their making, last first: empty files and empty
/// directories only. Never leaves `upper`, never follows a link: what the process put in a stub's place stays.
pub(super) fn remove_stubs(upper: BorrowedFd<'_>, stubs: &[Vec<u8>]) -> Vec<Failure> {
    let failures = stubs.iter().rev().filter_map(|stub| match remove(upper, stub) {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NOTEMPTY | Errno::EXIST) => None,
        Err(error) => Err::<(), _>(error).at(Step::RemoveStubs, String::from_utf8_lossy(stub)).err(),
    });
    failures.collect()
}

fn remove(upper: BorrowedFd<'_>, stub: &[u8]) -> Result<(), Errno> {
    let slash = stub.iter().rposition(|byte| *byte == b'/');
    let (dir, name) = slash.map_or((&b"."[..], stub), |at| (&stub[..at], &stub[at + 1..]));
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let dir = openat2(upper, dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), how)?;
    let found = statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Directory => unlinkat(&dir, name, AtFlags::REMOVEDIR),
        FileType::RegularFile if found.st_size == 0 => unlinkat(&dir, name, AtFlags::empty()),
        _ => Ok(()),
    }
}
