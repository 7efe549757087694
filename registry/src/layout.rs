//! Writing image layouts: what is common to directories and archives, and the directory form.

use crate::model::{Desc, DescPlatform, IMAGE_NAME, Index, Manifest, OCI_INDEX, REF_NAME};
use crate::source::blob_name;
use crate::{Error, RawBlob};
use oci::{BlobDigest, Platform, Reference};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub(crate) const LAYOUT_FILE: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Bytes by digest: what an image is written from. Implementations need not verify; the writer counts the bytes.
pub trait Blobs: Sync {
    /// Opens a blob for reading from its start.
    ///
    /// # Errors
    /// When it is not there, or cannot be read.
    fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>>;

    /// Its immutable file, if it has one: a layout directory on the same file system then shares it by hard link.
    fn path(&self, _digest: &BlobDigest) -> Option<PathBuf> {
        None
    }
}

/// An image to be written. Its config and layers come from a [`Blobs`].
#[derive(Debug, Clone)]
pub struct OutImage {
    /// Under which names `index.json` lists it; none: without a name.
    pub names: Vec<Reference>,
    /// The manifest.
    pub manifest: RawBlob,
    /// What the image is for.
    pub platform: Platform,
    /// Further annotations of its descriptors in `index.json`.
    pub annotations: BTreeMap<String, String>,
    /// Of an index, which is what `manifest` is then: the images that it names.
    pub members: Vec<OutImage>,
}

impl OutImage {
    /// This image, or those that the index names.
    pub(crate) fn images(&self) -> &[OutImage] {
        if self.members.is_empty() { std::slice::from_ref(self) } else { &self.members }
    }

    /// The manifest, and those that an index names.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &RawBlob> {
        std::iter::once(&self.manifest).chain(self.members.iter().map(|member| &member.manifest))
    }

    pub(crate) fn parsed(&self) -> Result<Manifest, Error> {
        let desc = &self.manifest.desc;
        Manifest::parse(&self.manifest.bytes, &desc.media_type, &format!("manifest {}", desc.digest))
    }

    /// Its descriptors for `index.json`: one a name, as containerd, BuildKit and Docker write them.
    fn descriptors(&self) -> Vec<Desc> {
        let mut bare = self.manifest.desc.clone();
        bare.annotations.clone_from(&self.annotations);
        bare.platform = self.members.is_empty().then(|| DescPlatform::from(&self.platform));
        if self.names.is_empty() {
            return vec![bare];
        }
        let named = self.names.iter().map(|name| {
            let mut desc = bare.clone();
            desc.annotations.insert(IMAGE_NAME.into(), name.to_string());
            desc.annotations.extend(name.tag.iter().map(|tag| (REF_NAME.to_owned(), tag.clone())));
            desc
        });
        named.collect()
    }
}

/// The index of these images.
pub(crate) fn index(images: &[OutImage]) -> Index {
    Index::new(images.iter().flat_map(OutImage::descriptors).collect())
}

/// All blobs of these images besides their manifests, sorted, each once.
pub(crate) fn referenced(images: &[OutImage]) -> Result<BTreeMap<BlobDigest, u64>, Error> {
    let mut blobs = BTreeMap::new();
    for image in images.iter().flat_map(OutImage::images) {
        let manifest = image.parsed()?;
        blobs.insert(manifest.config.digest, manifest.config.size);
        blobs.extend(manifest.layers.iter().map(|layer| (layer.digest, layer.size)));
    }
    Ok(blobs)
}

/// Writes images as a layout directory.
///
/// A new `dest` appears whole or not at all. An existing layout is added to: blobs first, `index.json` at last, in
/// which an image takes over the names that it has. Any other directory that is not empty is refused.
///
/// # Errors
/// When `dest` cannot be written, or a blob is not as its descriptor says.
pub fn write_dir(images: &[OutImage], blobs: &dyn Blobs, dest: &Path) -> Result<(), Error> {
    let io = || Error::io(format!("write image layout {}", dest.display()));
    let fresh = match fs::read_dir(dest) {
        Ok(mut entries) => entries.next().is_none(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => true,
        Err(e) => return Err(io()(e)),
    };
    if !fresh {
        if !dest.join("oci-layout").is_file() {
            let why = "it has other files in it and is no image layout";
            return Err(Error::malformed(format!("destination {}", dest.display()), why));
        }
        return fill(images, blobs, dest);
    }
    let parent = match dest.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(io())?;
    let temporary = tempfile::Builder::new().prefix(".lapstrake-").tempdir_in(parent).map_err(io())?;
    fill(images, blobs, temporary.path())?;
    fs::set_permissions(temporary.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .map_err(io())?;
    fs::rename(temporary.path(), dest).map_err(io())?;
    // Gone under that name: nothing is left for the guard to remove.
    drop(temporary.keep());
    Ok(())
}

fn fill(images: &[OutImage], blobs: &dyn Blobs, dir: &Path) -> Result<(), Error> {
    let blob_dir = dir.join("blobs/sha256");
    fs::create_dir_all(&blob_dir).map_err(Error::io(format!("make directory {}", blob_dir.display())))?;
    for (digest, size) in referenced(images)? {
        put_blob(blobs, &digest, size, dir)?;
    }
    for manifest in images.iter().flat_map(OutImage::manifests) {
        put_file(&dir.join(blob_name(&manifest.desc.digest)), &manifest.bytes)?;
    }
    put_file(&dir.join("oci-layout"), LAYOUT_FILE)?;
    let index = merged(dir, index(images))?;
    put_file(&dir.join("index.json"), &index.to_bytes()?)
}

/// The new entries, after those of an index that is there and that they do not replace.
fn merged(dir: &Path, new: Index) -> Result<Index, Error> {
    let path = dir.join("index.json");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(new),
        Err(e) => return Err(Error::io(format!("read {}", path.display()))(e)),
    };
    let mut old = Index::parse(&bytes, OCI_INDEX, &path.display().to_string())?;
    let name = |d: &Desc| (d.annotations.get(IMAGE_NAME).cloned(), d.annotations.get(REF_NAME).cloned());
    old.manifests.retain(|was| !new.manifests.iter().any(|is| name(is) == name(was)));
    old.manifests.extend(new.manifests);
    old.media_type = Some(OCI_INDEX.into());
    Ok(old)
}

fn put_blob(blobs: &dyn Blobs, digest: &BlobDigest, size: u64, dir: &Path) -> Result<(), Error> {
    let dest = dir.join(blob_name(digest));
    if fs::metadata(&dest).is_ok_and(|meta| meta.is_file() && meta.len() == size) {
        return Ok(());
    }
    let io = || Error::io(format!("write blob {digest} to {}", dest.display()));
    if blobs.path(digest).is_some_and(|path| fs::hard_link(path, &dest).is_ok()) {
        return Ok(());
    }
    let mut reader = blobs.open(digest).map_err(Error::io(format!("open blob {digest}")))?;
    let mut temporary = temporary_beside(&dest)?;
    let copied = io::copy(&mut reader, temporary.as_file_mut()).map_err(io())?;
    if copied != size {
        return Err(Error::Size { what: format!("blob {digest}"), expected: size, actual: copied });
    }
    temporary.persist(&dest).map_err(|e| io()(e.error))?;
    Ok(())
}

fn put_file(dest: &Path, bytes: &[u8]) -> Result<(), Error> {
    let io = || Error::io(format!("write {}", dest.display()));
    let mut temporary = temporary_beside(dest)?;
    temporary.write_all(bytes).map_err(io())?;
    temporary.persist(dest).map_err(|e| io()(e.error))?;
    Ok(())
}

fn temporary_beside(dest: &Path) -> Result<tempfile::NamedTempFile<File>, Error> {
    let dir = dest.parent().unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".lapstrake-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(dir)
        .map_err(Error::io(format!("make a temporary file in {}", dir.display())))
}

#[cfg(test)]
mod tests;
