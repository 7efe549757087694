//! From sources and options to a plan of the layer.

use super::chmod::Change;
use super::filter::{Fate, Filters, join};
use super::owner::{Owner, resolve_owner};
use super::plan::{Body, Made, Meta, Node, Plan, State};
use super::select::{Selected, Selection};
use super::{CopyError, CopyRequest, Ownership, Warning, archive};
use crate::tree::{Tree, TreeError};
use oci::entry::Mtime;
use oci::{ContentDigest, Entry, Kind, RootPath};
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// A plan in the making.
pub(super) struct Fill<'s, 'p> {
    pub(super) src: &'s dyn Tree,
    pub(super) plan: Plan<'p>,
    /// `--chown`
    pub(super) owner: Option<Owner>,
    pub(super) diff_dir: &'s Path,
    change: Option<Change>,
    keeps_owners: bool,
    warnings: Vec<Warning>,
}

/// The plan for a copy.
pub(super) fn fill<'p>(
    src: &dyn Tree,
    sel: &Selection,
    parent: &'p dyn Tree,
    req: &CopyRequest,
    diff_dir: &Path,
    now: Mtime,
) -> Result<(Plan<'p>, Vec<Warning>), CopyError> {
    let parent = if req.link { &Empty } else { parent };
    let mut warnings = Vec::new();
    let names = if req.link { None } else { Some(parent) };
    let owner = match &req.owner {
        Ownership::Named(text) => Some(resolve_owner(text, names, &mut warnings)?),
        Ownership::Root | Ownership::Source => None,
    };
    let change = req.chmod.as_ref().map(Change::new).transpose()?;
    let plan = Plan::new(parent, now)?;
    let keeps_owners = sel.keeps_owners;
    let mut fill = Fill { src, plan, owner, diff_dir, change, keeps_owners, warnings };
    for item in &sel.items {
        match item {
            Selected::Inline { name, data } => fill.inline(&req.dest, name, data)?,
            Selected::Path { path, entry, filters, .. } if entry.is_dir() => {
                fill.dir(&req.dest, path, entry, filters, req.whole)?;
            }
            Selected::Path { path, name, unpack, .. } => {
                // Asked again: its digest may have been found since it was selected.
                let entry = &src.lookup(path)?.ok_or_else(|| CopyError::Changed(path.clone()))?;
                let unpacked =
                    *unpack && entry.is_file() && archive::unpack(&mut fill, path, entry, &req.dest)?;
                if !unpacked {
                    fill.file(&req.dest, path, name, entry)?;
                }
            }
        }
    }
    Ok((fill.plan, fill.warnings))
}

/// The plan for WORKDIR; without nodes if there is nothing to make.
pub(super) fn mkdir<'p>(
    parent: &'p dyn Tree,
    path: &str,
    user: &str,
    now: Mtime,
) -> Result<(Plan<'p>, Vec<Warning>), CopyError> {
    let mut warnings = Vec::new();
    let mut plan = Plan::new(parent, now)?;
    let path = plan.follow(&RootPath::new(path), true)?;
    if plan.state(&path)? == State::Dir {
        plan.nodes.clear();
        return Ok((plan, warnings));
    }
    let owner = match user {
        "" => None,
        user => Some(resolve_owner(user, Some(parent), &mut warnings)?),
    };
    plan.ensure_dir(&path, Made { mode: 0o755, owner })?;
    Ok((plan, warnings))
}

impl Fill<'_, '_> {
    fn inline(&mut self, dest: &str, name: &[u8], data: &[u8]) -> Result<(), CopyError> {
        let mut entry = Entry::dir(0o644, 0, 0);
        entry.kind = Kind::File { size: data.len() as u64, digest: None, link_to: None };
        entry.mtime = self.plan.now;
        let meta = self.meta(entry);
        let inode = self.plan.add(meta, Body::Inline(data.to_vec()));
        self.place(dest, name, inode)
    }

    fn file(&mut self, dest: &str, path: &RootPath, name: &[u8], entry: &Entry) -> Result<(), CopyError> {
        match self.body(path, &entry.kind) {
            Some(body) => {
                let meta = self.meta(entry.clone());
                let inode = self.plan.add(meta, body);
                self.place(dest, name, inode)
            }
            None => Ok(()),
        }
    }

    /// Puts one file at the destination, or into it if that is a directory.
    fn place(&mut self, dest: &str, name: &[u8], inode: usize) -> Result<(), CopyError> {
        let made = self.made();
        let mut target = self.destination(dest, made)?;
        if self.plan.state(&target)? == State::Dir {
            self.plan.ensure_dir(&target, made)?;
            target = target.child(name);
        } else if let Some(above) = target.parent() {
            self.plan.ensure_dir(&above, made)?;
        }
        let above = target.parent().unwrap_or_else(RootPath::root);
        self.plan.put_leaf(target, inode, false)?;
        self.plan.touch(&above, self.plan.now);
        Ok(())
    }

    /// The place that `dest` names, links followed; the directories that it needs are made.
    fn destination(&mut self, dest: &str, made: Made) -> Result<RootPath, CopyError> {
        let path = RootPath::new(dest);
        let is_dir = dest.ends_with('/') || dest.ends_with("/.") || path.is_root();
        let above = if is_dir { path.clone() } else { path.parent().unwrap_or_else(RootPath::root) };
        let above = self.plan.follow(&above, true)?;
        self.plan.ensure_dir(&above, made)?;
        self.plan.follow(&path, true)
    }

    /// Puts what is in the directory `from` into the destination.
    fn dir(
        &mut self,
        dest: &str,
        from: &RootPath,
        entry: &Entry,
        filters: &Filters,
        whole: bool,
    ) -> Result<(), CopyError> {
        let made = self.made();
        let target = self.destination(dest, made)?;
        match self.plan.state(&target)? {
            State::Nothing if whole && !target.is_root() => {
                self.plan.put_dir(target.clone(), self.meta(entry.clone()), false)?;
            }
            State::Nothing | State::Dir => self.plan.ensure_dir(&target, made)?,
            State::Link(_) | State::Other => return Err(CopyError::DirOverFile(target)),
        }
        self.contents(from, &target, filters)?;
        // The root of a context or a chain of layers has no time of its own.
        if !from.is_root() && entry.mtime != Mtime::default() {
            self.plan.touch(&target, entry.mtime);
        }
        Ok(())
    }

    fn contents(&mut self, from: &RootPath, to: &RootPath, filters: &Filters) -> Result<(), CopyError> {
        let mut links: HashMap<RootPath, usize> = HashMap::new();
        let fresh = matches!(self.plan.nodes.get(to), Some(Node::Dir(dir)) if dir.fresh);
        let mut stack = vec![Level::new(from.clone(), to.clone(), self.src.children(from)?)];
        stack[0].fresh = fresh;
        // In path order: so the head of a hard link group comes before its other members.
        while let Some(level) = stack.last_mut() {
            let Some((name, entry)) = level.children.next() else {
                stack.pop();
                continue;
            };
            let (path, target) = (level.from.child(&name), level.to.child(&name));
            let below = if filters.is_empty() { Vec::new() } else { join(&level.below, &name) };
            let fate = if filters.is_empty() { Fate::Copied } else { filters.fate(&below, entry.is_dir()) };
            if fate == Fate::Left {
                continue;
            }
            if fate == Fate::Passed {
                let children = self.src.children(&path)?;
                stack.push(Level { below, passed: Some(entry), ..Level::new(path, target, children) });
                continue;
            }
            let in_fresh = self.pass(&mut stack)?;
            self.touch_passed(stack.last(), &target, entry.is_dir())?;
            if entry.is_dir() {
                let children = self.src.children(&path)?;
                let fresh = self.plan.put_dir(target.clone(), self.meta(entry), in_fresh)?;
                stack.push(Level { below, fresh, ..Level::new(path, target, children) });
                continue;
            }
            let head = match &entry.kind {
                Kind::File { link_to: Some(head), .. } => Some(head.clone()),
                _ => None,
            };
            let known = head.as_ref().and_then(|head| self.linked(head, from, to, &links));
            let inode = match (known, self.body(&path, &entry.kind)) {
                (Some(known), _) => known,
                (None, Some(body)) => {
                    let meta = self.meta(entry);
                    self.plan.add(meta, body)
                }
                (None, None) => continue,
            };
            links.extend(head.map(|head| (head, inode)));
            self.plan.put_leaf(target, inode, in_fresh)?;
        }
        Ok(())
    }

    /// Makes the directories that were only passed so far: something in the last of them is copied. Tells whether that
    /// one is fresh.
    fn pass(&mut self, stack: &mut [Level]) -> Result<bool, CopyError> {
        let first = stack.iter().rposition(|level| level.passed.is_none()).map_or(0, |at| at + 1);
        for at in first..stack.len() {
            let in_fresh = at > 0 && stack[at - 1].fresh;
            let level = &mut stack[at];
            let Some(entry) = level.passed.take() else { continue };
            level.was_passed = true;
            let (to, mode) = (level.to.clone(), entry.mode);
            self.touch_passed(at.checked_sub(1).map(|above| &stack[above]), &to, true)?;
            let level = &mut stack[at];
            let meta = Meta { mtime: self.plan.now, ..self.meta(entry) };
            level.fresh = self.plan.pass_dir(level.to.clone(), meta, mode, in_fresh)?;
        }
        Ok(stack.last().is_some_and(|level| level.fresh))
    }

    /// A directory that is there for what is in it has the time of the last entry made in it.
    fn touch_passed(&mut self, dir: Option<&Level>, child: &RootPath, is_dir: bool) -> Result<(), CopyError> {
        let Some(dir) = dir.filter(|dir| dir.was_passed) else { return Ok(()) };
        if !is_dir || self.plan.state(child)? == State::Nothing {
            self.plan.touch(&dir.to, self.plan.now);
        }
        Ok(())
    }

    /// The inode that the copy of `head` has in this walk, wherever `head` lies.
    fn linked(
        &self,
        head: &RootPath,
        from: &RootPath,
        to: &RootPath,
        links: &HashMap<RootPath, usize>,
    ) -> Option<usize> {
        if !head.starts_with(from) {
            return links.get(head).copied();
        }
        let below = head.as_bytes()[from.as_bytes().len()..].strip_prefix(b"/");
        let below = below.unwrap_or(&head.as_bytes()[from.as_bytes().len()..]);
        match self.plan.nodes.get(&to.join(below)) {
            Some(Node::Leaf(at)) => Some(*at),
            _ => None,
        }
    }

    /// `None` for what images cannot hold.
    fn body(&mut self, path: &RootPath, kind: &Kind) -> Option<Body> {
        Some(match kind {
            Kind::File { digest, .. } => Body::Source(path.clone(), *digest),
            Kind::Symlink(target) => Body::Symlink(target.clone()),
            Kind::CharDevice(major, minor) => Body::Char(*major, *minor),
            Kind::BlockDevice(major, minor) => Body::Block(*major, *minor),
            Kind::Fifo => Body::Fifo,
            Kind::Dir { .. } | Kind::Socket | Kind::Whiteout => {
                self.warnings.push(Warning::Socket(path.clone()));
                return None;
            }
        })
    }

    /// Metadata of a copied path.
    fn meta(&self, entry: Entry) -> Meta {
        let is_link = matches!(entry.kind, Kind::Symlink(_));
        let mode = match &self.change {
            Some(change) if !is_link => change.apply(entry.mode, entry.is_dir()),
            _ => entry.mode,
        };
        let source = if self.keeps_owners { (entry.uid, entry.gid) } else { (0, 0) };
        let (uid, gid) = self.owner.unwrap_or(source);
        Meta { mode, uid, gid, mtime: entry.mtime, xattrs: entry.xattrs }
    }

    fn made(&self) -> Made {
        let mode = self.change.as_ref().and_then(Change::made_dir).unwrap_or(0o755);
        self.made_with(mode)
    }

    /// Directories made for an archive: its modes are its own.
    pub(super) fn made_for_archive(&self) -> Made {
        self.made_with(0o755)
    }

    fn made_with(&self, mode: u32) -> Made {
        Made { mode, owner: self.owner }
    }
}

/// A directory that is being copied.
struct Level {
    from: RootPath,
    to: RootPath,
    /// Relative to the source; empty where nothing is filtered.
    below: Vec<u8>,
    /// Nothing of the parent's tree shows in it.
    fresh: bool,
    /// Its entry, as long as nothing in it was copied and it is not copied itself.
    passed: Option<Entry>,
    /// It is there for what is in it.
    was_passed: bool,
    children: std::vec::IntoIter<(Vec<u8>, Entry)>,
}

impl Level {
    fn new(from: RootPath, to: RootPath, children: Vec<(Vec<u8>, Entry)>) -> Self {
        let children = children.into_iter();
        Self { from, to, below: Vec::new(), fresh: false, passed: None, was_passed: false, children }
    }
}

/// What a `--link` copy sees of its parent.
struct Empty;

impl Tree for Empty {
    fn lookup(&self, path: &RootPath) -> Result<Option<Entry>, TreeError> {
        Ok(path.is_root().then(|| Entry::dir(0o755, 0, 0)))
    }

    fn children(&self, dir: &RootPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError> {
        if dir.is_root() { Ok(Vec::new()) } else { Err(TreeError::NotDirectory(dir.clone())) }
    }

    fn open(&self, path: &RootPath) -> Result<File, TreeError> {
        Err(TreeError::NotFound(path.clone()))
    }

    fn content_digest(&self, path: &RootPath) -> Result<ContentDigest, TreeError> {
        Err(TreeError::NotFound(path.clone()))
    }
}
