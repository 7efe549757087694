//! mount_setattr.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Changes to the attributes of a mount (`MOUNT_ATTR_*`, `MS_PRIVATE` and its like).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct MountAttributes {
    /// Bits to set.
    pub(crate) set: u64,
    /// Propagation type, 0 to leave it.
    pub(crate) propagation: u64,
    /// Also for all mounts below.
    pub(crate) recursive: bool,
}

/// Applies `attributes` to the mount that `fd` is the root of.
pub(crate) fn mount_setattr(fd: BorrowedFd<'_>, attributes: MountAttributes) -> io::Result<()> {
    let attr = libc::mount_attr {
        attr_set: attributes.set,
        attr_clr: 0,
        propagation: attributes.propagation,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if attributes.recursive { libc::AT_RECURSIVE } else { 0 };
    let empty: &CStr = c"";
    // SAFETY: all pointers live across the call, and the size is that of the structure passed.
    super::check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd.as_raw_fd(),
            empty.as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}
