//! Blobs in files: `blobs/sha256/<hex>`, as in an OCI layout.
//!
//! A blob is written under another name in a work directory, verified, and renamed: no other process sees a part of
//! one, and a kill leaves only what the next sweep removes.

use super::{Blob, BlobWriter, Check, ContentError, Ingester, Manager, Provider};
use crate::db::{Db, Kept, Trust};
use crate::error::StoreError;
use crate::work::{WorkDir, Works};
use oci::BlobDigest;
use oci::digest::Sha256;
use std::collections::HashSet;
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tempfile::NamedTempFile;

/// The blobs of a [`crate::store::Store`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LocalContent(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `blobs/sha256`.
    dir: PathBuf,
    works: Works,
    db: Arc<Db>,
    /// Blobs are written here: made when the first one is.
    ingest: Mutex<Option<WorkDir>>,
    /// Checked by this process.
    sure: Mutex<HashSet<BlobDigest>>,
}

impl LocalContent {
    pub(crate) fn new(dir: PathBuf, works: Works, db: Arc<Db>) -> LocalContent {
        LocalContent(Arc::new(Inner { dir, works, db, ingest: Mutex::default(), sure: Mutex::default() }))
    }

    /// Where the blob is, if it is there. The file must not be changed.
    pub fn path(&self, digest: &BlobDigest) -> PathBuf {
        self.0.dir.join(digest.hex())
    }

    /// A file to write a blob to. Dropped, it is removed.
    pub(crate) fn temp(&self) -> Result<NamedTempFile, StoreError> {
        let mut ingest = self.0.ingest.lock().unwrap_or_else(PoisonError::into_inner);
        let work = match &mut *ingest {
            Some(work) => work,
            none => none.insert(self.0.works.create()?),
        };
        NamedTempFile::new_in(work.path()).map_err(StoreError::io("make a file in", work.path()))
    }

    /// Makes the blob in `file`, whose digest and length have been computed while it was written, visible.
    pub(crate) fn keep(
        &self,
        file: NamedTempFile,
        digest: BlobDigest,
        size: u64,
    ) -> Result<(), ContentError> {
        if self.contains(&digest)? {
            return Ok(());
        }
        let io = |e| ContentError::io(format!("write blob {digest}"), e);
        file.as_file().set_permissions(Permissions::from_mode(0o444)).map_err(io)?;
        file.persist(self.path(&digest)).map_err(|e| io(e.error))?;
        self.known(digest);
        // Without the note the blob is only checked once more than needed.
        if let Err(error) = self.0.db.keep(Kept::Blob, digest.as_bytes(), size, true) {
            tracing::warn!(%error, %digest, "note a new blob");
        }
        Ok(())
    }

    /// How many work directories blobs are being written in.
    pub(crate) fn ingesting(&self) -> usize {
        usize::from(self.0.ingest.lock().unwrap_or_else(PoisonError::into_inner).is_some())
    }

    fn known(&self, digest: BlobDigest) {
        self.0.sure.lock().unwrap_or_else(PoisonError::into_inner).insert(digest);
    }

    /// Whether the file, of `size` bytes, holds what its name says. Drops it if not.
    fn check(&self, digest: &BlobDigest, size: u64) -> Result<bool, ContentError> {
        if self.0.sure.lock().unwrap_or_else(PoisonError::into_inner).contains(digest) {
            return Ok(true);
        }
        let trust = self.0.db.trust(Kept::Blob, digest.as_bytes()).unwrap_or_else(|error| {
            tracing::warn!(%error, "look up a blob");
            Trust::Unknown
        });
        if trust == Trust::Unknown {
            let found =
                hash(&self.path(digest)).map_err(|e| ContentError::io(format!("read blob {digest}"), e))?;
            if found != *digest {
                tracing::warn!(%digest, "a damaged blob is dropped");
                self.remove(digest)?;
                return Ok(false);
            }
            if let Err(error) = self.0.db.keep(Kept::Blob, digest.as_bytes(), size, false) {
                tracing::warn!(%error, %digest, "note a checked blob");
            }
        }
        self.known(*digest);
        Ok(true)
    }
}

impl Provider for LocalContent {
    fn open(&self, digest: &BlobDigest) -> Result<Box<dyn Blob>, ContentError> {
        self.size(digest)?;
        match File::open(self.path(digest)) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ContentError::NotFound(*digest)),
            Err(error) => Err(ContentError::io(format!("open blob {digest}"), error)),
        }
    }

    fn size(&self, digest: &BlobDigest) -> Result<u64, ContentError> {
        match self.path(digest).symlink_metadata() {
            Ok(meta) if meta.is_file() && self.check(digest, meta.len())? => Ok(meta.len()),
            Ok(_) => Err(ContentError::NotFound(*digest)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ContentError::NotFound(*digest)),
            Err(error) => Err(ContentError::io(format!("inspect blob {digest}"), error)),
        }
    }
}

impl Ingester for LocalContent {
    fn writer(
        &self,
        digest: Option<BlobDigest>,
        size: Option<u64>,
    ) -> Result<Box<dyn BlobWriter>, ContentError> {
        let file = self.temp().map_err(|e| ContentError::io("write a blob", io::Error::other(e)))?;
        Ok(Box::new(Writer { to: self.clone(), check: Check::new(digest, size), file }))
    }

    fn put(&self, bytes: &[u8]) -> Result<BlobDigest, ContentError> {
        let digest = BlobDigest::of(bytes);
        // What an unchanged build makes is there already.
        if !self.contains(&digest)? {
            let mut writer = self.writer(Some(digest), Some(bytes.len() as u64))?;
            writer.write_all(bytes).map_err(|e| ContentError::io(format!("write blob {digest}"), e))?;
            writer.commit()?;
        }
        Ok(digest)
    }
}

impl Manager for LocalContent {
    fn list(&self) -> Result<Vec<(BlobDigest, u64)>, ContentError> {
        let io = |e| ContentError::io("list the blobs", e);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.0.dir).map_err(io)? {
            let entry = entry.map_err(io)?;
            let digest = entry.file_name().to_str().and_then(|name| format!("sha256:{name}").parse().ok());
            if let Some(digest) = digest {
                found.push((digest, entry.metadata().map_err(io)?.len()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn remove(&self, digest: &BlobDigest) -> Result<bool, ContentError> {
        self.0.sure.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
        let there = match std::fs::remove_file(self.path(digest)) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(ContentError::io(format!("remove blob {digest}"), error)),
        };
        if there && let Err(error) = self.0.db.forget(Kept::Blob, digest.as_bytes()) {
            tracing::warn!(%error, %digest, "forget a blob");
        }
        Ok(there)
    }
}

struct Writer {
    to: LocalContent,
    check: Check,
    file: NamedTempFile,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check.admit(bytes)?;
        let written = self.file.as_file_mut().write(bytes)?;
        self.check.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl BlobWriter for Writer {
    fn commit(self: Box<Self>) -> Result<BlobDigest, ContentError> {
        let Writer { to, check, file } = *self;
        let (digest, size) = check.finish()?;
        to.keep(file, digest, size)?;
        Ok(digest)
    }
}

fn hash(path: &Path) -> io::Result<BlobDigest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(BlobDigest::from_bytes(hasher.finish())),
            len => hasher.update(&buffer[..len]),
        }
    }
}

#[cfg(test)]
mod tests;
