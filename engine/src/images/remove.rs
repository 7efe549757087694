//! `tag` and `rmi`.

use super::access;
use super::error::ImageError;
use oci::{BlobDigest, Reference};
use snapshotter::error::StoreError;
use snapshotter::store::Store;

/// One line of what `rmi` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name is gone: its familiar form.
    Untagged(String),
    /// An image is gone: its id, with `sha256:`.
    Deleted(String),
}

/// Gives an image one more name; the name is taken from the image that has it now. `source` is a name or id.
///
/// # Errors
/// When there is no such image, or `name` has a digest.
pub fn tag(store: &Store, source: &str, name: &Reference) -> Result<(), ImageError> {
    if name.digest.is_some() {
        return Err(ImageError::Pinned(name.familiar()));
    }
    let record = access::resolve_any(store, source)?;
    let what = format!("name the image {}", name.familiar());
    store.images().tag(&access::key(name), &record.id).map_err(ImageError::store(what))
}

/// Removes a name, or an image. A name goes alone while the image has others; with the last one, the image goes, too.
/// An id removes the image if it has one name or none, or with `force`.
///
/// `in_use` lists images that containers use, with the containers: those are kept, unless forced. Layers that nothing
/// needs any more are removed if no build runs; else the next collection does that.
///
/// # Errors
/// When there is no such image, it is in use, or it has several names and was given by its id.
pub fn remove(
    store: &Store,
    text: &str,
    force: bool,
    in_use: &[(BlobDigest, String)],
) -> Result<Vec<Removed>, ImageError> {
    let record = access::resolve_any(store, text)?;
    let tags = store.images().tags(&record.id).map_err(ImageError::store("read the names of an image"))?;
    let named = text.parse::<Reference>().is_ok_and(|name| tags.contains(&access::key(&name)));
    let stays = named && tags.len() > 1;
    if !stays
        && !force
        && let Some((_, container)) =
            in_use.iter().find(|(id, _)| *id == record.id || record.members.contains(id))
    {
        return Err(ImageError::InUse { image: text.to_owned(), container: container.clone() });
    }
    let done = store.images().remove(text, force).map_err(|error| match error {
        StoreError::NoImage(_) => ImageError::NotFound(text.to_owned()),
        StoreError::SeveralNames { .. } => {
            let names = tags.iter().map(|tag| familiar(tag)).collect::<Vec<_>>().join(", ");
            ImageError::SeveralNames { id: text.to_owned(), names }
        }
        other => ImageError::store(format!("remove image {text}"))(other),
    })?;
    let mut removed: Vec<Removed> =
        done.untagged.iter().map(|tag| Removed::Untagged(familiar(tag))).collect();
    if let Some(id) = done.deleted {
        removed.push(Removed::Deleted(id.to_string()));
        let report = store.gc().map_err(ImageError::store("remove what nothing uses any more"))?;
        tracing::debug!(?report, "collected after the removal of an image");
    }
    Ok(removed)
}

fn familiar(key: &str) -> String {
    access::name(key).map_or_else(|| key.to_owned(), |name| name.familiar())
}
