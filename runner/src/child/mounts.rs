//! Mounts by descriptor.

use crate::sys::{self, MountAttributes};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// `nosuid,noexec,..` as mount attribute bits.
pub(super) fn attribute_bits(names: &str) -> io::Result<u64> {
    names.split(',').filter(|name| !name.is_empty()).try_fold(0, |bits, name| {
        let bit = match name {
            "ro" => MountAttrFlags::MOUNT_ATTR_RDONLY,
            "nosuid" => MountAttrFlags::MOUNT_ATTR_NOSUID,
            "nodev" => MountAttrFlags::MOUNT_ATTR_NODEV,
            "noexec" => MountAttrFlags::MOUNT_ATTR_NOEXEC,
            "strictatime" => MountAttrFlags::MOUNT_ATTR_STRICTATIME,
            _ => return Err(io::ErrorKind::InvalidInput.into()),
        };
        Ok(bits | u64::from(bit.bits()))
    })
}

/// Adds attributes to a mount.
pub(super) fn seal(mount: BorrowedFd<'_>, attributes: &str, recursive: bool) -> io::Result<()> {
    match attribute_bits(attributes)? {
        0 => Ok(()),
        set => sys::mount_setattr(mount, MountAttributes { set, propagation: 0, recursive }),
    }
}

/// A new file system, detached.
pub(super) fn new(kind: &str, options: &str, attributes: &str) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    if !options.starts_with("source=") {
        fsconfig_set_string(&context, "source", kind)?;
    }
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some((name, value)) => fsconfig_set_string(&context, name, value)?,
            None => fsconfig_set_flag(&context, option)?,
        }
    }
    fsconfig_create(&context)?;
    let bits = u32::try_from(attribute_bits(attributes)?).map_err(|_| io::ErrorKind::InvalidInput)?;
    let attributes = MountAttrFlags::from_bits_retain(bits);
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Puts a detached mount on what `target` refers to.
pub(super) fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(mount, "", target, "", flags)?)
}

/// A detached copy of the mount at `source`, of that place alone or with what is mounted below.
pub(super) fn copy(source: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(source, "", flags)?)
}

/// All mounts of this namespace stop sharing events with those they were copied from.
pub(super) fn make_all_private() -> io::Result<()> {
    let root = openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let attributes = MountAttributes { set: 0, propagation: libc::MS_PRIVATE, recursive: true };
    sys::mount_setattr(root.as_fd(), attributes)
}

/// An overlay, volatile: neither fsync inside nor the unmounting waits for the disk (an overlay that is unmounted
/// else syncs the whole file system below it). What a step made is synced, or distrusted after a power loss, as a
/// whole; a container's own layer has no reader after its end.
///
/// Its layers are given by descriptors: their names are then short, need no escapes, and tell nothing of the host
/// inside the container.
pub(super) struct Overlay<'a> {
    /// Lowest first.
    pub(super) lower: &'a [OwnedFd],
    /// Upper and work directory. Without them it is read-only, and needs two layers.
    pub(super) changes: Option<[&'a OwnedFd; 2]>,
}

fn name(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

impl Overlay<'_> {
    /// Mounts it on `at` and returns its root.
    pub(super) fn mount(&self, at: &Path) -> io::Result<OwnedFd> {
        match self.detached() {
            Ok(mount) => {
                move_mount(&mount, "", CWD, at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
                Ok(mount)
            }
            // Before Linux 6.8 there is no lowerdir+.
            Err(Errno::INVAL) => self.mount_by_options(at),
            Err(error) => Err(error.into()),
        }
    }

    fn detached(&self) -> Result<OwnedFd, Errno> {
        let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "source", "overlay")?;
        for layer in self.lower.iter().rev() {
            fsconfig_set_string(&context, "lowerdir+", name(layer))?;
        }
        for (key, value) in FEATURES_OFF {
            fsconfig_set_string(&context, key, value)?;
        }
        if let Some([upper, work]) = self.changes {
            fsconfig_set_string(&context, "upperdir", name(upper))?;
            fsconfig_set_string(&context, "workdir", name(work))?;
            fsconfig_set_flag(&context, "volatile")?;
        }
        fsconfig_create(&context)?;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
    }

    /// The older interface takes one page of options: some 230 layers.
    fn mount_by_options(&self, at: &Path) -> io::Result<OwnedFd> {
        let lower: Vec<String> = self.lower.iter().rev().map(name).collect();
        let mut options = format!("lowerdir={}", lower.join(":"));
        for (key, value) in FEATURES_OFF {
            options += &format!(",{key}={value}");
        }
        if let Some([upper, work]) = self.changes {
            options += &format!(",upperdir={},workdir={},volatile", name(upper), name(work));
        }
        if options.len() >= 4096 {
            return Err(io::Error::from_raw_os_error(libc::E2BIG));
        }
        let options = CString::new(options)?;
        rustix::mount::mount(
            "overlay",
            at,
            "overlay",
            rustix::mount::MountFlags::empty(),
            options.as_c_str(),
        )?;
        Ok(openat(CWD, at, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }
}

/// A layer must mean the same on every host: nothing but plain whiteouts and opaque directories in the upper
/// directory, whatever the kernel's defaults.
const FEATURES_OFF: [(&str, &str); 4] =
    [("redirect_dir", "off"), ("metacopy", "off"), ("index", "off"), ("xino", "off")];

#[cfg(test)]
mod tests;
