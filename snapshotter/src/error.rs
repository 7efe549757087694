//! What goes wrong with a store.

use crate::content::ContentError;
use crate::layer::{CompressError, IndexError, LayerError};
use oci::LayerId;
use std::io;
use std::path::{Path, PathBuf};

/// Why the store did not do what was asked. Messages say what was attempted on what; causes are in `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A newer lapstrake wrote the store.
    #[error(
        "the store {root} was written by a newer lapstrake (format {found}; this one knows formats up to {known}): \
         use the newer one, or another store (--root)"
    )]
    Newer {
        /// Directory of the store.
        root: PathBuf,
        /// The store's format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The directory holds something else.
    #[error(
        "{root} is not empty and not a store of lapstrake: name an empty directory, or one that does not exist (--root)"
    )]
    NotAStore {
        /// The directory.
        root: PathBuf,
    },
    /// Nothing can be written there.
    #[error("the store {root} cannot be written: name another with --root or LAPSTRAKE_ROOT")]
    ReadOnly {
        /// Directory of the store.
        root: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk is full.
    #[error("no space left on the disk to {action} {path}: free some, and try again")]
    Full {
        /// What was attempted: a verb, as in `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file system refused.
    #[error("{action} {path}")]
    Io {
        /// What was attempted: a verb, as in `write`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refused.
    #[error("{action} in the store's database {path}")]
    Db {
        /// What was attempted.
        action: &'static str,
        /// The database.
        path: PathBuf,
        /// What it said.
        source: rusqlite::Error,
    },
    /// The database is damaged, and cannot be set aside while others use it.
    #[error(
        "the store's database {path} is damaged, and in use by another process: try again when that has ended"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
    },
    /// A layer is not in the store, or was found damaged and dropped.
    #[error("layer {0} is not in the store")]
    NoLayer(LayerId),
    /// A layer's tar is not what it was when its digest was taken.
    #[error(
        "the tar of layer {layer} has the digest {found} instead of {expected}, and its first blob is gone"
    )]
    TarChanged {
        /// The layer.
        layer: LayerId,
        /// The digest that the image names.
        expected: oci::DiffId,
        /// The digest that the tar has now.
        found: oci::DiffId,
    },
    /// No image has this name or id.
    #[error("no such image: {0}")]
    NoImage(String),
    /// A text is no name of an image.
    #[error(transparent)]
    Name(#[from] oci::reference::ParseReferenceError),
    /// An id was abbreviated too much.
    #[error("{prefix} is the beginning of {count} image ids: write more of it")]
    Ambiguous {
        /// As given.
        prefix: String,
        /// How many images match.
        count: usize,
    },
    /// An image cannot be removed by its id while it has several names.
    #[error("image {id} has {count} names: remove it by name, or force it")]
    SeveralNames {
        /// Abbreviated id.
        id: String,
        /// How many.
        count: usize,
    },
    /// A stored value has a form that this version does not know.
    #[error("read {what} from the store's database: {why}")]
    Stored {
        /// Which value.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A blob.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A layer's files.
    #[error("layer {id}")]
    Layer {
        /// Which layer.
        id: LayerId,
        /// What is wrong with it.
        source: LayerError,
    },
    /// A layer's index.
    #[error("layer {id}")]
    Index {
        /// Which layer.
        id: LayerId,
        /// What is wrong with it.
        source: IndexError,
    },
    /// A compression level that does not exist, or a compressed layer that cannot be read.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

impl StoreError {
    /// For `map_err`: `action` was attempted on `path`.
    pub(crate) fn io<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> StoreError {
        let path = path.to_owned();
        move |source| {
            let source = source.into();
            if is_full(&source) {
                StoreError::Full { action, path, source: Box::new(source) }
            } else {
                StoreError::Io { action, path, source }
            }
        }
    }

    /// Whether the disk, or the user's quota of it, is full.
    pub fn is_full(&self) -> bool {
        match self {
            StoreError::Full { .. } => true,
            StoreError::Content(ContentError::Io { source, .. }) => is_full(source),
            StoreError::Layer {
                source: LayerError::Io { source, .. } | LayerError::Output(source), ..
            } => is_full(source),
            _ => false,
        }
    }
}

/// Whether an error means that the disk, or the quota, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether an error means that nothing can be written here at all.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}
