//! What can go wrong between a [`crate::spec::Spec`] and a running process.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

/// One step of the set-up. Its `Display` is what was attempted, without the subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Step {
    /// Read the plan that the parent sent.
    ReceivePlan,
    /// Make the cgroup.
    CreateCgroup,
    /// Load and attach the device program.
    FenceDevices,
    /// Make the process in its new namespaces.
    Clone,
    /// Open a host path that will be mounted.
    OpenSource,
    /// Write a generated file.
    WriteFile,
    /// Give the new namespace's mounts a life of their own.
    PrivatePropagation,
    /// Put the stubs of mount points below the root's layers.
    MakeStubs,
    /// Open a layer.
    OpenLayer,
    /// Mount the overlay.
    MountRoot,
    /// Change to the new root.
    PivotRoot,
    /// Let go of the host's tree.
    DetachHost,
    /// Own cgroup namespace.
    CgroupNamespace,
    /// Set the host name.
    Hostname,
    /// Bring `lo` up.
    Loopback,
    /// Find or make a mount point inside the root.
    MountPoint,
    /// Mount a kernel file system.
    Mount,
    /// Make a device node.
    DeviceNode,
    /// Make a symbolic link in /dev.
    DeviceLink,
    /// Mount a host path or generated file.
    Bind,
    /// Set a kernel parameter of the new network namespace.
    Sysctl,
    /// Cover a path.
    Mask,
    /// Make a path read-only.
    ReadOnly,
    /// Allocate the terminal.
    Terminal,
    /// Set a resource limit.
    Limit,
    /// Find or make the working directory.
    WorkingDirectory,
    /// Set no_new_privs.
    NoNewPrivileges,
    /// Take capabilities away.
    Capabilities,
    /// Load the system call filter.
    Seccomp,
    /// Set supplementary groups.
    Groups,
    /// Set group and user.
    User,
    /// Connect standard streams.
    Streams,
    /// Ask to be killed with the parent.
    DeathSignal,
    /// Execute the program.
    Exec,
    /// Wait for the process.
    Wait,
    /// Remove the stubs of mount points.
    RemoveStubs,
    /// Remove the cgroup.
    RemoveCgroup,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::ReceivePlan => "receive the sandbox plan",
            Step::CreateCgroup => "create cgroup",
            Step::FenceDevices => "restrict the devices of cgroup",
            Step::Clone => "clone into new namespaces",
            Step::OpenSource => "open mount source",
            Step::WriteFile => "write generated file",
            Step::PrivatePropagation => "make the mounts private below",
            Step::MakeStubs => "make mount-point stubs in",
            Step::OpenLayer => "open layer directory",
            Step::MountRoot => "mount overlay on",
            Step::PivotRoot => "pivot the root to",
            Step::DetachHost => "detach the host's tree from",
            Step::CgroupNamespace => "enter a new cgroup namespace",
            Step::Hostname => "set host name",
            Step::Loopback => "bring up interface",
            Step::MountPoint => "prepare mount point",
            Step::Mount => "mount",
            Step::DeviceNode => "make device node",
            Step::DeviceLink => "make symbolic link",
            Step::Bind => "bind onto",
            Step::Sysctl => "set kernel parameter",
            Step::Mask => "mask",
            Step::ReadOnly => "make read-only",
            Step::Terminal => "allocate a terminal in",
            Step::Limit => "set resource limit",
            Step::WorkingDirectory => "prepare working directory",
            Step::NoNewPrivileges => "set no_new_privs",
            Step::Capabilities => "drop capabilities to",
            Step::Seccomp => "load the seccomp filter of",
            Step::Groups => "set supplementary groups",
            Step::User => "become user",
            Step::Streams => "connect standard streams",
            Step::DeathSignal => "bind the process's life to its parent's",
            Step::Exec => "execute",
            Step::Wait => "wait for the process",
            Step::RemoveStubs => "remove mount-point stub",
            Step::RemoveCgroup => "remove cgroup",
        })
    }
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
