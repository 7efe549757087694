//! What can go wrong between a [`crate::spec::Spec`] and a running process.

use serde::{Deserialize, Serialize};
use std::io;

/// One step of the set-up. Its `Display` is what was attempted, without the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
pub enum Step {
    /// Read the plan that the parent sent.
    #[error("receive the sandbox plan")]
    ReceivePlan,
    /// Make the cgroup.
    #[error("create cgroup")]
    CreateCgroup,
    /// Join a version 1 cgroup.
    #[error("join cgroup")]
    JoinCgroup,
    /// Load and attach the device program.
    #[error("restrict the devices of cgroup")]
    FenceDevices,
    /// Make the process in its new namespaces.
    #[error("clone into new namespaces")]
    Clone,
    /// Open a host path that will be mounted.
    #[error("open mount source")]
    OpenSource,
    /// Mount an overlay that is mounted inside.
    #[error("mount the overlay of mount source")]
    SourceOverlay,
    /// Find a path in a mount's tree.
    #[error("find in the mount's source:")]
    SourcePath,
    /// Write a generated file.
    #[error("write generated file")]
    WriteFile,
    /// Give the new namespace's mounts a life of their own.
    #[error("make the mounts private below")]
    PrivatePropagation,
    /// Put the stubs of mount points below the root's layers.
    #[error("make mount-point stubs in")]
    MakeStubs,
    /// Open a layer.
    #[error("open layer directory")]
    OpenLayer,
    /// Mount the overlay.
    #[error("mount overlay on")]
    MountRoot,
    /// Change to the new root.
    #[error("pivot the root to")]
    PivotRoot,
    /// Let go of the host's tree.
    #[error("detach the host's tree from")]
    DetachHost,
    /// Own cgroup namespace.
    #[error("enter a new cgroup namespace")]
    CgroupNamespace,
    /// Set the host name.
    #[error("set host name")]
    Hostname,
    /// Bring `lo` up.
    #[error("bring up interface")]
    Loopback,
    /// Find or make a mount point inside the root.
    #[error("prepare mount point")]
    MountPoint,
    /// Mount a kernel file system.
    #[error("mount")]
    Mount,
    /// Make a device node.
    #[error("make device node")]
    DeviceNode,
    /// Make a symbolic link in /dev.
    #[error("make symbolic link")]
    DeviceLink,
    /// Mount a host path or generated file.
    #[error("bind onto")]
    Bind,
    /// Set a kernel parameter of the new network namespace.
    #[error("set kernel parameter")]
    Sysctl,
    /// Cover a path.
    #[error("mask")]
    Mask,
    /// Make a path read-only.
    #[error("make read-only")]
    ReadOnly,
    /// Allocate the terminal.
    #[error("allocate a terminal in")]
    Terminal,
    /// Set a resource limit.
    #[error("set resource limit")]
    Limit,
    /// Find or make the working directory.
    #[error("prepare working directory")]
    WorkingDirectory,
    /// Set no_new_privs.
    #[error("set no_new_privs")]
    NoNewPrivileges,
    /// Take capabilities away.
    #[error("drop capabilities to")]
    Capabilities,
    /// Load the system call filter.
    #[error("load the seccomp filter of")]
    Seccomp,
    /// Set supplementary groups.
    #[error("set supplementary groups")]
    Groups,
    /// Set group and user.
    #[error("become user")]
    User,
    /// Connect standard streams.
    #[error("connect standard streams")]
    Streams,
    /// Ask to be killed with the parent.
    #[error("bind the process's life to its parent's")]
    DeathSignal,
    /// Execute the program.
    #[error("execute")]
    Exec,
    /// Wait for the process.
    #[error("wait for the process")]
    Wait,
    /// Remove the stubs of mount points.
    #[error("remove mount-point stub")]
    RemoveStubs,
    /// Remove the cgroup.
    #[error("remove cgroup")]
    RemoveCgroup,
}

/// A failed step, as it crosses from the sandbox's side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) subject: String,
    pub(crate) errno: i32,
}

/// A report must fit one message.
const MAX_SUBJECT: usize = 2048;

impl Failure {
    pub(crate) fn new(step: Step, subject: impl Into<String>, error: &io::Error) -> Failure {
        let mut subject = subject.into();
        subject.truncate(subject.floor_char_boundary(MAX_SUBJECT));
        Failure { step, subject, errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }
}

/// Attaches step and subject to an errno.
pub(crate) trait At<T> {
    fn at(self, step: Step, subject: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> At<T> for Result<T, E> {
    fn at(self, step: Step, subject: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(step, subject, &error.into()))
    }
}

/// A sandbox that did not start, or was lost.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A `/proc` file that the plan depends on cannot be read.
    #[error("probe the host: {what}")]
    Probe {
        /// The file.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The spec cannot be carried out as it stands.
    #[error("{0}")]
    Spec(String),
    /// This side's share of starting failed.
    #[error("start the sandbox: {what}")]
    Start {
        /// What was attempted.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A step of the set-up failed inside. Nothing of the sandbox is left.
    #[error("{step} {subject}")]
    Setup {
        /// Which.
        step: Step,
        /// Its object: a path, a name.
        subject: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No such program: exit code 127.
    #[error("exec: {program:?}: {}", if *.in_path { "executable file not found in $PATH" } else { "no such file or directory" })]
    NotFound {
        /// `argv[0]`.
        program: String,
        /// It was looked up in PATH.
        in_path: bool,
    },
    /// The program exists and cannot run: exit code 126.
    #[error("exec: {program:?}")]
    NotExecutable {
        /// `argv[0]`.
        program: String,
        /// Permission denied, is a directory, exec format error.
        #[source]
        source: io::Error,
    },
    /// The guard process of the sandbox ended without a report.
    #[error("the sandbox's guard process ended early ({status})")]
    Lost {
        /// Its wait status.
        status: String,
    },
}

impl SandboxError {
    /// Docker's exit code for it: 127 not found, 126 found but cannot run, 125 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            SandboxError::NotFound { .. } => 127,
            SandboxError::NotExecutable { .. } => 126,
            _ => 125,
        }
    }

    /// The step that failed inside, if one did.
    pub fn step(&self) -> Option<Step> {
        match self {
            SandboxError::Setup { step, .. } => Some(*step),
            SandboxError::NotFound { .. } | SandboxError::NotExecutable { .. } => Some(Step::Exec),
            _ => None,
        }
    }

    pub(crate) fn start(what: &'static str) -> impl FnOnce(io::Error) -> SandboxError {
        move |source| SandboxError::Start { what, source }
    }
}

impl From<Failure> for SandboxError {
    fn from(failure: Failure) -> SandboxError {
        let Failure { step, subject, errno } = failure;
        let source = io::Error::from_raw_os_error(errno);
        match (step, errno) {
            (Step::Exec, libc::ENOENT | libc::ENOTDIR) => {
                let in_path = !subject.contains('/');
                SandboxError::NotFound { program: subject, in_path }
            }
            (Step::Exec, _) => SandboxError::NotExecutable { program: subject, source },
            _ => SandboxError::Setup { step, subject, source },
        }
    }
}
