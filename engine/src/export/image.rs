//! A build's result as an image in the store: config, manifest, record, names.

use super::annotations::{Annotation, AnnotationKind};
use super::{BuildResult, ExportError};
use crate::cancel::Cancel;
use crate::images::access;
use oci::image::ImageConfig;
use oci::{BlobDigest, Platform, Reference};
use rayon::prelude::*;
use registry::model::{Desc, Flavor, Manifest, Packing};
use snapshotter::images::{ImageRecord, StoredLayer};
use snapshotter::store::Store;

/// An image of the store.
#[derive(Debug, Clone)]
pub struct StoredImage {
    /// Digest of the config: the image's id.
    pub id: BlobDigest,
    /// Its manifest: as stored, or as exported. A stored manifest of an image built here names its layers unpacked.
    pub manifest: Desc,
    /// What it is for.
    pub platform: Platform,
    /// From the bottom layer to the top one.
    pub layers: Vec<StoredLayer>,
    /// The config.
    pub config: ImageConfig,
    /// Of an index, which has no layers, and whose id is its own digest: the images that it names.
    pub members: Vec<StoredImage>,
}

/// Puts a result into the store, and gives it `names`: each is taken from the image that has it now. The same result
/// gives the same image, whatever the store held before.
///
/// # Errors
/// When a layer cannot be read, or the store cannot be written; the names are then as they were.
pub fn store_image(
    store: &Store,
    result: &BuildResult,
    names: &[Reference],
    cancel: &Cancel,
) -> Result<StoredImage, ExportError> {
    store_with(store, result, names, &[], cancel)
}

/// As [`store_image`], with annotations in the manifest.
pub(super) fn store_with(
    store: &Store,
    result: &BuildResult,
    names: &[Reference],
    annotations: &[Annotation],
    cancel: &Cancel,
) -> Result<StoredImage, ExportError> {
    let layers = diff_ids(store, result, cancel)?;
    let mut config = result.config.clone();
    config.rootfs.diff_ids = layers.iter().map(|layer| layer.diff_id).collect();
    let bytes = serde_json::to_vec(&config).map_err(|e| ExportError::Json("the image config", e))?;
    let id = access::put_blob(store, &bytes).map_err(ExportError::store("write the image config"))?;
    let described = Desc::new(Flavor::Oci.config(), id, bytes.len() as u64);
    let mut manifest = Manifest::new(Flavor::Oci, described, plain_layers(store, &layers, result.epoch)?);
    let platform = super::several::platform(result);
    manifest.annotations = Annotation::of(annotations, AnnotationKind::Manifest, Some(&platform));
    let manifest_bytes = manifest.to_bytes()?;
    let manifest = Desc::of(Flavor::Oci.manifest(), &manifest_bytes);
    access::put_blob(store, &manifest_bytes).map_err(ExportError::store("write the image manifest"))?;
    let stored =
        StoredImage { id, manifest, platform: config.platform(), layers, config, members: Vec::new() };
    record(store, &stored, names)?;
    Ok(stored)
}

fn record(store: &Store, image: &StoredImage, names: &[Reference]) -> Result<(), ExportError> {
    let record = ImageRecord {
        id: image.id,
        manifest: image.manifest.digest,
        layers: image.layers.clone(),
        created: access::created(&image.config),
        size: access::size(store, &image.layers).map_err(ExportError::store("measure the image"))?,
        platform: image.platform.clone(),
        members: Vec::new(),
    };
    put(store, &record, names)
}

/// Records an image or an index, and names it.
pub(super) fn put(store: &Store, record: &ImageRecord, names: &[Reference]) -> Result<(), ExportError> {
    let failed = |what: String| ExportError::store(what);
    let images = store.images();
    // What is so already is not written: a build that changes nothing does not wait for the disk.
    let what = || format!("record image {}", record.id);
    if images.get(&record.id).map_err(failed(what()))?.as_ref() != Some(record) {
        images.put(record).map_err(failed(what()))?;
    }
    let known = images.tags(&record.id).map_err(failed(what()))?;
    for name in names.iter().filter(|name| !known.contains(&access::key(name))) {
        let what = format!("name the image {}", name.familiar());
        store.images().tag(&access::key(name), &record.id).map_err(ExportError::store(what))?;
    }
    Ok(())
}

/// The diff ids of all layers, computed side by side where they are not known.
fn diff_ids(store: &Store, result: &BuildResult, cancel: &Cancel) -> Result<Vec<StoredLayer>, ExportError> {
    let ids = result.layers.par_iter().map(|layer| {
        if cancel.is_canceled() {
            return Err(ExportError::Canceled);
        }
        let diff_id = match layer.diff_id {
            Some(known) => Ok(known),
            None => store.layers().diff_id(layer.layer, result.epoch),
        };
        let diff_id =
            diff_id.map_err(ExportError::store(format!("compute the diff id of layer {}", layer.layer)))?;
        Ok(StoredLayer { layer: layer.layer, diff_id })
    });
    ids.collect()
}

/// Descriptors of the layers as plain tars: they are not packed before someone asks for that.
fn plain_layers(store: &Store, layers: &[StoredLayer], epoch: Option<i64>) -> Result<Vec<Desc>, ExportError> {
    let described = layers.iter().map(|layer| {
        let size = store.layers().tar_size(layer.layer, epoch);
        let size = size.map_err(ExportError::store(format!("measure layer {}", layer.layer)))?;
        let digest = BlobDigest::from_bytes(*layer.diff_id.as_bytes());
        Ok(Desc::new(Flavor::Oci.layer(Packing::Plain), digest, size))
    });
    described.collect()
}

#[cfg(test)]
mod tests;
