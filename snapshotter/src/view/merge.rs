//! Overlay's merging rules, over layer indexes.

use crate::layer::index::{LayerIndex, Tag};
use oci::{Entry, Kind, RootPath};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a visible path comes from: a layer, counted from the top, and a position in its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The root directory, where no layer records it.
    Root,
    At {
        layer: u32,
        position: u32,
    },
}

impl Place {
    pub(super) fn layer(self) -> usize {
        match self {
            Place::Root => 0,
            Place::At { layer, .. } => layer as usize,
        }
    }
}

/// The layers, topmost first, that are merged into one directory.
type Live = Arc<[u32]>;

pub(super) struct Merged {
    /// Topmost first.
    layers: Vec<Arc<LayerIndex>>,
    root: Live,
    /// Directories looked into before. `None`: no directory there.
    dirs: Mutex<HashMap<RootPath, Option<Live>>>,
}

/// What stands at one name of a merged directory.
#[derive(Default)]
struct Slot {
    top: Option<Place>,
    live: Vec<u32>,
    closed: bool,
}

impl Slot {
    /// Takes what the next lower layer has here.
    fn add(&mut self, layer: u32, position: usize, tag: Tag) {
        if self.closed {
            return;
        }
        let place = Place::At { layer, position: u32::try_from(position).unwrap_or(u32::MAX) };
        match tag {
            Tag::Dir | Tag::OpaqueDir => {
                self.top.get_or_insert(place);
                self.live.push(layer);
                self.closed = tag == Tag::OpaqueDir;
            }
            Tag::Whiteout => self.closed = true,
            _ => {
                self.top.get_or_insert(place);
                self.closed = true;
            }
        }
    }
}

impl Merged {
    pub(super) fn new(layers: Vec<Arc<LayerIndex>>) -> Merged {
        let opaque = |layer: &Arc<LayerIndex>| {
            layer.position(b"/").is_ok_and(|position| layer.tag(position) == Tag::OpaqueDir)
        };
        let live = layers.iter().position(opaque).map_or(layers.len(), |at| at + 1);
        let root = (0..u32::try_from(live).unwrap_or(u32::MAX)).collect();
        Merged { layers, root, dirs: Mutex::new(HashMap::new()) }
    }

    /// Where `path` comes from, if it is visible.
    pub(super) fn find(&self, path: &RootPath) -> Option<Place> {
        let Some(parent) = path.parent() else { return Some(self.root_place()) };
        self.slot(&self.live(&parent)?, path).top
    }

    /// The entry at `path`, which is at `place`, as the merged tree shows it.
    pub(super) fn entry(&self, place: Place, path: &RootPath) -> Entry {
        let Place::At { layer, position } = place else { return Entry::dir(0o755, 0, 0) };
        let index = &self.layers[layer as usize];
        let mut entry = index.entry(position as usize);
        match &mut entry.kind {
            Kind::Dir { opaque } => *opaque = false,
            Kind::File { link_to: link_to @ Some(_), .. } => {
                let head = index.head(position as usize).unwrap_or(position as usize);
                *link_to = self.visible_head(layer, head, path);
            }
            _ => {}
        }
        entry
    }

    /// The names in `dir` and where they come from; `None` if it is no directory.
    pub(super) fn children(&self, dir: &RootPath) -> Option<Vec<(Vec<u8>, Place)>> {
        let slots = self.slots(&self.live(dir)?, dir);
        Some(slots.into_iter().filter_map(|(name, slot)| Some((name.to_vec(), slot.top?))).collect())
    }

    /// Everything at and below `dir`; `None` if nothing is there.
    pub(super) fn walk(&self, dir: &RootPath) -> Option<Vec<(RootPath, Entry)>> {
        let place = self.find(dir)?;
        let mut out = Vec::new();
        let live = self.live(dir).map(|live| live.to_vec()).unwrap_or_default();
        let mut stack = vec![(dir.clone(), place, live)];
        while let Some((path, place, live)) = stack.pop() {
            out.push((path.clone(), self.entry(place, &path)));
            if let [layer] = live.as_slice() {
                self.walk_one(*layer, &path, &mut out);
            } else if !live.is_empty() {
                let slots = self.slots(&live, &path);
                let below = slots.into_iter().rev();
                stack.extend(below.filter_map(|(name, slot)| Some((path.child(name), slot.top?, slot.live))));
            }
        }
        Some(out)
    }

    /// What one layer alone has below `dir`.
    fn walk_one(&self, layer: u32, dir: &RootPath, out: &mut Vec<(RootPath, Entry)>) {
        let index = &self.layers[layer as usize];
        for position in index.below(dir).filter(|at| index.tag(*at) != Tag::Whiteout) {
            let path = index.path(position);
            let place = Place::At { layer, position: u32::try_from(position).unwrap_or(u32::MAX) };
            let entry = self.entry(place, &path);
            out.push((path, entry));
        }
    }

    fn root_place(&self) -> Place {
        let recorded = self.root.iter().find_map(|layer| {
            let position = self.layers[*layer as usize].position(b"/").ok()?;
            Some(Place::At { layer: *layer, position: u32::try_from(position).ok()? })
        });
        recorded.unwrap_or(Place::Root)
    }

    /// The layers merged into `dir`; `None` if it is no directory.
    fn live(&self, dir: &RootPath) -> Option<Live> {
        if dir.is_root() {
            return Some(Arc::clone(&self.root));
        }
        if let Some(known) = self.dirs().get(dir) {
            return known.clone();
        }
        let found = self.descend(dir);
        self.dirs().insert(dir.clone(), found.clone());
        found
    }

    fn descend(&self, dir: &RootPath) -> Option<Live> {
        let mut at = RootPath::root();
        let mut live = Arc::clone(&self.root);
        for name in dir.components() {
            at = at.child(name);
            let slot = self.slot(&live, &at);
            if slot.live.is_empty() {
                return None;
            }
            live = slot.live.into();
        }
        Some(live)
    }

    fn slot(&self, live: &[u32], path: &RootPath) -> Slot {
        let mut slot = Slot::default();
        for layer in live {
            let index = &self.layers[*layer as usize];
            if let Ok(position) = index.position(path.as_bytes()) {
                slot.add(*layer, position, index.tag(position));
            }
            if slot.closed {
                break;
            }
        }
        slot
    }

    fn slots<'a>(&'a self, live: &[u32], dir: &RootPath) -> BTreeMap<&'a [u8], Slot> {
        let mut slots: BTreeMap<&[u8], Slot> = BTreeMap::new();
        for layer in live {
            let index = &self.layers[*layer as usize];
            for position in index.child_positions(dir) {
                slots.entry(index.name(position)).or_default().add(*layer, position, index.tag(position));
            }
        }
        slots
    }

    /// The first name of a hard link group that is still visible; `None` if that is `path` itself.
    fn visible_head(&self, layer: u32, head: usize, path: &RootPath) -> Option<RootPath> {
        let index = &self.layers[layer as usize];
        let visible = |position: &usize| {
            let place = Place::At { layer, position: u32::try_from(*position).unwrap_or(u32::MAX) };
            self.find(&index.path(*position)) == Some(place)
        };
        let first = index.group(head).find(visible)?;
        Some(index.path(first)).filter(|first| first != path)
    }

    fn dirs(&self) -> std::sync::MutexGuard<'_, HashMap<RootPath, Option<Live>>> {
        self.dirs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Merged").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}
