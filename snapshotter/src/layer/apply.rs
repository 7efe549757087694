//! Unpacks a layer's tar into a directory, and never touches anything outside it.
//!
//! The archive's names are data: each is checked, then reached from the directory's descriptor without following any
//! symbolic link. `docs/design/snapshots.md`, "Foreign layers", lists what is accepted and what is refused.

mod batch;
mod content;
mod name;
mod place;

use super::LayerIndex;
use super::members::{Member, MemberKind, Members};
use super::whiteout::{self, Mark};
use crate::tree::{Tree, TreeError};
use batch::{Batch, Waiting};
use oci::{Entry, Kind, RootPath};
use place::Place;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read};
use std::path::Path;

/// How much may follow the end of any archive: writers fill whole records, of up to a megabyte.
const MAX_PADDING: u64 = 1 << 20;

/// What an archive may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyLimits {
    /// Sum of all files' lengths once unpacked, holes included.
    pub max_bytes: u64,
    /// Members, and directories made for them.
    pub max_entries: u64,
    /// Length in bytes of a member's name.
    pub max_name: usize,
    /// Whether the archive may lack its final blocks of zeros. Only for archives whose digest is checked elsewhere:
    /// otherwise one that was cut between two members goes unnoticed.
    pub allow_missing_end: bool,
}

impl Default for ApplyLimits {
    /// 1 TiB, 4 million entries, names of 32 KiB, the end required.
    fn default() -> Self {
        Self { max_bytes: 1 << 40, max_entries: 4_000_000, max_name: 1 << 15, allow_missing_end: false }
    }
}

/// Why an archive could not be unpacked. Names are shown as they stand in the archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// The archive could not be read, or decompressed.
    #[error("read a layer's archive")]
    Read(#[source] io::Error),
    /// The archive ends too early.
    #[error("the layer's archive is cut off after `{after}`")]
    Truncated {
        /// The last complete name.
        after: String,
    },
    /// The archive is no tar, or a member makes no sense.
    #[error("the layer's archive is malformed at `{name}`: {why}")]
    Malformed {
        /// The member, or the one before.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A member leads out of the layer, or through something that is no directory.
    #[error("the layer's archive has an unsafe name `{name}`: {why}")]
    Unsafe {
        /// The member.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A member is of a type that layers do not have.
    #[error("the layer's archive has `{name}` of unknown type `{flag}`")]
    UnknownType {
        /// The member.
        name: String,
        /// The header's type flag.
        flag: char,
    },
    /// A hard link's target is not there.
    #[error("the layer's archive links `{name}` to `{target}`, which {why}")]
    Link {
        /// The member.
        name: String,
        /// Its target.
        target: String,
        /// What is wrong with that.
        why: &'static str,
    },
    /// The archive is too large.
    #[error("the layer's archive has too many {what}: the limit is {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The directory to unpack into has something in it.
    #[error("the directory for a layer is not empty")]
    NotEmpty,
    /// The file system refused.
    #[error("{action} {path} of a layer")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// On which path of the layer.
        path: RootPath,
        /// Why it did not work.
        source: io::Error,
    },
    /// The layers below could not be asked.
    #[error("look into the layers below")]
    Parent(#[from] TreeError),
}

impl ApplyError {
    fn io<E: Into<io::Error>>(action: &'static str, path: &RootPath) -> impl FnOnce(E) -> ApplyError {
        let path = path.clone();
        move |source| ApplyError::Io { action, path, source: source.into() }
    }
}

/// Unpacks the uncompressed `tar` into `diff_dir`, which must be an empty directory, and returns its index. Reads
/// `tar` to its end.
///
/// Directories that the archive does not list are made `0755 0:0`. On error `diff_dir` holds part of the layer, and
/// nothing outside it was touched.
pub fn apply(tar: &mut dyn Read, diff_dir: &Path, limits: &ApplyLimits) -> Result<LayerIndex, ApplyError> {
    Applier::new(diff_dir, limits, None)?.run(tar)
}

/// [`apply`] for a layer on top of `parent`: directories that the archive does not list look as they do there, an
/// opaque mark in the root directory removes what is there, and whiteouts that remove nothing are left out. Use this
/// for every layer of an image but the lowest.
pub fn apply_on(
    tar: &mut dyn Read,
    diff_dir: &Path,
    limits: &ApplyLimits,
    parent: &dyn Tree,
) -> Result<LayerIndex, ApplyError> {
    Applier::new(diff_dir, limits, Some(parent))?.run(tar)
}

struct Applier<'a> {
    place: Place,
    limits: &'a ApplyLimits,
    parent: Option<&'a dyn Tree>,
    /// What each path is: several paths share one inode if they are hard links.
    nodes: BTreeMap<RootPath, usize>,
    inodes: Vec<Entry>,
    /// Whether the archive lists `/`.
    root_listed: bool,
    removed: BTreeSet<RootPath>,
    opaque: BTreeSet<RootPath>,
    bytes: u64,
    entries: u64,
    buffer: Vec<u8>,
    batch: Batch,
}

impl<'a> Applier<'a> {
    fn new(
        diff_dir: &Path,
        limits: &'a ApplyLimits,
        parent: Option<&'a dyn Tree>,
    ) -> Result<Self, ApplyError> {
        Ok(Self {
            place: Place::open(diff_dir)?,
            limits,
            parent,
            nodes: BTreeMap::from([(RootPath::root(), 0)]),
            inodes: vec![Entry::dir(0o755, 0, 0)],
            root_listed: false,
            removed: BTreeSet::new(),
            opaque: BTreeSet::new(),
            bytes: 0,
            entries: 0,
            buffer: Vec::new(),
            batch: Batch::default(),
        })
    }

    fn run(mut self, tar: &mut dyn Read) -> Result<LayerIndex, ApplyError> {
        let mut members = Members::new(tar, self.limits.allow_missing_end);
        while let Some(member) = members.next()? {
            self.member(&mut members, &member)?;
        }
        members.drain(self.limits.max_bytes.max(MAX_PADDING))?;
        self.finish()
    }

    fn member(&mut self, members: &mut Members<&mut dyn Read>, member: &Member) -> Result<(), ApplyError> {
        self.count()?;
        let path = name::check(&member.name, self.limits.max_name)?;
        let Some(last) = path.name() else { return self.root(member) };
        let marks: Vec<Mark<'_>> = path.components().map(whiteout::mark).collect();
        if marks.contains(&Mark::Ignored) {
            return Ok(());
        }
        let inner = &marks[..marks.len() - 1];
        if inner.iter().any(|mark| *mark != Mark::None) {
            return Err(malformed(member, "it lies below a removed path"));
        }
        let dir = path.parent().unwrap_or_else(RootPath::root);
        match whiteout::mark(last) {
            Mark::Removed(b"" | b"." | b"..") => return Err(malformed(member, "it removes no valid name")),
            Mark::Removed(name) => {
                self.make_parents(member, &dir)?;
                self.removed.insert(dir.child(name));
            }
            Mark::Opaque => {
                self.make_parents(member, &dir)?;
                self.opaque.insert(dir);
            }
            _ => {
                self.make_parents(member, &dir)?;
                self.create(members, member, &path)?;
            }
        }
        Ok(())
    }

    fn root(&mut self, member: &Member) -> Result<(), ApplyError> {
        if member.kind != MemberKind::Dir {
            return Err(malformed(member, "only a directory can be the root"));
        }
        self.root_listed = true;
        self.inodes[0] = name::entry(member, Kind::Dir { opaque: false });
        Ok(())
    }

    /// Makes `dir`, and what it lies in, where the archive has not done so.
    fn make_parents(&mut self, member: &Member, dir: &RootPath) -> Result<(), ApplyError> {
        if let Some(inode) = self.nodes.get(dir) {
            return if self.inodes[*inode].is_dir() { Ok(()) } else { Err(self.blocked(member, dir)) };
        }
        let mut at = RootPath::root();
        for name in dir.components() {
            at = at.child(name);
            match self.nodes.get(&at) {
                Some(inode) if self.inodes[*inode].is_dir() => {}
                Some(_) => return Err(self.blocked(member, &at)),
                None => {
                    self.count()?;
                    self.place.mkdir(&at)?;
                    let below = self.parent.map(|tree| tree.lookup(&at)).transpose()?.flatten();
                    let entry = below.filter(Entry::is_dir).unwrap_or_else(|| Entry::dir(0o755, 0, 0));
                    self.insert(&at, entry);
                }
            }
        }
        Ok(())
    }

    fn blocked(&self, member: &Member, at: &RootPath) -> ApplyError {
        let symlink = self.nodes.get(at).is_some_and(|i| matches!(self.inodes[*i].kind, Kind::Symlink(_)));
        let what = if symlink { "a symbolic link" } else { "no directory" };
        ApplyError::Unsafe { name: name::show(&member.name), why: format!("{at} is {what}") }
    }

    fn create(
        &mut self,
        members: &mut Members<&mut dyn Read>,
        member: &Member,
        path: &RootPath,
    ) -> Result<(), ApplyError> {
        if member.kind == MemberKind::Link {
            return self.link(member, path);
        }
        if let Some(inode) = self.nodes.get(path).copied() {
            if member.kind == MemberKind::Dir && self.inodes[inode].is_dir() {
                self.inodes[inode] = name::entry(member, Kind::Dir { opaque: false });
                return Ok(());
            }
            self.remove(path)?;
        }
        let kind = match member.kind {
            MemberKind::Dir => {
                self.place.mkdir(path)?;
                self.insert(path, name::entry(member, Kind::Dir { opaque: false }));
                return Ok(());
            }
            MemberKind::File => return self.file(members, member, path),
            MemberKind::Symlink => Kind::Symlink(member.link.clone()),
            MemberKind::Char(0, 0) => {
                return Err(malformed(member, "character device 0:0 stands for a removed path"));
            }
            MemberKind::Char(major, minor) => Kind::CharDevice(major, minor),
            MemberKind::Block(major, minor) => Kind::BlockDevice(major, minor),
            MemberKind::Fifo | MemberKind::Link => Kind::Fifo,
        };
        let entry = name::entry(member, kind);
        self.place.node(path, &entry)?;
        self.insert(path, entry);
        Ok(())
    }

    fn file(
        &mut self,
        members: &mut Members<&mut dyn Read>,
        member: &Member,
        path: &RootPath,
    ) -> Result<(), ApplyError> {
        self.bytes = self.bytes.saturating_add(member.size);
        if self.bytes > self.limits.max_bytes {
            return Err(ApplyError::Limit { what: "bytes", limit: self.limits.max_bytes });
        }
        let entry = name::entry(member, Kind::File { size: member.size, digest: None, link_to: None });
        if member.size > batch::SMALL || member.parts.is_some() {
            let entry = self.place.file(path, entry, member, members, &mut self.buffer)?;
            self.insert(path, entry);
            return Ok(());
        }
        let mut bytes = vec![0; usize::try_from(member.size).unwrap_or_default()];
        members.read(&mut bytes)?;
        self.insert(path, entry.clone());
        let inode = self.inodes.len() - 1;
        if self.batch.add(Waiting { path: path.clone(), inode, entry, bytes }) {
            self.flush()?;
        }
        Ok(())
    }

    /// Makes the files that wait. To be called before any of them is linked, changed or removed.
    fn flush(&mut self) -> Result<(), ApplyError> {
        for (inode, found) in self.place.make_all(&mut self.batch)? {
            if let Kind::File { digest, .. } = &mut self.inodes[inode].kind {
                *digest = Some(found);
            }
        }
        Ok(())
    }

    fn link(&mut self, member: &Member, path: &RootPath) -> Result<(), ApplyError> {
        self.flush()?;
        let target = name::target(member, self.limits.max_name)?;
        let error =
            |why| ApplyError::Link { name: name::show(&member.name), target: name::show(&member.link), why };
        let known = |nodes: &BTreeMap<RootPath, usize>| nodes.get(&target).copied();
        let mut inode = known(&self.nodes).ok_or_else(|| error("is not in the layer before it"))?;
        if *path != target && self.nodes.get(path) != Some(&inode) {
            if self.nodes.contains_key(path) {
                self.remove(path)?;
                inode = known(&self.nodes).ok_or_else(|| error("it replaces"))?;
            }
            if self.inodes[inode].is_dir() {
                return Err(error("is a directory"));
            }
            self.place.link(&target, path)?;
            self.nodes.insert(path.clone(), inode);
        }
        // All names of an inode have the metadata that came last, as in every other unpacker.
        let entry = &mut self.inodes[inode];
        if !matches!(entry.kind, Kind::File { .. }) {
            return Ok(());
        }
        let same = (entry.mode, entry.uid, entry.gid) == (member.mode, member.uid, member.gid);
        if !same || entry.mtime != member.mtime {
            (entry.mode, entry.uid, entry.gid) = (member.mode, member.uid, member.gid);
            entry.mtime = member.mtime;
            self.place.metadata(path, entry)?;
        }
        Ok(())
    }

    /// Removes `path` and all below it.
    fn remove(&mut self, path: &RootPath) -> Result<(), ApplyError> {
        self.flush()?;
        let below = |set: &RootPath| set.starts_with(path);
        let doomed: Vec<RootPath> = self
            .nodes
            .range(path.clone()..)
            .map(|(path, _)| path)
            .take_while(|p| below(p))
            .cloned()
            .collect();
        for path in doomed.iter().rev() {
            let inode = self.nodes.remove(path).map(|inode| self.inodes[inode].is_dir());
            self.place.remove(path, inode.unwrap_or(false))?;
        }
        for set in [&mut self.removed, &mut self.opaque] {
            let gone = |set: &BTreeSet<RootPath>| {
                set.range(path.clone()..).find(|p| below(p) && *p != path).cloned()
            };
            while let Some(gone) = gone(set) {
                set.remove(&gone);
            }
        }
        self.opaque.remove(path);
        Ok(())
    }

    /// Now that all names are known: whiteouts, opaque marks, and the directories' own metadata.
    fn finish(mut self) -> Result<LayerIndex, ApplyError> {
        self.flush()?;
        self.clear_root()?;
        let mut entries = Vec::with_capacity(self.nodes.len() + self.removed.len());
        for path in std::mem::take(&mut self.removed) {
            match self.nodes.get(&path).map(|inode| self.inodes[*inode].is_dir()) {
                Some(true) => drop(self.opaque.insert(path)),
                Some(false) => {}
                None if self.removes_nothing(&path)? => {}
                None => {
                    self.place.whiteout(&path)?;
                    entries.push((path, Entry { kind: Kind::Whiteout, ..Entry::dir(0, 0, 0) }));
                }
            }
        }
        for path in &self.opaque {
            if let Some(inode) = self.nodes.get(path) {
                self.inodes[*inode].kind = Kind::Dir { opaque: true };
            }
        }
        for (path, inode) in self.nodes.iter().rev().filter(|(_, inode)| self.inodes[**inode].is_dir()) {
            self.place.metadata(path, &self.inodes[*inode])?;
        }
        if !self.root_listed {
            self.nodes.remove(&RootPath::root());
        }
        let mut heads: HashMap<usize, RootPath> = HashMap::new();
        for (path, inode) in self.nodes {
            let mut entry = self.inodes[inode].clone();
            if let Kind::File { link_to, .. } = &mut entry.kind {
                *link_to = heads.get(&inode).cloned();
                heads.entry(inode).or_insert_with(|| path.clone());
            }
            entries.push((path, entry));
        }
        Ok(LayerIndex::build(entries))
    }

    /// Whether a whiteout has nothing below it to remove. Overlay lists such a whiteout as a broken name where it finds
    /// nothing to merge its directory with. Not known, and so false, without the layers below.
    fn removes_nothing(&self, path: &RootPath) -> Result<bool, ApplyError> {
        let Some(parent) = self.parent else { return Ok(false) };
        let mut above = std::iter::successors(path.parent(), RootPath::parent);
        Ok(above.any(|dir| self.opaque.contains(&dir)) || parent.lookup(path)?.is_none())
    }

    /// Overlay knows no opaque root directory: remove one by one what the layers below have there.
    fn clear_root(&mut self) -> Result<(), ApplyError> {
        if !self.opaque.remove(&RootPath::root()) {
            return Ok(());
        }
        let Some(parent) = self.parent else { return Ok(()) };
        for (name, _) in parent.children(&RootPath::root())? {
            self.removed.insert(RootPath::root().child(&name));
        }
        Ok(())
    }

    fn insert(&mut self, path: &RootPath, entry: Entry) {
        self.nodes.insert(path.clone(), self.inodes.len());
        self.inodes.push(entry);
    }

    fn count(&mut self) -> Result<(), ApplyError> {
        self.entries += 1;
        if self.entries > self.limits.max_entries {
            return Err(ApplyError::Limit { what: "entries", limit: self.limits.max_entries });
        }
        Ok(())
    }
}

fn malformed(member: &Member, why: &'static str) -> ApplyError {
    ApplyError::Malformed { name: name::show(&member.name), why }
}

#[cfg(test)]
mod tests;
