//! bpf(2): load and attach a device program.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// One eBPF instruction as the kernel lays it out.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BpfInstruction {
    /// Operation.
    pub(crate) code: u8,
    /// Destination register in the low half, source in the high one.
    pub(crate) registers: u8,
    /// Jump or memory offset.
    pub(crate) offset: i16,
    /// Constant.
    pub(crate) immediate: i32,
}

const PROG_LOAD: libc::c_int = 5;
const PROG_ATTACH: libc::c_int = 8;
const PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const ATTACH_CGROUP_DEVICE: u32 = 6;

#[repr(C)]
struct LoadAttr {
    prog_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kernel_version: u32,
    prog_flags: u32,
}

#[repr(C)]
struct AttachAttr {
    target_fd: u32,
    attach_bpf_fd: u32,
    attach_type: u32,
    attach_flags: u32,
}

/// Loads a program of type BPF_PROG_TYPE_CGROUP_DEVICE.
pub(crate) fn load_device_program(program: &[BpfInstruction]) -> io::Result<OwnedFd> {
    let attr = LoadAttr {
        prog_type: PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(program.len()).unwrap_or(u32::MAX),
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kernel_version: 0,
        prog_flags: 0,
    };
    // SAFETY: the kernel reads `attr` and the instructions it points to during the call only; both live.
    let fd = super::check(unsafe {
        libc::syscall(libc::SYS_bpf, PROG_LOAD, &raw const attr, size_of::<LoadAttr>())
    })?;
    // SAFETY: a successful load returns a fresh descriptor (opened close-on-exec) that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(|_| io::ErrorKind::InvalidData)?) })
}

/// Attaches `program` to a cgroup v2 directory; it ends with that directory.
pub(crate) fn attach_device_program(cgroup: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let attr = AttachAttr {
        target_fd: cgroup.as_raw_fd().unsigned_abs(),
        attach_bpf_fd: program.as_raw_fd().unsigned_abs(),
        attach_type: ATTACH_CGROUP_DEVICE,
        attach_flags: 0,
    };
    // SAFETY: the kernel reads `attr` during the call only.
    super::check(unsafe {
        libc::syscall(libc::SYS_bpf, PROG_ATTACH, &raw const attr, size_of::<AttachAttr>())
    })?;
    Ok(())
}
