//! What becomes of a build's result: each output a vertex of the display.

use crate::error::{CliError, chain};
use crate::request::Build;
use engine::build::BuildOutcome;
use engine::cancel::Cancel;
use engine::export::{self, Dest, ExportError, Output, OutputKind, StoredImage};
use engine::progress::{Event, Progress, VertexId};
use engine::store::Store;
use serde_json::{Map, Value, json};
use std::io;
use std::path::Path;
use std::time::Instant;

/// What all outputs made.
#[derive(Debug, Default)]
pub(super) struct Exports {
    /// The image, if any output holds one.
    pub(super) image: Option<StoredImage>,
    /// Its names.
    names: Vec<String>,
}

/// Writes all outputs of `build`.
///
/// # Errors
/// The first output that cannot be written.
pub(super) fn export(
    store: &Store,
    build: &Build,
    outcome: &BuildOutcome,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Exports, CliError> {
    let mut exports = Exports::default();
    for (id, output) in (outcome.next_vertex..).zip(&build.outputs) {
        progress.event(Event::VertexQueued { id, name: format!("exporting {}", what(output)) });
        progress.event(Event::VertexStarted { id });
        let began = Instant::now();
        let (images, index) = (&outcome.images, outcome.index);
        match export::export_all(store, images, index, &build.tags, output, &mut io::stdout(), cancel) {
            Ok(exported) => {
                tell(progress, id, build, output, exported.image.as_ref());
                progress.event(Event::VertexDone { id, duration: began.elapsed() });
                if let Some(image) = exported.image {
                    let names = output.names.iter().chain(&build.tags).map(ToString::to_string);
                    exports = Exports { image: Some(image), names: names.collect() };
                }
            }
            Err(error) => {
                progress.event(match &error {
                    ExportError::Canceled => Event::VertexCanceled { id },
                    error => Event::VertexFailed { id, message: chain(error) },
                });
                return Err(if output.to_stdout() { CliError::writing_stdout(&error) } else { error.into() });
            }
        }
    }
    Ok(exports)
}

fn what(output: &Output) -> String {
    let dest = match &output.dest {
        Some(Dest::Stdout) => " to standard output".to_owned(),
        Some(Dest::Path(path)) => format!(" to {}", path.display()),
        None if output.kind == OutputKind::CacheOnly => String::new(),
        None => " to the store".to_owned(),
    };
    match output.kind {
        OutputKind::Image => "image".to_owned() + &dest,
        OutputKind::Docker => "docker image".to_owned() + &dest,
        OutputKind::Oci => "OCI image".to_owned() + &dest,
        OutputKind::Local => "files".to_owned() + &dest,
        OutputKind::Tar => "files as a tar".to_owned() + &dest,
        OutputKind::CacheOnly => "nothing but the cache".to_owned() + &dest,
    }
}

fn tell(progress: &dyn Progress, id: VertexId, build: &Build, output: &Output, image: Option<&StoredImage>) {
    let Some(image) = image else { return };
    let mut lines = format!("image {}\n", image.id);
    for name in output.names.iter().chain(&build.tags) {
        lines.push_str(&format!("named {}\n", name.familiar()));
    }
    progress.event(Event::VertexLog { id, stream: 1, data: lines.into_bytes() });
}

/// buildx's metadata file.
///
/// # Errors
/// None in practice: all of it is plain JSON.
pub(super) fn metadata(exports: &Exports) -> Result<Value, CliError> {
    let mut fields = Map::new();
    if let Some(image) = &exports.image {
        let descriptor = serde_json::to_value(&image.manifest).map_err(|error| CliError::failed(&error))?;
        if image.members.is_empty() {
            fields.insert("containerimage.config.digest".into(), json!(image.id.to_string()));
        }
        let reference = format!("lapstrake/lapstrake/{}", &image.manifest.digest.hex()[..25]);
        fields.insert("buildx.build.ref".into(), json!(reference));
        fields.insert("containerimage.descriptor".into(), descriptor);
        fields.insert("containerimage.digest".into(), json!(image.manifest.digest.to_string()));
        if !exports.names.is_empty() {
            fields.insert("image.name".into(), json!(exports.names.join(",")));
        }
    }
    Ok(Value::Object(fields))
}

/// Writes a small file, which appears whole or not at all.
///
/// # Errors
/// If it cannot be written.
pub(in crate::commands) fn write_file(path: &Path, bytes: &[u8], cancel: &Cancel) -> Result<(), CliError> {
    let dest = Dest::Path(path.to_owned());
    export::with_sink(&dest, &mut io::sink(), cancel, |out| {
        out.write_all(bytes)
            .map_err(|source| ExportError::Io { what: format!("write {}", path.display()), source })
    })?;
    Ok(())
}
