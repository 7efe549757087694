//! What becomes of a build: an image in the store, an OCI layout, an archive, a directory, a tar.

mod error;
#[cfg(test)]
pub(crate) mod fixture;
mod flat;
mod image;
mod local;
mod pack;
mod sink;
mod spec;

pub use error::ExportError;
pub use image::{StoredImage, store_image};
pub use pack::StoreBlobs;
pub(crate) use pack::pack;
pub(crate) use sink::Cancelable;
pub use sink::{Dest, with_sink};
pub use spec::{Output, OutputKind, ParseOutputError};

use crate::cancel::Cancel;
use oci::{DiffId, ImageConfig, LayerId, Reference};
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
    // Whatever a cancelled stream made of it.
    run(store, result, names, output, stdout, cancel)
        .map_err(|error| if cancel.is_canceled() { ExportError::Canceled } else { error })
}

fn run(
    store: &Store,
    result: &BuildResult,
    names: &[Reference],
    output: &Output,
    stdout: &mut (dyn Write + Send),
    cancel: &Cancel,
) -> Result<Exported, ExportError> {
    match output.kind {
        OutputKind::Local => {
            let Some(Dest::Path(dir)) = &output.dest else { return Err(ExportError::NoDest("local")) };
            local::write(store, result, dir, cancel)?;
            return Ok(Exported::default());
        }
        OutputKind::Tar => {
            let dest = output.dest.as_ref().ok_or(ExportError::NoDest("tar"))?;
            with_sink(dest, stdout, cancel, |out| flat::write(store, result, out))?;
            return Ok(Exported::default());
        }
        OutputKind::Image | OutputKind::Docker | OutputKind::Oci => {}
    }
    let names = all_names(output, names);
    let stored = store_image(store, result, &names, cancel)?;
    if output.to_store() {
        return Ok(Exported { image: Some(stored) });
    }
    let packed = pack(store, &stored, &names, output, cancel)?;
    let image = Some(StoredImage { manifest: packed.manifest.desc.clone(), ..stored });
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
