//! The guard.

use super::clean::remove_stubs;
use super::setup::Setup;
use crate::cgroup::Cgroup;
use crate::error::{At, Failure, Step};
use crate::plan::SetupOp;
use crate::spec::Exit;
use crate::sys::{self, Cloned, Filter};
use crate::wire::{Order, Report};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, setsid, waitid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

const CLONE_ALWAYS: i32 = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;

/// All must fit one message.
const MAX_NOTES: usize = 4;

/// What the parent sent.
struct Received {
    order: Order,
    filter: Vec<Filter>,
    devices: OwnedFd,
    streams: Vec<OwnedFd>,
}

/// Runs one sandbox for the parent at the other end of standard input. Returns the exit status.
pub(super) fn run() -> i32 {
    sys::reset_signals();
    // Executed by descriptor, it would show as a number. Only a name: nothing depends on it.
    rustix::thread::set_name(c"lapstrake-init").unwrap_or_default();
    // A session of its own: the terminal's Ctrl-C goes to the parent, who decides. A leader already has one.
    if let Err(error) = setsid() {
        debug_assert_eq!(error, rustix::io::Errno::PERM);
    }
    rustix::process::umask(Mode::empty());
    // Out of the way of the three streams.
    let Ok(control) = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 10) else { return 1 };
    let outcome = receive(control.as_fd()).and_then(|received| sandbox(received, control.as_fd()));
    let report = match outcome {
        Ok((exit, notes)) => Report::Exited(exit, notes),
        Err(failure) => Report::Failed(failure),
    };
    // The parent may be gone; then nobody asks.
    i32::from(report.send(control.as_fd(), &[]).is_err())
}

fn receive(control: BorrowedFd<'_>) -> Result<Received, Failure> {
    let missing = || Failure::new(Step::ReceivePlan, "", &io::ErrorKind::UnexpectedEof.into());
    let (length, fds) = sys::receive_with_fds(control, &mut [0; 8]).at(Step::ReceivePlan, "")?;
    let mut fds = fds.into_iter();
    let (Some(order), Some(devices)) = (fds.next(), fds.next()) else { return Err(missing()) };
    if length == 0 {
        return Err(missing());
    }
    let (order, filter) = Order::read(order).at(Step::ReceivePlan, "")?;
    Ok(Received { order, filter, devices, streams: fds.collect() })
}

fn sandbox(received: Received, control: BorrowedFd<'_>) -> Result<(Exit, Vec<Failure>), Failure> {
    sys::close_on_exec_from(3).at(Step::ReceivePlan, "")?;
    let Received { order, filter, devices, streams } = received;
    let upper = order.clean.as_deref().map(open_upper).transpose()?;
    let mut cgroup = None;
    let mut namespaces = CLONE_ALWAYS;
    for op in &order.ops {
        match op {
            SetupOp::Cgroup { hierarchy, parent, name, every_device } => {
                let made = Cgroup::create(hierarchy.as_deref(), parent, name)?;
                let fenced = if *every_device { Ok(()) } else { made.fence(devices.as_fd()) };
                cgroup = Some(made);
                if fenced.is_err() {
                    return finish(fenced.map(|()| Exit::Code(0)), cgroup, None, &[]);
                }
            }
            SetupOp::Namespaces { network: true } => namespaces |= libc::CLONE_NEWNET,
            _ => {}
        }
    }
    let mut setup = Setup::new(&order, &filter, &streams, control);
    let into = cgroup.as_ref().map(Cgroup::fd);
    let cloned = sys::clone_vfork(u64::from(namespaces.unsigned_abs()), into, &mut || setup.run());
    let (failure, stubs) = setup.finish();
    drop(streams);
    let ended = match cloned.at(Step::Clone, "") {
        Ok(cloned) => live(&cloned, failure, control),
        Err(failure) => Err(failure),
    };
    finish(ended, cgroup, upper.as_ref().map(AsFd::as_fd), &stubs)
}

fn open_upper(upper: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, upper, flags, Mode::empty()).at(Step::OpenLayer, upper.display().to_string())
}

/// From the clone to the end of the process: reports the start, kills when the parent is gone.
fn live(cloned: &Cloned, failure: Option<Failure>, control: BorrowedFd<'_>) -> Result<Exit, Failure> {
    if let Some(failure) = failure {
        wait(cloned)?;
        return Err(failure);
    }
    let told = Report::Started.send(control, &[cloned.pidfd.as_fd()]).is_ok();
    if !told || !ended_first(cloned, control).at(Step::Wait, "")? {
        // The parent is gone, or has let go: the first process takes all others of its namespace with it.
        pidfd_send_signal(&cloned.pidfd, Signal::KILL).at(Step::Wait, "")?;
    }
    wait(cloned)
}

/// Waits until the process ends, or the parent's end of the socket is closed.
fn ended_first(cloned: &Cloned, control: BorrowedFd<'_>) -> Result<bool, rustix::io::Errno> {
    let mut fds =
        [PollFd::new(&cloned.pidfd, PollFlags::IN), PollFd::from_borrowed_fd(control, PollFlags::IN)];
    while let Err(error) = poll(&mut fds, None) {
        if error != rustix::io::Errno::INTR {
            return Err(error);
        }
    }
    Ok(!fds[0].revents().is_empty())
}

fn wait(cloned: &Cloned) -> Result<Exit, Failure> {
    loop {
        match waitid(WaitId::PidFd(cloned.pidfd.as_fd()), WaitIdOptions::EXITED) {
            Ok(Some(status)) => {
                let code =
                    status.exit_status().map(|code| Exit::Code(u8::try_from(code & 0xff).unwrap_or(255)));
                let signal = || Exit::Signal(status.terminating_signal().unwrap_or(libc::SIGKILL));
                return Ok(code.unwrap_or_else(signal));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).at(Step::Wait, cloned.pid.to_string()),
        }
    }
}

/// Cleans up after a sandbox that ended, or never began. What cannot be cleaned is reported beside the outcome.
fn finish(
    ended: Result<Exit, Failure>,
    cgroup: Option<Cgroup>,
    upper: Option<BorrowedFd<'_>>,
    stubs: &[Vec<u8>],
) -> Result<(Exit, Vec<Failure>), Failure> {
    let mut notes: Vec<Failure> = cgroup.and_then(|cgroup| cgroup.remove().err()).into_iter().collect();
    if let Some(upper) = upper {
        notes.extend(remove_stubs(upper, stubs));
    }
    notes.truncate(MAX_NOTES);
    ended.map(|exit| (exit, notes))
}
