//! Calls on the calling process.

use std::io;

/// One classic BPF instruction, as seccomp takes it.
pub(crate) type Filter = libc::sock_filter;

/// Ends the process at once: no destructors, no buffers flushed. Right in a child that shares its parent's memory.
pub(crate) fn exit_now(status: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Marks every descriptor from `first` on close-on-exec.
pub(crate) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: with CLOSE_RANGE_CLOEXEC no descriptor is closed, so no owner is left with a dead one.
    super::check(unsafe {
        libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
    })?;
    Ok(())
}

/// Every signal back to its default action, none blocked.
pub(crate) fn reset_signals() {
    // Past libc, which hides the two signals that it uses itself; whoever started us may ignore these too.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        // SAFETY: the kernel reads one struct sigaction of four words: handler SIG_DFL, no flags, no restorer, an
        // empty mask. The two signals that refuse it are left alone.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), std::ptr::null_mut::<u64>(), 8)
        };
    }
    // SAFETY: an empty set is valid, and no old set is asked for.
    unsafe {
        let mut empty: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut empty);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, std::ptr::null_mut());
    }
}

/// Loads `program` for this thread. Needs CAP_SYS_ADMIN or no_new_privs.
pub(crate) fn load_seccomp(program: &[Filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program during the call and never writes to it.
    super::check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
    })?;
    Ok(())
}

/// Sets a limit by its number; `u64::MAX` is no limit.
pub(crate) fn setrlimit_raw(resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the kernel reads one rlimit during the call.
    super::check(unsafe { libc::setrlimit(resource, &raw const limit) }.into())?;
    Ok(())
}
