//! Images of the store into an archive or a layout directory.

use super::access;
use super::error::ImageError;
use crate::cancel::Cancel;
use crate::export::{Dest, Output, OutputKind, StoreBlobs, StoredImage, pack, with_sink};
use oci::Reference;
use registry::archive::{self, ArchiveKind};
use registry::layout::{self, OutImage};
use registry::model::{Desc, OCI_INDEX, OCI_MANIFEST};
use snapshotter::content::Provider;
use snapshotter::store::Store;
use std::io::Write;

/// The form of what `save` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveFormat {
    /// For `docker load`, and for all that reads layouts in archives.
    Docker,
    /// An OCI archive.
    Oci,
    /// An OCI layout directory.
    OciDir,
}

/// Writes images to `dest`. Each of `names` is a name, an id, or the beginning of one; an image given by name is saved
/// with that name, and so is one that is given by several.
///
/// # Errors
/// When an image is not there, or `dest` cannot be written; then nothing is left at its place.
pub fn save(
    store: &Store,
    names: &[String],
    format: SaveFormat,
    dest: &Dest,
    stdout: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<(), ImageError> {
    run(store, names, format, dest, stdout, cancel)
        .map_err(|error| if cancel.is_canceled() { ImageError::Canceled } else { error })
}

fn run(
    store: &Store,
    names: &[String],
    format: SaveFormat,
    dest: &Dest,
    stdout: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<(), ImageError> {
    let kind = if format == SaveFormat::Docker { OutputKind::Docker } else { OutputKind::Oci };
    let images = chosen(store, names, format)?;
    let packed: Vec<OutImage> = images
        .into_iter()
        .map(|(image, names)| {
            let output = Output::new(kind, None);
            Ok(pack(store, &image, &names, &output, cancel)?)
        })
        .collect::<Result<_, ImageError>>()?;
    let blobs = StoreBlobs::new(store, cancel);
    match (format, dest) {
        (SaveFormat::OciDir, Dest::Path(dir)) => Ok(layout::write_dir(&packed, &blobs, dir)?),
        (SaveFormat::OciDir, Dest::Stdout) => Err(crate::export::ExportError::NoDest("oci directory").into()),
        (SaveFormat::Oci, dest) => {
            with_sink(dest, stdout, cancel, |out| Ok(archive::write(&packed, &blobs, ArchiveKind::Oci, out)?))
        }
        (SaveFormat::Docker, dest) => with_sink(dest, stdout, cancel, |out| {
            Ok(archive::write(&packed, &blobs, ArchiveKind::Docker, out)?)
        }),
    }
}

/// The images, each once, with the names under which they were asked for.
fn chosen(
    store: &Store,
    names: &[String],
    format: SaveFormat,
) -> Result<Vec<(StoredImage, Vec<Reference>)>, ImageError> {
    let mut out: Vec<(StoredImage, Vec<Reference>)> = Vec::new();
    for text in names {
        let record = access::resolve_any(store, text)?;
        if record.is_index() && format == SaveFormat::Docker {
            return Err(crate::export::ExportError::Several("an archive for `docker load`").into());
        }
        let tags =
            store.images().tags(&record.id).map_err(ImageError::store("read the names of an image"))?;
        let name = text.parse::<Reference>().ok().filter(|name| tags.contains(&access::key(name)));
        match out.iter_mut().find(|(image, _)| image.id == record.id) {
            Some((_, known)) => known.extend(name.filter(|name| !known.contains(name))),
            None => out.push((stored(store, &record)?, name.into_iter().collect())),
        }
    }
    Ok(out)
}

/// A record with the config that goes with it.
pub(crate) fn stored(
    store: &Store,
    record: &snapshotter::images::ImageRecord,
) -> Result<StoredImage, ImageError> {
    if record.is_index() {
        return stored_index(store, record);
    }
    let (_, config) = access::config(store, &record.id)?;
    let (bytes, manifest) = access::manifest(store, &record.manifest)?;
    let media_type = manifest.media_type.unwrap_or_else(|| OCI_MANIFEST.to_owned());
    Ok(StoredImage {
        id: record.id,
        manifest: Desc::new(media_type, record.manifest, bytes.len() as u64),
        platform: record.platform.clone(),
        layers: record.layers.clone(),
        config,
        members: Vec::new(),
    })
}

fn stored_index(store: &Store, record: &snapshotter::images::ImageRecord) -> Result<StoredImage, ImageError> {
    let members = access::members(store, record)?;
    let members = members.iter().map(|member| stored(store, member)).collect::<Result<Vec<_>, _>>()?;
    let size = store.content().size(&record.manifest).map_err(ImageError::store("read an index"))?;
    Ok(StoredImage {
        id: record.id,
        manifest: Desc::new(OCI_INDEX, record.manifest, size),
        platform: record.platform.clone(),
        layers: Vec::new(),
        config: members.first().map(|member| member.config.clone()).unwrap_or_default(),
        members,
    })
}
