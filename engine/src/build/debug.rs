//! A look into a step that failed: a process in the file system that its command left, set up as the step's own was.
//!
//! What the session changes is thrown away. Secrets and agents are never kept with a step: they are given again, or are
//! missing.

use super::request::{Secret, SshAgent};
use super::{BuildRequest, Shared, StepFailure, mounts, process};
use crate::cancel::Cancel;
use crate::clock;
use crate::container::{Attach, ContainerError};
use crate::contexts::Contexts;
use crate::progress::{Event, Progress};
use oci::mount::RootMount;
use oci::{Entry, ImageConfig, LayerId, RootPath};
use runner::Sandbox;
use serde::{Deserialize, Serialize};
use snapshotter::error::StoreError;
use snapshotter::failed::{FailedStep, Limits};
use snapshotter::store::Store;
use snapshotter::tree::Tree;
use snapshotter::work::WorkDir;
use solver::graph::{CopyFrom, Graph, MountKind, Op, Run, SourceText, Step, StepId};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The last few, for a week.
const LIMITS: Limits = Limits { count: 5, bytes: 10 << 30, age: Duration::from_secs(7 * 24 * 60 * 60) };

/// What `step.json` holds.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// All that must stay.
    layers: Vec<LayerId>,
    /// By the number that the step's inputs have in `run`; the first one is what the step stood on.
    chains: Vec<Vec<LayerId>>,
    run: Run,
    name: String,
    dockerfile: String,
    failure: String,
    log: Option<PathBuf>,
    cgroup_parent: Option<String>,
}

/// A failed step, for a list.
#[derive(Debug, Clone)]
pub struct Row {
    /// What to open it by.
    pub id: String,
    /// `[build 2/3] RUN make`
    pub name: String,
    /// Of the build.
    pub dockerfile: String,
    /// Why it failed.
    pub failure: String,
    /// Its whole output.
    pub log: Option<PathBuf>,
    /// Unix seconds.
    pub time: i64,
    /// Bytes of what it wrote.
    pub size: u64,
}

/// What to do in a failed step.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Which one: its id, or the beginning of one; the newest where `None`.
    pub id: Option<String>,
    /// In place of a shell.
    pub command: Vec<String>,
    /// As [`Session::command`], for the step's own shell.
    pub script: Option<String>,
    /// A terminal inside.
    pub terminal: bool,
    /// By id.
    pub secrets: BTreeMap<String, Secret>,
    /// By id.
    pub ssh: BTreeMap<String, SshAgent>,
    /// Directories of emulators.
    pub program_dirs: Vec<PathBuf>,
}

/// Why a failed step cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum DebugError {
    /// Nothing is kept.
    #[error("no failed step is kept")]
    None,
    /// None of that id, or several that begin so.
    #[error("`{id}` names {count} failed steps")]
    Unknown {
        /// As given.
        id: String,
        /// How many it names.
        count: usize,
    },
    /// Its description cannot be read.
    #[error("read the description of the failed step {id}")]
    Description {
        /// Which one.
        id: String,
        /// Why.
        source: serde_json::Error,
    },
    /// Somebody looks into it.
    #[error("the failed step {0} is open in another session")]
    Busy(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Mounts, or the sandbox.
    #[error(transparent)]
    Step(StepFailure),
    /// The process, or its streams.
    #[error(transparent)]
    Container(#[from] ContainerError),
}

/// Keeps the file system of the failed step `id`, which `work` holds. Returns the id to open it by; trouble is none of
/// the build's.
pub(super) fn keep(
    shared: &Shared,
    id: StepId,
    run: &Run,
    work: &WorkDir,
    failure: &StepFailure,
    log: Option<PathBuf>,
) -> Option<String> {
    if !shared.request.keep_failed || shared.stop.is_canceled() || shared.cancel.is_canceled() {
        return None;
    }
    let step = shared.step(id);
    let mut run = run.clone();
    // Proxies' URLs may have passwords in them.
    run.proxy_env.clear();
    let mut chains = vec![shared.chain(step.parent)];
    for from in run.mounts.iter_mut().filter_map(|mount| from(&mut mount.kind)) {
        if let CopyFrom::Step(Some(step)) = from {
            chains.push(shared.chain(Some(*step)));
            *step = StepId(u32::try_from(chains.len() - 1).unwrap_or(u32::MAX));
        }
    }
    let description = Description {
        layers: chains.iter().flatten().copied().collect(),
        chains,
        run,
        name: step.name.clone(),
        dockerfile: shared.request.dockerfile_name.clone(),
        failure: failure.to_string(),
        log,
        cgroup_parent: shared.request.cgroup_parent.clone(),
    };
    let kept = serde_json::to_vec(&description).map_err(|error| error.to_string()).and_then(|bytes| {
        shared.store.failed().keep(work, &bytes, &LIMITS, clock::now()).map_err(|error| error.to_string())
    });
    kept.unwrap_or_else(|error| {
        tracing::warn!(%error, "keep what a failed step left");
        None
    })
}

fn from(kind: &mut MountKind) -> Option<&mut CopyFrom> {
    match kind {
        MountKind::Bind { from, .. } => Some(from),
        MountKind::Cache(cache) => cache.seed.as_mut().map(|seed| &mut seed.from),
        MountKind::Tmpfs { .. } | MountKind::Secret(_) | MountKind::Ssh { .. } => None,
    }
}

/// The failed steps that are kept, newest first.
///
/// # Errors
/// If the store cannot be read.
pub fn list(store: &Store) -> Result<Vec<Row>, DebugError> {
    store.failed().prune(&LIMITS, clock::now())?;
    let row = |step: &FailedStep| {
        let Description { name, dockerfile, failure, log, .. } = description(step)?;
        let time = clock::unix_seconds(step.time);
        Ok(Row { id: step.id.clone(), name, dockerfile, failure, log, time, size: step.size })
    };
    store.failed().list()?.iter().map(row).collect()
}

/// Removes the failed step `id`.
///
/// # Errors
/// If there is none, or somebody looks into it.
pub fn remove(store: &Store, id: &str) -> Result<String, DebugError> {
    // The name alone: whoever holds the step keeps it.
    let id = find(store, Some(id))?.id;
    if store.failed().remove(&id)? { Ok(id) } else { Err(DebugError::Busy(id)) }
}

fn find(store: &Store, id: Option<&str>) -> Result<FailedStep, DebugError> {
    let mut all = store.failed().list()?;
    let Some(id) = id else { return all.into_iter().next().ok_or(DebugError::None) };
    all.retain(|step| step.id.starts_with(id));
    match all.pop() {
        Some(only) if all.is_empty() => Ok(only),
        last => {
            Err(DebugError::Unknown { id: id.to_owned(), count: all.len() + usize::from(last.is_some()) })
        }
    }
}

fn description(step: &FailedStep) -> Result<Description, DebugError> {
    serde_json::from_slice(&step.description)
        .map_err(|source| DebugError::Description { id: step.id.clone(), source })
}

/// Runs a session to its end, and returns its exit code. `say` is told what differs from the step.
///
/// # Errors
/// If the step is not there, or its sandbox cannot be set up again.
pub fn run(
    store: &Store,
    session: &Session,
    attach: Attach,
    say: &mut dyn FnMut(String),
) -> Result<u8, DebugError> {
    attach.check_terminal(session.terminal)?;
    let step = find(store, session.id.as_deref())?;
    let description = description(&step)?;
    say(format!("{} failed: {}", description.name, description.failure));
    let mut run = description.run.clone();
    leave_out(&mut run, session, say);
    run.argv = argv(&run.argv, session);
    let store_error = |error| DebugError::Step(StepFailure::Store(error));
    let work = store.work().map_err(store_error)?;
    let shared = shared(store, &description, run, session);
    let Op::Run(run) = &shared.step(StepId(0)).op else { return Err(DebugError::None) };
    let parent = store.layers().view(&description.chains[0]).map_err(store_error)?;
    let mounted = mounts::prepare(&shared, run, &work).map_err(DebugError::Step)?;
    let spec = process::spec(&shared, StepId(0), run, &parent, &work, &mounted);
    let mut spec = spec.map_err(DebugError::Step)?;
    adopt(&parent, &work).map_err(DebugError::Step)?;
    let RootMount::Overlay { lower, .. } = &mut spec.root;
    lower.push(step.upper.clone());
    spec.id = process::unique("debug");
    spec.terminal = session.terminal;
    let running = Sandbox::spawn(&spec, attach.io(&spec)).map_err(ContainerError::Sandbox)?;
    let code = attach.follow(running)?;
    drop((mounted, work, step));
    Ok(code)
}

/// The root directory is that of what the command left, as far as layers have one.
fn adopt(parent: &dyn Tree, work: &WorkDir) -> Result<(), StepFailure> {
    let top = parent.lookup(&RootPath::root()).map_err(StepFailure::Tree)?;
    let top = top.unwrap_or_else(|| Entry::dir(0o755, 0, 0));
    let upper = work.upper().map_err(StepFailure::Store)?;
    crate::rootfs::adopt_root(&upper, &top)
        .map_err(|source| StepFailure::Io { what: "prepare the root directory", source })
}

/// The step's own shell, if it had one.
fn argv(step: &[String], session: &Session) -> Vec<String> {
    if !session.command.is_empty() {
        return session.command.clone();
    }
    let shell = match step {
        [shell, flag, _] if flag == "-c" || flag == "-exc" || flag == "-ec" => shell.clone(),
        _ => "/bin/sh".to_owned(),
    };
    match &session.script {
        Some(script) => vec![shell, "-c".to_owned(), script.clone()],
        None => vec![shell],
    }
}

/// A session works without what is not given again, and says so.
fn leave_out(run: &mut Run, session: &Session, say: &mut dyn FnMut(String)) {
    run.mounts.retain(|mount| match &mount.kind {
        MountKind::Secret(secret) if !session.secrets.contains_key(&secret.id) => {
            say(format!("the secret `{id}` is not here: give it with --secret id={id}", id = secret.id));
            false
        }
        MountKind::Ssh { id, .. } if !session.ssh.contains_key(id) => {
            say(format!("the SSH agent `{id}` is not here: give it with --ssh {id}"));
            false
        }
        _ => true,
    });
}

/// A build of that one step, on the chains of which it was made.
fn shared(store: &Store, description: &Description, mut run: Run, session: &Session) -> Shared {
    for from in run.mounts.iter_mut().filter_map(|mount| from(&mut mount.kind)) {
        if let CopyFrom::Step(Some(id)) = from {
            *id = StepId(id.0 + 1);
        }
    }
    let step = |parent, op| Step {
        parent,
        op,
        name: description.name.clone(),
        stage: String::new(),
        span: 0..0,
        source: SourceText::Dockerfile,
        no_cache: false,
    };
    let bases = description
        .chains
        .iter()
        .map(|layers| step(None, Op::Base { reference: description.name.clone(), layers: layers.clone() }));
    let steps: Vec<Step> = std::iter::once(step(Some(StepId(1)), Op::Run(run))).chain(bases).collect();
    let graph = Graph {
        target: None,
        config: ImageConfig::default(),
        history: Vec::new(),
        base_history: 0,
        epoch: None,
        warnings: Vec::new(),
        steps,
    };
    Shared {
        store: store.clone(),
        request: request(description, session),
        contexts: Contexts::new(BTreeMap::new(), store.contexts_dir()),
        outcomes: graph.steps.iter().map(|_| OnceLock::new()).collect(),
        on_target_chain: graph.steps.iter().map(|_| false).collect(),
        progress: Arc::new(Silent),
        cancel: Cancel::default(),
        stop: Cancel::default(),
        running: Mutex::default(),
        graph,
    }
}

fn request(description: &Description, session: &Session) -> BuildRequest {
    BuildRequest {
        secrets: session.secrets.clone(),
        ssh: session.ssh.clone(),
        cgroup_parent: description.cgroup_parent.clone(),
        program_dirs: session.program_dirs.clone(),
        ..BuildRequest::new(description.dockerfile.clone(), String::new())
    }
}

struct Silent;

impl Progress for Silent {
    fn event(&self, _: Event) {}
}
