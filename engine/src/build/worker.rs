//! One step: ask the cache for it, or make its layer. Runs on blocking threads.

use super::drive::Failure;
use super::error::StepFailure;
use super::{Outcome, Shared, filters};
use super::{fetched, process};
use crate::clock;
use crate::progress::Event;
use oci::{Answer, KeyDigest, LayerId, ObservationSet};
use snapshotter::copy::{self, CopyError, CopyRequest, Mode, Ownership, Selection};
use snapshotter::steps::Record;
use snapshotter::tree::Tree;
use snapshotter::view::{ChainView, Recording};
use solver::graph::{Chmod, Copy, CopyFrom, CopySource, Mkdir, Op, StepId};
use solver::key;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// The cache's answer.
pub(super) enum Asked {
    Hit(Outcome),
    Miss(Box<Prepared>),
}

/// What asking found out, for the run that may follow.
pub(super) struct Prepared {
    weak: KeyDigest,
    preimage: Vec<u8>,
    selected: Option<Selected>,
}

/// The source of a copy, and what is copied of it.
struct Selected {
    tree: Arc<dyn Tree + Send + Sync>,
    request: CopyRequest,
    selection: Selection,
}

/// Looks `id` up. A miss is not an error; a COPY whose source is missing is one.
pub(super) fn ask(shared: &Shared, id: StepId) -> Result<Asked, StepFailure> {
    let step = shared.step(id);
    let selected = match &step.op {
        Op::Copy(copy) => Some(select(shared, id, copy)?),
        _ => None,
    };
    let source = match (&selected, &step.op) {
        (Some(Selected { tree, selection, .. }), Op::Copy(copy)) => {
            let digest = selection.digest(&**tree).map_err(StepFailure::Copy)?;
            Some(if copy.whole { fetched::with_top(&**tree, &copy.dest, &digest)? } else { digest })
        }
        _ => None,
    };
    let mounts = match &step.op {
        Op::Run(run) => fetched::mounted(shared, run)?,
        _ => Vec::new(),
    };
    let inputs = key::Inputs { source, mounts };
    let weak = key::weak_key(&step.op, &inputs);
    let prepared = Prepared { weak, preimage: key::preimage(&step.op, &inputs).to_bytes(), selected };
    if step.no_cache {
        return Ok(Asked::Miss(Box::new(prepared)));
    }
    Ok(match look_up(shared, id, &weak)? {
        Some(outcome) => Asked::Hit(outcome),
        None => Asked::Miss(Box::new(prepared)),
    })
}

/// The second phase: answers each observation set that is known under `weak` from today's parent chain.
fn look_up(shared: &Shared, id: StepId, weak: &KeyDigest) -> Result<Option<Outcome>, StepFailure> {
    let sets = shared.store.steps().observation_sets(weak);
    if sets.is_empty() {
        return Ok(None);
    }
    let parent = parent(shared, id)?;
    for set in sets {
        let strong = key::strong_key(weak, &set, &answers(&parent, &set)?);
        if let Some(record) = shared.store.steps().lookup(&strong) {
            let outcome =
                Outcome { layer: record.layer, created: record.created, cached: true, shared: false };
            return Ok(Some(outcome));
        }
    }
    Ok(None)
}

fn answers(parent: &ChainView, set: &ObservationSet) -> Result<Vec<Answer>, StepFailure> {
    match set {
        ObservationSet::Everything => Ok(vec![parent.identity()]),
        ObservationSet::Paths(paths) => paths
            .iter()
            .map(|asked| parent.answer(asked))
            .collect::<Result<_, _>>()
            .map_err(StepFailure::Tree),
    }
}

fn parent(shared: &Shared, id: StepId) -> Result<ChainView, StepFailure> {
    view(shared, &shared.chain(shared.step(id).parent))
}

pub(super) fn view(shared: &Shared, chain: &[LayerId]) -> Result<ChainView, StepFailure> {
    shared.store.layers().view(chain).map_err(StepFailure::Store)
}

/// Makes the layer of `id`, or waits for another build that is making it.
pub(super) fn run(shared: &Shared, id: StepId, prepared: Prepared) -> Result<Outcome, Failure> {
    let step = shared.step(id);
    let lock = shared.store.lock_step(&prepared.weak).map_err(StepFailure::Store)?;
    if !step.no_cache
        && let Some(outcome) = look_up(shared, id, &prepared.weak)?
    {
        return Ok(Outcome { shared: true, ..outcome });
    }
    let began = Instant::now();
    let parent = parent(shared, id)?;
    let (layer, set, log) = match &step.op {
        Op::Run(run) => {
            let ran = process::run(shared, id, run, &parent)?;
            (ran.layer, ObservationSet::Everything, ran.log)
        }
        Op::Copy(_) | Op::Mkdir(_) => {
            let recording = Recording::new(&parent);
            let layer = write(shared, id, &prepared, &recording)?;
            (layer, recording.into_set(), None)
        }
        Op::Base { .. } => return Err(StepFailure::Lost.into()),
    };
    let strong = key::strong_key(&prepared.weak, &set, &answers(&parent, &set)?);
    let created = clock::unix_seconds(clock::now());
    let record = Record {
        layer,
        created,
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        log,
        preimage: prepared.preimage,
    };
    shared.store.steps().insert(&prepared.weak, &set, &strong, &record);
    drop(lock);
    Ok(Outcome { layer, created, cached: false, shared: false })
}

/// COPY, ADD, WORKDIR: no mount, no process.
fn write(
    shared: &Shared,
    id: StepId,
    prepared: &Prepared,
    parent: &Recording<'_>,
) -> Result<LayerId, StepFailure> {
    let work = shared.store.work().map_err(StepFailure::Store)?;
    let diff = work.diff().map_err(StepFailure::Store)?;
    let now = clock::now();
    let written = match (&shared.step(id).op, &prepared.selected) {
        (Op::Copy(_), Some(selected)) => {
            let Selected { tree, request, selection } = selected;
            copy::write(&**tree, selection, parent, request, &diff, now)
        }
        (Op::Mkdir(Mkdir { path, user }), _) => copy::mkdir(parent, path, user, &diff, now),
        _ => return Err(StepFailure::Lost),
    };
    let written = written.map_err(StepFailure::Copy)?;
    for warning in written.warnings {
        shared.say(Event::Warning { text: format!("{}: {warning}", shared.step(id).name) });
    }
    shared.store.layers().commit(work, written.index).map_err(StepFailure::Store)
}

fn select(shared: &Shared, id: StepId, copy: &Copy) -> Result<Selected, StepFailure> {
    let (tree, sources) = fetched::sources(shared, id, copy)?;
    let request = CopyRequest {
        sources,
        dest: copy.dest.clone(),
        owner: match (&copy.chown, &copy.from) {
            (Some(owner), _) => Ownership::Named(owner.clone()),
            (None, CopyFrom::Context(_)) => Ownership::Root,
            (None, CopyFrom::Step(_)) => Ownership::Source,
        },
        chmod: copy.chmod.clone().map(|mode| match mode {
            Chmod::Octal(bits) => Mode::Octal(bits),
            Chmod::Symbolic(text) => Mode::Symbolic(text),
        }),
        link: copy.link,
        unpack: copy.unpack,
        exclude: filters::exclude(&copy.exclude).map_err(StepFailure::Copy)?,
        whole: copy.whole,
    };
    match copy::select(&*tree, &request) {
        Ok(selection) => Ok(Selected { tree, request, selection }),
        Err(CopyError::NotFound { path, at, similar }) => Err(StepFailure::NotFound {
            excluded: match &copy.from {
                CopyFrom::Context(name) => shared.contexts.excluded_by(name, &at),
                CopyFrom::Step(_) => None,
            },
            place: shared.place(&copy.from),
            word: word(copy, &path),
            path,
            similar,
        }),
        Err(error) => Err(StepFailure::Copy(error)),
    }
}

/// Where the Dockerfile names the source `path`.
fn word(copy: &Copy, path: &str) -> Range<usize> {
    let mut spans = copy.sources.iter().filter_map(|source| match source {
        CopySource::Path(name, span) if name == path => Some(span.clone()),
        _ => None,
    });
    spans.next_back().unwrap_or_default()
}

/// What a RUN left.
pub(super) struct Ran {
    pub(super) layer: LayerId,
    /// Name of its log in the store, if it wrote anything.
    pub(super) log: Option<String>,
}
