//! Blobs in memory: for tests.

use super::{Blob, BlobWriter, Check, ContentError, Ingester, Manager, Provider};
use oci::BlobDigest;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

type Blobs = BTreeMap<BlobDigest, Arc<[u8]>>;

/// A content store that ends with its process. Clones share what is in it.
#[derive(Debug, Clone, Default)]
pub struct MemoryContent(Arc<Mutex<Blobs>>);

impl MemoryContent {
    fn blobs(&self) -> MutexGuard<'_, Blobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, digest: &BlobDigest) -> Result<Arc<[u8]>, ContentError> {
        self.blobs().get(digest).cloned().ok_or(ContentError::NotFound(*digest))
    }
}

impl Provider for MemoryContent {
    fn open(&self, digest: &BlobDigest) -> Result<Box<dyn Blob>, ContentError> {
        Ok(Box::new(Cursor::new(self.get(digest)?)))
    }

    fn size(&self, digest: &BlobDigest) -> Result<u64, ContentError> {
        Ok(self.get(digest)?.len() as u64)
    }
}

impl Ingester for MemoryContent {
    fn writer(
        &self,
        digest: Option<BlobDigest>,
        size: Option<u64>,
    ) -> Result<Box<dyn BlobWriter>, ContentError> {
        Ok(Box::new(Writer { to: self.clone(), check: Check::new(digest, size), bytes: Vec::new() }))
    }
}

impl Manager for MemoryContent {
    fn list(&self) -> Result<Vec<(BlobDigest, u64)>, ContentError> {
        Ok(self.blobs().iter().map(|(digest, bytes)| (*digest, bytes.len() as u64)).collect())
    }

    fn remove(&self, digest: &BlobDigest) -> Result<bool, ContentError> {
        Ok(self.blobs().remove(digest).is_some())
    }
}

struct Writer {
    to: MemoryContent,
    check: Check,
    bytes: Vec<u8>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check.admit(bytes)?;
        self.bytes.extend_from_slice(bytes);
        self.check.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter for Writer {
    fn commit(self: Box<Self>) -> Result<BlobDigest, ContentError> {
        let Writer { to, check, bytes } = *self;
        let (digest, _) = check.finish()?;
        to.blobs().entry(digest).or_insert_with(|| bytes.into());
        Ok(digest)
    }
}

#[cfg(test)]
mod tests;
