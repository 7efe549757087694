//! The layers below one that is being unpacked, which may still be in the making.

use oci::{ContentDigest, Entry, LayerId, RootPath};
use snapshotter::store::Store;
use snapshotter::tree::{Tree, TreeError};
use snapshotter::view::ChainView;
use std::fs::File;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

/// The layers of one image, from the bottom one to the top one: known from their completion on.
pub(super) struct Chain<'a> {
    store: &'a Store,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    done: Vec<Option<LayerId>>,
    failed: bool,
}

impl<'a> Chain<'a> {
    pub(super) fn new(store: &'a Store, known: &[LayerId], len: usize) -> Self {
        let mut done: Vec<Option<LayerId>> = known.iter().copied().map(Some).collect();
        done.resize(len, None);
        Self { store, state: Mutex::new(State { done, failed: false }), changed: Condvar::new() }
    }

    /// Notes a finished layer.
    pub(super) fn finish(&self, at: usize, layer: LayerId) {
        self.lock().done[at] = Some(layer);
        self.changed.notify_all();
    }

    /// Wakes all that wait: a layer will never be finished.
    pub(super) fn fail(&self) {
        self.lock().failed = true;
        self.changed.notify_all();
    }

    pub(super) fn failed(&self) -> bool {
        self.lock().failed
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The view of all layers below `at`, as soon as there is one.
    fn below(&self, at: usize) -> io::Result<ChainView> {
        let mut state = self.lock();
        loop {
            if state.failed {
                return Err(io::Error::other("another layer of the image could not be unpacked"));
            }
            if let Some(chain) = state.done[..at].iter().copied().collect::<Option<Vec<_>>>() {
                drop(state);
                return ChainView::new(self.store.layers(), &chain).map_err(io::Error::other);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The tree below layer `at`. Most layers never ask for it; the first question waits for the layers below.
pub(super) struct Below<'a> {
    chain: &'a Chain<'a>,
    at: usize,
    view: OnceLock<ChainView>,
}

impl<'a> Below<'a> {
    pub(super) fn new(chain: &'a Chain<'a>, at: usize) -> Self {
        Self { chain, at, view: OnceLock::new() }
    }

    fn view(&self, path: &RootPath) -> Result<&ChainView, TreeError> {
        if let Some(view) = self.view.get() {
            return Ok(view);
        }
        let view = self.chain.below(self.at).map_err(TreeError::io("look for", path))?;
        Ok(self.view.get_or_init(|| view))
    }
}

impl Tree for Below<'_> {
    fn lookup(&self, path: &RootPath) -> Result<Option<Entry>, TreeError> {
        self.view(path)?.lookup(path)
    }
    fn children(&self, dir: &RootPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError> {
        self.view(dir)?.children(dir)
    }
    fn open(&self, path: &RootPath) -> Result<File, TreeError> {
        self.view(path)?.open(path)
    }
    fn content_digest(&self, path: &RootPath) -> Result<ContentDigest, TreeError> {
        self.view(path)?.content_digest(path)
    }
}
