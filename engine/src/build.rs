//! One build: Dockerfile to image. The solver decides, this module carries out.

mod drive;
mod error;
mod process;
mod request;
mod resolve;
mod worker;

pub use error::{BuildError, StepError, StepFailure};
pub use request::{BuildRequest, NamedContext, Secret, SshAgent};

use crate::cancel::Cancel;
use crate::clock;
use crate::contexts::{self, ContextDir, Contexts};
use crate::export::{BuildResult, ResultLayer};
use crate::progress::{Event, Progress, VertexId};
use oci::LayerId;
use parser::diagnostic::Diagnostic;
use runner::Killer;
use snapshotter::store::Store;
use solver::graph::{CopyFrom, Graph, HistorySource, Op, Step, StepId};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What a build made.
#[derive(Debug)]
pub struct BuildOutcome {
    /// The image as a value: layers, config with its times, epoch.
    pub image: BuildResult,
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
    let resolved = resolve::graph(store, request, cancel)?;
    let graph = resolved.graph;
    let contexts = Contexts::new(context_dirs(request), store.contexts_dir());
    if let Some((file, text, findings)) = contexts.problems() {
        return Err(BuildError::IgnoreFile { file, text, findings });
    }
    let shared = Arc::new(Shared {
        store: store.clone(),
        contexts,
        outcomes: graph.steps.iter().map(|_| OnceLock::new()).collect(),
        on_target_chain: on_target_chain(&graph),
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
    let layers = shared.chain(shared.graph.target);
    let layers = layers
        .into_iter()
        .map(|layer| ResultLayer { layer, diff_id: resolved.diff_ids.get(&layer).copied() });
    let image = BuildResult { layers: layers.collect(), config: shared.config(), epoch: shared.graph.epoch };
    let next_vertex = VertexId::try_from(shared.graph.steps.len()).unwrap_or(VertexId::MAX - 1) + 1;
    Ok(BuildOutcome { image, warnings: resolved.warnings, next_vertex })
}

fn context_dirs(request: &BuildRequest) -> BTreeMap<String, ContextDir> {
    let named = request.named_contexts.iter().filter_map(|(name, context)| match context {
        NamedContext::Dir(dir) => Some((name.clone(), dir.clone())),
        NamedContext::Image(_) => None,
    });
    named.chain(request.context.clone().map(|dir| (contexts::MAIN.to_owned(), dir))).collect()
}

fn on_target_chain(graph: &Graph) -> Vec<bool> {
    let mut on = vec![false; graph.steps.len()];
    let mut next = graph.target;
    while let Some(id) = next {
        on[id.0 as usize] = true;
        next = graph.steps[id.0 as usize].parent;
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
        matches!(&self.step(id).op, Op::Copy(_))
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

    /// The image config with its times: those of the steps' records, so that an unchanged build gives equal bytes.
    fn config(&self) -> oci::ImageConfig {
        let mut config = self.graph.config.clone();
        let mut time = config
            .history
            .get(..self.graph.base_history)
            .and_then(<[_]>::last)
            .and_then(|h| h.created.clone());
        time = time.or_else(|| config.created.clone());
        if let Some(epoch) = self.graph.epoch {
            time = Some(clock::rfc3339(epoch));
        }
        let ours = config.history.iter_mut().skip(self.graph.base_history);
        let mut latest: Option<i64> = None;
        for (entry, source) in ours.zip(&self.graph.history) {
            if let (HistorySource::Step(id), None) = (source, self.graph.epoch)
                && let Some(outcome) = self.outcome(*id)
            {
                time = Some(clock::rfc3339(outcome.created));
                latest = latest.max(Some(outcome.created));
            }
            entry.created = time.clone();
        }
        config.created = match (self.graph.epoch, latest) {
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
                    format!("the build context `{name}` ({path})")
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
