//! The graphs of several platforms as one, in which a step that several of them have stands once.

use oci::{DiffId, ImageConfig, LayerId, Platform};
use solver::graph::{Copy, CopyFrom, Graph, HistorySource, MountKind, Op, Step, StepId};
use std::collections::HashMap;

/// What one platform's image is made of.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) platform: Option<Platform>,
    /// The topmost step; `None` for an image of nothing.
    pub(super) target: Option<StepId>,
    pub(super) config: ImageConfig,
    pub(super) history: Vec<HistorySource>,
    pub(super) base_history: usize,
    pub(super) epoch: Option<i64>,
    /// Under which diff ID each layer of a base image is known.
    pub(super) diff_ids: HashMap<LayerId, DiffId>,
}

/// Joins graphs. The steps of the result are all theirs, inputs before what needs them; `graph` is the first one's
/// otherwise.
pub(super) fn merge(graphs: Vec<(Option<Platform>, Graph, HashMap<LayerId, DiffId>)>) -> (Graph, Vec<Part>) {
    let mut steps: Vec<Step> = Vec::new();
    let mut parts = Vec::new();
    let mut first: Option<Graph> = None;
    for (platform, mut graph, diff_ids) in graphs {
        let mut new_ids: Vec<StepId> = Vec::new();
        for mut step in std::mem::take(&mut graph.steps) {
            renumber(&mut step, &new_ids);
            let known = steps.iter().position(|known| same(known, &step));
            let id = known.unwrap_or_else(|| {
                steps.push(step);
                steps.len() - 1
            });
            new_ids.push(StepId(u32::try_from(id).unwrap_or(u32::MAX)));
        }
        let history = graph.history.iter().map(|source| match source {
            HistorySource::Step(id) => HistorySource::Step(new(*id, &new_ids)),
            HistorySource::Metadata => HistorySource::Metadata,
        });
        parts.push(Part {
            platform,
            target: graph.target.map(|id| new(id, &new_ids)),
            config: graph.config.clone(),
            history: history.collect(),
            base_history: graph.base_history,
            epoch: graph.epoch,
            diff_ids,
        });
        match &mut first {
            Some(first) => {
                let more = graph.warnings.into_iter().filter(|finding| !first.warnings.contains(finding));
                let more: Vec<_> = more.collect();
                first.warnings.extend(more);
            }
            None => first = Some(graph),
        }
    }
    let empty = || Graph {
        steps: Vec::new(),
        target: None,
        config: ImageConfig::default(),
        history: Vec::new(),
        base_history: 0,
        epoch: None,
        warnings: Vec::new(),
    };
    (Graph { steps, ..first.unwrap_or_else(empty) }, parts)
}

/// Names differ where one platform's image is made on another: they tell for which.
fn same(a: &Step, b: &Step) -> bool {
    (a.parent, a.no_cache) == (b.parent, b.no_cache) && a.op == b.op && a.source == b.source
}

fn new(id: StepId, ids: &[StepId]) -> StepId {
    ids.get(id.0 as usize).copied().unwrap_or(id)
}

fn renumber(step: &mut Step, ids: &[StepId]) {
    let place = |from: &mut CopyFrom| {
        if let CopyFrom::Step(Some(id)) = from {
            *id = new(*id, ids);
        }
    };
    step.parent = step.parent.map(|id| new(id, ids));
    match &mut step.op {
        Op::Copy(Copy { from, .. }) => place(from),
        Op::Run(run) => run.mounts.iter_mut().for_each(|mount| match &mut mount.kind {
            MountKind::Bind { from, .. } => place(from),
            MountKind::Cache(cache) => cache.seed.iter_mut().for_each(|seed| place(&mut seed.from)),
            MountKind::Tmpfs { .. } | MountKind::Secret(_) | MountKind::Ssh { .. } => {}
        }),
        Op::Base { .. } | Op::Mkdir(_) => {}
    }
}
