//! Images of several platforms: an index of them, and their files side by side.

use super::annotations::{Annotation, AnnotationKind};
use super::{BuildResult, ExportError, Output, StoredImage, flat, image, local, pack};
use crate::cancel::Cancel;
use crate::images::access;
use oci::{Platform, Reference};
use registry::RawBlob;
use registry::layout::OutImage;
use registry::model::{Desc, DescPlatform, Index, MAX_JSON, OCI_INDEX};
use snapshotter::content::Provider;
use snapshotter::images::ImageRecord;
use snapshotter::store::Store;
use std::io::Write;
use std::path::Path;

/// What BuildKit calls a platform's directory: `linux_arm_v7`.
fn dir_name(platform: &Platform) -> String {
    platform.to_string().replace('/', "_")
}

/// The platform that an index says of a result.
pub(super) fn platform(result: &BuildResult) -> Platform {
    result.platform.clone().unwrap_or_else(|| result.config.platform())
}

/// Each platform's files in a directory of its own below `dir`.
pub(super) fn write_dirs(
    store: &Store,
    results: &[BuildResult],
    dir: &Path,
    cancel: &Cancel,
) -> Result<(), ExportError> {
    std::fs::create_dir_all(dir).map_err(ExportError::io(format!("make directory {}", dir.display())))?;
    for result in results {
        local::write(store, result, &dir.join(dir_name(&platform(result))), cancel)?;
    }
    Ok(())
}

/// Each platform's files below a directory of its own in one tar.
pub(super) fn write_tar(
    store: &Store,
    results: &[BuildResult],
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let mut sorted: Vec<(String, &BuildResult)> =
        results.iter().map(|result| (dir_name(&platform(result)), result)).collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut tar = tar::Builder::new(out);
    for (name, result) in sorted {
        flat::append_below(&mut tar, &name, &flat::view(store, result)?, result.epoch)?;
    }
    tar.into_inner().and_then(Write::flush).map_err(ExportError::io("write the end of the tar"))
}

/// Puts an index of these results into the store, and gives it `names`.
pub(super) fn store_index(
    store: &Store,
    results: &[BuildResult],
    names: &[Reference],
    output: &Output,
    cancel: &Cancel,
) -> Result<StoredImage, ExportError> {
    let mut members = Vec::new();
    for result in results {
        members.push(image::store_with(store, result, &[], &output.annotations, cancel)?);
    }
    let listed = members.iter().zip(results).map(|(member, result)| {
        let platform = platform(result);
        let annotations =
            Annotation::of(&output.annotations, AnnotationKind::ManifestDescriptor, Some(&platform));
        Desc { annotations, platform: Some(DescPlatform::from(&platform)), ..member.manifest.clone() }
    });
    let mut index = Index::new(listed.collect());
    index.annotations = Annotation::of(&output.annotations, AnnotationKind::Index, None);
    let bytes = index.to_bytes()?;
    let id = access::put_blob(store, &bytes).map_err(ExportError::store("write the index"))?;
    let Some(own) = members.iter().find(|member| member.platform == Platform::host()).or(members.first())
    else {
        return Err(ExportError::NoDest("index"));
    };
    let record = ImageRecord {
        id,
        manifest: id,
        layers: Vec::new(),
        created: access::created(&own.config),
        size: members.iter().try_fold(0, |sum, member| {
            let size = access::size(store, &member.layers);
            size.map(|size| sum + size).map_err(ExportError::store("measure the images"))
        })?,
        platform: own.platform.clone(),
        members: members.iter().map(|member| member.id).collect(),
    };
    image::put(store, &record, names)?;
    let (platform, config) = (own.platform.clone(), own.config.clone());
    Ok(StoredImage {
        id,
        manifest: Desc::of(OCI_INDEX, &bytes),
        platform,
        layers: Vec::new(),
        config,
        members,
    })
}

/// As [`pack::pack`], for an index: its images packed, and the index anew over their manifests.
pub(super) fn pack_index(
    store: &Store,
    image: &StoredImage,
    names: &[Reference],
    output: &Output,
    cancel: &Cancel,
) -> Result<OutImage, ExportError> {
    let what = format!("the index {}", image.manifest.digest);
    let bytes = store.content().read(&image.manifest.digest, MAX_JSON);
    let bytes = bytes.map_err(ExportError::store(format!("read {what}")))?;
    let mut index = Index::parse(&bytes, OCI_INDEX, &what)?;
    let mut members = Vec::new();
    for (member, listed) in image.members.iter().zip(&mut index.manifests) {
        let packed = pack::pack(store, member, &[], output, cancel)?;
        *listed = Desc {
            annotations: std::mem::take(&mut listed.annotations),
            platform: listed.platform.take(),
            ..packed.manifest.desc.clone()
        };
        members.push(packed);
    }
    let bytes = index.to_bytes()?;
    Ok(OutImage {
        names: names.to_vec(),
        manifest: RawBlob { desc: Desc::of(OCI_INDEX, &bytes), bytes },
        platform: image.platform.clone(),
        annotations: Annotation::of(&output.annotations, AnnotationKind::IndexDescriptor, None),
        members,
    })
}
