//! The forms in which a layer leaves the store: its tar, known by a diff id, and that tar compressed.
//!
//! Both are made when they are first asked for. A diff id is kept until the layer goes; a blob lies in the content
//! store, found by the diff id of the tar in it. A layer that came from elsewhere keeps the diff id and the blob that
//! it came with.

use super::{Layers, processors};
use crate::content::{ContentError, Provider};
use crate::error::StoreError;
use crate::layer::compress::reader;
use crate::layer::{CompressedWriter, Compression, Digests, LayerError, TarOptions, write_tar};
use oci::image::{Descriptor, Digest, MediaType};
use oci::{BlobDigest, DiffId, LayerId};
use rusqlite::{OptionalExtension, params};
use std::borrow::Borrow;
use std::io::{self, BufReader};

/// Stands for "no epoch", which is none of 1970 to 292 277 026 596.
const NO_EPOCH: i64 = i64::MIN;
/// Level of a blob that was compressed elsewhere.
const ANY_LEVEL: i64 = -1;

impl Layers {
    /// SHA-256 of the layer's tar, with mtimes later than `epoch` (seconds since 1970) set to it. Computed on first
    /// use. A layer that was adopted keeps the one it came with, whatever the epoch.
    ///
    /// # Errors
    /// If the layer is not there or cannot be read.
    pub fn diff_id(&self, id: impl Borrow<LayerId>, epoch: Option<i64>) -> Result<DiffId, StoreError> {
        let id = *id.borrow();
        match self.known_tar(id, epoch)? {
            Some((diff_id, _)) => Ok(diff_id),
            None => Ok(self.measure(id, epoch)?.0),
        }
    }

    /// Length in bytes of the tar whose digest [`Layers::diff_id`] gives.
    ///
    /// # Errors
    /// If the layer is not there or cannot be read.
    pub fn tar_size(&self, id: impl Borrow<LayerId>, epoch: Option<i64>) -> Result<u64, StoreError> {
        let id = *id.borrow();
        match self.known_tar(id, epoch)? {
            Some((_, Some(size))) => Ok(size),
            Some((diff_id, None)) => self.unpacked_size(id, diff_id),
            None => Ok(self.measure(id, epoch)?.1),
        }
    }

    /// The layer as a blob of the content store, made on first use and kept. Its media type is OCI's for
    /// `compression`.
    ///
    /// # Errors
    /// If the layer is not there, cannot be read, or the blob cannot be written.
    pub fn blob(
        &self,
        id: impl Borrow<LayerId>,
        epoch: Option<i64>,
        compression: &Compression,
    ) -> Result<Descriptor, StoreError> {
        let id = *id.borrow();
        if let Some((diff_id, _)) = self.known_tar(id, epoch)? {
            return self.blob_of(id, diff_id, compression);
        }
        compression.check()?;
        let made = self.pack(id, epoch, *compression)?;
        self.note_tar(id, epoch, made.diff, made.uncompressed)?;
        self.note_packed(made.diff, *compression, made.blob, made.size)?;
        descriptor(*compression, made.blob, made.size)
    }

    /// As [`Layers::blob`], for the tar with a diff id that an image names.
    ///
    /// # Errors
    /// Also [`StoreError::TarChanged`] if no tar with that diff id can be made any more.
    pub fn blob_of(
        &self,
        id: impl Borrow<LayerId>,
        diff_id: DiffId,
        compression: &Compression,
    ) -> Result<Descriptor, StoreError> {
        let (id, compression) = (*id.borrow(), *compression);
        compression.check()?;
        if let Some((blob, size)) = self.known_blob(diff_id, Some(compression))? {
            return descriptor(compression, blob, size);
        }
        let made = match self.known_blob(diff_id, None)? {
            Some((other, _)) => self.recompress(&other, compression)?,
            None => self.pack(id, self.epoch_of(id, diff_id)?, compression)?,
        };
        if made.diff != diff_id {
            return Err(StoreError::TarChanged { layer: id, expected: diff_id, found: made.diff });
        }
        self.note_packed(diff_id, compression, made.blob, made.size)?;
        descriptor(compression, made.blob, made.size)
    }

    /// Notes that the layer came from elsewhere, as the tar `diff_id` in `blob`, which the content store has.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn adopt(
        &self,
        id: impl Borrow<LayerId>,
        diff_id: DiffId,
        blob: impl Borrow<Descriptor>,
    ) -> Result<(), StoreError> {
        let blob = blob.borrow();
        let digest: BlobDigest =
            blob.digest().to_string().parse().map_err(|e: oci::digest::ParseDigestError| {
                StoreError::Stored { what: "a layer's descriptor", why: e.to_string() }
            })?;
        let kind = kind_of(blob.media_type());
        let size = i64::try_from(blob.size()).unwrap_or(i64::MAX);
        self.0.db.write("adopt a layer", |db| {
            db.prepare_cached(
                "INSERT OR REPLACE INTO adopted (layer, diff_id, tar_size) VALUES (?1, ?2, NULL)",
            )?
            .execute(params![id.borrow().as_bytes(), diff_id.as_bytes()])?;
            let mut insert =
                db.prepare_cached("INSERT OR REPLACE INTO packed VALUES (?1, ?2, ?3, ?4, ?5)")?;
            insert.execute(params![diff_id.as_bytes(), kind, ANY_LEVEL, digest.as_bytes(), size])?;
            Ok(())
        })
    }

    /// The diff id, and the tar's length unless only a blob of it was ever seen.
    fn known_tar(
        &self,
        id: LayerId,
        epoch: Option<i64>,
    ) -> Result<Option<(DiffId, Option<u64>)>, StoreError> {
        let found = self.0.db.read("look up a diff id", |db| {
            let mut query = db.prepare_cached(
                "SELECT diff_id, tar_size FROM adopted WHERE layer = ?1 UNION ALL
                 SELECT diff_id, tar_size FROM diff_ids WHERE layer = ?1 AND epoch = ?2",
            )?;
            query
                .query_row(params![id.as_bytes(), epoch.unwrap_or(NO_EPOCH)], |row| {
                    Ok((DiffId::from_bytes(row.get(0)?), row.get::<_, Option<i64>>(1)?))
                })
                .optional()
        })?;
        Ok(found.map(|(diff_id, size)| (diff_id, size.and_then(|size| u64::try_from(size).ok()))))
    }

    /// A blob with the tar `diff_id` in it: compressed like this, or in any way.
    fn known_blob(
        &self,
        diff_id: DiffId,
        compression: Option<Compression>,
    ) -> Result<Option<(BlobDigest, u64)>, StoreError> {
        let (kind, level) = compression.map_or(("", ANY_LEVEL), name_of);
        let found = self.0.db.read("look up a layer's blobs", |db| {
            // A blob that came with the layer goes before our own.
            let mut query = db.prepare_cached(
                "SELECT blob, size FROM packed WHERE diff_id = ?1
                 AND (?2 = '' OR kind = ?2 AND level IN (?3, -1)) ORDER BY level",
            )?;
            query
                .query_map(params![diff_id.as_bytes(), kind, level], |row| {
                    Ok((BlobDigest::from_bytes(row.get(0)?), row.get::<_, i64>(1)?))
                })?
                .collect::<Result<Vec<_>, _>>()
        })?;
        for (blob, _) in found {
            match self.0.content.size(&blob) {
                Ok(size) => return Ok(Some((blob, size))),
                Err(ContentError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// With which epoch the layer's tar has this diff id. `None` if that was never seen, or it is no epoch.
    fn epoch_of(&self, id: LayerId, diff_id: DiffId) -> Result<Option<i64>, StoreError> {
        let epoch = self.0.db.read("look up a diff id", |db| {
            db.prepare_cached("SELECT epoch FROM diff_ids WHERE layer = ?1 AND diff_id = ?2")?
                .query_row(params![id.as_bytes(), diff_id.as_bytes()], |row| row.get::<_, i64>(0))
                .optional()
        })?;
        Ok(epoch.filter(|epoch| *epoch != NO_EPOCH))
    }

    /// Computes diff id and length of the tar, and keeps them.
    fn measure(&self, id: LayerId, epoch: Option<i64>) -> Result<(DiffId, u64), StoreError> {
        let mut sink = Measure { hasher: oci::digest::Sha256::default(), len: 0 };
        self.write_tar(id, epoch, &mut sink)?;
        let diff_id = DiffId::from_bytes(sink.hasher.finish());
        self.note_tar(id, epoch, diff_id, sink.len)?;
        Ok((diff_id, sink.len))
    }

    /// Length of the tar in an adopted blob: counted once.
    fn unpacked_size(&self, id: LayerId, diff_id: DiffId) -> Result<u64, StoreError> {
        let size = match self.known_blob(diff_id, None)? {
            Some((blob, _)) => {
                let input = BufReader::with_capacity(1 << 16, self.0.content.open(&blob)?);
                let failed = |e| ContentError::io(format!("decompress blob {blob}"), e);
                io::copy(&mut reader(input)?, &mut io::sink()).map_err(failed)?
            }
            None => self.blob_of(id, diff_id, &Compression::None)?.size(),
        };
        let stored = i64::try_from(size).unwrap_or(i64::MAX);
        self.0.db.write("record a tar's length", |db| {
            db.execute("UPDATE adopted SET tar_size = ?2 WHERE layer = ?1", params![id.as_bytes(), stored])
        })?;
        Ok(size)
    }

    fn write_tar(&self, id: LayerId, epoch: Option<i64>, out: &mut dyn io::Write) -> Result<(), StoreError> {
        let index = self.index(id)?;
        let written = write_tar(&index, &self.diff_dir(id), &TarOptions { epoch }, out);
        written.map_err(|source| StoreError::Layer { id, source })
    }

    fn pack(&self, id: LayerId, epoch: Option<i64>, compression: Compression) -> Result<Digests, StoreError> {
        self.compress(
            compression,
            |out| self.write_tar(id, epoch, out),
            |source| StoreError::Layer { id, source: LayerError::Output(source) },
        )
    }

    fn recompress(&self, from: &BlobDigest, compression: Compression) -> Result<Digests, StoreError> {
        let blob = BufReader::with_capacity(1 << 16, self.0.content.open(from)?);
        let failed = |e| ContentError::io(format!("compress blob {from} anew"), e).into();
        let copy = |out: &mut dyn io::Write| io::copy(&mut reader(blob)?, out).map(drop).map_err(failed);
        self.compress(compression, copy, failed)
    }

    /// Compresses what `fill` writes into a blob.
    fn compress(
        &self,
        compression: Compression,
        fill: impl FnOnce(&mut dyn io::Write) -> Result<(), StoreError>,
        failed: impl Fn(io::Error) -> StoreError,
    ) -> Result<Digests, StoreError> {
        let temp = self.0.content.temp()?;
        let file = temp.as_file().try_clone().map_err(&failed)?;
        let mut writer = CompressedWriter::new(file, compression, processors())?;
        fill(&mut writer)?;
        let (_, made) = writer.finish().map_err(&failed)?;
        self.0.content.keep(temp, made.blob, made.size)?;
        Ok(made)
    }

    fn note_tar(
        &self,
        id: LayerId,
        epoch: Option<i64>,
        diff_id: DiffId,
        size: u64,
    ) -> Result<(), StoreError> {
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let epoch = epoch.unwrap_or(NO_EPOCH);
        self.0.db.write("record a diff id", |db| {
            db.prepare_cached("INSERT OR REPLACE INTO diff_ids VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![id.as_bytes(), epoch, diff_id.as_bytes(), size])
                .map(drop)
        })
    }

    fn note_packed(
        &self,
        diff_id: DiffId,
        compression: Compression,
        blob: BlobDigest,
        size: u64,
    ) -> Result<(), StoreError> {
        let (kind, level) = name_of(compression);
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        self.0.db.write("record a layer's blob", |db| {
            db.prepare_cached("INSERT OR REPLACE INTO packed VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute(params![diff_id.as_bytes(), kind, level, blob.as_bytes(), size])
                .map(drop)
        })
    }
}

/// Hashes and counts.
struct Measure {
    hasher: oci::digest::Sha256,
    len: u64,
}

impl io::Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn name_of(compression: Compression) -> (&'static str, i64) {
    match compression {
        Compression::None => ("none", 0),
        Compression::Gzip { level } => ("gzip", i64::from(level)),
        Compression::Zstd { level } => ("zstd", i64::from(level)),
    }
}

/// OCI's and Docker's media types of layers say it at their end.
fn kind_of(media_type: &MediaType) -> &'static str {
    let name = media_type.to_string();
    match name.rsplit(['.', '+']).next() {
        Some("gzip") => "gzip",
        Some("zstd") => "zstd",
        _ => "none",
    }
}

fn descriptor(compression: Compression, blob: BlobDigest, size: u64) -> Result<Descriptor, StoreError> {
    let digest = Digest::try_from(blob.to_string())
        .map_err(|e| StoreError::Stored { what: "a blob's digest", why: e.to_string() })?;
    Ok(Descriptor::new(compression.media_type(), size, digest))
}
