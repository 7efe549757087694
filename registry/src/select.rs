//! From `index.json` to images: nested indexes, platforms, names.

use crate::Error;
use crate::files::Files;
use crate::model::{Desc, IMAGE_NAME, Index, OCI_INDEX, REF_NAME, is_index, is_manifest};
use crate::source::{FoundImage, load, read_blob, read_small};
use oci::{Platform, Reference};

/// Indexes within indexes. Two levels occur in practice.
const MAX_DEPTH: usize = 4;
/// Descriptors looked at for one source: an index that repeats another many times over must not take forever.
const MAX_SEEN: usize = 10_000;

pub(crate) fn images(
    files: &dyn Files,
    platform: Option<&Platform>,
    what: &str,
) -> Result<Vec<FoundImage>, Error> {
    check_version(files, what)?;
    let bytes = read_small(files, "index.json", what)?;
    let index = Index::parse(&bytes, OCI_INDEX, &format!("`index.json` of {what}"))?;
    let mut walk = Walk { files, what, seen: 0 };
    let mut found: Vec<FoundImage> = Vec::new();
    for group in groups(index.manifests) {
        let platforms = group.len() > 1 && group.iter().all(|d| d.platform.is_some());
        let choices: Vec<Vec<Desc>> =
            if platforms { vec![group] } else { group.into_iter().map(|d| vec![d]).collect() };
        for choice in choices {
            let listed = choice[0].clone();
            let leaves = walk.leaves(choice, 0)?;
            let Some(mut image) = walk.choose(leaves, platform)? else { continue };
            image.listed =
                Some(if platforms { image.digest() } else { Some(listed.digest) }.unwrap_or(listed.digest));
            name(&mut image, &listed);
            merge(&mut found, image);
        }
    }
    if found.is_empty() {
        return Err(Error::malformed(what, "its index.json lists no image"));
    }
    Ok(found)
}

impl FoundImage {
    fn digest(&self) -> Option<oci::BlobDigest> {
        self.manifest.as_ref().map(|m| m.desc.digest)
    }
}

/// Whether an image for `offered` runs where `wanted` is asked for: the same, or an earlier variant.
pub(crate) fn suits(offered: &Platform, wanted: &Platform) -> bool {
    if (&offered.os, &offered.architecture) != (&wanted.os, &wanted.architecture) {
        return false;
    }
    let version = |p: &Platform| match &p.variant {
        Some(v) => v.trim_start_matches('v').parse::<u32>().ok(),
        None => Some(0),
    };
    offered.variant == wanted.variant
        || matches!((version(offered), version(wanted)), (Some(has), Some(max)) if has <= max)
}

fn check_version(files: &dyn Files, what: &str) -> Result<(), Error> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layout {
        image_layout_version: String,
    }
    let shown = format!("`oci-layout` of {what}");
    let layout: Layout = serde_json::from_slice(&read_small(files, "oci-layout", what)?)
        .map_err(|source| Error::Json { what: shown.clone(), source })?;
    if layout.image_layout_version != "1.0.0" {
        let why = format!("its version is `{}`; only 1.0.0 is", layout.image_layout_version);
        return Err(Error::unsupported(shown, why));
    }
    Ok(())
}

/// Descriptors of one name together, in their order: they may be one image for several platforms.
fn groups(manifests: Vec<Desc>) -> Vec<Vec<Desc>> {
    let mut groups: Vec<Vec<Desc>> = Vec::new();
    let key = |d: &Desc| (d.annotations.get(IMAGE_NAME).cloned(), d.annotations.get(REF_NAME).cloned());
    for desc in manifests.into_iter().filter(wanted) {
        match groups.iter_mut().find(|g| key(&g[0]) == key(&desc)) {
            Some(group) => group.push(desc),
            None => groups.push(vec![desc]),
        }
    }
    groups
}

/// Images and indexes of them; no attestations or other artifacts.
fn wanted(desc: &Desc) -> bool {
    let attestation = desc.annotations.contains_key("vnd.docker.reference.type")
        || desc.platform.as_ref().is_some_and(|p| p.os == "unknown" || p.architecture == "unknown");
    !attestation && (is_index(&desc.media_type) || is_manifest(&desc.media_type))
}

struct Walk<'a> {
    files: &'a dyn Files,
    what: &'a str,
    seen: usize,
}

impl Walk<'_> {
    /// The manifests at and below these descriptors.
    fn leaves(&mut self, descs: Vec<Desc>, depth: usize) -> Result<Vec<Desc>, Error> {
        let mut out = Vec::new();
        for desc in descs.into_iter().filter(wanted) {
            self.seen += 1;
            if self.seen > MAX_SEEN || depth > MAX_DEPTH {
                let why = format!(
                    "its indexes nest deeper than {MAX_DEPTH}, or list more than {MAX_SEEN} manifests"
                );
                return Err(Error::malformed(self.what, why));
            }
            if is_index(&desc.media_type) {
                let bytes = read_blob(self.files, &desc, "index", self.what)?;
                let index = Index::parse(&bytes, &desc.media_type, &format!("index {}", desc.digest))?;
                out.extend(self.leaves(index.manifests, depth + 1)?);
            } else {
                out.push(desc);
            }
        }
        Ok(out)
    }

    /// The one for the platform. `None` if there is nothing to choose from.
    fn choose(&self, leaves: Vec<Desc>, platform: Option<&Platform>) -> Result<Option<FoundImage>, Error> {
        let host = Platform::host();
        let target = platform.unwrap_or(&host);
        if let [only] = leaves.as_slice() {
            let image = load(self.files, only, self.what)?;
            let own = image.image.platform();
            let own = own.to_string().parse().unwrap_or(own);
            return match platform {
                Some(wanted) if !suits(&own, wanted) => Err(self.none_for(wanted, &[own])),
                _ => Ok(Some(image)),
            };
        }
        let mut offers: Vec<(Platform, Desc)> = Vec::new();
        for leaf in leaves {
            if let Some(platform) = self.platform_of(&leaf)? {
                offers.push((platform, leaf));
            }
        }
        if offers.is_empty() {
            return Ok(None);
        }
        let exact = offers.iter().find(|(p, _)| p == target);
        let best = exact.or_else(|| {
            offers.iter().filter(|(p, _)| suits(p, target)).max_by(|a, b| a.0.variant.cmp(&b.0.variant))
        });
        match best {
            Some((_, desc)) => load(self.files, desc, self.what).map(Some),
            None => Err(self.none_for(target, &offers.into_iter().map(|(p, _)| p).collect::<Vec<_>>())),
        }
    }

    /// From the descriptor, or from the config if that is silent. `None` for manifests that are not in the source:
    /// Docker saves an index whole, but only some of its images.
    fn platform_of(&self, desc: &Desc) -> Result<Option<Platform>, Error> {
        if !self.files.exists(&crate::source::blob_name(&desc.digest))? {
            return Ok(None);
        }
        if let Some(platform) = &desc.platform {
            return Ok(platform.normal());
        }
        let own = load(self.files, desc, self.what)?.image.platform();
        Ok(Some(own.to_string().parse().unwrap_or(own)))
    }

    fn none_for(&self, wanted: &Platform, has: &[Platform]) -> Error {
        let has = has.iter().map(Platform::to_string).collect::<Vec<_>>().join(", ");
        Error::Platform { what: self.what.to_owned(), wanted: wanted.to_string(), has }
    }
}

/// Takes over the names in a descriptor's annotations.
fn name(image: &mut FoundImage, desc: &Desc) {
    let full = desc.annotations.get(IMAGE_NAME).and_then(|n| n.parse::<Reference>().ok());
    let short = desc.annotations.get(REF_NAME);
    image.tags.extend(short.cloned());
    let named = full.or_else(|| short.filter(|n| n.contains([':', '/'])).and_then(|n| n.parse().ok()));
    image.names.extend(named);
}

/// One image per manifest, with all of its names.
fn merge(found: &mut Vec<FoundImage>, image: FoundImage) {
    let same = |f: &&mut FoundImage| f.digest() == image.digest();
    let Some(known) = found.iter_mut().find(same) else {
        found.push(image);
        return;
    };
    for name in image.names {
        if !known.names.contains(&name) {
            known.names.push(name);
        }
    }
    for tag in image.tags {
        if !known.tags.contains(&tag) {
            known.tags.push(tag);
        }
    }
}

#[cfg(test)]
mod tests;
