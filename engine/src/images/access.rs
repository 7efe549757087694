//! Small ways into the store that several modules here need.

use super::error::ImageError;
use crate::cancel::Cancel;
use crate::export::Cancelable;
use jiff::Timestamp;
use oci::image::Descriptor;
use oci::{BlobDigest, ImageConfig, Platform, Reference};
use registry::model::{Desc, MAX_JSON, Manifest, OCI_MANIFEST};
use snapshotter::content::{ContentError, Ingester, Provider};
use snapshotter::error::StoreError;
use snapshotter::images::{ImageRecord, StoredLayer};
use snapshotter::store::Store;
use std::io::Read;

/// The store's spelling of a name.
pub(crate) fn key(name: &Reference) -> String {
    name.to_string()
}

/// A name as the store spells it, parsed; the store holds nothing that does not parse.
pub(crate) fn name(key: &str) -> Option<Reference> {
    key.parse().ok()
}

pub(crate) fn put_blob(store: &Store, bytes: &[u8]) -> Result<BlobDigest, ContentError> {
    store.content().put(bytes)
}

/// Unix seconds of a config's creation; 0 where it states none.
pub(crate) fn created(config: &ImageConfig) -> i64 {
    config.created.as_deref().and_then(seconds).unwrap_or(0)
}

/// Unix seconds of an RFC 3339 time.
pub(crate) fn seconds(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Bytes of all files in these layers.
pub(crate) fn size(store: &Store, layers: &[StoredLayer]) -> Result<u64, StoreError> {
    layers.iter().map(|layer| Ok(store.layers().index(layer.layer)?.size())).sum()
}

/// The image of a name, an id, or the beginning of an id. Names go first. Of an index, the image for this machine.
pub(crate) fn resolve(store: &Store, text: &str) -> Result<ImageRecord, ImageError> {
    resolve_for(store, text, &Platform::host())
}

/// As [`resolve`], for another machine. Of an index without an image for it, the first one.
pub(crate) fn resolve_for(store: &Store, text: &str, platform: &Platform) -> Result<ImageRecord, ImageError> {
    let record = resolve_any(store, text)?;
    if !record.is_index() {
        return Ok(record);
    }
    let members = members(store, &record)?;
    let fits = |member: &&ImageRecord| member.platform == *platform;
    let near = |member: &&ImageRecord| {
        (&member.platform.os, &member.platform.architecture) == (&platform.os, &platform.architecture)
    };
    let chosen = members.iter().find(fits).or_else(|| members.iter().find(near)).or(members.first());
    chosen.cloned().ok_or_else(|| ImageError::NotFound(text.to_owned()))
}

/// The images of an index.
pub(crate) fn members(store: &Store, index: &ImageRecord) -> Result<Vec<ImageRecord>, ImageError> {
    let mut found = Vec::new();
    for id in &index.members {
        let member = store.images().get(id).map_err(ImageError::store(format!("look for image {id}")))?;
        found.push(member.ok_or_else(|| ImageError::NotFound(id.to_string()))?);
    }
    Ok(found)
}

/// The image or index of a name, an id, or the beginning of an id.
pub(crate) fn resolve_any(store: &Store, text: &str) -> Result<ImageRecord, ImageError> {
    store.images().resolve(text).map_err(|error| match error {
        StoreError::NoImage(_) => ImageError::NotFound(text.to_owned()),
        StoreError::Ambiguous { .. } => ImageError::Ambiguous(text.to_owned()),
        other => ImageError::store(format!("look for image {text}"))(other),
    })
}

/// An image's config, as stored and as understood.
pub(crate) fn config(store: &Store, id: &BlobDigest) -> Result<(Vec<u8>, ImageConfig), ImageError> {
    let what = || format!("read the config of image {id}");
    let bytes = store.content().read(id, MAX_JSON).map_err(ImageError::store(what()))?;
    let config = serde_json::from_slice(&bytes).map_err(ImageError::store(what()))?;
    Ok((bytes, config))
}

/// An image's manifest, as stored and as understood.
pub(crate) fn manifest(store: &Store, digest: &BlobDigest) -> Result<(Vec<u8>, Manifest), ImageError> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        media_type: Option<String>,
    }
    let what = || format!("read manifest {digest}");
    let bytes = store.content().read(digest, MAX_JSON).map_err(ImageError::store(what()))?;
    let kind: Kind = serde_json::from_slice(&bytes).map_err(ImageError::store(what()))?;
    let media_type = kind.media_type.unwrap_or_else(|| OCI_MANIFEST.to_owned());
    let mut manifest = Manifest::parse(&bytes, &media_type, &format!("manifest {digest}"))?;
    manifest.media_type = Some(media_type);
    Ok((bytes, manifest))
}

/// The store's form of a descriptor.
pub(crate) fn descriptor(desc: &Desc) -> Result<Descriptor, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(desc)?)
}

/// A stream that ends with an error when `cancel` is set.
pub(crate) fn cancelable<R: Read>(inner: R, cancel: &Cancel) -> Cancelable<'_, R> {
    Cancelable { inner, cancel }
}
