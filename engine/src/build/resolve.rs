//! From the Dockerfile's text to the graph: parse, lower, and look up the images that lowering asks for.

use super::error::BuildError;
use super::request::{BuildRequest, NamedContext};
use crate::cancel::Cancel;
use crate::images::{self, ImageError};
use crate::sources::{FetchError, Fetched, Fetcher};
use oci::{DiffId, LayerId, Platform};
use parser::diagnostic::Diagnostic;
use snapshotter::store::Store;
use solver::graph::{BaseImage, BaseImages, Graph};
use solver::lower::{ContextKind, EpochSource, LowerRequest, Lowered, NeededImage, lower};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The graph, and what is known about the images below it.
pub(super) struct Resolved {
    pub(super) graph: Graph,
    /// Findings that stop nothing.
    pub(super) warnings: Vec<Diagnostic>,
    /// Under which diff ID each layer of a base image is known.
    pub(super) diff_ids: HashMap<LayerId, DiffId>,
}

/// Parses and lowers `request`'s Dockerfile.
pub(super) fn graph(
    store: &Store,
    request: &BuildRequest,
    platform: Option<&Platform>,
    cancel: &Cancel,
) -> Result<Resolved, BuildError> {
    let check = request.build_args.get("BUILDKIT_DOCKERFILE_CHECK").map(String::as_str);
    let parsed = parser::parse_with(&request.dockerfile, check);
    if parsed.diagnostics.iter().any(Diagnostic::is_error) {
        return Err(BuildError::Dockerfile(parsed.diagnostics));
    }
    let mut lower_request = lower_request(request, platform);
    let mut bases = BaseImages::new();
    let mut diff_ids = HashMap::new();
    loop {
        match lower(&parsed.file, &request.dockerfile, &lower_request, &bases) {
            Err(mut findings) => {
                findings.extend(parsed.diagnostics);
                return Err(BuildError::Dockerfile(findings));
            }
            Ok(Lowered::Graph(graph)) => {
                let mut warnings = parsed.diagnostics;
                warnings.extend(graph.warnings.iter().cloned());
                return Ok(Resolved { graph: *graph, warnings, diff_ids });
            }
            Ok(Lowered::NeedEpoch(source)) => {
                lower_request.epoch = Some(epoch(store, request, &source, cancel)?);
            }
            Ok(Lowered::NeedImages(needed)) => {
                let mut missing = Vec::new();
                for image in needed {
                    match resolve(store, &image, cancel)? {
                        Ok((mut base, ids)) => {
                            diff_ids.extend(ids);
                            if !request.edits.inherit_labels {
                                base.config.config.labels.clear();
                            }
                            bases.insert((image.reference, image.platform), base);
                        }
                        Err(finding) => missing.push(finding),
                    }
                }
                if !missing.is_empty() {
                    missing.extend(parsed.diagnostics);
                    return Err(BuildError::Dockerfile(missing));
                }
            }
        }
    }
}

pub(super) fn lower_request(request: &BuildRequest, platform: Option<&Platform>) -> LowerRequest {
    let kind = |name: &String, context: &NamedContext| match context {
        NamedContext::Dir(_) => (name.clone(), ContextKind::Dir),
        NamedContext::Image(reference) => (name.clone(), ContextKind::Image(reference.clone())),
    };
    LowerRequest {
        target: request.target.clone(),
        build_args: request.build_args.clone(),
        labels: request.labels.clone(),
        platform: platform.cloned(),
        host: Platform::host(),
        no_cache: request.no_cache,
        contexts: request
            .named_contexts
            .iter()
            .map(|(name, context)| kind(name, context))
            .collect::<BTreeMap<_, _>>(),
        hostname: "buildkitsandbox".into(),
        network: request.network,
        extra_hosts: request.extra_hosts.clone(),
        allow: request.allow.clone(),
        no_cache_filter: request.no_cache_filter.clone(),
        shm_size: request.shm_size,
        ulimits: request.ulimits.clone(),
        multi_platform: request.is_multi_platform(),
        has_context: request.context.is_some(),
        ignore: request.context.as_ref().and_then(|context| context.ignore.clone()),
        check_only: false,
        absent: BTreeSet::new(),
        epoch: None,
    }
}

/// The time of what `SOURCE_DATE_EPOCH` names. A directory or an image has none.
fn epoch(
    store: &Store,
    request: &BuildRequest,
    source: &EpochSource,
    cancel: &Cancel,
) -> Result<Option<i64>, BuildError> {
    let fetcher = Fetcher::new(store, cancel).with_credentials(&request.secrets, &request.ssh);
    let fetched = match source {
        EpochSource::Context(name) => return Ok(request.context_times.get(name).copied()),
        EpochSource::Http(source) => fetcher
            .http(source)
            .map(|file| Fetched { time: file.time.or_else(|| fetcher.time_inside(&file)), ..file }),
        EpochSource::Git(source) => fetcher.git(source),
    };
    match fetched {
        Ok(fetched) => Ok(fetched.time),
        Err(FetchError::Canceled) => Err(BuildError::Canceled),
        Err(source) => Err(BuildError::Fetch(Box::new(source))),
    }
}

type Found = (BaseImage, Vec<(LayerId, DiffId)>);

/// The outer error ends the build, the inner one is a finding at the image's place.
fn resolve(
    store: &Store,
    image: &NeededImage,
    cancel: &Cancel,
) -> Result<Result<Found, Diagnostic>, BuildError> {
    match images::resolve_base(store, &image.reference, &image.platform, cancel) {
        Ok(base) => {
            let layers = base.layers.iter().map(|layer| layer.layer).collect();
            let ids = base.layers.iter().filter_map(|layer| Some((layer.layer, layer.diff_id?))).collect();
            Ok(Ok((BaseImage { config: base.config, layers }, ids)))
        }
        Err(ImageError::NoBase(_)) => {
            let help = format!(
                "add it with `lapstrake load -i ARCHIVE` or `lapstrake import ROOTFS.tar {name}`, or name a layout \
                 with `--build-context {name}=oci-layout://DIR`",
                name = image.reference
            );
            let why = "it is not in the store, and images are not pulled from registries yet";
            Ok(Err(image.unavailable(why, &help)))
        }
        Err(error @ ImageError::Platform { .. }) => {
            let help = "name an image for the platform that you build for";
            Ok(Err(image.unavailable(&error.to_string(), help)))
        }
        Err(source) => Err(BuildError::Image { reference: image.reference.clone(), source }),
    }
}
