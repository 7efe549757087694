//! Images made for tests.

use crate::RawBlob;
use crate::layout::{Blobs, OutImage};
use crate::model::{Desc, Flavor, Manifest, Packing};
use oci::image::{ImageConfig, RootFs};
use oci::{BlobDigest, DiffId, Platform};
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};

/// Blobs in memory.
#[derive(Debug, Default, Clone)]
pub(crate) struct Memory(pub(crate) BTreeMap<BlobDigest, Vec<u8>>);

impl Memory {
    pub(crate) fn put(&mut self, bytes: &[u8]) -> BlobDigest {
        let digest = BlobDigest::of(bytes);
        self.0.insert(digest, bytes.to_vec());
        digest
    }
}

impl Blobs for Memory {
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
        let bytes = self.0.get(digest).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }
}

/// A tar with one file.
pub(crate) fn layer(name: &str, data: &[u8]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    put(&mut tar, name, data);
    tar.into_inner().unwrap()
}

/// Adds a file, whatever its name is.
pub(crate) fn put(tar: &mut tar::Builder<Vec<u8>>, name: &str, data: &[u8]) {
    special(tar, name, tar::EntryType::Regular, "", data);
}

/// Adds any member, unchecked.
pub(crate) fn special(
    tar: &mut tar::Builder<Vec<u8>>,
    name: &str,
    kind: tar::EntryType,
    target: &str,
    data: &[u8],
) {
    let mut header = tar::Header::new_gnu();
    {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..name.len()].copy_from_slice(name.as_bytes());
        gnu.linkname[..target.len()].copy_from_slice(target.as_bytes());
    }
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(data.len() as u64);
    header.set_cksum();
    tar.append(&header, data).unwrap();
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// An image with one gzip layer that holds `text`, for `platform`.
pub(crate) fn image(blobs: &mut Memory, text: &str, platform: &str, names: &[&str]) -> OutImage {
    image_of(blobs, &[layer("file", text.as_bytes())], platform, names)
}

/// An image of these layer tars, gzipped.
pub(crate) fn image_of(blobs: &mut Memory, tars: &[Vec<u8>], platform: &str, names: &[&str]) -> OutImage {
    let platform: Platform = platform.parse().unwrap();
    let config = ImageConfig {
        rootfs: RootFs { kind: "layers".into(), diff_ids: tars.iter().map(|tar| DiffId::of(tar)).collect() },
        ..ImageConfig::scratch(&platform)
    };
    let config = serde_json::to_vec(&config).unwrap();
    blobs.put(&config);
    let layers = tars.iter().map(|tar| {
        let packed = gzip(tar);
        blobs.put(&packed);
        Desc::of(Flavor::Oci.layer(Packing::Gzip), &packed)
    });
    let layers = layers.collect();
    let manifest = Manifest::new(Flavor::Oci, Desc::of(Flavor::Oci.config(), &config), layers);
    out_image(&manifest, platform, names)
}

pub(crate) fn out_image(manifest: &Manifest, platform: Platform, names: &[&str]) -> OutImage {
    let bytes = manifest.to_bytes().unwrap();
    OutImage {
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        manifest: RawBlob { desc: Desc::of(manifest.media_type.clone().unwrap(), &bytes), bytes },
        platform,
        annotations: BTreeMap::new(),
        members: Vec::new(),
    }
}

/// A layout directory with files as given, for what no writer would write.
pub(crate) fn raw_layout(dir: &Path, index: &serde_json::Value, blobs: &Memory) {
    std::fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    std::fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    std::fs::write(dir.join("index.json"), index.to_string()).unwrap();
    for (digest, bytes) in &blobs.0 {
        std::fs::write(blob_path(dir, digest), bytes).unwrap();
    }
}

pub(crate) fn blob_path(dir: &Path, digest: &BlobDigest) -> PathBuf {
    dir.join("blobs/sha256").join(digest.hex())
}

/// The text of an error with its causes.
pub(crate) fn shown(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        out = format!("{out}: {cause}");
        next = cause.source();
    }
    out
}
