//! Why a mount could not be prepared.

use crate::build::StepFailure;
use snapshotter::caches::CacheError;
use snapshotter::error::StoreError;
use snapshotter::tree::TreeError;
use solver::graph::Mount;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A mount of a RUN that could not be prepared, with its place.
#[derive(Debug)]
pub struct MountError {
    /// The flag, in the step's text.
    pub word: Range<usize>,
    /// Why.
    pub failure: MountFailure,
}

impl fmt::Display for MountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for MountError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failure.source()
    }
}

/// Why a mount could not be prepared. No message holds a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum MountFailure {
    /// `required`, and not given.
    #[error("the secret `{id}` is not given")]
    NoSecret {
        /// Its name.
        id: String,
        /// Names that are given, near it.
        similar: Vec<String>,
    },
    /// Its file.
    #[error("read the secret `{id}` from {}", path.display())]
    Secret {
        /// Its name.
        id: String,
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// More than 500 KiB.
    #[error("the secret `{id}` is larger than 500 KiB")]
    SecretSize {
        /// Its name.
        id: String,
    },
    /// Not what a variable can hold.
    #[error("the secret `{id}` cannot be the value of a variable: it {why}")]
    SecretText {
        /// Its name.
        id: String,
        /// `is no text`
        why: &'static str,
    },
    /// `required`, and not given.
    #[error("the SSH agent `{id}` is not given")]
    NoAgent {
        /// Its name.
        id: String,
        /// Names that are given, near it.
        similar: Vec<String>,
    },
    /// Its socket.
    #[error("reach the SSH agent `{id}` at {}", path.display())]
    Agent {
        /// Its name.
        id: String,
        /// Its socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An agent of the build's own did not start.
    #[error("start {program} for the SSH keys of `{id}`")]
    AgentProgram {
        /// `ssh-agent`, `ssh-add`
        program: &'static str,
        /// Name of the agent.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// A key that the agent does not take.
    #[error("add the SSH key {} to the agent `{id}`: {output}", key.display())]
    Key {
        /// Name of the agent.
        id: String,
        /// Its file.
        key: PathBuf,
        /// What ssh-add said.
        output: String,
    },
    /// A cache.
    #[error("prepare the cache `{id}`")]
    Cache {
        /// Its name.
        id: String,
        /// Why.
        source: CacheError,
    },
    /// A path that is not in its tree.
    #[error("{path} is not there")]
    NotFound {
        /// In the stage or image.
        path: String,
    },
    /// The sandbox could not make it.
    #[error("mount {target}")]
    Sandbox {
        /// Where.
        target: String,
        /// Why.
        source: runner::SandboxError,
    },
    /// A build context, which should have been a step: lapstrake's own fault.
    #[error("the build context `{0}` cannot be mounted")]
    Context(String),
    /// The layers that it shows.
    #[error(transparent)]
    Tree(TreeError),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The system refused something.
    #[error("{action} {}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl MountFailure {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> MountFailure {
        move |source| MountFailure::Io { action, path: path.to_owned(), source }
    }

    /// With its place.
    pub(crate) fn at(self, mount: &Mount) -> StepFailure {
        StepFailure::Mount(Box::new(MountError { word: mount.span.clone(), failure: self }))
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        let mean = |similar: &[String]| {
            similar.first().map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
        };
        match self {
            MountFailure::NoSecret { id, similar } => Some(format!(
                "give it with `--secret id={id},src=FILE` or `--secret id={id},env=VARIABLE`{}",
                mean(similar)
            )),
            MountFailure::NoAgent { id, similar } => {
                Some(format!("give it with `--ssh {id}` or `--ssh {id}=SOCKET|KEY`{}", mean(similar)))
            }
            MountFailure::AgentProgram { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("install the OpenSSH client, or start an agent and give its socket".to_owned())
            }
            MountFailure::SecretText { .. } => {
                Some("mount it as a file: leave `env` out, or give `target` and read that".to_owned())
            }
            MountFailure::Key { .. } => {
                Some("keys with a passphrase have to be in an agent: give its socket instead".to_owned())
            }
            _ => None,
        }
    }
}
