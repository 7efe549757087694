//! What becomes of a build: an image in the store, an OCI layout, an archive, a directory, a tar.

mod annotations;
mod error;
#[cfg(test)]
pub(crate) mod fixture;
mod flat;
mod image;
mod local;
mod pack;
mod several;
mod sink;
mod spec;

pub use annotations::{Annotation, AnnotationKind};
pub use error::ExportError;
pub use image::{StoredImage, store_image};
pub use pack::StoreBlobs;
pub(crate) use pack::pack;
pub(crate) use sink::Cancelable;
pub use sink::{Dest, with_sink};
pub use spec::{Output, OutputKind, ParseOutputError, fields};

use crate::cancel::Cancel;
use oci::{DiffId, ImageConfig, LayerId, Platform, Reference};
use registry::archive::{self, ArchiveKind};
use registry::layout;
use snapshotter::store::Store;
use std::io::Write;

/// The result of a build: all that an image is made of.
#[derive(Debug, Clone)]
pub struct BuildResult {
    /// From the bottom layer to the top one.
    pub layers: Vec<ResultLayer>,
    /// The config with its times and history; `rootfs` is filled in from `layers`.
    pub config: ImageConfig,
    /// `SOURCE_DATE_EPOCH`: no file in a layer made here is dated later than this (Unix seconds).
    pub epoch: Option<i64>,
    /// The platform that was asked for: what an index calls the image's. `None` for that of the config.
    pub platform: Option<Platform>,
}

/// A layer of a [`BuildResult`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultLayer {
    /// Which layer of the store.
    pub layer: LayerId,
    /// The diff id under which an image that was loaded names it. `None` for layers made here: theirs is computed.
    pub diff_id: Option<DiffId>,
}

/// What an export made.
#[derive(Debug, Clone, Default)]
pub struct Exported {
    /// The image, where the output holds one (not a directory or tar of its root file system).
    pub image: Option<StoredImage>,
}

/// Exports a build's result as `output` says. `stdout` is written to for `dest=-` alone. `names` are those of the
/// build's tags; the output's own `name` comes before them.
///
/// A destination appears whole or not at all; only a directory that was there before is added to in place.
///
/// # Errors
/// When the destination cannot be written, a layer cannot be read, or the build is cancelled.
pub fn export(
    store: &Store,
    result: &BuildResult,
    names: &[Reference],
    output: &Output,
    stdout: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<Exported, ExportError> {
    export_all(store, std::slice::from_ref(result), false, names, output, stdout, cancel)
}

/// As [`export`], for the results of several platforms. With `index`, what has a name is an index of their images; only
/// of one result can it be the image itself.
///
/// # Errors
/// As [`export`]'s; [`ExportError::Several`] where the output cannot hold several.
pub fn export_all(
    store: &Store,
    results: &[BuildResult],
    index: bool,
    names: &[Reference],
    output: &Output,
    stdout: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<Exported, ExportError> {
    let exported = match output.kind {
        OutputKind::CacheOnly => Ok(Exported::default()),
        OutputKind::Local | OutputKind::Tar => files(store, results, index, output, stdout, cancel),
        OutputKind::Image | OutputKind::Docker | OutputKind::Oci => {
            images(store, results, index, &all_names(output, names), output, stdout, cancel)
        }
    };
    // Whatever a cancelled stream made of it.
    exported.map_err(|error| if cancel.is_canceled() { ExportError::Canceled } else { error })
}

fn files(
    store: &Store,
    results: &[BuildResult],
    index: bool,
    output: &Output,
    stdout: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<Exported, ExportError> {
    let split = output.split.unwrap_or(index);
    let dest = output.dest.as_ref().ok_or(ExportError::NoDest(output.kind.name()))?;
    let single = match results {
        [single] if !split => Some(single),
        _ if split => None,
        _ => return Err(ExportError::Several("an output with platform-split=false")),
    };
    match (dest, single) {
        (Dest::Path(dir), Some(result)) if output.kind == OutputKind::Local => {
            local::write(store, result, dir, cancel)?;
        }
        (Dest::Path(dir), None) if output.kind == OutputKind::Local => {
            several::write_dirs(store, results, dir, cancel)?;
        }
        (Dest::Stdout, _) if output.kind == OutputKind::Local => return Err(ExportError::NoDest("local")),
        (dest, Some(result)) => with_sink(dest, stdout, cancel, |out| flat::write(store, result, out))?,
        (dest, None) => with_sink(dest, stdout, cancel, |out| several::write_tar(store, results, out))?,
    }
    Ok(Exported::default())
}

fn images(
    store: &Store,
    results: &[BuildResult],
    index: bool,
    names: &[Reference],
    output: &Output,
    stdout: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<Exported, ExportError> {
    let of_index = |a: &Annotation| matches!(a.kind, AnnotationKind::Index | AnnotationKind::IndexDescriptor);
    let stored = match results {
        [result] if !index => {
            if output.annotations.iter().any(of_index) {
                return Err(ExportError::NoIndex);
            }
            image::store_with(store, result, names, &output.annotations, cancel)?
        }
        results => several::store_index(store, results, names, output, cancel)?,
    };
    if output.to_store() {
        return Ok(Exported { image: Some(stored) });
    }
    if index && output.kind == OutputKind::Docker {
        return Err(ExportError::Several("an archive for `docker load`"));
    }
    let packed = pack(store, &stored, names, output, cancel)?;
    // An index is what it names: packed, it is another one.
    let id = if index { packed.manifest.desc.digest } else { stored.id };
    let image = Some(StoredImage { id, manifest: packed.manifest.desc.clone(), ..stored });
    let blobs = StoreBlobs::new(store, cancel);
    let dest = output.dest.as_ref().ok_or(ExportError::NoDest(output.kind.name()))?;
    if let (Dest::Path(dir), false) = (dest, output.tar) {
        layout::write_dir(&[packed], &blobs, dir)?;
        return Ok(Exported { image });
    }
    let kind = if output.kind == OutputKind::Docker { ArchiveKind::Docker } else { ArchiveKind::Oci };
    with_sink(dest, stdout, cancel, |out| {
        archive::write(&[packed], &blobs, kind, out).map_err(ExportError::from)
    })?;
    Ok(Exported { image })
}

/// The names of the output, then those of the build, each once.
fn all_names(output: &Output, names: &[Reference]) -> Vec<Reference> {
    let mut all: Vec<Reference> = Vec::new();
    for name in output.names.iter().chain(names) {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests;
