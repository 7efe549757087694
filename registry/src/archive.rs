//! Writing archives: OCI's, and Docker's in the form that is both at once.
//!
//! Members are sorted, owned by root, and dated 1970: equal images give equal bytes.

use crate::Error;
use crate::docker::Item;
use crate::layout::{Blobs, LAYOUT_FILE, OutImage, index, referenced};
use crate::source::blob_name;
use oci::BlobDigest;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// Which readers an archive is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveKind {
    /// An image layout as a tar.
    Oci,
    /// The same with `manifest.json` and `repositories`, as `docker save` and BuildKit write it: for `docker load`,
    /// and for everything that reads layouts.
    Docker,
}

enum Member {
    Dir,
    Bytes(Vec<u8>),
    Blob(BlobDigest, u64),
}

/// Writes images as a tar to `out`, blob by blob; nothing is held in memory but the documents.
///
/// # Errors
/// When `out` cannot be written, or a blob is not as long as its descriptor says.
pub fn write(
    images: &[OutImage],
    blobs: &dyn Blobs,
    kind: ArchiveKind,
    out: &mut dyn Write,
) -> Result<(), Error> {
    let mut members = BTreeMap::new();
    members.insert("blobs/".to_owned(), Member::Dir);
    members.insert("blobs/sha256/".to_owned(), Member::Dir);
    for (digest, size) in referenced(images)? {
        members.insert(blob_name(&digest), Member::Blob(digest, size));
    }
    for manifest in images.iter().flat_map(OutImage::manifests) {
        members.insert(blob_name(&manifest.desc.digest), Member::Bytes(manifest.bytes.clone()));
    }
    members.insert("index.json".into(), Member::Bytes(index(images).to_bytes()?));
    members.insert("oci-layout".into(), Member::Bytes(LAYOUT_FILE.to_vec()));
    if kind == ArchiveKind::Docker {
        members.insert("manifest.json".into(), Member::Bytes(docker_manifest(images)?));
        members.extend(repositories(images)?.map(|bytes| ("repositories".to_owned(), Member::Bytes(bytes))));
    }
    let mut tar = tar::Builder::new(out);
    for (name, member) in &members {
        append(&mut tar, name, member, blobs)?;
    }
    tar.into_inner().and_then(Write::flush).map_err(Error::io("write the end of the image archive"))
}

fn append(
    tar: &mut tar::Builder<&mut dyn Write>,
    name: &str,
    member: &Member,
    blobs: &dyn Blobs,
) -> Result<(), Error> {
    let io = || Error::io(format!("write `{name}` to the image archive"));
    match member {
        Member::Dir => tar.append(&header(name, None).map_err(io())?, io::empty()).map_err(io()),
        Member::Bytes(bytes) => {
            let header = header(name, Some(bytes.len() as u64)).map_err(io())?;
            tar.append(&header, bytes.as_slice()).map_err(io())
        }
        Member::Blob(digest, size) => {
            let reader = blobs.open(digest).map_err(Error::io(format!("open blob {digest}")))?;
            let mut counted = Counted { reader: reader.take(size.saturating_add(1)), count: 0 };
            let written = tar.append(&header(name, Some(*size)).map_err(io())?, &mut counted);
            let actual = counted.count;
            // Whoever reads the archive would take the next header for the rest of this blob.
            if written.is_ok() && actual != *size {
                return Err(Error::Size { what: format!("blob {digest}"), expected: *size, actual });
            }
            written.map_err(io())
        }
    }
}

fn header(name: &str, size: Option<u64>) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name)?;
    header.set_entry_type(if size.is_some() { tar::EntryType::Regular } else { tar::EntryType::Directory });
    header.set_mode(if size.is_some() { 0o644 } else { 0o755 });
    header.set_size(size.unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

fn docker_manifest(images: &[OutImage]) -> Result<Vec<u8>, Error> {
    let items = images.iter().filter(|image| image.members.is_empty()).map(|image| {
        let manifest = image.parsed()?;
        let tags = image.names.iter().filter(|name| name.tag.is_some()).map(oci::Reference::familiar);
        let tags: Vec<String> = tags.collect();
        Ok(Item {
            config: blob_name(&manifest.config.digest),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers: Some(manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect()),
        })
    });
    let items = items.collect::<Result<Vec<_>, Error>>()?;
    serde_json::to_vec(&items).map_err(|source| Error::Json { what: "manifest.json".into(), source })
}

/// What readers older than `manifest.json` look at: repository, tag, top layer. `None` without tagged images.
fn repositories(images: &[OutImage]) -> Result<Option<Vec<u8>>, Error> {
    let mut out: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for image in images.iter().filter(|image| image.members.is_empty()) {
        let manifest = image.parsed()?;
        let Some(top) = manifest.layers.last() else { continue };
        for name in &image.names {
            if let Some(tag) = &name.tag {
                out.entry(name.familiar_name()).or_default().insert(tag.clone(), top.digest.hex());
            }
        }
    }
    if out.is_empty() {
        return Ok(None);
    }
    let bytes = serde_json::to_vec(&out);
    bytes.map(Some).map_err(|source| Error::Json { what: "repositories".into(), source })
}

struct Counted<R> {
    reader: R,
    count: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buf)?;
        self.count += got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests;
