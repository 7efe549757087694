//! Layers: what one step changed, as a directory on disk, as a sorted index, and as a tar.
//!
//! On disk a layer is an overlay lower directory: a removed path is a character device 0:0, and a directory that
//! hides what is below carries `trusted.overlay.opaque=y`. In a tar the same are `.wh.NAME` and `.wh..wh..opq`
//! (image-spec, layer.md, "Representing Changes"). `docs/design/snapshots.md` has the whole picture.

pub mod apply;
pub mod compress;
pub mod index;
pub mod scan;
pub mod tar;
pub mod unchanged;

pub(crate) mod dirfd;
pub(crate) mod members;
pub(crate) mod whiteout;
pub(crate) mod xattr;

#[cfg(test)]
pub(crate) mod testing;

pub use apply::{ApplyError, ApplyLimits, apply, apply_on};
pub use compress::{CompressError, CompressedWriter, Compression, Digests};
pub use index::{IndexError, LayerIndex};
pub use scan::{scan, scan_on, verify};
pub use tar::{TarOptions, write_tar};
pub use unchanged::drop_unchanged;

use oci::RootPath;
use std::io;

/// Why a layer could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// The file system refused.
    #[error("{action} {path} of a layer")]
    Io {
        /// What was attempted: a verb, as in `open`.
        action: &'static str,
        /// On which path of the layer.
        path: RootPath,
        /// Why it did not work.
        source: io::Error,
    },
    /// A path has a form that layers do not know.
    #[error("{path} {why}")]
    Unsupported {
        /// Which path of the layer.
        path: RootPath,
        /// Why it cannot be part of a layer.
        why: &'static str,
    },
    /// A file's length is not the one that the index has.
    #[error("{path} changed after its layer was made: {found} bytes instead of {expected}")]
    Changed {
        /// Which file of the layer.
        path: RootPath,
        /// The length in the index.
        expected: u64,
        /// The length found.
        found: u64,
    },
    /// The receiver of the tar refused it.
    #[error("write a layer's tar")]
    Output(#[source] io::Error),
}

impl LayerError {
    /// For `map_err`: `action` was attempted on `path`.
    pub(crate) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: &RootPath,
    ) -> impl FnOnce(E) -> LayerError {
        let path = path.clone();
        move |source| LayerError::Io { action, path, source: source.into() }
    }
}
