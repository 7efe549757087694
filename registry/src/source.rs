//! An image source of unknown kind: finds out what it is, lists its images, hands out their layers.

use crate::docker;
use crate::files::{DirFiles, Files, Opened};
use crate::model::{Desc, MAX_JSON, Manifest, Packing};
use crate::select;
use crate::spool::spool;
use crate::tarball::TarFiles;
use crate::{Error, model};
use oci::{BlobDigest, DiffId, ImageConfig, Platform, Reference};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a [`Source`] turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// A directory or archive with `oci-layout` and `index.json`. `docker save` since version 25 writes this, too.
    Oci,
    /// An archive with `manifest.json` alone: older `docker save`, `podman save`, `skopeo`.
    Docker,
}

/// A document with the digest that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBlob {
    /// Media type, digest and size.
    pub desc: Desc,
    /// The bytes, exactly as found.
    pub bytes: Vec<u8>,
}

/// An image in a source. Its config, and its manifest if it has one, are verified; its layers are there, with the
/// right lengths, and are verified as they are read.
#[derive(Debug, Clone)]
pub struct FoundImage {
    /// Names that the source gives it, normalised.
    pub names: Vec<Reference>,
    /// Bare tags (`org.opencontainers.image.ref.name` without a repository).
    pub tags: Vec<String>,
    /// What `index.json` names: the manifest, or the index that it was selected from. None in Docker archives.
    pub listed: Option<BlobDigest>,
    /// None in Docker archives.
    pub manifest: Option<RawBlob>,
    /// The config as found.
    pub config: RawBlob,
    /// The config as understood.
    pub image: ImageConfig,
    /// From the bottom layer to the top one.
    pub layers: Vec<FoundLayer>,
}

/// A layer of a [`FoundImage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLayer {
    /// SHA-256 of the plain tar, as the config says; the reader must check it.
    pub diff_id: DiffId,
    /// The blob as the manifest says; the reader must check its digest. None in Docker archives.
    pub desc: Option<Desc>,
    pub(crate) name: String,
}

/// An image layout directory or an archive.
pub struct Source {
    files: Box<dyn Files>,
    kind: SourceKind,
    what: String,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("kind", &self.kind).field("what", &self.what).finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a layout directory or an archive file. A compressed archive is unpacked into an unnamed file in `scratch`.
    ///
    /// # Errors
    /// When it cannot be read, or is no image.
    pub fn open(path: &Path, scratch: &Path) -> Result<Self, Error> {
        let what = format!("`{}`", path.display());
        let meta = std::fs::metadata(path).map_err(Error::io(format!("open {}", path.display())))?;
        if meta.is_dir() {
            return Self::detect(Box::new(DirFiles::open_dir(path)?), what);
        }
        let file = File::open(path).map_err(Error::io(format!("open {}", path.display())))?;
        if !meta.is_file() {
            return Self::stream(file, scratch, &what);
        }
        let mut head = [0; 4];
        let got = file.read_at(&mut head, 0).map_err(Error::io(format!("read {what}")))?;
        if Packing::of_magic(&head[..got]) != Packing::Plain {
            return Self::stream(file, scratch, &what);
        }
        Self::detect(Box::new(TarFiles::index(file, &what)?), what)
    }

    /// Reads an archive, compressed or not, from a stream to its end, by way of an unnamed file in `scratch`.
    ///
    /// # Errors
    /// When it cannot be read, or is no image.
    pub fn stream(reader: impl Read + Send, scratch: &Path, what: &str) -> Result<Self, Error> {
        let file = spool(reader, scratch, what)?;
        Self::detect(Box::new(TarFiles::index(file, what)?), what.to_owned())
    }

    fn detect(files: Box<dyn Files>, what: String) -> Result<Self, Error> {
        let kind = if files.exists("oci-layout")? && files.exists("index.json")? {
            SourceKind::Oci
        } else if files.exists("manifest.json")? {
            SourceKind::Docker
        } else if files.exists("repositories")? {
            return Err(Error::unsupported(
                what,
                "it was saved by a Docker older than 1.10: save it again with a newer one",
            ));
        } else {
            let why = "it has neither `oci-layout` and `index.json` nor `manifest.json`, so it is no image \
                       (a root file system becomes one by `import`)";
            return Err(Error::malformed(what, why));
        };
        Ok(Self { files, kind, what })
    }

    /// What this is.
    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// The images. Where an index offers several platforms, the one for `platform`, or for this machine; without
    /// `platform`, an image that is the only one of its index is taken whatever it is for.
    ///
    /// # Errors
    /// When any document is malformed, missing, too large or not what its descriptor says, when a layer is missing or
    /// has the wrong length, or when there is no image for the platform.
    pub fn images(&self, platform: Option<&Platform>) -> Result<Vec<FoundImage>, Error> {
        match self.kind {
            SourceKind::Oci => select::images(self.files.as_ref(), platform, &self.what),
            SourceKind::Docker => docker::images(self.files.as_ref(), platform, &self.what),
        }
    }

    /// The bytes of a layer as they lie in the source (packed or not), and their number. Neither digest is checked.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_layer(&self, layer: &FoundLayer) -> Result<(u64, Box<dyn Read + Send>), Error> {
        let opened = open(self.files.as_ref(), &layer.name, &self.what)?;
        if let Some(desc) = layer.desc.as_ref().filter(|d| d.size != opened.size) {
            return Err(Error::Size {
                what: format!("layer {}", desc.digest),
                expected: desc.size,
                actual: opened.size,
            });
        }
        Ok((opened.size, opened.reader))
    }

    pub(crate) fn files(&self) -> &dyn Files {
        self.files.as_ref()
    }
}

/// Where a blob lies in a layout.
pub(crate) fn blob_name(digest: &BlobDigest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

pub(crate) fn open(files: &dyn Files, name: &str, what: &str) -> Result<Opened, Error> {
    files.open(name)?.ok_or_else(|| Error::Missing { what: format!("`{name}` of {what}") })
}

/// A whole small file.
pub(crate) fn read_small(files: &dyn Files, name: &str, what: &str) -> Result<Vec<u8>, Error> {
    let opened = open(files, name, what)?;
    let shown = format!("`{name}` of {what}");
    if opened.size > MAX_JSON {
        return Err(Error::TooLarge { what: shown, size: opened.size, limit: MAX_JSON });
    }
    let mut bytes = Vec::new();
    opened.reader.take(MAX_JSON + 1).read_to_end(&mut bytes).map_err(Error::io(format!("read {shown}")))?;
    Ok(bytes)
}

/// A small blob, checked against its descriptor.
pub(crate) fn read_blob(files: &dyn Files, desc: &Desc, kind: &str, what: &str) -> Result<Vec<u8>, Error> {
    let bytes = read_small(files, &blob_name(&desc.digest), what)?;
    let actual = BlobDigest::of(&bytes);
    let what = || format!("{kind} {}", desc.digest);
    if bytes.len() as u64 != desc.size {
        return Err(Error::Size { what: what(), expected: desc.size, actual: bytes.len() as u64 });
    }
    if actual != desc.digest {
        return Err(Error::Digest {
            what: what(),
            expected: desc.digest.to_string(),
            actual: actual.to_string(),
        });
    }
    Ok(bytes)
}

/// Reads the image that a manifest descriptor names.
pub(crate) fn load(files: &dyn Files, desc: &Desc, what: &str) -> Result<FoundImage, Error> {
    let bytes = read_blob(files, desc, "manifest", what)?;
    let manifest = Manifest::parse(&bytes, &desc.media_type, &format!("manifest {}", desc.digest))?;
    let config_bytes = read_blob(files, &manifest.config, "config", what)?;
    let image =
        parse_config(&config_bytes, manifest.layers.len(), &format!("config {}", manifest.config.digest))?;
    let layers = manifest.layers.iter().zip(&image.rootfs.diff_ids).map(|(desc, diff_id)| {
        let layer = format!("layer {}", desc.digest);
        let name = blob_name(&desc.digest);
        let size = open(files, &name, what)?.size;
        if size != desc.size {
            return Err(Error::Size { what: layer, expected: desc.size, actual: size });
        }
        let plain = Packing::of_media_type(&desc.media_type) == Some(Packing::Plain);
        if plain && desc.digest.as_bytes() != diff_id.as_bytes() {
            let why = format!("it is a plain tar, but its config calls it {diff_id}");
            return Err(Error::malformed(layer, why));
        }
        Ok(FoundLayer { diff_id: *diff_id, desc: Some(desc.clone()), name })
    });
    let layers = layers.collect::<Result<Vec<_>, _>>()?;
    let mut bare = Desc::new(desc.media_type.clone(), desc.digest, desc.size);
    bare.platform.clone_from(&desc.platform);
    Ok(FoundImage {
        names: Vec::new(),
        tags: Vec::new(),
        listed: None,
        manifest: Some(RawBlob { desc: bare, bytes }),
        config: RawBlob { desc: manifest.config, bytes: config_bytes },
        image,
        layers,
    })
}

/// Reads a config, and holds it to the number of layers that go with it.
pub(crate) fn parse_config(bytes: &[u8], layers: usize, what: &str) -> Result<ImageConfig, Error> {
    let image: ImageConfig =
        serde_json::from_slice(bytes).map_err(|source| Error::Json { what: what.to_owned(), source })?;
    if image.rootfs.kind != "layers" {
        return Err(Error::unsupported(
            what,
            format!("rootfs.type is `{}`; only `layers` is", image.rootfs.kind),
        ));
    }
    let named = image.rootfs.diff_ids.len();
    if named != layers {
        return Err(Error::malformed(what, format!("it names {named} layers, but the image has {layers}")));
    }
    Ok(image)
}

/// A descriptor for a config that came without one.
pub(crate) fn docker_config(bytes: &[u8]) -> Desc {
    Desc::of(model::DOCKER_CONFIG, bytes)
}

#[cfg(test)]
mod tests;
