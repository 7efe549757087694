//! The caller's side: start a sandbox, wait for it, kill it.

use crate::cgroup;
use crate::error::SandboxError;
use crate::facts::HostFacts;
use crate::plan::{self, SetupOp};
use crate::seccomp;
use crate::spec::{Exit, Spec};
use crate::sys::{self, MountAttributes};
use crate::wire::{GUARD, Order, Report};
use oci::mount::RootMount;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path};
use std::process::{Child, Command, Stdio};
use std::sync::{Once, OnceLock};
use std::time::Duration;

mod check;

/// What one of the three standard streams is connected to.
#[derive(Debug, Default)]
pub enum Stream {
    /// `/dev/null`.
    #[default]
    Null,
    /// The same as ours.
    Inherit,
    /// A new pipe; [`Running`] has the other end.
    Piped,
    /// This descriptor.
    Fd(OwnedFd),
}

/// The standard streams of a sandbox. With a terminal in the spec only `window` counts.
#[derive(Debug, Default)]
pub struct Io {
    /// Standard input.
    pub stdin: Stream,
    /// Standard output.
    pub stdout: Stream,
    /// Standard error.
    pub stderr: Stream,
    /// Columns and rows of a terminal.
    pub window: Option<(u16, u16)>,
}

/// Starts sandboxes.
#[derive(Debug)]
pub struct Sandbox;

/// A process in its sandbox. Dropped, it is killed, and nothing of it is left.
#[derive(Debug)]
pub struct Running {
    /// Write end of a piped standard input.
    pub stdin: Option<File>,
    /// Read end of a piped standard output.
    pub stdout: Option<File>,
    /// Read end of a piped standard error.
    pub stderr: Option<File>,
    /// Master of the terminal.
    pub terminal: Option<OwnedFd>,
    pidfd: OwnedFd,
    control: Option<OwnedFd>,
    guard: Child,
    exit: Option<Exit>,
}

impl Sandbox {
    /// Starts `spec.argv`. Returns when the program has been executed; an error means that nothing is left
    /// of the sandbox, but for files in its scratch directory.
    pub fn spawn(spec: &Spec, io: Io) -> Result<Running, SandboxError> {
        check::check(spec)?;
        let facts = HostFacts::probe()?;
        sweep_once(&facts);
        let ops = plan::plan(spec, &facts);
        let RootMount::Overlay { upper, .. } = &spec.root;
        let order = Order {
            ops,
            clean: spec.remove_stubs.then(|| upper.clone()),
            own_streams: [&io.stdin, &io.stdout, &io.stderr].map(|stream| matches!(stream, Stream::Piped)),
            window: io.window,
        };
        let streams = if spec.terminal { Streams::default() } else { Streams::open(io)? };
        let (guard, control) = start_guard()?;
        let mut starting = Starting { guard, control, terminal: None };
        let pidfd = starting.give(&order, &streams).and_then(|()| starting.started());
        match pidfd {
            Ok(pidfd) => Ok(starting.running(pidfd, streams)),
            Err(error) => Err(starting.failed(error)),
        }
    }
}

impl Sandbox {
    /// Kills every process of the sandbox whose spec has this id, whoever started it. Returns whether there was one.
    pub fn kill(id: &str) -> Result<bool, SandboxError> {
        let facts = HostFacts::probe()?;
        let killed = cgroup::kill(facts.cgroups.unified.as_deref(), id);
        killed.map_err(|source| SandboxError::Start { what: "kill its cgroup", source })
    }
}

/// Cgroups of guards that were killed themselves, by an earlier process. A failure here stops nobody.
fn sweep_once(facts: &HostFacts) {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| match cgroup::sweep(facts.cgroups.unified.as_deref()) {
        Ok(0) => {}
        Ok(swept) => tracing::debug!(swept, "removed cgroups of dead sandboxes"),
        Err(error) => tracing::warn!(%error, "sweep cgroups of dead sandboxes"),
    });
}

/// The three ends that the child gets, and ours of those that are pipes.
#[derive(Default)]
struct Streams {
    theirs: Vec<OwnedFd>,
    ours: [Option<File>; 3],
}

impl Streams {
    fn open(io: Io) -> Result<Streams, SandboxError> {
        let mut streams = Streams::default();
        for (number, stream) in [io.stdin, io.stdout, io.stderr].into_iter().enumerate() {
            let (theirs, ours) =
                open_stream(number, stream).map_err(SandboxError::start("open its streams"))?;
            streams.theirs.push(theirs);
            streams.ours[number] = ours;
        }
        Ok(streams)
    }
}

fn open_stream(number: usize, stream: Stream) -> io::Result<(OwnedFd, Option<File>)> {
    match stream {
        Stream::Null => {
            Ok((File::options().read(number == 0).write(number != 0).open("/dev/null")?.into(), None))
        }
        Stream::Inherit => {
            let own = match number {
                0 => rustix::stdio::stdin(),
                1 => rustix::stdio::stdout(),
                _ => rustix::stdio::stderr(),
            };
            Ok((own.try_clone_to_owned()?, None))
        }
        Stream::Piped => {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            Ok(if number == 0 { (read, Some(write.into())) } else { (write, Some(read.into())) })
        }
        Stream::Fd(fd) => Ok((fd, None)),
    }
}

/// This executable by a read-only mount of its own. A container may run `/proc/self/exe` and then try to write
/// to it: through this mount nobody can.
fn own_executable() -> Result<BorrowedFd<'static>, SandboxError> {
    static EXECUTABLE: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(fd) = EXECUTABLE.get() {
        return Ok(fd.as_fd());
    }
    let open = || -> io::Result<OwnedFd> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let mount = open_tree(rustix::fs::CWD, "/proc/self/exe", flags)?;
        let set = MountAttrFlags::MOUNT_ATTR_RDONLY.bits().into();
        sys::mount_setattr(mount.as_fd(), MountAttributes { set, ..MountAttributes::default() })?;
        Ok(mount)
    };
    let fd = open().map_err(SandboxError::start("mount this executable read-only (needs root)"))?;
    Ok(EXECUTABLE.get_or_init(|| fd).as_fd())
}

fn device_program() -> Result<BorrowedFd<'static>, SandboxError> {
    static PROGRAM: OnceLock<OwnedFd> = OnceLock::new();
    if let Some(fd) = PROGRAM.get() {
        return Ok(fd.as_fd());
    }
    let fd = cgroup::devices::load().map_err(SandboxError::start("load the device program (bpf)"))?;
    Ok(PROGRAM.get_or_init(|| fd).as_fd())
}

/// The guard gets our end of a socket as its standard input; everything else comes through it.
fn start_guard() -> Result<(Child, OwnedFd), SandboxError> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC);
    let (ours, theirs) = pair.map_err(io::Error::from).map_err(SandboxError::start("make a socket pair"))?;
    let program = format!("/proc/self/fd/{}", own_executable()?.as_raw_fd());
    // The standard library starts it as vfork does: no code of ours runs between.
    let guard = Command::new(program)
        .arg0(GUARD)
        .env_clear()
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(SandboxError::start("execute the guard"))?;
    Ok((guard, ours))
}

/// A guard that has not reported yet.
struct Starting {
    guard: Child,
    control: OwnedFd,
    terminal: Option<OwnedFd>,
}

impl Starting {
    fn give(&self, order: &Order, streams: &Streams) -> Result<(), SandboxError> {
        let capabilities = order.ops.iter().find_map(|op| match op {
            SetupOp::Bounding(mask) => Some(*mask),
            _ => None,
        });
        let filter = if order.ops.contains(&SetupOp::Seccomp) {
            seccomp::filter(capabilities.unwrap_or(0))
        } else {
            Vec::new()
        };
        let memory = order.write(&filter).map_err(SandboxError::start("write the plan"))?;
        let mut fds = vec![memory.as_fd(), device_program()?];
        fds.extend(streams.theirs.iter().map(AsFd::as_fd));
        sys::send_with_fds(self.control.as_fd(), b"plan", &fds).map_err(SandboxError::start("send the plan"))
    }

    /// Waits until the program runs: its pidfd.
    fn started(&mut self) -> Result<OwnedFd, SandboxError> {
        loop {
            let report =
                Report::receive(&self.control).map_err(SandboxError::start("hear from the guard"))?;
            match report {
                Some((Report::Terminal, fds)) => self.terminal = fds.into_iter().next(),
                Some((Report::Started, fds)) => {
                    return fds
                        .into_iter()
                        .next()
                        .ok_or(SandboxError::Lost { status: "no pidfd".to_owned() });
                }
                Some((Report::Failed(failure), _)) => return Err(failure.into()),
                Some((Report::Exited(..), _)) | None => {
                    return Err(SandboxError::Lost { status: String::new() });
                }
            }
        }
    }

    fn failed(self, error: SandboxError) -> SandboxError {
        let Starting { mut guard, control, .. } = self;
        drop(control);
        match (guard.wait(), error) {
            (Ok(status), SandboxError::Lost { .. }) => SandboxError::Lost { status: status.to_string() },
            (_, error) => error,
        }
    }

    fn running(self, pidfd: OwnedFd, streams: Streams) -> Running {
        let Starting { guard, control, terminal } = self;
        let [stdin, stdout, stderr] = streams.ours;
        Running { stdin, stdout, stderr, terminal, pidfd, control: Some(control), guard, exit: None }
    }
}

impl Running {
    /// Waits for the process to end. All others of its namespace are dead then, stubs and cgroup removed.
    pub fn wait(&mut self) -> Result<Exit, SandboxError> {
        loop {
            if let Some(exit) = self.wait_for(None)? {
                return Ok(exit);
            }
        }
    }

    /// As [`Running::wait`], for at most `timeout`. None: it runs on.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Option<Exit>, SandboxError> {
        self.wait_for(Some(timeout))
    }

    fn wait_for(&mut self, timeout: Option<Duration>) -> Result<Option<Exit>, SandboxError> {
        let Some(control) = &self.control else { return Ok(self.exit) };
        if let Some(timeout) = timeout {
            let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 });
            let mut fds = [PollFd::new(control, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(None),
                Ok(_) => {}
                Err(error) => return Err(SandboxError::start("wait for the guard")(error.into())),
            }
        }
        let report = Report::receive(control).map_err(SandboxError::start("hear from the guard"))?;
        self.control = None;
        let status = self.guard.wait().map_err(SandboxError::start("wait for the guard"))?;
        match report {
            Some((Report::Exited(exit, notes), _)) => {
                for note in notes {
                    let error = SandboxError::from(note);
                    tracing::warn!(error = &error as &dyn std::error::Error, "clean up after a sandbox");
                }
                self.exit = Some(exit);
                Ok(Some(exit))
            }
            Some((Report::Failed(failure), _)) => Err(failure.into()),
            _ => Err(SandboxError::Lost { status: status.to_string() }),
        }
    }

    /// Sends `signal` to the first process. One without a handler for it ignores it, but for SIGKILL and SIGSTOP.
    /// An ended process is no error.
    pub fn kill(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal).ok_or(io::ErrorKind::InvalidInput)?;
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Refers to the first process: readable when it has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// A second handle for killing from another thread.
    pub fn killer(&self) -> io::Result<Killer> {
        Ok(Killer(self.pidfd.try_clone()?))
    }
}

/// Kills a sandbox from another thread than the one that waits.
#[derive(Debug)]
pub struct Killer(OwnedFd);

impl Killer {
    /// As [`Running::kill`].
    pub fn kill(&self, signal: i32) -> io::Result<()> {
        let signal = Signal::from_named_raw(signal).ok_or(io::ErrorKind::InvalidInput)?;
        match pidfd_send_signal(&self.0, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The guard kills everything when its socket closes.
        if self.control.take().is_some()
            && let Err(error) = self.guard.wait()
        {
            tracing::warn!(%error, "wait for the guard of a dropped sandbox");
        }
    }
}
