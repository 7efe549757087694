//! The only unsafe code of the project: one wrapper per call that neither nix nor rustix offers safely.
//! No policy here.
#![allow(
    unsafe_code,
    reason = "system calls without a safe wrapper elsewhere; each block says why it is sound"
)]

mod bpf;
mod clone;
mod mount;
mod net;
mod process;
mod socket;

pub(crate) use bpf::{BpfInstruction, attach_device_program, load_device_program};
pub(crate) use clone::{Cloned, clone_vfork};
pub(crate) use mount::{MountAttributes, mount_setattr};
pub(crate) use net::loopback_up;
pub(crate) use process::{Filter, close_on_exec_from, exit_now, load_seccomp, reset_signals, setrlimit_raw};
pub(crate) use socket::{receive_with_fds, send_with_fds};

use std::io;

/// The kernel's convention of C wrappers: -1 means errno.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
