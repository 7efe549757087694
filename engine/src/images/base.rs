//! Base images of a build: from the store, or from a layout that `--build-context` names.

use super::access;
use super::error::ImageError;
use super::load::{adopt, put};
use crate::cancel::Cancel;
use crate::export::ResultLayer;
use oci::{BlobDigest, ImageConfig, Platform};
use registry::{FoundImage, Source};
use snapshotter::images::ImageRecord;
use snapshotter::store::Store;
use std::path::Path;

/// What `oci-layout://` stands before.
const LAYOUT: &str = "oci-layout://";

/// An image to build on.
#[derive(Debug, Clone)]
pub struct BaseImage {
    /// Its id.
    pub id: BlobDigest,
    /// Its config.
    pub config: ImageConfig,
    /// From the bottom layer to the top one, with the diff ids under which the image names them.
    pub layers: Vec<ResultLayer>,
}

/// Finds a base image: a name, an id (also its beginning), or `oci-layout://DIR[:TAG][@DIGEST]`, which is loaded first.
///
/// # Errors
/// [`ImageError::NoBase`] if there is none; [`ImageError::Platform`] if there are several, all for other platforms;
/// whatever is wrong
/// with a layout.
pub fn resolve_base(
    store: &Store,
    reference: &str,
    platform: &Platform,
    cancel: &Cancel,
) -> Result<BaseImage, ImageError> {
    let (record, several) = match reference.strip_prefix(LAYOUT) {
        Some(layout) => (from_layout(store, layout, platform, cancel)?, false),
        None => local(store, reference, platform)?,
    };
    let (_, config) = access::config(store, &record.id)?;
    let own = config.platform();
    let own = own.to_string().parse().unwrap_or(own);
    // Of several images none was for it. An image alone is taken as it is, as BuildKit does with a warning.
    if several && (&own.os, &own.architecture) != (&platform.os, &platform.architecture) {
        let (has, wanted) = (own.to_string(), platform.to_string());
        return Err(ImageError::Platform { name: reference.to_owned(), has, wanted });
    }
    let layers =
        record.layers.iter().map(|l| ResultLayer { layer: l.layer, diff_id: Some(l.diff_id) }).collect();
    Ok(BaseImage { id: record.id, config, layers })
}

/// The image of a name, and whether it is one of an index.
fn local(store: &Store, reference: &str, platform: &Platform) -> Result<(ImageRecord, bool), ImageError> {
    let several = access::resolve_any(store, reference).map(|record| record.is_index());
    match several.and_then(|several| Ok((access::resolve_for(store, reference, platform)?, several))) {
        Err(ImageError::NotFound(name)) => Err(ImageError::NoBase(name)),
        other => other,
    }
}

fn from_layout(
    store: &Store,
    layout: &str,
    platform: &Platform,
    cancel: &Cancel,
) -> Result<ImageRecord, ImageError> {
    let work = store.work().map_err(ImageError::store("make a work directory"))?;
    let scratch = work.scratch().map_err(ImageError::store("make a work directory"))?;
    let place = Place::parse(layout);
    let source = Source::open(Path::new(place.path), &scratch)?;
    let images = match source.images(Some(platform)) {
        // The only one there is.
        Err(registry::Error::Platform { has, .. }) if !has.contains(',') => source.images(None)?,
        other => other?,
    };
    let record = adopt(store, &source, place.choose(&images)?, cancel)?;
    // Without a name, it stays until the next collection that finds it unused.
    put(store, &record, &[])?;
    Ok(record)
}

/// `DIR[:TAG][@DIGEST]`
struct Place<'a> {
    path: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn parse(text: &'a str) -> Self {
        let (rest, digest) = match text.rsplit_once('@') {
            Some((rest, digest)) if digest.starts_with("sha256:") => (rest, Some(digest)),
            _ => (text, None),
        };
        match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') && !path.is_empty() => {
                Self { path, tag: Some(tag), digest }
            }
            _ => Self { path: rest, tag: None, digest },
        }
    }

    /// By digest or tag where given; else the only image, else the one tagged `latest`, as BuildKit has it.
    fn choose<'i>(&self, images: &'i [FoundImage]) -> Result<&'i FoundImage, ImageError> {
        let tagged = |image: &&FoundImage, tag: &str| {
            image.tags.iter().any(|t| t == tag) || image.names.iter().any(|n| n.tag.as_deref() == Some(tag))
        };
        let missing = |what: String| ImageError::NoBase(format!("{LAYOUT}{}{what}", self.path));
        if let Some(digest) = self.digest {
            let wanted = |image: &&FoundImage| {
                let own = image.manifest.as_ref().map(|m| m.desc.digest);
                image.listed.iter().chain(&own).any(|d| d.to_string() == digest)
            };
            return images.iter().find(wanted).ok_or_else(|| missing(format!("@{digest}")));
        }
        if let Some(tag) = self.tag {
            return images.iter().find(|image| tagged(image, tag)).ok_or_else(|| missing(format!(":{tag}")));
        }
        match images {
            [only] => Ok(only),
            several => several.iter().find(|image| tagged(image, "latest")).ok_or_else(|| {
                ImageError::Several { what: format!("{LAYOUT}{}", self.path), count: several.len() }
            }),
        }
    }
}
