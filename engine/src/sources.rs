//! What builds fetch: files from web servers, trees of git repositories, and contexts that are no directories.
//!
//! Everything lies below `sources/` of the store and never changes there: `docs/design/sources.md`.

mod archive;
mod auth;
mod context;
mod error;
mod git;
mod http;

pub use context::{Given, MainContext, NamedFetch, is_remote, main_context, named_context};
pub use error::FetchError;

use crate::build::{Secret, SshAgent};
use crate::cancel::Cancel;
use oci::KeyDigest;
use snapshotter::lock::StepLock;
use snapshotter::store::Store;
use solver::graph::{GitSource, HttpSource};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Something that was fetched. It lies in the store, and stays there as long as the store is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// A directory that holds it, and nothing else.
    pub dir: PathBuf,
    /// Path below `dir`: of the file, or empty for a tree that is all of `dir`.
    pub path: String,
    /// `sha256:…` of a file; the commit of a tree.
    pub digest: String,
    /// `Last-Modified` of a file, the commit's time of a tree: Unix seconds.
    pub time: Option<i64>,
}

/// Receives a line for people about what goes on.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// Fetches, or finds what was fetched before. Blocks: call it on a thread that may wait.
#[derive(Clone)]
pub struct Fetcher {
    store: Store,
    cancel: Cancel,
    secrets: BTreeMap<String, Secret>,
    ssh: BTreeMap<String, SshAgent>,
    say: Option<Say>,
    limits: Limits,
}

/// How far a fetch may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until a connection stands.
    pub connect: Duration,
    /// Without a byte.
    pub idle: Duration,
    /// Bytes of one file at most, besides what leaves the disk a reserve.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(30), idle: Duration::from_secs(60), bytes: 64 << 30 }
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher")
            .field("store", &self.store)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Fetcher {
    /// One without secrets. `cancel` ends what it does.
    pub fn new(store: &Store, cancel: &Cancel) -> Self {
        let (secrets, ssh) = (BTreeMap::new(), BTreeMap::new());
        Self {
            store: store.clone(),
            cancel: cancel.clone(),
            secrets,
            ssh,
            say: None,
            limits: Limits::default(),
        }
    }

    /// With those of `--secret` (`HTTP_AUTH_TOKEN_<host>`, `GIT_AUTH_TOKEN` and the like) and `--ssh`.
    #[must_use]
    pub fn with_credentials(
        mut self,
        secrets: &BTreeMap<String, Secret>,
        ssh: &BTreeMap<String, SshAgent>,
    ) -> Self {
        self.secrets.clone_from(secrets);
        self.ssh.clone_from(ssh);
        self
    }

    /// Telling `say` how far it is.
    #[must_use]
    pub fn with_progress(mut self, say: Say) -> Self {
        self.say = Some(say);
        self
    }

    /// Within other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A file: mode 0600, its time `Last-Modified` or 1970, its name [`HttpSource::name`]. What is here already is
    /// asked for with its ETag; with a checksum that it has, nothing is asked.
    ///
    /// # Errors
    /// [`FetchError`]; never with a password or token in its message.
    pub fn http(&self, source: &HttpSource) -> Result<Fetched, FetchError> {
        http::fetch(self, source)
    }

    /// A tree: owned by who runs this, modes 0755 and 0644. A commit that is here already is not fetched again.
    ///
    /// # Errors
    /// [`FetchError`]; never with a password or token in its message.
    pub fn git(&self, source: &GitSource) -> Result<Fetched, FetchError> {
        git::fetch(self, source)
    }

    /// The time of a file that the server told none of: that of the newest file in it, if it is an archive.
    pub fn time_inside(&self, file: &Fetched) -> Option<i64> {
        archive::newest(&self.store, &file.dir, &file.path)
    }

    fn say(&self, text: &str) {
        if let Some(say) = &self.say {
            say(text);
        }
    }

    fn check(&self) -> Result<(), FetchError> {
        if self.cancel.is_canceled() { Err(FetchError::Canceled) } else { Ok(()) }
    }

    /// A directory of `sources/`, made if missing.
    fn dir(&self, name: &str) -> Result<PathBuf, FetchError> {
        let path = self.store.root().join("sources").join(name);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(FetchError::io("make the directory", &path))?;
        Ok(path)
    }

    /// Waits until nobody else fetches `what`.
    fn lock(&self, what: &str) -> Result<StepLock, FetchError> {
        let key = KeyDigest::from_bytes(*blake3::hash(format!("fetch {what}").as_bytes()).as_bytes());
        loop {
            self.check()?;
            if let Some(lock) = self.store.try_lock_step(&key).map_err(FetchError::Store)? {
                return Ok(lock);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A short name for `text` that tells nothing of it.
fn short_hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
}

/// Moves a finished directory to its place for good. Another process may have been faster with the same.
fn settle(made: &Path, place: &Path) -> Result<(), FetchError> {
    match std::fs::rename(made, place) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) =>
        {
            Ok(())
        }
        Err(error) => Err(FetchError::io("make", place)(error)),
    }
}

#[cfg(test)]
mod tests;
