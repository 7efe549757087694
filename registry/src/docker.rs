//! Docker archives: `manifest.json` names a config and layers by path.

use crate::Error;
use crate::files::Files;
use crate::select::suits;
use crate::source::{FoundImage, FoundLayer, RawBlob, docker_config, open, parse_config, read_small};
use oci::{BlobDigest, Platform, Reference};
use serde::{Deserialize, Serialize};

/// One image of `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Item {
    pub(crate) config: String,
    #[serde(default)]
    pub(crate) repo_tags: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) layers: Option<Vec<String>>,
}

pub(crate) fn images(
    files: &dyn Files,
    platform: Option<&Platform>,
    what: &str,
) -> Result<Vec<FoundImage>, Error> {
    let shown = format!("`manifest.json` of {what}");
    let bytes = read_small(files, "manifest.json", what)?;
    let items: Vec<Item> =
        serde_json::from_slice(&bytes).map_err(|source| Error::Json { what: shown, source })?;
    if items.is_empty() {
        return Err(Error::malformed(what, "its manifest.json lists no image"));
    }
    items.iter().map(|item| image(files, item, platform, what)).collect()
}

fn image(
    files: &dyn Files,
    item: &Item,
    platform: Option<&Platform>,
    what: &str,
) -> Result<FoundImage, Error> {
    check_path(&item.config, what)?;
    let bytes = read_small(files, &item.config, what)?;
    let desc = docker_config(&bytes);
    check_config_name(&item.config, &desc.digest)?;
    let paths = item.layers.as_deref().unwrap_or_default();
    let image = parse_config(&bytes, paths.len(), &format!("config `{}` of {what}", item.config))?;
    if let Some(wanted) = platform {
        let own = image.platform();
        let own = own.to_string().parse().unwrap_or(own);
        if !suits(&own, wanted) {
            let (wanted, has) = (wanted.to_string(), own.to_string());
            return Err(Error::Platform { what: what.to_owned(), wanted, has });
        }
    }
    let mut layers = Vec::with_capacity(paths.len());
    for (path, diff_id) in paths.iter().zip(&image.rootfs.diff_ids) {
        check_path(path, what)?;
        open(files, path, what)?;
        layers.push(FoundLayer { diff_id: *diff_id, desc: None, name: path.clone() });
    }
    let names = item.repo_tags.iter().flatten().map(|name| {
        name.parse::<Reference>().map_err(|e| Error::malformed(what, format!("a RepoTag is not a name: {e}")))
    });
    Ok(FoundImage {
        names: names.collect::<Result<Vec<_>, _>>()?,
        tags: Vec::new(),
        listed: None,
        manifest: None,
        config: RawBlob { desc, bytes },
        image,
        layers,
    })
}

fn check_path(path: &str, what: &str) -> Result<(), Error> {
    if path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(Error::malformed(
            what,
            format!("manifest.json names `{path}`, which is not a plain path"),
        ));
    }
    Ok(())
}

/// A config is named by its digest: `<hex>.json`, or `blobs/sha256/<hex>`.
fn check_config_name(path: &str, actual: &BlobDigest) -> Result<(), Error> {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    let hex = file.strip_suffix(".json").unwrap_or(file);
    match format!("sha256:{hex}").parse::<BlobDigest>() {
        Ok(expected) if expected != *actual => Err(Error::Digest {
            what: format!("config `{path}`"),
            expected: expected.to_string(),
            actual: actual.to_string(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
