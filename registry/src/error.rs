//! What can be wrong with an image that comes from outside, or with the place that one is written to.

use std::io;

/// Why an image could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system, or the stream, failed.
    #[error("{what}")]
    Io {
        /// What was attempted on what.
        what: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The bytes do not follow the format.
    #[error("{what}: {why}")]
    Malformed {
        /// `image archive`, `manifest sha256:…`.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A JSON document does not parse.
    #[error("parse {what}")]
    Json {
        /// Which document.
        what: String,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// The bytes are not those that a descriptor names.
    #[error("{what} has the digest {actual}, but {expected} was promised")]
    Digest {
        /// Which blob or layer.
        what: String,
        /// As the descriptor says.
        expected: String,
        /// As computed.
        actual: String,
    },
    /// The length is not that which a descriptor names.
    #[error("{what} has {actual} bytes, but {expected} were promised")]
    Size {
        /// Which blob.
        what: String,
        /// As the descriptor says.
        expected: u64,
        /// As counted; for an endless stream, at least this.
        actual: u64,
    },
    /// A document is larger than anything honest.
    #[error("{what} has {size} bytes; the limit is {limit}")]
    TooLarge {
        /// Which document.
        what: String,
        /// Its length in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// Something that a descriptor names is not there.
    #[error("{what} is missing")]
    Missing {
        /// What.
        what: String,
    },
    /// Well formed, but nothing that an image can be made of here.
    #[error("{what} is not supported: {why}")]
    Unsupported {
        /// What.
        what: String,
        /// What would be.
        why: String,
    },
    /// No image for the wanted platform.
    #[error("{what} has no image for {wanted} (it has: {has})")]
    Platform {
        /// Which index.
        what: String,
        /// The wanted platform.
        wanted: String,
        /// The offered ones.
        has: String,
    },
}

impl Error {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }

    pub(crate) fn malformed(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Malformed { what: what.into(), why: why.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::Unsupported { what: what.into(), why: why.into() }
    }
}
