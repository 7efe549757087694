//! A root file system's tar becomes an image.

use super::error::ImageError;
use super::load::Input;
use super::{access, change};
use crate::cancel::Cancel;
use crate::clock;
use crate::export::{BuildResult, ResultLayer, store_image};
use oci::image::{History, RootFs, RunConfig};
use oci::{BlobDigest, ImageConfig, Platform, Reference};
use snapshotter::layer::{ApplyLimits, apply, compress};
use snapshotter::store::Store;
use std::fs::File;
use std::io::{self, BufReader, Read};

/// What `import` is asked for.
#[derive(Debug)]
pub struct ImportRequest {
    /// The tar: plain, or compressed with gzip or zstd.
    pub input: Input,
    /// `--change`, each one Dockerfile instruction.
    pub changes: Vec<String>,
    /// `--message`: the comment in the history.
    pub message: String,
    /// `--platform`
    pub platform: Platform,
    /// The image's name.
    pub name: Option<Reference>,
    /// Unix seconds of creation.
    pub created: i64,
    /// `SOURCE_DATE_EPOCH`: the latest time of a file.
    pub epoch: Option<i64>,
}

/// Makes an image of one layer. Returns its id.
///
/// # Errors
/// When the tar is damaged or hostile, a change is wrong, or the store cannot be written.
pub fn import(store: &Store, request: ImportRequest, cancel: &Cancel) -> Result<BlobDigest, ImageError> {
    let created = clock::rfc3339(request.created);
    let config = ImageConfig {
        created: Some(created.clone()),
        architecture: request.platform.architecture.clone(),
        variant: request.platform.variant.clone(),
        os: request.platform.os.clone(),
        config: RunConfig::default(),
        rootfs: RootFs::default(),
        history: Vec::new(),
        author: None,
    };
    // Wrong changes are found before anything is unpacked.
    let mut config = match request.changes.as_slice() {
        [] => config,
        changes => change::apply(&config, changes, &request.platform)?,
    };
    config.created = Some(created.clone());
    let (what, reader) = open(request.input)?;
    let layer = unpack(store, reader, &what, cancel)?;
    let comment = match request.message {
        message if message.is_empty() => format!("Imported from {what}"),
        message => message,
    };
    config.history = vec![History { created: Some(created), comment, ..History::default() }];
    let layers = vec![ResultLayer { layer, diff_id: None }];
    let result = BuildResult { layers, config, epoch: request.epoch, platform: None };
    let names: Vec<Reference> = request.name.into_iter().collect();
    Ok(store_image(store, &result, &names, cancel)?.id)
}

fn open(input: Input) -> Result<(String, Box<dyn Read + Send>), ImageError> {
    Ok(match input {
        Input::Path(path) => {
            let file = File::open(&path).map_err(ImageError::io(format!("open {}", path.display())))?;
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            (name, Box::new(file))
        }
        Input::Stream(reader, name) => (name, reader),
    })
}

fn unpack(
    store: &Store,
    reader: Box<dyn Read + Send>,
    what: &str,
    cancel: &Cancel,
) -> Result<oci::LayerId, ImageError> {
    let bad = |source: Box<dyn std::error::Error + Send + Sync>| {
        if cancel.is_canceled() {
            ImageError::Canceled
        } else {
            ImageError::Unpack { layer: what.to_owned(), source }
        }
    };
    let reader = BufReader::with_capacity(1 << 18, access::cancelable(reader, cancel));
    let mut plain = compress::reader(reader).map_err(|e| bad(e.into()))?;
    let work = store.work().map_err(|e| bad(e.into()))?;
    let diff = work.diff().map_err(|e| bad(e.into()))?;
    let index = apply(&mut plain, &diff, &ApplyLimits::default()).map_err(|e| bad(e.into()))?;
    io::copy(&mut plain, &mut io::sink()).map_err(|e| bad(e.into()))?;
    if index.is_empty() {
        return Err(bad("it is empty".into()));
    }
    store.layers().commit(work, index).map_err(|e| bad(e.into()))
}
