//! Descriptors, manifests and indexes as written and read here.
//!
//! `oci-spec` keeps annotations in hash maps, whose order differs from run to run; these types keep them sorted, so
//! that equal images serialise to equal bytes. Unknown fields are ignored, as image-spec asks of readers.

use crate::Error;
use oci::{BlobDigest, Platform};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Largest manifest, index or config that is read, in bytes (what registries accept).
pub const MAX_JSON: u64 = 4 << 20;

/// `application/vnd.oci.image.index.v1+json`
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// `application/vnd.oci.image.manifest.v1+json`
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// `application/vnd.oci.image.config.v1+json`
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker's index.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Docker's manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's config.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Annotation: the tag (or the whole name, as some tools write it).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Annotation: the whole normalised name, by containerd, BuildKit and Docker.
pub const IMAGE_NAME: &str = "io.containerd.image.name";

/// Which family of media types a document uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    /// `application/vnd.oci.…`
    Oci,
    /// `application/vnd.docker.…`
    Docker,
}

impl Flavor {
    /// The media type of manifests.
    pub fn manifest(self) -> &'static str {
        match self {
            Flavor::Oci => OCI_MANIFEST,
            Flavor::Docker => DOCKER_MANIFEST,
        }
    }

    /// The media type of image configs.
    pub fn config(self) -> &'static str {
        match self {
            Flavor::Oci => OCI_CONFIG,
            Flavor::Docker => DOCKER_CONFIG,
        }
    }

    /// The media type of a layer with this packing. Docker names none for zstd, so OCI's is used, as BuildKit does.
    pub fn layer(self, packing: Packing) -> &'static str {
        match (self, packing) {
            (Flavor::Oci, Packing::Plain) => "application/vnd.oci.image.layer.v1.tar",
            (Flavor::Oci, Packing::Gzip) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Flavor::Docker, Packing::Plain) => "application/vnd.docker.image.rootfs.diff.tar",
            (Flavor::Docker, Packing::Gzip) => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            (_, Packing::Zstd) => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }
}

/// How a layer's tar is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip
    Gzip,
    /// Zstandard
    Zstd,
}

impl Packing {
    /// The packing that a layer media type states, or `None` if it is no layer's media type.
    pub fn of_media_type(media_type: &str) -> Option<Packing> {
        Some(match media_type {
            "application/vnd.oci.image.layer.v1.tar"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar"
            | "application/vnd.docker.image.rootfs.diff.tar" => Packing::Plain,
            "application/vnd.oci.image.layer.v1.tar+gzip"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Packing::Gzip,
            "application/vnd.oci.image.layer.v1.tar+zstd"
            | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Packing::Zstd,
            _ => return None,
        })
    }

    /// The packing that the first bytes of a stream show.
    pub fn of_magic(head: &[u8]) -> Packing {
        match head {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            [a, 0x2a, 0x4d, 0x18, ..] if (0x50..=0x5f).contains(a) => Packing::Zstd,
            _ => Packing::Plain,
        }
    }
}

/// A descriptor (image-spec, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desc {
    /// Media type of the named bytes.
    pub media_type: String,
    /// Their digest.
    pub digest: BlobDigest,
    /// Their number.
    pub size: u64,
    /// Sorted annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default, deserialize_with = "null_default")]
    pub annotations: BTreeMap<String, String>,
    /// For manifests in an index.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub platform: Option<DescPlatform>,
}

impl Desc {
    /// A descriptor of bytes held in memory.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, BlobDigest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor without annotations and platform.
    pub fn new(media_type: impl Into<String>, digest: BlobDigest, size: u64) -> Self {
        Self { media_type: media_type.into(), digest, size, annotations: BTreeMap::new(), platform: None }
    }
}

/// `platform` of a descriptor, as written by whoever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescPlatform {
    /// GOARCH name.
    #[serde(default)]
    pub architecture: String,
    /// GOOS name.
    #[serde(default)]
    pub os: String,
    /// Variant of the architecture.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub variant: Option<String>,
}

impl DescPlatform {
    /// Normalised; `None` for `unknown/unknown` (attestations) and what is no platform.
    pub fn normal(&self) -> Option<Platform> {
        if self.os.is_empty() || self.os == "unknown" || self.architecture == "unknown" {
            return None;
        }
        let variant =
            self.variant.iter().filter(|v| !v.is_empty()).map(|v| format!("/{v}")).collect::<String>();
        format!("{}/{}{variant}", self.os, self.architecture).parse().ok()
    }
}

impl From<&Platform> for DescPlatform {
    fn from(platform: &Platform) -> Self {
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant: platform.variant.clone(),
        }
    }
}

/// An image manifest (image-spec, manifest.md; Docker's schema 2 has the same shape).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_type: Option<String>,
    /// The image config.
    pub config: Desc,
    /// From the bottom layer to the top one.
    #[serde(deserialize_with = "null_default", default)]
    pub layers: Vec<Desc>,
    /// Sorted annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default, deserialize_with = "null_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// The manifest of a config and its layers.
    pub fn new(flavor: Flavor, config: Desc, layers: Vec<Desc>) -> Self {
        let media_type = Some(flavor.manifest().to_owned());
        Self { schema_version: 2, media_type, config, layers, annotations: BTreeMap::new() }
    }

    /// As stored and sent.
    ///
    /// # Errors
    /// Only if the serialiser fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|source| Error::Json { what: "a manifest".into(), source })
    }

    /// Reads a manifest whose descriptor states `media_type`.
    ///
    /// # Errors
    /// [`Error::Json`], [`Error::Malformed`] where the document contradicts its descriptor or is an index as well,
    /// [`Error::Unsupported`] for what is no image manifest.
    pub fn parse(bytes: &[u8], media_type: &str, what: &str) -> Result<Self, Error> {
        check_kind(bytes, media_type, "manifests", what)?;
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|source| Error::Json { what: what.to_owned(), source })?;
        if manifest.schema_version != 2 {
            let why = format!("schemaVersion is {}; only 2 is", manifest.schema_version);
            return Err(Error::unsupported(what, why));
        }
        if ![OCI_CONFIG, DOCKER_CONFIG].contains(&manifest.config.media_type.as_str()) {
            let why = format!(
                "its config is a `{}`, so it is an artifact, not an image",
                manifest.config.media_type
            );
            return Err(Error::unsupported(what, why));
        }
        for layer in &manifest.layers {
            if Packing::of_media_type(&layer.media_type).is_none() {
                let why = format!("layer {} is a `{}`, not a tar", layer.digest, layer.media_type);
                return Err(Error::unsupported(what, why));
            }
        }
        Ok(manifest)
    }
}

/// An image index (image-spec, image-index.md; Docker's manifest list has the same shape).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// Its own media type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub media_type: Option<String>,
    /// What it lists.
    #[serde(deserialize_with = "null_default", default)]
    pub manifests: Vec<Desc>,
    /// Sorted annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default, deserialize_with = "null_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index.
    pub fn new(manifests: Vec<Desc>) -> Self {
        Self {
            schema_version: 2,
            media_type: Some(OCI_INDEX.into()),
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// As stored.
    ///
    /// # Errors
    /// Only if the serialiser fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        serde_json::to_vec(self).map_err(|source| Error::Json { what: "an index".into(), source })
    }

    /// Reads an index whose descriptor states `media_type`.
    ///
    /// # Errors
    /// [`Error::Json`]; [`Error::Malformed`] where the document contradicts its descriptor or is a manifest as well.
    pub fn parse(bytes: &[u8], media_type: &str, what: &str) -> Result<Self, Error> {
        check_kind(bytes, media_type, "layers", what)?;
        let index: Index =
            serde_json::from_slice(bytes).map_err(|source| Error::Json { what: what.to_owned(), source })?;
        if index.schema_version != 2 {
            return Err(Error::unsupported(
                what,
                format!("schemaVersion is {}; only 2 is", index.schema_version),
            ));
        }
        Ok(index)
    }
}

/// Whether `media_type` names an index.
pub fn is_index(media_type: &str) -> bool {
    [OCI_INDEX, DOCKER_LIST].contains(&media_type)
}

/// Whether `media_type` names an image manifest.
pub fn is_manifest(media_type: &str) -> bool {
    [OCI_MANIFEST, DOCKER_MANIFEST].contains(&media_type)
}

/// A document that can be read as two kinds lets two readers see two images: refused.
fn check_kind(bytes: &[u8], media_type: &str, foreign_field: &str, what: &str) -> Result<(), Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
    }
    let kind: Kind =
        serde_json::from_slice(bytes).map_err(|source| Error::Json { what: what.to_owned(), source })?;
    if let Some(own) = kind.media_type.filter(|own| !own.is_empty() && own != media_type) {
        return Err(Error::malformed(
            what,
            format!("its mediaType is `{own}`, its descriptor says `{media_type}`"),
        ));
    }
    let present = if foreign_field == "layers" { kind.layers.is_some() } else { kind.manifests.is_some() };
    if present {
        return Err(Error::malformed(what, format!("a `{media_type}` must not have `{foreign_field}`")));
    }
    Ok(())
}

/// Go writes `null` for a nil slice or map.
fn null_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    d: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
