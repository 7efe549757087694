//! What a step reads besides the tree below it: fetched sources of ADD, and what mounts show.

use super::error::StepFailure;
use super::mounts::MountFailure;
use super::worker::view;
use super::{Shared, drive, filters};
use crate::clock;
use crate::progress::Event;
use crate::sources::{FetchError, Fetched, Fetcher};
use oci::{ContentDigest, Entry, KeyDigest, RootPath};
use snapshotter::context::{Context, KeepAll};
use snapshotter::copy::{self, CopyError, CopyRequest, Ownership, SourceSpec};
use snapshotter::tree::{Tree, TreeError, resolve};
use solver::graph::{Copy, CopyFrom, CopySource, MountKind, Run, StepId};
use std::fs::File;
use std::sync::Arc;

/// A tree, and fetched ones below names of its root that no listing shows.
pub(super) struct Joined {
    main: Arc<dyn Tree + Send + Sync>,
    fetched: Vec<Context>,
}

/// First byte of these names.
const HIDDEN: u8 = 1;

impl Joined {
    /// The tree and the path in it that `path` stands for.
    fn find(&self, path: &RootPath) -> (&dyn Tree, RootPath) {
        let mut parts = path.components();
        let hidden = parts.next().and_then(|first| first.strip_prefix(&[HIDDEN]));
        let number = hidden.and_then(|name| std::str::from_utf8(name).ok()?.parse::<usize>().ok());
        match number.and_then(|number| self.fetched.get(number)) {
            Some(tree) => (tree, parts.fold(RootPath::root(), |path, part| path.child(part))),
            None => (&*self.main, path.clone()),
        }
    }
}

impl Tree for Joined {
    fn lookup(&self, path: &RootPath) -> Result<Option<Entry>, TreeError> {
        let (tree, path) = self.find(path);
        tree.lookup(&path)
    }

    fn children(&self, dir: &RootPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError> {
        let (tree, dir) = self.find(dir);
        tree.children(&dir)
    }

    fn open(&self, path: &RootPath) -> Result<File, TreeError> {
        let (tree, path) = self.find(path);
        tree.open(&path)
    }

    fn content_digest(&self, path: &RootPath) -> Result<ContentDigest, TreeError> {
        let (tree, path) = self.find(path);
        tree.content_digest(&path)
    }
}

/// The tree that `copy` reads, its remote sources fetched, and its sources as paths in it.
pub(super) fn sources(
    shared: &Shared,
    id: StepId,
    copy: &Copy,
) -> Result<(Arc<dyn Tree + Send + Sync>, Vec<SourceSpec>), StepFailure> {
    let local = copy.sources.iter().any(|source| matches!(source, CopySource::Path(..)));
    let main: Arc<dyn Tree + Send + Sync> = match &copy.from {
        CopyFrom::Context(_) if !local => Arc::new(view(shared, &[])?),
        CopyFrom::Context(name) => shared.contexts.get(name).map_err(StepFailure::Context)?,
        CopyFrom::Step(step) => Arc::new(view(shared, &shared.chain(*step))?),
    };
    let (mut fetched, mut specs) = (Vec::new(), Vec::new());
    for source in &copy.sources {
        let got = match source {
            CopySource::Path(pattern, _) if copy.parents => {
                specs.push(filters::parents(pattern).map_err(StepFailure::Copy)?);
                continue;
            }
            CopySource::Path(pattern, _) => {
                specs.push(SourceSpec::Path(pattern.clone()));
                continue;
            }
            CopySource::Inline(name, bytes) => {
                specs.push(SourceSpec::Inline(name.clone(), bytes.clone()));
                continue;
            }
            CopySource::Http(http, word) => fetcher(shared, id).http(http).map_err(|e| (e, word)),
            CopySource::Git(git, word) => fetcher(shared, id).git(git).map_err(|e| (e, word)),
        };
        let got = got.map_err(|(source, word)| failed(source, word.clone()))?;
        let path = format!("{}{}/{}", char::from(HIDDEN), fetched.len(), got.path);
        specs.push(SourceSpec::Fetched { path, unpack: copy.unpack_fetched });
        fetched.push(open(&got)?);
    }
    match fetched.is_empty() {
        true => Ok((main, specs)),
        false => Ok((Arc::new(Joined { main, fetched }), specs)),
    }
}

/// One digest for what each mount shows that shows a tree, in order.
pub(super) fn mounted(shared: &Shared, run: &Run) -> Result<Vec<KeyDigest>, StepFailure> {
    let mut digests = Vec::new();
    for mount in &run.mounts {
        let Some(from) = mount.kind.from() else { continue };
        let path = match &mount.kind {
            MountKind::Bind { source, .. } => source.as_str(),
            MountKind::Cache(cache) => cache.seed.as_ref().map_or("", |seed| seed.source.as_str()),
            _ => "",
        };
        let tree: Arc<dyn Tree + Send + Sync> = match from {
            CopyFrom::Context(name) => shared.contexts.get(name).map_err(StepFailure::Context)?,
            CopyFrom::Step(step) => Arc::new(view(shared, &shared.chain(*step))?),
        };
        let request = CopyRequest {
            sources: vec![SourceSpec::Path(literal(path))],
            owner: Ownership::Source,
            ..CopyRequest::default()
        };
        let selection = copy::select(&*tree, &request).map_err(|error| match error {
            CopyError::NotFound { .. } | CopyError::Dangling { .. } => {
                let path = format!("/{}", path.trim_start_matches('/'));
                MountFailure::NotFound { path }.at(mount)
            }
            other => StepFailure::Copy(other),
        })?;
        let digest = selection.digest(&*tree).map_err(StepFailure::Copy)?;
        digests.push(with_top(&*tree, path, &digest)?);
    }
    Ok(digests)
}

/// A copy does not take a directory's own mode, owner and attributes along, a mount shows them.
pub(super) fn with_top(tree: &dyn Tree, path: &str, digest: &KeyDigest) -> Result<KeyDigest, StepFailure> {
    let place = resolve(tree, &RootPath::new(path), true).map_err(StepFailure::Tree)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"lapstrake mount 1\0").update(digest.as_bytes());
    if let Some(top) = tree.lookup(&place).map_err(StepFailure::Tree)? {
        for number in [top.mode, top.uid, top.gid] {
            hasher.update(&number.to_le_bytes());
        }
        for (name, value) in &top.xattrs {
            for part in [name, value] {
                hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
            }
        }
    }
    Ok(KeyDigest::from_bytes(*hasher.finalize().as_bytes()))
}

/// A path as a pattern that matches it alone.
fn literal(path: &str) -> String {
    // A backslash alone makes no pattern: without a wildcard, paths are taken as they are.
    if !path.contains(['*', '?', '[']) {
        return path.to_owned();
    }
    path.chars().fold(String::new(), |mut pattern, c| {
        match c {
            '*' | '?' | '[' => pattern.extend(['[', c, ']']),
            '\\' => pattern.push_str("\\\\"),
            _ => pattern.push(c),
        }
        pattern
    })
}

fn open(fetched: &Fetched) -> Result<Context, StepFailure> {
    let opened = Context::open(&fetched.dir, &KeepAll, None, clock::now());
    opened.map_err(|error| StepFailure::Context(Arc::new(error)))
}

fn failed(source: FetchError, word: std::ops::Range<usize>) -> StepFailure {
    StepFailure::Fetch { word, source: Box::new(source) }
}

fn fetcher(shared: &Shared, id: StepId) -> Fetcher {
    let vertex = drive::vertex(id);
    shared.say(Event::VertexStarted { id: vertex });
    let progress = Arc::clone(&shared.progress);
    let say = move |text: &str| {
        progress.event(Event::VertexLog { id: vertex, stream: 2, data: format!("{text}\n").into_bytes() });
    };
    Fetcher::new(&shared.store, &shared.cancel)
        .with_credentials(&shared.request.secrets, &shared.request.ssh)
        .with_progress(Arc::new(say))
}
