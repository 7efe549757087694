//! clone3 as vfork: the child runs a closure in the caller's memory while the caller waits.

use std::arch::asm;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the sandbox knows the system call table and the clone3 entry of x86-64 alone");

/// What [`clone_vfork`] made.
#[derive(Debug)]
pub(crate) struct Cloned {
    /// Process id in the caller's namespace.
    pub(crate) pid: i32,
    /// Refers to it for good.
    pub(crate) pidfd: OwnedFd,
}

/// Stack of the child. Untouched pages cost nothing.
const STACK: usize = 512 * 1024;

/// libc's constant of this name does not fit its type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

struct Entry<'a> {
    body: &'a mut dyn FnMut() -> i32,
}

extern "C" fn enter(entry: *mut Entry<'_>) -> ! {
    // SAFETY: `entry` points into the frame of `clone_vfork`, which the kernel keeps suspended (CLONE_VFORK)
    // until this process executes another program or ends.
    let status = unsafe { ((*entry).body)() };
    super::exit_now(status)
}

fn arguments(
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    stack: &mut [u8],
    pidfd: &mut RawFd,
) -> libc::clone_args {
    // SAFETY: clone_args is plain integers; all zero is its documented default.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = namespaces | (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD) as u64;
    args.pidfd = std::ptr::from_mut(pidfd) as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    // Aligned as calls need it.
    args.stack = (stack.as_mut_ptr() as u64 + 15) & !15;
    args.stack_size = (stack.len() as u64 - 16) & !15;
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    args
}

/// Clones with `namespaces` (CLONE_NEW* bits), into `cgroup` if one is given. Returns once `body` has executed
/// a program or returned its exit status. Memory is shared with the child meanwhile: what `body` writes, the
/// caller sees. The calling process must have one thread.
pub(crate) fn clone_vfork(
    namespaces: u64,
    cgroup: Option<BorrowedFd<'_>>,
    body: &mut dyn FnMut() -> i32,
) -> io::Result<Cloned> {
    let mut stack = vec![0_u8; STACK];
    let mut pidfd: RawFd = -1;
    let mut args = arguments(namespaces, cgroup, &mut stack, &mut pidfd);
    let mut entry = Entry { body };
    let result: i64;
    // SAFETY: the child starts on its own stack with nothing of ours on it and calls `enter`, which never
    // returns; the parent resumes behind label 2 with its own stack and registers, as after any system call.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw mut args,
            in("rsi") size_of::<libc::clone_args>(),
            in("r12") &raw mut entry,
            in("r13") enter as extern "C" fn(*mut Entry<'_>) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    drop(stack);
    if result < 0 {
        return Err(io::Error::from_raw_os_error(i32::try_from(-result).unwrap_or(libc::EINVAL)));
    }
    // SAFETY: the kernel stored a fresh descriptor there; nobody else owns it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned { pid: i32::try_from(result).unwrap_or(-1), pidfd })
}
