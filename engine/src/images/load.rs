//! Images from archives and layouts into the store: every byte verified, layers unpacked side by side.

mod chain;
mod unpack;

use super::access;
use super::error::ImageError;
use crate::cancel::Cancel;
use oci::{BlobDigest, Platform, Reference};
use registry::model::{Desc, Flavor, Manifest};
use registry::{FoundImage, Source};
use snapshotter::images::{ImageRecord, StoredLayer};
use snapshotter::store::Store;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;

/// Where an image or a root file system is read from.
pub enum Input {
    /// A file, or a layout directory.
    Path(PathBuf),
    /// A stream, with what it is called in messages (`standard input`).
    Stream(Box<dyn Read + Send>, String),
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Input::Stream(_, name) => f.debug_tuple("Stream").field(name).finish(),
        }
    }
}

/// An image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    /// Its id.
    pub id: BlobDigest,
    /// The names that it has now; empty if the source gave it none.
    pub names: Vec<Reference>,
}

/// Loads the images of a Docker archive, an OCI archive (each also compressed), or an OCI layout directory. Of images
/// for several platforms, the one for `platform` is taken; without it, the one for this machine.
///
/// On error no image is recorded and no name is changed; layers that were complete stay until they are collected.
///
/// # Errors
/// When the source is damaged, hostile or no image, or the store cannot be written.
pub fn load(
    store: &Store,
    input: Input,
    platform: Option<&Platform>,
    cancel: &Cancel,
) -> Result<Vec<LoadedImage>, ImageError> {
    run(store, input, platform, cancel)
        .map_err(|error| if cancel.is_canceled() { ImageError::Canceled } else { error })
}

fn run(
    store: &Store,
    input: Input,
    platform: Option<&Platform>,
    cancel: &Cancel,
) -> Result<Vec<LoadedImage>, ImageError> {
    let work = store.work().map_err(ImageError::store("make a work directory"))?;
    let scratch = work.scratch().map_err(ImageError::store("make a work directory"))?;
    let source = match input {
        Input::Path(path) => Source::open(&path, &scratch)?,
        Input::Stream(reader, name) => Source::stream(access::cancelable(reader, cancel), &scratch, &name)?,
    };
    let images = source.images(platform)?;
    let records =
        images.iter().map(|image| adopt(store, &source, image, cancel)).collect::<Result<Vec<_>, _>>()?;
    let mut loaded: Vec<LoadedImage> = Vec::new();
    for (image, record) in images.iter().zip(&records) {
        put(store, record, &image.names)?;
        loaded.push(LoadedImage { id: record.id, names: image.names.clone() });
    }
    Ok(loaded)
}

/// Records an image and names it.
pub(super) fn put(store: &Store, record: &ImageRecord, names: &[Reference]) -> Result<(), ImageError> {
    store.images().put(record).map_err(ImageError::store(format!("record image {}", record.id)))?;
    for name in names {
        let what = format!("name the image {}", name.familiar());
        store.images().tag(&access::key(name), &record.id).map_err(ImageError::store(what))?;
    }
    Ok(())
}

/// Takes an image's layers and documents into the store. It is not recorded yet.
pub(super) fn adopt(
    store: &Store,
    source: &Source,
    image: &FoundImage,
    cancel: &Cancel,
) -> Result<ImageRecord, ImageError> {
    let unpacked = unpack::layers(store, source, image, cancel)?;
    let manifest = match &image.manifest {
        Some(manifest) => manifest.bytes.clone(),
        None => {
            let layers: Vec<Desc> = unpacked.iter().map(|layer| layer.desc.clone()).collect();
            Manifest::new(Flavor::Docker, image.config.desc.clone(), layers).to_bytes()?
        }
    };
    let id =
        access::put_blob(store, &image.config.bytes).map_err(ImageError::store("write an image config"))?;
    let manifest =
        access::put_blob(store, &manifest).map_err(ImageError::store("write an image manifest"))?;
    let layers: Vec<StoredLayer> = unpacked.iter().map(|layer| layer.stored).collect();
    Ok(ImageRecord {
        id,
        manifest,
        created: access::created(&image.image),
        size: access::size(store, &layers).map_err(ImageError::store("measure the image"))?,
        platform: image.image.platform(),
        layers,
        members: Vec::new(),
    })
}
