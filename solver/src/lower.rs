//! Dockerfile tree to graph.
//!
//! [`lower`] is called in a loop: it names the images whose configs it needs, the engine resolves them, and in the
//! end a [`Graph`] comes out. Names, expansion and history texts are BuildKit's.

use crate::graph::{BaseImages, Graph, Network, Ulimit};
use oci::Platform;
use parser::ast::Dockerfile;
use parser::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub mod address;
mod args;
mod builder;
mod copy;
mod epoch;
mod expand;
mod finish;
mod gofmt;
mod lint;
mod metadata;
mod mount;
mod names;
pub mod outline;
mod plan;
mod ports;
mod remedy;
mod remote;
#[cfg(test)]
mod render;
pub mod rules;
mod run;
mod signals;
mod stage;
mod suggest;
#[cfg(test)]
mod tests;

pub use epoch::EpochSource;

/// Name of the main build context in [`crate::graph::CopyFrom::Context`].
pub const MAIN_CONTEXT: &str = "context";
/// Name there of a `--build-context` that is called `context`, too. It is no name that one can be given.
pub const NAMED_CONTEXT: &str = "context:";

/// What a build is asked to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LowerRequest {
    /// Stage to build; the last one where `None`.
    pub target: Option<String>,
    /// `--build-arg`, with the proxy settings of the client among them.
    pub build_args: BTreeMap<String, String>,
    /// `--label`
    pub labels: BTreeMap<String, String>,
    /// `--platform`. `None` means [`LowerRequest::host`], and that the image keeps its base's platform.
    pub platform: Option<Platform>,
    /// Platform that the build runs on.
    pub host: Platform,
    /// `--no-cache`: every step is marked so.
    pub no_cache: bool,
    /// `--build-context`: a name replaces the stage or image of that name, or is a source of its own.
    pub contexts: BTreeMap<String, ContextKind>,
    /// Host name in RUN.
    pub hostname: String,
    /// `--add-host`: name and address.
    pub extra_hosts: Vec<(String, String)>,
    /// Network of a RUN without `--network` (or with `--network=default`).
    pub network: Network,
    /// `--allow`: `network.host`, `security.insecure` ..
    pub allow: BTreeSet<String>,
    /// `--no-cache-filter`: stages whose steps run even if they are known.
    pub no_cache_filter: BTreeSet<String>,
    /// `--shm-size`, bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`
    pub ulimits: Vec<Ulimit>,
    /// Several platforms are built: vertex names carry theirs.
    pub multi_platform: bool,
    /// Whether there is a main context: a Dockerfile alone has none.
    pub has_context: bool,
    /// The ignore file of the main context: its name and text.
    pub ignore: Option<(String, String)>,
    /// Findings are wanted, not a graph: without a target all stages are looked at, and errors of one stage do not hide
    /// the findings of the next.
    pub check_only: bool,
    /// With [`LowerRequest::check_only`]: images that cannot be had. What depends on them is not found.
    pub absent: BTreeSet<String>,
    /// The answer to an earlier [`Lowered::NeedEpoch`]: the time, or that there is none.
    pub epoch: Option<Option<i64>>,
}

impl Default for LowerRequest {
    fn default() -> Self {
        Self {
            target: None,
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            platform: None,
            host: Platform::host(),
            no_cache: false,
            contexts: BTreeMap::new(),
            hostname: "buildkitsandbox".into(),
            extra_hosts: Vec::new(),
            network: Network::Host,
            allow: BTreeSet::new(),
            no_cache_filter: BTreeSet::new(),
            shm_size: None,
            ulimits: Vec::new(),
            multi_platform: false,
            has_context: true,
            ignore: None,
            check_only: false,
            absent: BTreeSet::new(),
            epoch: None,
        }
    }
}

/// What a `--build-context` name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextKind {
    /// A directory: [`crate::graph::CopyFrom::Context`] with the name.
    Dir,
    /// An image: the reference to ask [`BaseImages`] for.
    Image(String),
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Lowered {
    /// These images have to be resolved first; then call again.
    NeedImages(Vec<NeededImage>),
    /// This time has to be put into [`LowerRequest::epoch`] first.
    NeedEpoch(EpochSource),
    /// All is known.
    Graph(Box<Graph>),
}

/// An image whose config and layers have to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededImage {
    /// As written, after expansion: with [`NeededImage::platform`] the key in [`BaseImages`].
    pub reference: String,
    /// Wanted platform.
    pub platform: Platform,
    /// Where the Dockerfile first names it.
    pub span: Range<usize>,
    /// Whether `COPY --from` named it, where a stage may have been meant.
    pub copied_from: bool,
    /// The stage whose name is closest, if one is close.
    pub similar_stage: Option<String>,
}

impl NeededImage {
    /// The finding for an image that cannot be had: `why` says what was looked for, `help` what the user can do.
    pub fn unavailable(&self, why: &str, help: &str) -> Diagnostic {
        let (rule, message) = if self.copied_from && !self.reference.contains(['/', ':', '@']) {
            (&rules::UNKNOWN_STAGE, format!("no stage or image is named `{}`: {why}", self.reference))
        } else {
            (&rules::IMAGE_NOT_FOUND, format!("image `{}` ({}): {why}", self.reference, self.platform))
        };
        let index = self.copied_from && self.reference.bytes().all(|b| b.is_ascii_digit());
        let help = match &self.similar_stage {
            Some(stage) => format!("did you mean the stage `{stage}`?"),
            None if index => "a mount's `from` takes the name of a stage, not its index".to_owned(),
            None => help.to_owned(),
        };
        Diagnostic::new(rule, self.span.clone(), message).help(help)
    }
}

/// Lowers `file`, whose text is `src`, to what `req` asks for.
///
/// # Errors
/// Findings of which at least one is an error: an unknown stage or target, a cycle, a wrong word, or an instruction
/// that is not supported. Stages that the target does not need are held to valid base names only.
pub fn lower(
    file: &Dockerfile,
    src: &str,
    req: &LowerRequest,
    bases: &BaseImages,
) -> Result<Lowered, Vec<Diagnostic>> {
    try_lower(file, src, req, bases).map_err(|mut findings| {
        remedy::complete(&mut findings);
        findings
    })
}

fn try_lower(
    file: &Dockerfile,
    src: &str,
    req: &LowerRequest,
    bases: &BaseImages,
) -> Result<Lowered, Vec<Diagnostic>> {
    let globals = args::Globals::new(file, req)?;
    if let Some(source) = globals.epoch_source {
        return Ok(Lowered::NeedEpoch(source));
    }
    let mut plan = plan::Plan::new(file, req, &globals)?;
    let mut needed = plan.needed(src, bases)?;
    plan.warnings.append(&mut needed.errors);
    if !needed.images.is_empty() {
        return Ok(Lowered::NeedImages(needed.images));
    }
    let builder = builder::Builder::new(file, src, req, bases, &globals, &plan);
    builder.build(needed).map(|graph| Lowered::Graph(Box::new(graph)))
}
