//! `RUN --mount`: what a step's sandbox shows besides the image, for as long as the step runs.

mod agent;
mod cache;
mod error;
mod secret;

pub use error::{MountError, MountFailure};

use super::Shared;
use super::error::StepFailure;
use crate::rootfs;
use oci::{Entry, RootPath};
use runner::{SandboxError, Step, spec};
use snapshotter::caches::CacheDir;
use snapshotter::tree::Tree;
use snapshotter::work::WorkDir;
use solver::graph::{CopyFrom, Mount, MountKind, Run, StepId};
use std::path::Path;

/// What the sandbox of one step gets. Dropped, it lets go of caches and agents: not before the process has ended.
#[derive(Debug, Default)]
pub(super) struct Mounted {
    /// In the order of their targets, so that one that lies inside another comes after it.
    pub(super) mounts: Vec<spec::Mount>,
    /// Values of secrets: name and value.
    pub(super) env: Vec<(String, String)>,
    caches: Vec<CacheDir>,
    agents: Vec<agent::Agent>,
}

/// Prepares the mounts of `run`. Waits for locked caches.
pub(super) fn prepare(shared: &Shared, run: &Run, work: &WorkDir) -> Result<Mounted, StepFailure> {
    let mut mounted = Mounted::default();
    for (number, mount) in run.mounts.iter().enumerate() {
        let failed = |failure: MountFailure| failure.at(mount);
        match &mount.kind {
            MountKind::Bind { from, source, writable } => {
                let dir = work.mounts().map_err(StepFailure::Store)?.join(number.to_string());
                let step = step(from).map_err(failed)?;
                let bind = bind(shared, step, source, &mount.target, writable.then_some(&*dir));
                mounted.mounts.push(bind.map_err(failed)?);
            }
            MountKind::Tmpfs { size } => mounted.mounts.push(spec::Mount::Tmpfs {
                target: mount.target.clone(),
                size: size.filter(|size| *size > 0),
                mode: None,
            }),
            MountKind::Secret(wanted) => {
                secret::add(shared, wanted, &mount.target, &mut mounted).map_err(failed)?;
            }
            MountKind::Ssh { id, required, mode, uid, gid } => {
                let dir = work.mounts().map_err(StepFailure::Store)?;
                let Some(known) = agent::find(shared, id, *required).map_err(failed)? else { continue };
                let socket =
                    agent::Socket { name: format!("agent-{number}"), mode: *mode, uid: *uid, gid: *gid };
                let agent = agent::Agent::start(known, &dir, &socket).map_err(failed)?;
                mounted.mounts.push(spec::Mount::Bind {
                    source: dir.join(&socket.name),
                    below: String::new(),
                    target: mount.target.clone(),
                    read_only: false,
                });
                mounted.agents.push(agent);
            }
            // Together: see below.
            MountKind::Cache(_) => {}
        }
    }
    cache::add(shared, &run.mounts, &mut mounted)?;
    mounted.mounts.sort_by(|a, b| a.target().cmp(b.target()));
    Ok(mounted)
}

/// Mounts of build contexts were lowered to steps.
fn step(from: &CopyFrom) -> Result<Option<StepId>, MountFailure> {
    match from {
        CopyFrom::Step(step) => Ok(*step),
        CopyFrom::Context(name) => Err(MountFailure::Context(name.clone())),
    }
}

/// A part of the chain of `step`; `changes` is a directory to make for what is written.
fn bind(
    shared: &Shared,
    step: Option<StepId>,
    source: &str,
    target: &str,
    changes: Option<&Path>,
) -> Result<spec::Mount, MountFailure> {
    let chain = shared.chain(step);
    let view = shared.store.layers().view(&chain).map_err(MountFailure::Store)?;
    let changes = match changes {
        None => None,
        Some(dir) => {
            let (upper, work) = (dir.join("upper"), dir.join("work"));
            for dir in [&upper, &work] {
                std::fs::create_dir_all(dir).map_err(MountFailure::io("make the directory", dir))?;
            }
            let top = view.lookup(&RootPath::root()).map_err(MountFailure::Tree)?;
            let top = top.unwrap_or_else(|| Entry::dir(0o755, 0, 0));
            rootfs::adopt_root(&upper, &top).map_err(MountFailure::io("prepare the directory", &upper))?;
            Some(spec::Changes { upper, work })
        }
    };
    Ok(spec::Mount::Overlay {
        lower: rootfs::lower_dirs(&shared.store, &chain),
        source: source.to_owned(),
        target: target.to_owned(),
        changes,
    })
}

/// The failure as one of a mount of `run`, with its place, if it is that; or as it is.
pub(super) fn blame(run: &Run, error: SandboxError) -> Result<StepFailure, SandboxError> {
    let SandboxError::Setup { step, subject, .. } = &error else { return Err(error) };
    let is_its = |mount: &&Mount| match (step, &mount.kind) {
        (Step::SourcePath, MountKind::Bind { source, .. }) => source == subject,
        (Step::SourcePath, MountKind::Cache(cache)) => cache.subdir == *subject,
        (Step::MountPoint | Step::Bind, _) => !subject.is_empty() && mount.target == *subject,
        _ => false,
    };
    let Some(mount) = run.mounts.iter().find(is_its) else { return Err(error) };
    Ok(match step {
        Step::SourcePath => MountFailure::NotFound { path: format!("/{}", subject.trim_start_matches('/')) },
        _ => MountFailure::Sandbox { target: mount.target.clone(), source: error },
    }
    .at(mount))
}
