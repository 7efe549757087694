//! The content store: blobs named by the SHA-256 of their bytes. What is in there has been verified, is complete, and
//! never changes.
//!
//! Its users ask for as little as they need: one of three small roles. Every implementation passes the suite in
//! `contract`.

mod local;
mod memory;

pub use local::LocalContent;
pub use memory::MemoryContent;

use oci::BlobDigest;
use std::fmt::Debug;
use std::io::{self, Read, Seek, Write};

/// Reads blobs.
pub trait Provider: Debug + Send + Sync {
    /// Opens a blob at its beginning.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] if it is not there.
    fn open(&self, digest: &BlobDigest) -> Result<Box<dyn Blob>, ContentError>;

    /// A blob's length in bytes.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] if it is not there.
    fn size(&self, digest: &BlobDigest) -> Result<u64, ContentError>;

    /// Whether the blob is there.
    ///
    /// # Errors
    /// If that cannot be found out.
    fn contains(&self, digest: &BlobDigest) -> Result<bool, ContentError> {
        match self.size(digest) {
            Ok(_) => Ok(true),
            Err(ContentError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A whole blob of at most `limit` bytes: a config, a manifest.
    ///
    /// # Errors
    /// [`ContentError::NotFound`] if it is not there, [`ContentError::TooLong`] if it is longer.
    fn read(&self, digest: &BlobDigest, limit: u64) -> Result<Vec<u8>, ContentError> {
        let size = self.size(digest)?;
        if size > limit {
            return Err(ContentError::TooLong { limit });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        self.open(digest)?.read_to_end(&mut bytes).map_err(|e| ContentError::io("read a blob", e))?;
        Ok(bytes)
    }
}

/// Takes blobs in.
pub trait Ingester: Debug + Send + Sync {
    /// Begins a blob. Nothing of it can be seen before its commit; dropped before that, it leaves nothing.
    ///
    /// `digest` and `size` (bytes) are what it must turn out to have, where they are known.
    ///
    /// # Errors
    /// If there is no place to write to.
    fn writer(
        &self,
        digest: Option<BlobDigest>,
        size: Option<u64>,
    ) -> Result<Box<dyn BlobWriter>, ContentError>;

    /// Takes `bytes` in as one blob. One that is there already is left as it is.
    ///
    /// # Errors
    /// If it cannot be written.
    fn put(&self, bytes: &[u8]) -> Result<BlobDigest, ContentError> {
        let mut writer = self.writer(Some(BlobDigest::of(bytes)), Some(bytes.len() as u64))?;
        writer.write_all(bytes).map_err(|e| ContentError::io("write a blob", e))?;
        writer.commit()
    }
}

/// Knows what there is, and removes it.
pub trait Manager: Debug + Send + Sync {
    /// All blobs with their lengths in bytes, sorted.
    ///
    /// # Errors
    /// If they cannot be listed.
    fn list(&self) -> Result<Vec<(BlobDigest, u64)>, ContentError>;

    /// Removes a blob. Returns whether it was there. Who has it open can go on reading.
    ///
    /// # Errors
    /// If it cannot be removed.
    fn remove(&self, digest: &BlobDigest) -> Result<bool, ContentError>;
}

/// All of it.
pub trait Content: Provider + Ingester + Manager {}

impl<T: Provider + Ingester + Manager> Content for T {}

/// An open blob.
pub trait Blob: Read + Seek + Send {}

impl<T: Read + Seek + Send> Blob for T {}

/// A blob on its way in. A write that makes it longer than it may be is an error.
pub trait BlobWriter: Write + Send {
    /// Verifies the blob and makes it visible, all at once. One that is there already is left as it is.
    ///
    /// # Errors
    /// [`ContentError::Digest`] or [`ContentError::Size`] if it is not what was announced.
    fn commit(self: Box<Self>) -> Result<BlobDigest, ContentError>;
}

/// Why a blob cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentError {
    /// It is not there.
    #[error("blob {0} is not in the store")]
    NotFound(BlobDigest),
    /// Its bytes are not those that its name promises.
    #[error("the blob has the digest {found} instead of {expected}")]
    Digest {
        /// As announced.
        expected: BlobDigest,
        /// Of the bytes.
        found: BlobDigest,
    },
    /// It ended too early.
    #[error("the blob has {found} bytes instead of {expected}")]
    Size {
        /// As announced.
        expected: u64,
        /// As written.
        found: u64,
    },
    /// It is longer than it may be.
    #[error("the blob is longer than {limit} bytes")]
    TooLong {
        /// Greatest length in bytes.
        limit: u64,
    },
    /// The file system, or the database, refused.
    #[error("{action}")]
    Io {
        /// What was attempted.
        action: String,
        /// Why it did not work.
        source: io::Error,
    },
}

impl ContentError {
    /// `action` failed because of `source`, which may carry an error of ours.
    pub(crate) fn io(action: impl Into<String>, source: io::Error) -> ContentError {
        match source.downcast::<ContentError>() {
            Ok(ours) => ours,
            Err(source) => ContentError::Io { action: action.into(), source },
        }
    }
}

/// Counts and hashes what goes into a blob, and holds it to what was announced.
#[derive(Debug)]
struct Check {
    hasher: oci::digest::Sha256,
    len: u64,
    digest: Option<BlobDigest>,
    size: Option<u64>,
}

impl Check {
    fn new(digest: Option<BlobDigest>, size: Option<u64>) -> Check {
        Check { hasher: oci::digest::Sha256::default(), len: 0, digest, size }
    }

    /// Before `bytes` are written: whether there may be that many more.
    fn admit(&self, bytes: &[u8]) -> io::Result<()> {
        match self.size {
            Some(limit) if self.len.saturating_add(bytes.len() as u64) > limit => {
                Err(io::Error::new(io::ErrorKind::InvalidData, ContentError::TooLong { limit }))
            }
            _ => Ok(()),
        }
    }

    /// After `bytes` were written.
    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
    }

    fn finish(self) -> Result<(BlobDigest, u64), ContentError> {
        if let Some(expected) = self.size.filter(|size| *size != self.len) {
            return Err(ContentError::Size { expected, found: self.len });
        }
        let found = BlobDigest::from_bytes(self.hasher.finish());
        match self.digest {
            Some(expected) if expected != found => Err(ContentError::Digest { expected, found }),
            _ => Ok((found, self.len)),
        }
    }
}
