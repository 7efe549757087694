//! A pseudo terminal of the container's own /dev/pts.

use super::Done;
use super::mounts;
use super::paths::Want;
use super::setup::Setup;
use crate::error::{At, Step};
use crate::wire::Report;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// Character devices of this major number are slaves of pseudo terminals, up to 143.
const SLAVES: std::ops::RangeInclusive<u32> = 136..=143;

/// Opens a pair, sends the master to the parent, and puts the slave on /dev/console.
pub(super) fn allocate(setup: &mut Setup<'_>) -> Done {
    let place = "/dev/pts";
    let (master, slave) = pair(setup).at(Step::Terminal, place)?;
    if let Some((columns, rows)) = setup.order.window {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).at(Step::Terminal, place)?;
    }
    Report::Terminal.send(setup.control, &[master.as_fd()]).at(Step::Terminal, place)?;
    let console = setup.ensure("/dev/console", Want::File).at(Step::Terminal, "/dev/console")?;
    let mount = mounts::copy(slave.as_fd(), false).at(Step::Terminal, "/dev/console")?;
    mounts::attach(mount.as_fd(), console.as_fd()).at(Step::Terminal, "/dev/console")?;
    setup.terminal = Some(slave);
    Ok(())
}

fn pair(setup: &Setup<'_>) -> io::Result<(OwnedFd, OwnedFd)> {
    let pts = setup.resolve("/dev/pts")?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let master = openat(&pts, "ptmx", flags, Mode::empty())?;
    unlockpt(&master)?;
    // The slave by the master, not by name: nothing can have been put in its place.
    let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    let found = fstat(&slave)?;
    let real = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
        && SLAVES.contains(&rustix::fs::major(found.st_rdev));
    if real { Ok((master, slave)) } else { Err(io::Error::from_raw_os_error(libc::ENODEV)) }
}
