//! RUN: a process in a sandbox over the chain below; what it leaves in the overlay's upper directory is the layer.

use super::debug;
use super::drive::{Failure, vertex};
use super::emulator::{self, Way};
use super::error::StepFailure;
use super::mounts::{self, Mounted};
use super::{Shared, worker::Ran};
use crate::clock;
use crate::progress::Event;
use crate::rootfs;
use oci::mount::RootMount;
use oci::{Entry, RootPath};
use runner::spec::{self, Exit, Spec};
use runner::{Io, Running, Sandbox, SandboxError, Stream, caps};
use rustix::event::{PollFd, PollFlags, poll};
use snapshotter::layer;
use snapshotter::tree::Tree;
use snapshotter::view::ChainView;
use snapshotter::work::WorkDir;
use solver::graph::{Network, Run, Security, StepId};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// How much of the output an error repeats.
const TAIL_BYTES: usize = 16 << 10;

const SIGKILL: i32 = 9;

/// The kernel's "exec format error".
const NOEXEC: i32 = 8;

/// Runs `run` on the chain of `parent`.
pub(super) fn run(shared: &Shared, id: StepId, run: &Run, parent: &ChainView) -> Result<Ran, Failure> {
    let work = shared.store.work().map_err(StepFailure::Store)?;
    let upper = work.upper().map_err(StepFailure::Store)?;
    let top = parent.lookup(&RootPath::root()).map_err(StepFailure::Tree)?;
    let top = top.unwrap_or_else(|| Entry::dir(0o755, 0, 0));
    let adopted = rootfs::adopt_root(&upper, &top);
    adopted.map_err(|source| StepFailure::Io { what: "prepare the layer's root directory", source })?;
    let mounted = mounts::prepare(shared, run, &work)?;
    let spec = spec(shared, id, run, parent, &work, &mounted)?;
    let io = Io { stdin: Stream::Null, stdout: Stream::Piped, stderr: Stream::Piped, window: None };
    let command = run.argv.join(" ");
    let mut running = Sandbox::spawn(&spec, io).map_err(|error| not_started(run, &command, error))?;
    let mut output = Output::new(shared, id);
    let exit =
        shared.while_killable(id, &running, || pump(&mut running_streams(&running), &mut output)).and_then(
            |()| running.wait().map_err(|source| StepFailure::Sandbox { command: command.clone(), source }),
        );
    let (log, log_path, tail) = output.finish();
    // Nothing is mounted, and no process of the step writes any more.
    drop((running, mounted));
    let code = match exit {
        Ok(Exit::Code(code)) => i32::from(code),
        Ok(Exit::Signal(signal)) => 128 + signal,
        Err(failure) => {
            let failure = Box::new(failure);
            return Err(Failure { failure, tail, log: log_path, kept: None });
        }
    };
    if code != 0 {
        let failure = Box::new(StepFailure::Exit { command, code });
        let kept = debug::keep(shared, id, run, &work, &failure, log_path.clone());
        return Err(Failure { failure, tail, log: log_path, kept });
    }
    let mut index = layer::scan_on(&upper, &top).map_err(StepFailure::Layer)?;
    if layer::drop_unchanged(&upper, &index, parent).map_err(StepFailure::Layer)? {
        index = layer::scan_on(&upper, &top).map_err(StepFailure::Layer)?;
    }
    let layer = shared.store.layers().commit(work, index).map_err(StepFailure::Store)?;
    Ok(Ran { layer, log })
}

pub(super) fn spec(
    shared: &Shared,
    id: StepId,
    run: &Run,
    parent: &ChainView,
    work: &WorkDir,
    mounted: &Mounted,
) -> Result<Spec, StepFailure> {
    let root = RootMount::Overlay {
        lower: rootfs::lower_dirs(&shared.store, &shared.chain(shared.step(id).parent)),
        upper: work.upper().map_err(StepFailure::Store)?,
        work: work.overlay_work().map_err(StepFailure::Store)?,
    };
    let mut argv = run.argv.clone();
    let mut mounts: Vec<spec::Mount> = mounted.mounts.iter().cloned().chain(files(run)).collect();
    let request = &shared.request;
    Way::find(&run.platform, parent, &request.program_dirs).apply(&mut argv, &mut mounts);
    Ok(Spec {
        id: unique("build"),
        root,
        scratch: work.scratch().map_err(StepFailure::Store)?,
        read_only_root: false,
        argv,
        env: env(run, &mounted.env),
        cwd: run.cwd.clone(),
        user: user(parent, run)?,
        hostname: run.hostname.clone(),
        network: network(run),
        mounts,
        capabilities: caps::default_names(),
        seccomp: true,
        no_new_privileges: false,
        remove_stubs: true,
        terminal: false,
        extra_hosts: run.extra_hosts.clone(),
        privileged: run.security == Security::Insecure,
        shm_size: run.shm_size,
        ulimits: ulimits(run),
        cgroup_parent: request.cgroup_parent.clone().filter(|parent| !parent.is_empty()),
    })
}

fn user(parent: &ChainView, run: &Run) -> Result<spec::User, StepFailure> {
    rootfs::user(parent, &run.user).map_err(|error| match error {
        rootfs::UserLookupError::User(error) => StepFailure::User(error),
        rootfs::UserLookupError::Tree(error) => StepFailure::Tree(error),
    })
}

fn network(run: &Run) -> spec::Network {
    match run.network {
        Network::Host => spec::Network::Host,
        Network::None => spec::Network::None,
    }
}

fn ulimits(run: &Run) -> Vec<spec::Ulimit> {
    let ulimit = |limit: &solver::graph::Ulimit| spec::Ulimit {
        name: limit.name.clone(),
        soft: limit.soft,
        hard: limit.hard,
    };
    run.ulimits.iter().map(ulimit).collect()
}

/// Heredocs that are scripts.
fn files(run: &Run) -> impl Iterator<Item = spec::Mount> {
    run.files.iter().map(|file| spec::Mount::File {
        target: file.path.clone(),
        data: spec::Contents(file.data.clone()),
        mode: 0o755,
        uid: 0,
        gid: 0,
    })
}

/// Secrets take the place of variables of the same name.
fn env(run: &Run, secrets: &[(String, String)]) -> Vec<String> {
    let is_secret = |line: &&String| {
        let name = line.split('=').next().unwrap_or_default();
        secrets.iter().any(|(secret, _)| secret == name)
    };
    let plain = run.env.iter().chain(&run.proxy_env).filter(|line| !is_secret(line)).cloned();
    plain.chain(secrets.iter().map(|(name, value)| format!("{name}={value}"))).collect()
}

/// Says whose fault it is that a sandbox did not start.
fn not_started(run: &Run, command: &str, source: SandboxError) -> StepFailure {
    let machine = matches!(
        &source,
        SandboxError::NotExecutable { source, .. } if source.raw_os_error() == Some(NOEXEC)
    );
    if machine && !emulator::native(&run.platform.architecture) {
        return StepFailure::Platform { platform: run.platform.clone(), source };
    }
    match mounts::blame(run, source) {
        Ok(failure) => failure,
        Err(source) => StepFailure::Sandbox { command: command.to_owned(), source },
    }
}

/// Unique among the sandboxes of this machine's processes.
pub(crate) fn unique(kind: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{kind}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Shared {
    /// Runs `work` while a stop of the build kills `running`.
    fn while_killable<T>(
        &self,
        id: StepId,
        running: &Running,
        work: impl FnOnce() -> Result<T, StepFailure>,
    ) -> Result<T, StepFailure> {
        let lost = |source| StepFailure::Io { what: "watch the process", source };
        let killer = running.killer().map_err(lost)?;
        self.running().insert(id, killer);
        // A stop that came before the insertion has not seen it.
        if self.stop.is_canceled() {
            running.kill(SIGKILL).map_err(lost)?;
        }
        let result = work();
        self.running().remove(&id);
        result
    }

    /// Ends all processes of this build.
    pub(super) fn stop_processes(&self) {
        self.stop.cancel();
        for killer in self.running().values() {
            if let Err(error) = killer.kill(SIGKILL) {
                tracing::warn!(%error, "kill a build step");
            }
        }
    }
}

fn running_streams(running: &Running) -> Vec<(u8, &File)> {
    running.stdout.iter().map(|file| (1, file)).chain(running.stderr.iter().map(|file| (2, file))).collect()
}

/// Reads both streams to their ends: that is when no process of the sandbox is left.
fn pump(streams: &mut Vec<(u8, &File)>, output: &mut Output<'_>) -> Result<(), StepFailure> {
    let lost = |source| StepFailure::Io { what: "read the process's output", source };
    let mut buffer = vec![0; 64 << 10];
    while !streams.is_empty() {
        let mut fds: Vec<PollFd<'_>> =
            streams.iter().map(|(_, file)| PollFd::new(file, PollFlags::IN)).collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(lost(error.into())),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ended = Vec::new();
        for ((stream, file), _) in streams.iter().zip(ready).filter(|(_, ready)| *ready) {
            let mut reader: &File = file;
            match reader.read(&mut buffer) {
                Ok(0) => ended.push(*stream),
                Ok(count) => output.take(*stream, &buffer[..count])?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
        streams.retain(|(stream, _)| !ended.contains(stream));
    }
    Ok(())
}

/// Where a RUN's output goes: the display, the log in the store, and the tail for an error.
struct Output<'a> {
    shared: &'a Shared,
    id: StepId,
    name: String,
    log: Option<(PathBuf, File)>,
    tail: VecDeque<u8>,
}

impl<'a> Output<'a> {
    fn new(shared: &'a Shared, id: StepId) -> Self {
        let name = format!("{}-{}.log", clock::unix_seconds(clock::now()), unique("run"));
        Self { shared, id, name, log: None, tail: VecDeque::new() }
    }

    fn take(&mut self, stream: u8, data: &[u8]) -> Result<(), StepFailure> {
        self.shared.say(Event::VertexLog { id: vertex(self.id), stream, data: data.to_vec() });
        self.tail.extend(data);
        let extra = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..extra);
        let path = self.shared.store.logs_dir().join(&self.name);
        let written = match &mut self.log {
            Some((_, file)) => file.write_all(data),
            None => File::create(&path).and_then(|mut file| {
                file.write_all(data)?;
                self.log = Some((path.clone(), file));
                Ok(())
            }),
        };
        written.map_err(|source| StepFailure::Log { path, source })
    }

    /// The log's name and path, if there was any output, and its last bytes from a line's start.
    fn finish(self) -> (Option<String>, Option<PathBuf>, Vec<u8>) {
        let mut tail = Vec::from(self.tail);
        if tail.len() == TAIL_BYTES
            && let Some(end) = tail.iter().position(|byte| *byte == b'\n')
        {
            tail.drain(..=end);
        }
        let path = self.log.map(|(path, _)| path);
        (path.is_some().then_some(self.name), path, tail)
    }
}
