//! Layers of a source into the store: the blob is kept, its tar unpacked and hashed, all in one pass.

use super::chain::{Below, Chain};
use crate::cancel::Cancel;
use crate::images::access;
use crate::images::error::ImageError;
use oci::digest::Sha256;
use oci::{BlobDigest, DiffId};
use registry::model::{Desc, Flavor, Packing};
use registry::{FoundImage, FoundLayer, Source};
use snapshotter::content::{BlobWriter, Ingester, Provider};
use snapshotter::images::StoredLayer;
use snapshotter::layer::{ApplyLimits, apply, apply_on, compress};
use snapshotter::store::Store;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Layers unpacked at a time at most: each holds a decompressor and its buffers.
const MAX_WORKERS: usize = 4;

/// A layer that is in the store.
#[derive(Debug, Clone)]
pub(super) struct Unpacked {
    pub(super) stored: StoredLayer,
    /// Its blob.
    pub(super) desc: Desc,
}

/// Brings all layers of an image into the store; those of an image that is there already are not read again.
pub(super) fn layers(
    store: &Store,
    source: &Source,
    image: &FoundImage,
    cancel: &Cancel,
) -> Result<Vec<Unpacked>, ImageError> {
    let known = known(store, source, image)?;
    let ids: Vec<_> = known.iter().map(|layer| layer.stored.layer).collect();
    let chain = Chain::new(store, &ids, image.layers.len());
    let job = Job { store, source, image, cancel, chain: &chain };
    let next = AtomicUsize::new(known.len());
    let results: Mutex<Vec<(usize, Result<Unpacked, ImageError>)>> = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_WORKERS);
    std::thread::scope(|scope| {
        for _ in 0..workers.min(image.layers.len() - known.len()) {
            // From the bottom up: the lowest layer in the making never waits, so there is always one that goes on.
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= image.layers.len() || chain.failed() {
                        return;
                    }
                    let result = job.layer(at);
                    match &result {
                        Ok(layer) => chain.finish(at, layer.stored.layer),
                        Err(_) => chain.fail(),
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    if cancel.is_canceled() {
        return Err(ImageError::Canceled);
    }
    // Of several errors the lowest layer's: those above may only have waited for it.
    results.sort_by_key(|(at, _)| *at);
    let fresh = results.into_iter().map(|(_, result)| result).collect::<Result<Vec<_>, _>>()?;
    Ok(known.into_iter().chain(fresh).collect())
}

/// The lower layers that an image of the store has as well, in the same order: what they unpack to is known.
fn known(store: &Store, source: &Source, image: &FoundImage) -> Result<Vec<Unpacked>, ImageError> {
    let mut best: Vec<StoredLayer> = Vec::new();
    for record in store.images().list().map_err(ImageError::store("list the images"))? {
        let same =
            record.layers.iter().zip(&image.layers).take_while(|(has, wants)| has.diff_id == wants.diff_id);
        let common: Vec<StoredLayer> = same.map(|(has, _)| *has).collect();
        if common.len() > best.len() {
            best = common;
        }
    }
    let mut known = Vec::new();
    for (stored, found) in best.into_iter().zip(&image.layers) {
        let in_store =
            store.layers().contains(stored.layer).map_err(ImageError::store("look for a layer"))?;
        let desc = described(store, source, found)?;
        match desc {
            Some(desc) if in_store => known.push(Unpacked { stored, desc }),
            _ => break,
        }
    }
    Ok(known)
}

/// The blob of a layer, if the store has it. Without a manifest no blob is named: that of a known layer can be made.
fn described(store: &Store, source: &Source, layer: &FoundLayer) -> Result<Option<Desc>, ImageError> {
    let Some(desc) = &layer.desc else {
        let (size, _) = source.open_layer(layer)?;
        let digest = BlobDigest::from_bytes(*layer.diff_id.as_bytes());
        return Ok(Some(Desc::new(Flavor::Docker.layer(Packing::Plain), digest, size)));
    };
    let there = store.content().contains(&desc.digest);
    let there = there.map_err(ImageError::store(format!("look for blob {}", desc.digest)))?;
    Ok(there.then(|| desc.clone()))
}

struct Job<'a> {
    store: &'a Store,
    source: &'a Source,
    image: &'a FoundImage,
    cancel: &'a Cancel,
    chain: &'a Chain<'a>,
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

impl Job<'_> {
    fn layer(&self, at: usize) -> Result<Unpacked, ImageError> {
        let found = &self.image.layers[at];
        let layer = found.desc.as_ref().map_or_else(|| found.diff_id.to_string(), |d| d.digest.to_string());
        let result = self.try_layer(at, found);
        result.map_err(|error| match error {
            _ if self.cancel.is_canceled() => ImageError::Canceled,
            Failure::Image(error) => error,
            // Damaged bytes lead to any error: say first that they are damaged.
            Failure::Other(source) => self.damage(found).unwrap_or(ImageError::Unpack { layer, source }),
        })
    }

    fn try_layer(&self, at: usize, found: &FoundLayer) -> Result<Unpacked, Failure> {
        let (size, reader) = self.source.open_layer(found).map_err(|e| Failure::Image(e.into()))?;
        let expected = found.desc.as_ref().map(|desc| desc.digest);
        let writer = self.store.content().writer(expected, Some(size))?;
        let blob = Arc::new(Mutex::new(Some(writer)));
        let tee = Tee { reader: access::cancelable(reader, self.cancel), blob: Arc::clone(&blob) };
        let mut packed = BufReader::with_capacity(1 << 18, tee);
        let packing = Packing::of_magic(packed.fill_buf()?);
        let mut plain = Hashed { inner: compress::reader(packed)?, hash: Sha256::default() };
        let work = self.store.work()?;
        let diff = work.diff()?;
        // Whether the archive is whole, its digest says.
        let limits = ApplyLimits { allow_missing_end: true, ..ApplyLimits::default() };
        let index = match at {
            0 => apply(&mut plain, &diff, &limits)?,
            _ => apply_on(&mut plain, &diff, &limits, &Below::new(self.chain, at))?,
        };
        io::copy(&mut plain, &mut io::sink())?;
        let diff_id = DiffId::from_bytes(plain.hash.finish());
        drop(plain.inner);
        if diff_id != found.diff_id {
            return Err(Failure::Image(mismatch("the tar of a layer", &found.diff_id, &diff_id)));
        }
        let writer = blob.lock().unwrap_or_else(PoisonError::into_inner).take();
        let digest = writer.ok_or("its blob is gone")?.commit()?;
        let desc = || Desc::new(Flavor::Docker.layer(packing), digest, size);
        let desc = found.desc.clone().unwrap_or_else(desc);
        let layer = self.store.layers().commit(work, index)?;
        self.store.layers().adopt(layer, diff_id, access::descriptor(&desc)?)?;
        Ok(Unpacked { stored: StoredLayer { layer, diff_id }, desc })
    }

    /// Reads a layer once more: what its digest is, if not the promised one.
    fn damage(&self, found: &FoundLayer) -> Option<ImageError> {
        let desc = found.desc.as_ref()?;
        let (_, reader) = self.source.open_layer(found).ok()?;
        let mut hashed = Hashed { inner: access::cancelable(reader, self.cancel), hash: Sha256::default() };
        io::copy(&mut hashed, &mut io::sink()).ok()?;
        let actual = BlobDigest::from_bytes(hashed.hash.finish());
        (actual != desc.digest).then(|| mismatch("a layer", &desc.digest, &actual))
    }
}

fn mismatch(what: &str, expected: &dyn ToString, actual: &dyn ToString) -> ImageError {
    ImageError::Layer { what: what.to_owned(), expected: expected.to_string(), actual: actual.to_string() }
}

/// An error that speaks for itself, or one that needs the layer's name.
enum Failure {
    Image(ImageError),
    Other(AnyError),
}

impl<E: Into<AnyError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Other(error.into())
    }
}

/// Reads, and writes what it reads to the content store.
struct Tee<R> {
    reader: R,
    blob: Arc<Mutex<Option<Box<dyn BlobWriter>>>>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buf)?;
        if let Some(writer) = self.blob.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            writer.write_all(&buf[..got])?;
        }
        Ok(got)
    }
}

struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buf)?;
        self.hash.update(&buf[..got]);
        Ok(got)
    }
}
