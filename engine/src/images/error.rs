//! Why something could not be done with an image.

use crate::export::ExportError;
use std::io;

/// Why an image could not be used, loaded, saved or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// No image of that name or id.
    #[error("there is no image `{0}` here")]
    NotFound(String),
    /// A base image is not in the store. Pulling is not possible yet.
    #[error(
        "there is no image `{0}` here, and images cannot be pulled yet: get it with `lapstrake load` or \
         `lapstrake import`, or point to it with `--build-context {0}=oci-layout://DIR`"
    )]
    NoBase(String),
    /// The image is there, but for something else.
    #[error("image `{name}` is for {has}, not for {wanted}")]
    Platform {
        /// As given.
        name: String,
        /// What it is for.
        has: String,
        /// What was asked for.
        wanted: String,
    },
    /// A prefix of an id that several images have.
    #[error("the id `{0}` fits several images: give more digits")]
    Ambiguous(String),
    /// Not a name.
    #[error(transparent)]
    Reference(#[from] oci::reference::ParseReferenceError),
    /// A name that must not have a digest has one.
    #[error("`{0}` has a digest: a name to give is of the form repository:tag")]
    Pinned(String),
    /// Removal by id of an image with several names.
    #[error("image {id} has several names: force its removal, or remove each ({names})")]
    SeveralNames {
        /// As given.
        id: String,
        /// All of them.
        names: String,
    },
    /// A container uses it.
    #[error("image {image} is used by container {container}: remove that first, or force")]
    InUse {
        /// Name or id.
        image: String,
        /// Name or id of the container.
        container: String,
    },
    /// The archive, layout or image is not right.
    #[error(transparent)]
    Source(#[from] registry::Error),
    /// A layer cannot be unpacked.
    #[error("unpack layer {layer}")]
    Unpack {
        /// Its digest or diff id.
        layer: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A layer's bytes are not those that were promised.
    #[error("{what} has the digest {actual}, but {expected} was promised")]
    Layer {
        /// `a layer`, or `the tar of a layer`.
        what: String,
        /// As promised.
        expected: String,
        /// As computed.
        actual: String,
    },
    /// `--change` is wrong.
    #[error("change `{change}`: {why}")]
    Change {
        /// As given.
        change: String,
        /// What is wrong with it.
        why: String,
    },
    /// A filter is wrong.
    #[error("filter `{0}` is none of dangling, reference, label, before and since")]
    Filter(String),
    /// Several layouts or tags, and none chosen.
    #[error("{what} holds {count} images: choose one by its tag or digest")]
    Several {
        /// Which layout.
        what: String,
        /// How many images.
        count: usize,
    },
    /// The store failed.
    #[error("{what}")]
    Store {
        /// What was attempted.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file failed.
    #[error("{what}")]
    Io {
        /// What was attempted on what.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Packing or writing failed.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The user asked to stop.
    #[error("canceled")]
    Canceled,
}

impl ImageError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> ImageError {
        let what = what.into();
        move |source| ImageError::Io { what, source }
    }

    pub(crate) fn store<E: std::error::Error + Send + Sync + 'static>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> ImageError {
        let what = what.into();
        move |source| ImageError::Store { what, source: Box::new(source) }
    }
}
