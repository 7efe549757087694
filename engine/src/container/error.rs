//! Why a container did not run, or could not be removed.

use super::volume::VolumeError;
use crate::images::ImageError;
use crate::rootfs::UserLookupError;
use runner::SandboxError;
use snapshotter::error::StoreError;
use snapshotter::tree::TreeError;
use std::io;
use std::path::{Path, PathBuf};

/// Why a container did not run, or could not be removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// No such image, or it cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The store refused.
    #[error(transparent)]
    Store(StoreError),
    /// The image's files cannot be read.
    #[error("read the image's files")]
    Tree(#[from] TreeError),
    /// No such user in the image.
    #[error(transparent)]
    User(#[from] UserLookupError),
    /// A `-v` that cannot be.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The sandbox did not start, or was lost.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// Neither image nor request has an argv.
    #[error("no command specified: the image has none either")]
    NoCommand,
    /// A relative `--workdir`.
    #[error("the working directory `{0}` is invalid, it needs to be an absolute path")]
    Workdir(String),
    /// A `--name` with other characters.
    #[error("invalid container name `{0}`: only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")]
    Name(String),
    /// Two containers of one name.
    #[error(
        "the container name `{name}` is already in use by container {}: remove that container to use the name", &.id[..12]
    )]
    NameInUse {
        /// As asked for.
        name: String,
        /// Of the other one.
        id: String,
    },
    /// `-i -t` without a terminal of one's own.
    #[error("the input device is not a TTY")]
    NotATerminal,
    /// No container has this name or id.
    #[error("no such container: {0}")]
    NotFound(String),
    /// Several ids begin so.
    #[error("several containers' ids begin with `{0}`: give more digits")]
    Ambiguous(String),
    /// Removal without force.
    #[error("container {0} is running: stop it first, or force the removal")]
    Running(String),
    /// The file system refused.
    #[error("{action} {}", path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// Its object.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The container's streams or signals could not be connected.
    #[error("{what}")]
    Attach {
        /// What was attempted.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl ContainerError {
    /// Docker's exit code for it: 126 found but cannot run, 127 not found, 125 anything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            ContainerError::Sandbox(error) => error.exit_code(),
            _ => 125,
        }
    }

    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ContainerError {
        let path = path.to_owned();
        move |source| ContainerError::Io { action, path, source }
    }

    pub(super) fn attach(what: &'static str) -> impl FnOnce(io::Error) -> ContainerError {
        move |source| ContainerError::Attach { what, source }
    }
}
