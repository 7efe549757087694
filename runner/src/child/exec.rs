//! The last steps: what the process is allowed, who it is, and the program.

use super::Done;
use super::setup::Setup;
use crate::error::{At, Failure, Step};
use crate::plan::{DEFAULT_PATH, SetupOp};
use crate::sys;
use rustix::fs::{FileType, Mode, fchown, fstat};
use rustix::process::{Gid, Signal, Uid, set_parent_process_death_signal, setsid, umask};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities, set_no_new_privs,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The kernel may know capabilities that we do not: all bits are tried.
const CAPABILITIES: u32 = 64;

pub(super) fn apply(op: &SetupOp) -> Done {
    match op {
        SetupOp::Limit { resource, soft, hard } => {
            let subject = crate::plan::limit_name(*resource).unwrap_or("of an unknown kind");
            sys::setrlimit_raw(*resource, *soft, *hard).at(Step::Limit, subject)
        }
        SetupOp::NoNewPrivileges => set_no_new_privs(true).at(Step::NoNewPrivileges, ""),
        SetupOp::Bounding(mask) => bounding(*mask).at(Step::Capabilities, format!("{mask:#x}")),
        SetupOp::Groups(groups) => {
            let groups: Vec<Gid> = groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
            set_thread_groups(&groups).at(Step::Groups, format!("{groups:?}"))
        }
        SetupOp::Ids { uid, gid, keep } => ids(*uid, *gid, *keep).at(Step::User, format!("{uid}:{gid}")),
        SetupOp::Capabilities(mask) => held(*mask, 0).at(Step::Capabilities, format!("{mask:#x}")),
        SetupOp::AmbientCapabilities(mask) => ambient(*mask).at(Step::Capabilities, format!("{mask:#x}")),
        SetupOp::DeathSignal => set_parent_process_death_signal(Some(Signal::KILL)).at(Step::DeathSignal, ""),
        SetupOp::Exec { argv, env } => execute(argv, env),
        // Every other step is the caller's.
        other => {
            Err(Failure::new(Step::ReceivePlan, format!("{other:?}"), &io::ErrorKind::Unsupported.into()))
        }
    }
}

pub(super) fn cgroup_namespace() -> Done {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP).at(Step::CgroupNamespace, "")
}

/// Standard input, output and error, in a session of its own.
pub(super) fn streams(setup: &Setup<'_>, uid: u32, gid: u32) -> Done {
    setsid().at(Step::Streams, "")?;
    if let Some(terminal) = &setup.terminal {
        rustix::process::ioctl_tiocsctty(terminal).at(Step::Terminal, "/dev/pts")?;
        fchown(terminal, Some(Uid::from_raw(uid)), None).at(Step::Terminal, "/dev/pts")?;
        return connect([terminal.as_fd(); 3]).at(Step::Streams, "");
    }
    let [input, output, error] = setup.streams else {
        return Err(Failure::new(Step::Streams, "", &io::ErrorKind::UnexpectedEof.into()));
    };
    let fds = [input.as_fd(), output.as_fd(), error.as_fd()];
    for (fd, own) in fds.iter().zip(setup.order.own_streams) {
        let pipe = || fstat(fd).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Fifo);
        if own && uid != 0 && pipe() {
            fchown(fd, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))).at(Step::Streams, "")?;
        }
    }
    connect(fds).at(Step::Streams, "")
}

fn connect([input, output, error]: [BorrowedFd<'_>; 3]) -> io::Result<()> {
    rustix::stdio::dup2_stdin(input)?;
    rustix::stdio::dup2_stdout(output)?;
    Ok(rustix::stdio::dup2_stderr(error)?)
}

fn bounding(mask: u64) -> io::Result<()> {
    for number in (0..CAPABILITIES).filter(|number| mask & (1 << number) == 0) {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // Above the kernel's highest.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(clear_ambient_capability_set()?)
}

fn held(mask: u64, inheritable: u64) -> io::Result<()> {
    let set = CapabilitySet::from_bits_retain(mask);
    let inheritable = CapabilitySet::from_bits_retain(inheritable);
    Ok(set_capabilities(None, CapabilitySets { effective: set, permitted: set, inheritable })?)
}

/// The sets of a user other than root, as far as the kernel knows the capabilities.
fn ambient(mask: u64) -> io::Result<()> {
    held(mask, mask)?;
    for number in (0..CAPABILITIES).filter(|number| mask & (1 << number) != 0) {
        configure_capability_in_ambient_set(CapabilitySet::from_bits_retain(1 << number), true)?;
    }
    Ok(())
}

fn ids(uid: u32, gid: u32, keep: bool) -> io::Result<()> {
    if keep {
        set_keep_capabilities(true)?;
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    set_thread_res_gid(gid, gid, gid)?;
    Ok(set_thread_res_uid(uid, uid, uid)?)
}

fn strings(words: &[String]) -> io::Result<Vec<CString>> {
    Ok(words.iter().map(|word| CString::new(word.as_str())).collect::<Result<_, _>>()?)
}

fn execute(argv: &[String], env: &[String]) -> Done {
    let program = argv.first().cloned().unwrap_or_default();
    let (Ok(argv), Ok(env)) = (strings(argv), strings(env)) else {
        return Err(Failure::new(Step::Exec, program, &io::Error::from_raw_os_error(libc::EINVAL)));
    };
    umask(Mode::from(0o022));
    let error = search(&program, &argv, &env).unwrap_or_else(|error| error);
    Err(Failure::new(Step::Exec, program, &error))
}

/// Tries the program where it may lie. Returns only the error that tells most.
fn search(program: &str, argv: &[CString], env: &[CString]) -> io::Result<io::Error> {
    if program.contains('/') {
        return Ok(attempt(&CString::new(program)?, argv, env));
    }
    let path = env.iter().find_map(|one| one.to_bytes().strip_prefix(b"PATH="));
    let path = path.unwrap_or(DEFAULT_PATH.as_bytes());
    let mut denied = None;
    for dir in path.split(|byte| *byte == b':').filter(|dir| dir.starts_with(b"/") && !program.is_empty()) {
        let candidate = CString::new([dir, b"/", program.as_bytes()].concat())?;
        let error = attempt(&candidate, argv, env);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => {}
            Some(libc::EACCES) => denied = Some(error),
            _ => return Ok(error),
        }
    }
    Ok(denied.unwrap_or_else(|| io::Error::from_raw_os_error(libc::ENOENT)))
}

fn attempt(program: &CStr, argv: &[CString], env: &[CString]) -> io::Error {
    let error = match nix::unistd::execve(program, argv, env) {
        Err(error) => io::Error::from(error),
        Ok(never) => match never {},
    };
    let directory = error.raw_os_error() == Some(libc::EACCES)
        && rustix::fs::stat(program)
            .is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory);
    if directory { io::Error::from_raw_os_error(libc::EISDIR) } else { error }
}
