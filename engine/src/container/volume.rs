//! `-v`, and the volumes that an image declares.

use super::{ContainerError, fill, state};
use oci::RootPath;
use oci::image::RunConfig;
use runner::spec;
use snapshotter::store::Store;
use snapshotter::view::ChainView;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A `-v`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// What is mounted.
    pub source: Source,
    /// Absolute path in the container.
    pub target: String,
    /// Not writable.
    pub read_only: bool,
    /// A new volume stays empty, whatever the image has in its place.
    pub no_copy: bool,
}

/// What a volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory or file of the host. Made, as a directory, if missing.
    Host(PathBuf),
    /// A volume of the store.
    Named(String),
    /// A new volume that goes with its container.
    Anonymous,
}

/// A `-v` that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// Not `[SOURCE:]TARGET[:OPTIONS]`.
    #[error("invalid volume specification `{0}`: write [SOURCE:]TARGET[:OPTIONS], e.g. ./data:/data:ro")]
    Form(String),
    /// Not absolute, or the root itself.
    #[error("invalid volume specification `{0}`: the target must be an absolute path other than /")]
    Target(String),
    /// An option that does not exist, or not here.
    #[error("invalid volume specification `{spec}`: unknown option `{option}` (ro, rw, nocopy, z, Z)")]
    Option {
        /// As given.
        spec: String,
        /// The word.
        option: String,
    },
    /// A name with other characters.
    #[error(
        "`{0}` is no volume name (only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed); for a directory, write ./{0}"
    )]
    Name(String),
    /// Two mounts in one place.
    #[error("two volumes have the target {0}")]
    Twice(String),
}

impl Volume {
    /// Parses `/host:/target[:ro]`, `./host:/target`, `name:/target` or `/target`; relative paths begin at `cwd`.
    /// The options `z` and `Z` ask for SELinux labels, which are not set: they change nothing on hosts without SELinux.
    ///
    /// # Errors
    /// See [`VolumeError`].
    pub fn parse(text: &str, cwd: &Path) -> Result<Volume, VolumeError> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts[..] {
            [target] => (None, target, ""),
            [source, target] => (Some(source), target, ""),
            [source, target, options] => (Some(source), target, options),
            _ => return Err(VolumeError::Form(text.to_owned())),
        };
        let clean = clean(target).ok_or_else(|| VolumeError::Target(text.to_owned()))?;
        let source = match source {
            None => Source::Anonymous,
            Some("") => return Err(VolumeError::Form(text.to_owned())),
            Some(path) if path.starts_with(['/', '.']) => Source::Host(cwd.join(path)),
            Some(name) if super::names::valid(name) => Source::Named(name.to_owned()),
            Some(name) => return Err(VolumeError::Name(name.to_owned())),
        };
        let mut volume = Volume { source, target: clean, read_only: false, no_copy: false };
        for option in options.split(',').filter(|_| !options.is_empty()) {
            match option {
                "ro" => volume.read_only = true,
                "rw" => volume.read_only = false,
                "nocopy" => volume.no_copy = true,
                "z" | "Z" => {}
                other => {
                    return Err(VolumeError::Option { spec: text.to_owned(), option: other.to_owned() });
                }
            }
        }
        Ok(volume)
    }
}

/// Absolute, without `.`, `..` and double slashes; None for what is relative or the root.
fn clean(target: &str) -> Option<String> {
    let path = RootPath::new(target);
    let text = std::str::from_utf8(path.as_bytes()).ok()?;
    (target.starts_with('/') && !path.is_root()).then(|| format!("/{}", text.trim_start_matches('/')))
}

/// A volume that has its place and, if it is anonymous, its name.
#[derive(Debug)]
pub(super) struct Mount {
    volume: Volume,
    pub(super) anonymous: Option<String>,
}

/// The request's volumes, and an anonymous one for each of the image's that none of them covers; outer ones first.
pub(super) fn all(asked: &[Volume], image: &RunConfig) -> Result<Vec<Mount>, ContainerError> {
    let mut volumes: Vec<Volume> = asked.to_vec();
    for target in image.volumes.keys() {
        let Some(target) = clean(target) else { continue };
        if !volumes.iter().any(|volume| volume.target == target) {
            volumes.push(Volume { source: Source::Anonymous, target, read_only: false, no_copy: false });
        }
    }
    volumes.sort_by_key(|volume| (volume.target.matches('/').count(), volume.target.clone()));
    if let Some(pair) = volumes.windows(2).find(|pair| pair[0].target == pair[1].target) {
        return Err(VolumeError::Twice(pair[0].target.clone()).into());
    }
    let mount = |volume: Volume| {
        let anonymous = (volume.source == Source::Anonymous).then(state::new_id).transpose()?;
        Ok(Mount { volume, anonymous })
    };
    volumes.into_iter().map(mount).collect()
}

impl Mount {
    /// Makes what is missing on the host's side, with what the image has in that place.
    pub(super) fn prepare(&self, store: &Store, tree: &ChainView) -> Result<spec::Mount, ContainerError> {
        let Volume { source, target, read_only, no_copy } = &self.volume;
        let source = match source {
            Source::Host(path) => {
                if path.symlink_metadata().is_err() {
                    make(path, 0o755)?;
                }
                path.clone()
            }
            Source::Named(name) => data_dir(store, name)?,
            Source::Anonymous => data_dir(store, self.anonymous.as_deref().unwrap_or_default())?,
        };
        if !*no_copy && !matches!(self.volume.source, Source::Host(_)) {
            fill::fill(&source, tree, &RootPath::new(target))?;
        }
        Ok(spec::Mount::Bind { source, below: String::new(), target: target.clone(), read_only: *read_only })
    }
}

fn make(path: &Path, mode: u32) -> Result<(), ContainerError> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(ContainerError::io("make directory", path))
}

/// `volumes/<name>/data`: other users of the machine do not get through to it.
fn data_dir(store: &Store, name: &str) -> Result<PathBuf, ContainerError> {
    make(&store.root().join("volumes").join(name), 0o710)?;
    let data = store.root().join("volumes").join(name).join("data");
    make(&data, 0o755)?;
    Ok(data)
}
