//! SSH agents: a socket of the step's own, whose every connection goes on to the agent.

use super::super::request::SshAgent;
use super::secret::similar;
use super::{MountFailure, Shared};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an agent of the build's own may take to open its socket.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(5);

/// What the agent of the build's own waits for: the end of its standard input, which comes with the end of this
/// process, however it ends. It is an argument of a shell, and holds nothing of ours.
const UNTIL_END: &str = "cat >/dev/null; kill \"$SSH_AGENT_PID\"";

/// The step's end of an agent.
pub(super) struct Socket {
    /// File name.
    pub(super) name: String,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// An agent that is given, by its name.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    id: &'a str,
    agent: &'a SshAgent,
}

/// The agent `id`; `None` if it is neither given nor required.
pub(super) fn find<'a>(
    shared: &'a Shared,
    id: &'a str,
    required: bool,
) -> Result<Option<Known<'a>>, MountFailure> {
    match shared.request.ssh.get(id) {
        Some(agent) => Ok(Some(Known { id, agent })),
        None if required => {
            let similar = similar(id, shared.request.ssh.keys());
            Err(MountFailure::NoAgent { id: id.to_owned(), similar })
        }
        None => Ok(None),
    }
}

/// Forwards connections until it is dropped.
#[derive(Debug)]
pub(super) struct Agent {
    socket: PathBuf,
    state: Arc<State>,
    listener: Option<JoinHandle<()>>,
    /// Last: it ends when the connections are gone.
    _own: Option<OwnAgent>,
}

#[derive(Debug, Default)]
struct State {
    over: AtomicBool,
    open: Mutex<Vec<UnixStream>>,
}

/// An ssh-agent with keys of the user's: ends with this value, and with this process.
#[derive(Debug)]
struct OwnAgent(Child);

impl Drop for OwnAgent {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            tracing::warn!(%error, "wait for the build's SSH agent");
        }
    }
}

/// A socket's address has little room: the directory goes by its descriptor.
struct Short {
    _dir: rustix::fd::OwnedFd,
    path: PathBuf,
}

fn short(dir: &Path, name: &str) -> io::Result<Short> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(dir, flags, Mode::empty())?;
    let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), fd.as_raw_fd())).join(name);
    Ok(Short { _dir: fd, path })
}

fn connect(socket: &Path) -> io::Result<UnixStream> {
    let dir = socket.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    UnixStream::connect(short(dir, &name.to_string_lossy())?.path)
}

impl Agent {
    /// Opens the step's socket in `dir`.
    pub(super) fn start(known: Known<'_>, dir: &Path, socket: &Socket) -> Result<Agent, MountFailure> {
        let Known { id, agent } = known;
        let (target, own) = match agent {
            SshAgent::Socket(path) => (path.clone(), None),
            SshAgent::Keys(keys) => {
                let path = dir.join(format!("own-{}", socket.name));
                let own = own_agent(id, keys, &path)?;
                (path, Some(own))
            }
        };
        // One that is not there is better said now than by ssh in the step.
        let refused = |source| MountFailure::Agent { id: id.to_owned(), path: target.clone(), source };
        connect(&target).map_err(refused)?;
        let path = dir.join(&socket.name);
        let listener = listen(dir, socket).map_err(MountFailure::io("make the socket", &path))?;
        let state = Arc::new(State::default());
        let accepting = Arc::clone(&state);
        let listener = std::thread::spawn(move || accept(&listener, &target, &accepting));
        Ok(Agent { socket: path, state, listener: Some(listener), _own: own })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        if connect(&self.socket).is_ok()
            && let Some(listener) = self.listener.take()
            && listener.join().is_err()
        {
            tracing::warn!("the forwarding of an SSH agent panicked");
        }
        for stream in self.state.open().drain(..) {
            shut(&stream, Shutdown::Both);
        }
    }
}

impl State {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<UnixStream>> {
        // Each change is one call.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listen(dir: &Path, socket: &Socket) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(short(dir, &socket.name)?.path)?;
    let path = dir.join(&socket.name);
    let (uid, gid) = (Uid::from_raw(socket.uid), Gid::from_raw(socket.gid));
    rustix::fs::chownat(CWD, &path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    rustix::fs::chmodat(CWD, &path, Mode::from_raw_mode(socket.mode & 0o777), AtFlags::empty())?;
    Ok(listener)
}

fn accept(listener: &UnixListener, target: &Path, state: &State) {
    for client in listener.incoming() {
        if state.over.load(Ordering::SeqCst) {
            return;
        }
        let forwarded = client.and_then(|client| forward(client, connect(target)?, state));
        if let Err(error) = forwarded {
            tracing::warn!(%error, agent = %target.display(), "forward a connection to an SSH agent");
            // Not to spin where descriptors have run out.
            std::thread::sleep(PAUSE);
        }
    }
}

/// Both directions, each in a thread of its own that ends with its connection.
fn forward(client: UnixStream, agent: UnixStream, state: &State) -> io::Result<()> {
    state.open().extend([client.try_clone()?, agent.try_clone()?]);
    for (from, to) in [(client.try_clone()?, agent.try_clone()?), (agent, client)] {
        std::thread::Builder::new().spawn(move || pass(from, to))?;
    }
    Ok(())
}

fn pass(mut from: UnixStream, mut to: UnixStream) {
    // A connection that breaks is over, on either side.
    if let Err(error) = io::copy(&mut from, &mut to).and_then(|_| to.flush()) {
        tracing::debug!(%error, "an SSH agent's connection broke");
    }
    shut(&to, Shutdown::Write);
}

fn shut(stream: &UnixStream, how: Shutdown) {
    if let Err(error) = stream.shutdown(how) {
        tracing::trace!(%error, "a connection was closed already");
    }
}

/// Starts ssh-agent on `socket` and gives it `keys`.
fn own_agent(id: &str, keys: &[PathBuf], socket: &Path) -> Result<OwnAgent, MountFailure> {
    let failed = |program| move |source| MountFailure::AgentProgram { program, id: id.to_owned(), source };
    let (dir, name) = (socket.parent().unwrap_or(socket), socket.file_name().unwrap_or_default());
    let address = short(dir, &name.to_string_lossy()).map_err(failed("ssh-agent"))?;
    let agent = Command::new("ssh-agent")
        .arg("-a")
        .arg(&address.path)
        .args(["sh", "-c", UNTIL_END])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let mut own = OwnAgent(agent.map_err(failed("ssh-agent"))?);
    let began = Instant::now();
    while let Err(error) = connect(socket) {
        let ended = own.0.try_wait().map_err(failed("ssh-agent"))?.is_some();
        if ended || began.elapsed() > PATIENCE {
            return Err(failed("ssh-agent")(error));
        }
        std::thread::sleep(PAUSE);
    }
    for key in keys {
        // By standard input: the modes of the file are the user's business.
        let file = std::fs::File::open(key).map_err(MountFailure::io("read the SSH key", key))?;
        let added = Command::new("ssh-add")
            .args(["-q", "-"])
            .env("SSH_AUTH_SOCK", &address.path)
            .env("SSH_ASKPASS_REQUIRE", "never")
            .stdin(file)
            .process_group(0)
            .output()
            .map_err(failed("ssh-add"))?;
        if !added.status.success() {
            let output = String::from_utf8_lossy(&added.stderr).trim().to_owned();
            return Err(MountFailure::Key { id: id.to_owned(), key: key.clone(), output });
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests;
