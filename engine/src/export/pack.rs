//! From an image in the store to blobs that can leave it: layers packed in parallel, and the manifest that names them.

use super::annotations::{Annotation, AnnotationKind};
use super::sink::Cancelable;
use super::{ExportError, Output, OutputKind, StoredImage, several};
use crate::cancel::Cancel;
use crate::images::access;
use oci::{BlobDigest, DiffId, Reference};
use rayon::prelude::*;
use registry::RawBlob;
use registry::layout::{Blobs, OutImage};
use registry::model::{Desc, Flavor, MAX_JSON, Manifest, OCI_MANIFEST, Packing};
use snapshotter::content::Provider;
use snapshotter::images::StoredLayer;
use snapshotter::layer::Compression;
use snapshotter::store::Store;
use std::collections::HashMap;
use std::io::{self, Read};
use std::path::PathBuf;

/// Makes every blob of an image, and the manifest that names them.
///
/// A manifest that came with the image is kept as it is where the output allows that. Compressed layers that came from
/// elsewhere are kept, too, unless `force-compression` asks otherwise.
pub(crate) fn pack(
    store: &Store,
    image: &StoredImage,
    names: &[Reference],
    output: &Output,
    cancel: &Cancel,
) -> Result<OutImage, ExportError> {
    if !image.members.is_empty() {
        return several::pack_index(store, image, names, output, cancel);
    }
    let manifest = match kept(store, image, output)? {
        Some(manifest) => manifest,
        None => made(store, image, output, cancel)?,
    };
    Ok(OutImage {
        names: names.to_vec(),
        manifest,
        platform: image.platform.clone(),
        annotations: Annotation::of(
            &output.annotations,
            AnnotationKind::ManifestDescriptor,
            Some(&image.platform),
        ),
        members: Vec::new(),
    })
}

/// The stored manifest, if all that it names is in the store and the output asks for nothing else.
fn kept(store: &Store, image: &StoredImage, output: &Output) -> Result<Option<RawBlob>, ExportError> {
    let desc = &image.manifest;
    let flavor_fits = output.kind == OutputKind::Docker || desc.media_type == OCI_MANIFEST;
    if !flavor_fits || output.force_compression || !output.manifest_annotations_empty() {
        return Ok(None);
    }
    let what = || format!("read manifest {}", desc.digest);
    let bytes = store.content().read(&desc.digest, MAX_JSON).map_err(ExportError::store(what()))?;
    let manifest = Manifest::parse(&bytes, &desc.media_type, &format!("manifest {}", desc.digest))?;
    for layer in &manifest.layers {
        let packed =
            Packing::of_media_type(&layer.media_type).is_some_and(|packing| packing != Packing::Plain);
        if !packed || !store.content().contains(&layer.digest).map_err(ExportError::store(what()))? {
            return Ok(None);
        }
    }
    Ok((!manifest.layers.is_empty()).then(|| RawBlob { desc: desc.clone(), bytes }))
}

fn made(
    store: &Store,
    image: &StoredImage,
    output: &Output,
    cancel: &Cancel,
) -> Result<RawBlob, ExportError> {
    let foreign = if output.force_compression { HashMap::new() } else { foreign(store, &image.layers)? };
    let layers = image.layers.par_iter().map(|layer| {
        if cancel.is_canceled() {
            return Err(ExportError::Canceled);
        }
        let desc = match foreign.get(&layer.diff_id) {
            Some(desc) => desc.clone(),
            None => blob(store, layer, output.compression)?,
        };
        let packing = Packing::of_media_type(&desc.media_type).unwrap_or(Packing::Plain);
        Ok(Desc::new(output.flavor.layer(packing), desc.digest, desc.size))
    });
    let layers = layers.collect::<Result<Vec<_>, _>>()?;
    let size = store.content().size(&image.id).map_err(ExportError::store("read the image config"))?;
    let config = Desc::new(output.flavor.config(), image.id, size);
    let mut manifest = Manifest::new(output.flavor, config, layers);
    if output.flavor == Flavor::Oci {
        // Those that the image was built with stay.
        let (_, stored) = access::manifest(store, &image.manifest.digest)
            .map_err(ExportError::store(format!("read manifest {}", image.manifest.digest)))?;
        manifest.annotations = stored.annotations;
        let new = Annotation::of(&output.annotations, AnnotationKind::Manifest, Some(&image.platform));
        manifest.annotations.extend(new);
    }
    let bytes = manifest.to_bytes()?;
    Ok(RawBlob { desc: Desc::of(output.flavor.manifest(), &bytes), bytes })
}

/// A layer as a blob, made now unless it was made before.
fn blob(store: &Store, layer: &StoredLayer, compression: Compression) -> Result<Desc, ExportError> {
    let made = store.layers().blob_of(layer.layer, layer.diff_id, &compression);
    let made = made.map_err(ExportError::store(format!("compress layer {}", layer.diff_id)))?;
    let packing = match compression {
        Compression::None => Packing::Plain,
        Compression::Gzip { .. } => Packing::Gzip,
        Compression::Zstd { .. } => Packing::Zstd,
    };
    let digest: BlobDigest = made.digest().to_string().parse().map_err(ExportError::store("name a layer"))?;
    Ok(Desc::new(Flavor::Oci.layer(packing), digest, made.size()))
}

/// The compressed blobs that layers came with, by the diff ids of their tars: what manifests of the store name and the
/// store has. Those of images built here name no compressed layers.
fn foreign(store: &Store, layers: &[StoredLayer]) -> Result<HashMap<DiffId, Desc>, ExportError> {
    let mut found = HashMap::new();
    let wanted = |id: &DiffId| layers.iter().any(|layer| layer.diff_id == *id);
    for record in store.images().list().map_err(ExportError::store("list the images"))? {
        if !record.layers.iter().any(|layer| wanted(&layer.diff_id)) {
            continue;
        }
        let Ok((_, manifest)) = access::manifest(store, &record.manifest) else {
            tracing::warn!(image = %record.id, "the manifest of an image cannot be read");
            continue;
        };
        for (layer, desc) in record.layers.iter().zip(manifest.layers) {
            let packed =
                Packing::of_media_type(&desc.media_type).is_some_and(|packing| packing != Packing::Plain);
            if packed && wanted(&layer.diff_id) && store.content().contains(&desc.digest).unwrap_or(false) {
                found.entry(layer.diff_id).or_insert(desc);
            }
        }
    }
    Ok(found)
}

/// The blobs of a store, read until cancelled.
#[derive(Debug)]
pub struct StoreBlobs<'a> {
    store: &'a Store,
    cancel: Cancel,
}

impl<'a> StoreBlobs<'a> {
    /// Reads from `store`.
    pub fn new(store: &'a Store, cancel: &Cancel) -> Self {
        Self { store, cancel: cancel.clone() }
    }
}

impl Blobs for StoreBlobs<'_> {
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
        let blob = self.store.content().open(digest).map_err(io::Error::other)?;
        Ok(Box::new(Owned { inner: blob, cancel: self.cancel.clone() }))
    }

    fn path(&self, digest: &BlobDigest) -> Option<PathBuf> {
        Some(self.store.content().path(digest))
    }
}

struct Owned<R> {
    inner: R,
    cancel: Cancel,
}

impl<R: Read> Read for Owned<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Cancelable { inner: &mut self.inner, cancel: &self.cancel }.read(buf)
    }
}

#[cfg(test)]
mod tests;
