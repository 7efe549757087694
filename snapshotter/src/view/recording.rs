//! A view that remembers what was asked of it.

use super::ChainView;
use crate::tree::{Tree, TreeError};
use oci::entry::Mtime;
use oci::{Asked, ContentDigest, Entry, Kind, Observation, ObservationSet, RootPath};
use std::collections::BTreeSet;
use std::fs::File;
use std::sync::{Mutex, PoisonError};

/// Wraps a view and records each question.
///
/// An entry tells only what its question covers, so that nothing is learnt unrecorded: mtimes are the epoch but for
/// those of directories, which are in no layer's identity, and a regular file's length is 0 and its digest and hard
/// links unknown until its content is asked for.
#[derive(Debug)]
pub struct Recording<'a> {
    view: &'a ChainView,
    asked: Mutex<BTreeSet<Observation>>,
}

impl<'a> Recording<'a> {
    /// Nothing asked yet.
    pub fn new(view: &'a ChainView) -> Self {
        Self { view, asked: Mutex::new(BTreeSet::new()) }
    }

    /// All that was asked, sorted and unique.
    pub fn into_set(self) -> ObservationSet {
        let asked = self.asked.into_inner().unwrap_or_else(PoisonError::into_inner);
        ObservationSet::Paths(asked.into_iter().collect())
    }

    fn note(&self, path: &RootPath, asked: Asked) {
        let observation = Observation { path: path.clone(), asked };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(observation);
    }
}

impl Tree for Recording<'_> {
    fn lookup(&self, path: &RootPath) -> Result<Option<Entry>, TreeError> {
        self.note(path, Asked::Metadata);
        Ok(self.view.lookup(path)?.map(veil))
    }

    fn children(&self, dir: &RootPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError> {
        self.note(dir, Asked::Listing);
        let children = self.view.children(dir)?;
        children.iter().for_each(|(name, _)| self.note(&dir.child(name), Asked::Metadata));
        Ok(children.into_iter().map(|(name, entry)| (name, veil(entry))).collect())
    }

    fn open(&self, path: &RootPath) -> Result<File, TreeError> {
        self.note(path, Asked::Content);
        self.view.open(path)
    }

    fn content_digest(&self, path: &RootPath) -> Result<ContentDigest, TreeError> {
        self.note(path, Asked::Content);
        self.view.content_digest(path)
    }
}

fn veil(mut entry: Entry) -> Entry {
    if !entry.is_dir() {
        entry.mtime = Mtime::default();
    }
    if let Kind::File { size, digest, link_to } = &mut entry.kind {
        (*size, *digest, *link_to) = (0, None, None);
    }
    entry
}
