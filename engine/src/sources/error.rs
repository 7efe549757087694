//! Why something could not be fetched.

use snapshotter::copy::CopyError;
use snapshotter::error::StoreError;
use std::io;
use std::path::{Path, PathBuf};

/// Why something could not be fetched. URLs in it carry no passwords.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The user interrupted.
    #[error("the fetch was interrupted")]
    Canceled,
    /// An address that makes no sense.
    #[error("`{url}` is no address to fetch from: {why}")]
    Address {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server could not be asked, or did not answer to the end.
    #[error("fetch {url}: {why}")]
    Transfer {
        /// What was asked for.
        url: String,
        /// All causes in one line.
        why: String,
    },
    /// The server answered, but not with the file.
    #[error("fetch {url}: the server answered {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// `404 Not Found`
        status: String,
    },
    /// The answer stopped.
    #[error("fetch {url}: nothing came for {seconds} seconds")]
    Stalled {
        /// What was asked for.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The file is too large, or the disk too small.
    #[error("fetch {url}: it has more than the {limit} bytes that there is room for")]
    TooLarge {
        /// What was asked for.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// Something else than the checksum's came.
    #[error("{url} does not match its checksum: it is {found}, and {expected} was asked for")]
    Checksum {
        /// What was asked for.
        url: String,
        /// The digest or commit that there is.
        found: String,
        /// The one that should be.
        expected: String,
    },
    /// There is no git.
    #[error("run git to fetch {url}: the program `git` is not installed")]
    NoGit {
        /// What was asked for.
        url: String,
    },
    /// git ended with an error.
    #[error("fetch {url}: git {command}: {stderr}")]
    Git {
        /// What was asked for.
        url: String,
        /// `fetch`, `ls-remote`..
        command: String,
        /// What it said.
        stderr: String,
    },
    /// The repository has no such branch or tag.
    #[error("the repository {url} has no branch, tag or commit `{reference}`")]
    NoReference {
        /// The repository.
        url: String,
        /// What it lacks.
        reference: String,
    },
    /// The repository has no such directory.
    #[error("the repository {url} has no directory `{subdir}` at {commit}")]
    NoSubdir {
        /// The repository.
        url: String,
        /// As asked for.
        subdir: String,
        /// Where it was looked for.
        commit: String,
    },
    /// A secret could not be read.
    #[error("read the secret {id}")]
    Secret {
        /// Its id.
        id: String,
        /// Why.
        source: io::Error,
    },
    /// An archive could not be unpacked.
    #[error("unpack the build context {what}")]
    Unpack {
        /// Where it is from.
        what: String,
        /// Why.
        source: CopyError,
    },
    /// A file of the host.
    #[error("{action} {path}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A kind of source that there is not.
    #[error("`{0}` is no build context")]
    UnknownContext(String),
    /// The certificates or the event loop.
    #[error("{0}")]
    Client(String),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
}

impl FetchError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
        let path = path.to_owned();
        move |source| FetchError::Io { action, path, source }
    }
}
