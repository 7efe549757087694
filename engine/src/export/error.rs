//! Why an export did not come about.

use std::io;

/// Why a result could not be exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// This type of output needs a destination.
    #[error("an output of type {0} needs a destination")]
    NoDest(&'static str),
    /// Images for several platforms do not fit in.
    #[error("{0} holds the image of one platform only; `type=oci` holds an index of several")]
    Several(&'static str),
    /// Annotations of an index, where one image is written.
    #[error(
        "annotations of an index need several platforms, or the build argument BUILDKIT_MULTI_PLATFORM=1"
    )]
    NoIndex,
    /// The store failed.
    #[error("{what}")]
    Store {
        /// What was attempted.
        what: String,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The destination, or a file of a layer, failed.
    #[error("{what}")]
    Io {
        /// What was attempted on what.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The image could not be put together or written.
    #[error(transparent)]
    Image(#[from] registry::Error),
    /// A config or manifest could not be written as JSON.
    #[error("write the JSON of {0}")]
    Json(&'static str, #[source] serde_json::Error),
    /// The user asked to stop.
    #[error("canceled")]
    Canceled,
}

impl ExportError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> ExportError {
        let what = what.into();
        move |source| ExportError::Io { what, source }
    }

    pub(crate) fn store<E: std::error::Error + Send + Sync + 'static>(
        what: impl Into<String>,
    ) -> impl FnOnce(E) -> ExportError {
        let what = what.into();
        move |source| ExportError::Store { what, source: Box::new(source) }
    }
}
