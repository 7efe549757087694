//! Why a build ended without an image.

use super::mounts::MountError;
use crate::contexts::ExcludedBy;
use oci::Platform;
use parser::diagnostic::Diagnostic;
use snapshotter::context::ContextError;
use snapshotter::copy::CopyError;
use snapshotter::error::StoreError;
use solver::graph::SourceText;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a build ended without an image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile has errors (and perhaps warnings): nothing was run.
    #[error("the Dockerfile has errors")]
    Dockerfile(Vec<Diagnostic>),
    /// An ignore file has errors: nothing was run.
    #[error("the ignore file {file} has errors")]
    IgnoreFile {
        /// Its name.
        file: String,
        /// Its text.
        text: String,
        /// What is wrong in it.
        findings: Vec<Diagnostic>,
    },
    /// A step failed.
    #[error(transparent)]
    Step(Box<StepError>),
    /// The user interrupted.
    #[error("the build was interrupted")]
    Canceled,
    /// A base image could not be read.
    #[error("read the image {reference}")]
    Image {
        /// As the user wrote it.
        reference: String,
        /// Why.
        source: crate::images::ImageError,
    },
    /// The source that an epoch is taken from.
    #[error("find the time for SOURCE_DATE_EPOCH")]
    Fetch(#[source] Box<crate::sources::FetchError>),
    /// The store.
    #[error("use the store")]
    Store(#[from] StoreError),
    /// The machine lacks what a build needs.
    #[error("start the build's event loop")]
    Runtime(#[source] std::io::Error),
}

/// A step that failed, with its place.
#[derive(Debug, thiserror::Error)]
#[error("{name}")]
pub struct StepError {
    /// `[build 2/3] RUN make`
    pub name: String,
    /// Bytes of the instruction.
    pub span: Range<usize>,
    /// The text that `span` points into.
    pub text: SourceText,
    /// The last output of a RUN, at most some tens of lines.
    pub tail: Vec<u8>,
    /// The whole output of a RUN.
    pub log: Option<PathBuf>,
    /// What [`super::debug`] opens its file system by, if that was kept.
    pub kept: Option<String>,
    /// What went wrong.
    #[source]
    pub failure: StepFailure,
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
pub enum StepFailure {
    /// A RUN's process ended with a status that is not zero.
    #[error("process \"{command}\" did not complete successfully: exit code: {code}")]
    Exit {
        /// Its argv, joined.
        command: String,
        /// Its status; 128 + n where signal n ended it.
        code: i32,
    },
    /// USER names nobody.
    #[error(transparent)]
    User(runner::user::UserError),
    /// The sandbox could not be set up, or the program not started.
    #[error("start the process \"{command}\"")]
    Sandbox {
        /// Its argv, joined.
        command: String,
        /// The step of the set-up that failed.
        source: runner::SandboxError,
    },
    /// A `RUN --mount`.
    #[error(transparent)]
    Mount(Box<MountError>),
    /// A program for another machine, and nothing here that runs it.
    #[error("run a program for {platform}: this machine is {}, and has no emulator for it", Platform::host())]
    Platform {
        /// Of the image.
        platform: Platform,
        /// What the kernel said.
        source: runner::SandboxError,
    },
    /// COPY, ADD or WORKDIR.
    #[error(transparent)]
    Copy(CopyError),
    /// A COPY source that is not there.
    #[error("{path} is not in {place}")]
    NotFound {
        /// As written.
        path: String,
        /// `the build context /src/app`, `the stage build`
        place: String,
        /// The ignore rule that hides it, if one does.
        excluded: Option<ExcludedBy>,
        /// Names near it.
        similar: Vec<String>,
        /// Bytes of the word that names it.
        word: Range<usize>,
    },
    /// A source of ADD could not be fetched.
    #[error("{source}")]
    Fetch {
        /// Bytes of the word that names it.
        word: Range<usize>,
        /// Why.
        #[source]
        source: Box<crate::sources::FetchError>,
    },
    /// The build context.
    #[error(transparent)]
    Context(Arc<ContextError>),
    /// The layers below, or the new one.
    #[error(transparent)]
    Layer(snapshotter::layer::LayerError),
    /// The layers below.
    #[error(transparent)]
    Tree(snapshotter::tree::TreeError),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
    /// The log of a RUN.
    #[error("write the log {path}")]
    Log {
        /// Its place in the store.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The system refused something about a process.
    #[error("{what}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A bug of lapstrake: a worker panicked.
    #[error("lapstrake's own fault: the step's worker ended without a result")]
    Lost,
}
