//! One build: Dockerfile to image. The solver decides, this module carries out.

mod check;
pub mod debug;
mod drive;
mod emulator;
mod error;
mod fetched;
mod filters;
mod merge;
mod mounts;
mod process;
mod request;
mod resolve;
mod worker;

pub use check::{check, outline};
pub use error::{BuildError, StepError, StepFailure};
pub use mounts::{MountError, MountFailure};
pub use request::{BuildRequest, ImageEdits, NamedContext, Secret, SshAgent};

use crate::cancel::Cancel;
use crate::clock;
use crate::contexts::{self, ContextDir, Contexts};
use crate::export::{BuildResult, ResultLayer};
use crate::progress::{Event, Progress, VertexId};
use merge::Part;
use oci::{LayerId, Platform};
use parser::diagnostic::Diagnostic;
use runner::Killer;
use snapshotter::store::Store;
use solver::graph::{CopyFrom, Graph, HistorySource, Op, Step, StepId};
use solver::lower::NAMED_CONTEXT;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What a build made.
#[derive(Debug)]
pub struct BuildOutcome {
    /// The images as values: layers, config with its times, epoch. One for each platform, in the order asked for.
    pub images: Vec<BuildResult>,
    /// Whether they are to be an index, if there is only one of them.
    pub index: bool,
    /// Findings that stopped nothing, in the Dockerfile.
    pub warnings: Vec<Diagnostic>,
    /// The first number that is free for further vertices of the display.
    pub next_vertex: VertexId,
}

/// Builds `request`'s target. Nothing is tagged or exported: see [`crate::export`].
///
/// Blocks until all is done, or cancelled. The store may be shared with any number of other builds.
///
/// # Errors
/// Findings in the Dockerfile, a failed step (with its place), or trouble with the store.
pub fn build(
    store: &Store,
    request: &BuildRequest,
    progress: &Arc<dyn Progress>,
    cancel: &Cancel,
) -> Result<BuildOutcome, BuildError> {
    let (graph, parts, warnings) = resolve_all(store, request, cancel)?;
    let contexts = Contexts::new(context_dirs(request), store.contexts_dir());
    if let Some((file, text, findings)) = contexts.problems() {
        return Err(BuildError::IgnoreFile { file, text, findings });
    }
    let shared = Arc::new(Shared {
        store: store.clone(),
        contexts,
        outcomes: graph.steps.iter().map(|_| OnceLock::new()).collect(),
        on_target_chain: on_target_chain(&graph, &parts),
        progress: Arc::clone(progress),
        cancel: cancel.clone(),
        stop: Cancel::default(),
        running: Mutex::default(),
        request: request.clone(),
        graph,
    });
    let driven = drive::drive(&shared, request.parallel);
    shared.contexts.save();
    driven?;
    let next_vertex = VertexId::try_from(shared.graph.steps.len()).unwrap_or(VertexId::MAX - 1) + 1;
    let images = parts.iter().map(|part| shared.result(part)).collect();
    Ok(BuildOutcome { images, index: request.is_multi_platform(), warnings, next_vertex })
}

/// The graph of all platforms.
fn resolve_all(
    store: &Store,
    request: &BuildRequest,
    cancel: &Cancel,
) -> Result<(Graph, Vec<Part>, Vec<Diagnostic>), BuildError> {
    let mut platforms: Vec<Option<&Platform>> = request.platforms.iter().map(Some).collect();
    if platforms.is_empty() {
        platforms.push(None);
    }
    let (mut graphs, mut warnings) = (Vec::new(), Vec::new());
    for platform in platforms {
        let resolved = resolve::graph(store, request, platform, cancel)?;
        for finding in resolved.warnings {
            if !warnings.contains(&finding) {
                warnings.push(finding);
            }
        }
        graphs.push((platform.cloned(), resolved.graph, resolved.diff_ids));
    }
    let (graph, parts) = merge::merge(graphs);
    Ok((graph, parts, warnings))
}

fn context_dirs(request: &BuildRequest) -> BTreeMap<String, ContextDir> {
    let named = request.named_contexts.iter().filter_map(|(name, context)| match context {
        // The main context has the plain name.
        NamedContext::Dir(dir) if name == contexts::MAIN => Some((NAMED_CONTEXT.to_owned(), dir.clone())),
        NamedContext::Dir(dir) => Some((name.clone(), dir.clone())),
        NamedContext::Image(_) => None,
    });
    named.chain(request.context.clone().map(|dir| (contexts::MAIN.to_owned(), dir))).collect()
}

fn on_target_chain(graph: &Graph, parts: &[Part]) -> Vec<bool> {
    let mut on = vec![false; graph.steps.len()];
    for part in parts {
        let mut next = part.target;
        while let Some(id) = next {
            on[id.0 as usize] = true;
            next = graph.steps[id.0 as usize].parent;
        }
    }
    on
}

/// The result of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    /// What it adds to its parent's chain.
    layer: LayerId,
    /// When it was made, Unix seconds.
    created: i64,
    /// Known before this build looked.
    cached: bool,
    /// Made by another build while this one waited for it.
    shared: bool,
}

/// What the workers of one build share.
pub(crate) struct Shared {
    store: Store,
    /// As asked for: secrets and agents among it.
    request: BuildRequest,
    graph: Graph,
    contexts: Contexts,
    /// By step: set once, when the step is done. Never set for base images.
    outcomes: Vec<OnceLock<Outcome>>,
    /// By step: whether its layer is part of the image.
    on_target_chain: Vec<bool>,
    progress: Arc<dyn Progress>,
    /// The user's.
    cancel: Cancel,
    /// Ours: a step failed or the user cancelled, running processes have to end.
    stop: Cancel,
    /// The processes of RUN steps.
    running: Mutex<HashMap<StepId, Killer>>,
}

impl Shared {
    fn step(&self, id: StepId) -> &Step {
        &self.graph.steps[id.0 as usize]
    }

    fn steps(&self) -> impl Iterator<Item = (StepId, &Step)> {
        (0..).map(StepId).zip(&self.graph.steps)
    }

    fn running(&self) -> MutexGuard<'_, HashMap<StepId, Killer>> {
        // Each change of the map is one call: a panic elsewhere cannot leave it half done.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, event: Event) {
        self.progress.event(event);
    }

    fn is_on_target_chain(&self, id: StepId) -> bool {
        self.on_target_chain[id.0 as usize]
    }

    /// Whether asking for `id` may have to read many files.
    fn reads_files(&self, id: StepId) -> bool {
        match &self.step(id).op {
            Op::Copy(_) => true,
            Op::Run(run) => run.mounts.iter().any(|mount| mount.kind.from().is_some()),
            Op::Base { .. } | Op::Mkdir(_) => false,
        }
    }

    fn set_outcome(&self, id: StepId, outcome: Outcome) {
        let first = self.outcomes[id.0 as usize].set(outcome).is_ok();
        debug_assert!(first, "the schedule ends a step once");
    }

    fn outcome(&self, id: StepId) -> Option<&Outcome> {
        self.outcomes[id.0 as usize].get()
    }

    /// The layers that `step` stands on and its own, bottom first. All of them are done.
    fn chain(&self, step: Option<StepId>) -> Vec<LayerId> {
        let mut chain = Vec::new();
        let mut next = step;
        while let Some(id) = next {
            let step = self.step(id);
            match &step.op {
                Op::Base { layers, .. } => chain.extend(layers.iter().rev()),
                _ => chain.extend(self.outcome(id).map(|outcome| outcome.layer)),
            }
            next = step.parent;
        }
        chain.reverse();
        chain
    }

    /// The image of one platform, whose steps are all done.
    fn result(&self, part: &Part) -> BuildResult {
        let layers = self.chain(part.target).into_iter();
        let layers = layers.map(|layer| ResultLayer { layer, diff_id: part.diff_ids.get(&layer).copied() });
        let mut config = self.config(part);
        self.request.edits.apply(&mut config);
        BuildResult { layers: layers.collect(), config, epoch: part.epoch, platform: part.platform.clone() }
    }

    /// The image config with its times: those of the steps' records, so that an unchanged build gives equal bytes.
    fn config(&self, part: &Part) -> oci::ImageConfig {
        let mut config = part.config.clone();
        let mut time =
            config.history.get(..part.base_history).and_then(<[_]>::last).and_then(|h| h.created.clone());
        time = time.or_else(|| config.created.clone());
        if let Some(epoch) = part.epoch {
            time = Some(clock::rfc3339(epoch));
        }
        let ours = config.history.iter_mut().skip(part.base_history);
        let mut latest: Option<i64> = None;
        for (entry, source) in ours.zip(&part.history) {
            if let (HistorySource::Step(id), None) = (source, part.epoch)
                && let Some(outcome) = self.outcome(*id)
            {
                time = Some(clock::rfc3339(outcome.created));
                latest = latest.max(Some(outcome.created));
            }
            entry.created = time.clone();
        }
        config.created = match (part.epoch, latest) {
            (Some(epoch), _) => Some(clock::rfc3339(epoch)),
            (None, Some(latest)) => Some(clock::rfc3339(latest)),
            (None, None) => config.created,
        };
        config
    }

    /// What messages call the place that `from` reads from.
    fn place(&self, from: &CopyFrom) -> String {
        match from {
            CopyFrom::Context(name) => {
                let path =
                    self.contexts.path(name).map(|path| path.display().to_string()).unwrap_or_default();
                if name == contexts::MAIN {
                    format!("the build context {path}")
                } else {
                    format!("the build context `{}` ({path})", name.trim_end_matches(':'))
                }
            }
            CopyFrom::Step(None) => "scratch, which is empty".to_owned(),
            CopyFrom::Step(Some(id)) => match &self.step(*id).op {
                Op::Base { reference, .. } => format!("the image {reference}"),
                _ => format!("the stage {}", self.step(*id).stage),
            },
        }
    }
}
