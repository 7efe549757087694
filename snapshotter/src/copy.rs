//! What COPY, ADD and WORKDIR mean, against trees: pure of cache keys, mounts and processes.
//!
//! [`select`] finds the sources, [`Selection::digest`] is their part of a cache key, [`write()`] computes the layer
//! against the parent's tree and writes it, [`mkdir`] is WORKDIR. `docs/design/copy.md` has the rules and the reasons.

mod archive;
mod chmod;
mod digest;
mod fill;
mod filter;
mod glob;
mod owner;
mod plan;
mod select;
mod write;

use crate::context::IgnoreFilter;
use crate::layer::LayerIndex;
use crate::tree::{Tree, TreeError};
use oci::entry::Mtime;
use oci::{KeyDigest, RootPath};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

pub use select::Selection;

/// One COPY or ADD, all expansion done.
#[derive(Debug, Clone, Default)]
pub struct CopyRequest {
    /// What to copy, in order.
    pub sources: Vec<SourceSpec>,
    /// Absolute path in the image; a trailing `/` or `/.` means a directory.
    pub dest: String,
    /// Whom the copied files belong to.
    pub owner: Ownership,
    /// `--chmod`
    pub chmod: Option<Mode>,
    /// `--link`: the layer does not look at the parent.
    pub link: bool,
    /// ADD: recognised archives among the sources are unpacked; those that were fetched say it themselves.
    pub unpack: bool,
    /// `--exclude`: what of the contents of directories is copied. A file that is a source itself always is.
    pub exclude: Option<Filter>,
    /// A directory that is a source gives the destination its mode, owner and attributes as well. They are in no
    /// digest of the selection.
    pub whole: bool,
}

/// Which paths below a directory that is a source are copied, relative to it.
#[derive(Clone)]
pub struct Filter(Arc<dyn IgnoreFilter + Send>);

impl Filter {
    /// Copies what `filter` keeps.
    pub fn new(filter: impl IgnoreFilter + Send + 'static) -> Self {
        Self(Arc::new(filter))
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Filter(..)")
    }
}

/// Whom copied files belong to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ownership {
    /// Root, whatever the source tree says: build contexts, whose owners mean nothing in an image.
    #[default]
    Root,
    /// As in the source tree: stages and images.
    Source,
    /// `--chown`: `user[:group]`, by name or number. Names are looked up in the parent's tree.
    Named(String),
}

/// One source.
#[derive(Debug, Clone)]
pub enum SourceSpec {
    /// A path or pattern (as Go's `filepath.Match`), relative to the source tree's root.
    Path(String),
    /// `--parents`: what is wanted of a directory is copied with the directories above it.
    Parents {
        /// As written.
        written: String,
        /// Path or pattern of the directory that the paths start from, `/` for the tree's root.
        pivot: String,
        /// Keeps what is wanted, relative to the pivot.
        wanted: Filter,
        /// What has to be there: set where neither pivot nor path have wildcards. No link on the way is followed.
        required: Option<String>,
    },
    /// A file given in line: name and bytes.
    Inline(String, Vec<u8>),
    /// Something that was fetched.
    Fetched {
        /// Path in the source tree, no pattern: of a file, or of a directory whose contents are copied.
        path: String,
        /// Whether it is unpacked if it is an archive.
        unpack: bool,
    },
}

/// A mode change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Permission bits, at most `0o7777`.
    Octal(u32),
    /// `u=rwX,go=rX` and the like.
    Symbolic(String),
}

/// A layer that was written.
#[derive(Debug)]
pub struct Written {
    /// Its index.
    pub index: LayerIndex,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Something that worked differently than the user may think.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The image has no such user: files belong to root.
    UnknownUser(String),
    /// The image has no such group.
    UnknownGroup(String),
    /// Images cannot hold sockets: this one was left out.
    Socket(RootPath),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::UnknownUser(name) => write!(f, "no user is named `{name}` in the image: using root"),
            Warning::UnknownGroup(name) => {
                write!(f, "no group is named `{name}` in the image: it is ignored")
            }
            Warning::Socket(path) => write!(f, "{path} is a socket: it is left out"),
        }
    }
}

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// A source that is no pattern names nothing.
    #[error("`{path}` does not exist")]
    NotFound {
        /// As written.
        path: String,
        /// Where that would be in the source tree.
        at: RootPath,
        /// What is there and has a similar name, relative to the source tree's root; the most similar first.
        similar: Vec<String>,
    },
    /// A source is a symbolic link that ends nowhere in its tree.
    #[error("`{pattern}` is a link to `{target}`, which does not exist or lies outside")]
    Dangling {
        /// As written.
        pattern: String,
        /// The link.
        path: RootPath,
        /// Its target.
        target: String,
    },
    /// An option that is not supported yet.
    #[error("{0} is not supported yet")]
    Unsupported(&'static str),
    /// A pattern that Go's `filepath.Match` refuses.
    #[error("`{0}` is not a valid pattern")]
    BadPattern(String),
    /// A mode that is none.
    #[error("`{0}` is not a valid mode")]
    BadMode(String),
    /// An in-line file's name is no plain file name.
    #[error("`{0}` is not a plain file name")]
    InlineName(String),
    /// `--link` layers cannot look up names.
    #[error("--link cannot resolve the name `{0}` in --chown: use a number")]
    NameWithLink(String),
    /// A directory would replace something else.
    #[error("copy a directory to {0}: something else is there")]
    DirOverFile(RootPath),
    /// Something else would replace a directory.
    #[error("copy a file to {0}: a directory is there")]
    FileOverDir(RootPath),
    /// On the way to the destination lies something else than a directory.
    #[error("{0} is not a directory")]
    NotDirectory(RootPath),
    /// A source is not what it was when it was selected.
    #[error("{0} changed while it was copied")]
    Changed(RootPath),
    /// An archive could not be read.
    #[error("unpack {path}")]
    Archive {
        /// The archive in the source tree.
        path: RootPath,
        /// Why.
        source: io::Error,
    },
    /// An archive has a member that cannot be unpacked.
    #[error("unpack {path}: its member `{member}` {why}")]
    Member {
        /// The archive in the source tree.
        path: RootPath,
        /// The member's name.
        member: String,
        /// What is wrong with it.
        why: String,
    },
    /// A tree gave no answer.
    #[error(transparent)]
    Tree(TreeError),
    /// The layer could not be written.
    #[error("{action} {path} of the new layer")]
    Io {
        /// What was attempted: a verb, as in `write`.
        action: &'static str,
        /// On which path of the layer.
        path: RootPath,
        /// Why.
        source: io::Error,
    },
}

impl CopyError {
    fn io<E: Into<io::Error>>(action: &'static str, path: &RootPath) -> impl FnOnce(E) -> CopyError {
        let path = path.clone();
        move |source| CopyError::Io { action, path, source: source.into() }
    }
}

impl From<TreeError> for CopyError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Io { path, source, .. }
                if source.get_ref().is_some_and(|e| e.is::<crate::context::Changed>()) =>
            {
                CopyError::Changed(path)
            }
            other => CopyError::Tree(other),
        }
    }
}

/// Finds the sources of `req` in `src`.
///
/// # Errors
/// A source that is no pattern and does not exist, a link that ends nowhere, a bad pattern or in-line name. A pattern
/// that matches nothing is no error.
pub fn select(src: &dyn Tree, req: &CopyRequest) -> Result<Selection, CopyError> {
    select::select(src, req)
}

impl Selection {
    /// The selected names, kinds, modes, links, attributes and contents as one digest; owners unless they are reset;
    /// no mtimes. Files not hashed yet are hashed now, on all threads.
    pub fn digest(&self, src: &dyn Tree) -> Result<KeyDigest, CopyError> {
        digest::digest(src, self)
    }
}

/// Writes the layer that `req` makes of `sel` on top of `parent` into `diff_dir`, an empty directory, in overlay's
/// form. `now` is the mtime of what is new and has none of its own.
///
/// The layer holds the copied paths and the entries of all directories above them. Everything that the result
/// depends on is asked of `parent`, and nothing else: run it against a recording view. On error `diff_dir` is left
/// as it is, to be thrown away.
pub fn write(
    src: &dyn Tree,
    sel: &Selection,
    parent: &dyn Tree,
    req: &CopyRequest,
    diff_dir: &Path,
    now: SystemTime,
) -> Result<Written, CopyError> {
    let (plan, warnings) = fill::fill(src, sel, parent, req, diff_dir, mtime(now))?;
    Ok(Written { index: write::write(src, plan, diff_dir)?, warnings })
}

/// WORKDIR: makes the directory `path`, and those above it, where they are missing, as `user` (`user[:group]`, empty
/// for root), and writes that layer into `diff_dir`. The index is empty if there is nothing to make.
pub fn mkdir(
    parent: &dyn Tree,
    path: &str,
    user: &str,
    diff_dir: &Path,
    now: SystemTime,
) -> Result<Written, CopyError> {
    let (plan, warnings) = fill::mkdir(parent, path, user, mtime(now))?;
    Ok(Written { index: write::write(parent, plan, diff_dir)?, warnings })
}

fn mtime(time: SystemTime) -> Mtime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Mtime { secs: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
}

#[cfg(test)]
mod tests;
