//! The layer to be written, before anything is: a file tree on top of the parent's, held in memory.

use super::CopyError;
use crate::tree::{Tree, TreeError};
use oci::entry::Mtime;
use oci::{ContentDigest, Entry, Kind, RootPath};
use std::collections::{HashMap, VecDeque};

/// How many symbolic links one path may go through: Linux's own limit.
const MAX_LINKS: usize = 40;

/// Everything about a path but what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Mtime,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A path of the layer.
#[derive(Debug)]
pub(super) enum Node {
    /// In a box: there are far fewer of them.
    Dir(Box<Dir>),
    /// Index of an [`Inode`].
    Leaf(usize),
}

#[derive(Debug)]
pub(super) struct Dir {
    pub(super) meta: Meta,
    /// Nothing of the parent's tree shows in it.
    pub(super) fresh: bool,
    /// It has to hide a directory of the parent's.
    pub(super) opaque: bool,
}

/// Anything but a directory; several paths may share one.
#[derive(Debug)]
pub(super) struct Inode {
    pub(super) meta: Meta,
    pub(super) body: Body,
}

#[derive(Debug)]
pub(super) enum Body {
    /// A file of the source tree, and its digest if that is known.
    Source(RootPath, Option<ContentDigest>),
    /// A file of the parent's tree, brought up because something links to it.
    Parent(RootPath),
    /// A file's bytes.
    Inline(Vec<u8>),
    /// Bytes that lie in the staging directory under this number.
    Staged {
        number: usize,
        size: u64,
        digest: ContentDigest,
    },
    Symlink(Vec<u8>),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// How directories are made that nobody copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    pub(super) mode: u32,
    /// Root where `None`, or the group of a directory above that is set-gid.
    pub(super) owner: Option<(u32, u32)>,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Nothing,
    Dir,
    Link(Vec<u8>),
    Other,
}

/// The layer on top of a parent.
pub(super) struct Plan<'a> {
    parent: &'a dyn Tree,
    pub(super) now: Mtime,
    pub(super) nodes: HashMap<RootPath, Node>,
    pub(super) inodes: Vec<Inode>,
    /// Where archives were unpacked to, with the numbers of [`Body::Staged`] as names.
    pub(super) staging: Option<tempfile::TempDir>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(parent: &'a dyn Tree, now: Mtime) -> Result<Self, CopyError> {
        let mut plan = Plan { parent, now, nodes: HashMap::new(), inodes: Vec::new(), staging: None };
        let root = RootPath::root();
        let entry = parent.lookup(&root)?.unwrap_or_else(|| Entry::dir(0o755, 0, 0));
        let meta = plan.meta_of(entry);
        plan.nodes.insert(root, Node::Dir(Box::new(Dir { meta, fresh: false, opaque: false })));
        Ok(plan)
    }

    /// The tree below the layer.
    pub(super) fn parent(&self) -> &'a dyn Tree {
        self.parent
    }

    pub(super) fn state(&self, path: &RootPath) -> Result<State, CopyError> {
        match self.nodes.get(path) {
            Some(Node::Dir(_)) => return Ok(State::Dir),
            Some(Node::Leaf(at)) => {
                return Ok(match &self.inodes[*at].body {
                    Body::Symlink(target) => State::Link(target.clone()),
                    _ => State::Other,
                });
            }
            None if self.hides_parent(path) => return Ok(State::Nothing),
            None => {}
        }
        Ok(match self.parent.lookup(path)?.map(|entry| entry.kind) {
            None => State::Nothing,
            Some(Kind::Dir { .. }) => State::Dir,
            Some(Kind::Symlink(target)) => State::Link(target),
            Some(_) => State::Other,
        })
    }

    /// Whether the layer keeps the parent's tree from showing at `path`, which it does not have itself.
    fn hides_parent(&self, path: &RootPath) -> bool {
        let mut above = path.parent();
        while let Some(dir) = above {
            match self.nodes.get(&dir) {
                Some(Node::Dir(dir)) => return dir.fresh,
                Some(Node::Leaf(_)) => return true,
                None => above = dir.parent(),
            }
        }
        false
    }

    /// Follows the links of `path` as a chroot would, the last component too if `last`. The result need not exist.
    pub(super) fn follow(&self, path: &RootPath, last: bool) -> Result<RootPath, CopyError> {
        self.follow_in(&RootPath::root(), path, last)
    }

    /// The same where the chroot is `base`, and `path` starts from there.
    pub(super) fn follow_in(
        &self,
        base: &RootPath,
        path: &RootPath,
        last: bool,
    ) -> Result<RootPath, CopyError> {
        let mut todo: VecDeque<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        let mut at = base.clone();
        let mut links = 0;
        while let Some(name) = todo.pop_front() {
            if name == b".." {
                at = at.parent().filter(|_| at != *base).unwrap_or(at);
                continue;
            }
            let next = at.child(&name);
            if todo.is_empty() && !last {
                return Ok(next);
            }
            let State::Link(target) = self.state(&next)? else {
                at = next;
                continue;
            };
            links += 1;
            if links > MAX_LINKS {
                return Err(TreeError::TooManyLinks(path.clone()).into());
            }
            if target.starts_with(b"/") {
                at = base.clone();
            }
            let parts = target.split(|b| *b == b'/').filter(|part| !part.is_empty() && *part != b".");
            parts.rev().for_each(|part| todo.push_front(part.to_vec()));
        }
        Ok(at)
    }

    /// Makes sure that `path`, links followed already, is a directory of the layer; what is missing is made.
    pub(super) fn ensure_dir(&mut self, path: &RootPath, made: Made) -> Result<(), CopyError> {
        // In a loop: an archive decides how deep it goes.
        let mut missing = Vec::new();
        let mut at = Some(path.clone());
        while let Some(dir) = at.filter(|dir| !matches!(self.nodes.get(dir), Some(Node::Dir(_)))) {
            at = dir.parent();
            missing.push(dir);
        }
        missing.iter().rev().try_for_each(|dir| self.ensure_one(dir, made))
    }

    /// The same where the directory above is one already.
    fn ensure_one(&mut self, path: &RootPath, made: Made) -> Result<(), CopyError> {
        let dir = match self.state(path)? {
            State::Dir => self.kept(path)?,
            State::Nothing => {
                self.touch(&path.parent().unwrap_or_else(RootPath::root), self.now);
                let (mode, (uid, gid)) = self.inherited(path, made);
                let meta = Meta { mode, uid, gid, mtime: self.now, xattrs: Vec::new() };
                Dir { meta, fresh: true, opaque: false }
            }
            State::Link(_) | State::Other => return Err(CopyError::NotDirectory(path.clone())),
        };
        self.nodes.insert(path.clone(), Node::Dir(Box::new(dir)));
        Ok(())
    }

    /// Mode and owner of a directory made at `path`: as Linux does, a set-gid directory hands that on, and its group.
    fn inherited(&self, path: &RootPath, made: Made) -> (u32, (u32, u32)) {
        let above = path.parent().and_then(|above| self.nodes.get(&above));
        match above {
            Some(Node::Dir(dir)) if dir.meta.mode & 0o2000 != 0 => {
                (made.mode | 0o2000, made.owner.unwrap_or((0, dir.meta.gid)))
            }
            _ => (made.mode, made.owner.unwrap_or((0, 0))),
        }
    }

    /// A directory of the parent's, as it is.
    fn kept(&self, path: &RootPath) -> Result<Dir, CopyError> {
        let entry = self.parent.lookup(path)?.ok_or_else(|| CopyError::NotDirectory(path.clone()))?;
        Ok(Dir { meta: self.meta_of(entry), fresh: false, opaque: false })
    }

    /// Recording trees do not tell mtimes; the parent's would be kept, so an untold one is now.
    fn meta_of(&self, entry: Entry) -> Meta {
        let mtime = if entry.mtime == Mtime::default() { self.now } else { entry.mtime };
        Meta { mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime, xattrs: entry.xattrs }
    }

    /// The mtime of a directory of the layer.
    pub(super) fn touch(&mut self, path: &RootPath, mtime: Mtime) {
        if let Some(Node::Dir(dir)) = self.nodes.get_mut(path) {
            dir.meta.mtime = mtime;
        }
    }

    /// Puts a copied directory at `path`, whose parent is in the layer. Tells whether it is fresh.
    pub(super) fn put_dir(&mut self, path: RootPath, meta: Meta, in_fresh: bool) -> Result<bool, CopyError> {
        let mut fresh = true;
        let mut opaque = false;
        match self.nodes.get(&path) {
            Some(Node::Dir(dir)) => (fresh, opaque) = (dir.fresh, dir.opaque),
            Some(Node::Leaf(_)) => return Err(CopyError::DirOverFile(path)),
            None if in_fresh => {}
            None => match self.state(&path)? {
                State::Nothing => {}
                State::Dir => fresh = false,
                State::Link(_) | State::Other => return Err(CopyError::DirOverFile(path)),
            },
        }
        self.nodes.insert(path, Node::Dir(Box::new(Dir { meta, fresh, opaque })));
        Ok(fresh)
    }

    /// Puts a directory at `path` that is there for what is in it: a new one has `meta`, one that is there gets `mode`.
    /// Tells whether it is fresh.
    pub(super) fn pass_dir(
        &mut self,
        path: RootPath,
        meta: Meta,
        mode: u32,
        in_fresh: bool,
    ) -> Result<bool, CopyError> {
        if in_fresh && !self.nodes.contains_key(&path) {
            return self.put_dir(path, meta, true);
        }
        match self.state(&path)? {
            State::Nothing => self.put_dir(path, meta, in_fresh),
            State::Link(_) | State::Other => Err(CopyError::DirOverFile(path)),
            State::Dir => {
                let dir = match self.nodes.remove(&path) {
                    Some(Node::Dir(dir)) => *dir,
                    _ => self.kept(&path)?,
                };
                let fresh = dir.fresh;
                let dir = Dir { meta: Meta { mode, ..dir.meta }, ..dir };
                self.nodes.insert(path, Node::Dir(Box::new(dir)));
                Ok(fresh)
            }
        }
    }

    /// Puts anything else at `path`, whose parent is in the layer.
    pub(super) fn put_leaf(&mut self, path: RootPath, inode: usize, in_fresh: bool) -> Result<(), CopyError> {
        let is_dir = match self.nodes.get(&path) {
            Some(Node::Dir(_)) => true,
            Some(Node::Leaf(_)) => false,
            None => !in_fresh && self.state(&path)? == State::Dir,
        };
        if is_dir {
            return Err(CopyError::FileOverDir(path));
        }
        self.nodes.insert(path, Node::Leaf(inode));
        Ok(())
    }

    pub(super) fn add(&mut self, meta: Meta, body: Body) -> usize {
        self.inodes.push(Inode { meta, body });
        self.inodes.len() - 1
    }

    /// Removes what the layer has at and below `path`, whose parent is a directory of the layer, and puts a fresh
    /// directory there that hides all of the parent's.
    pub(super) fn replace_by_dir(&mut self, path: &RootPath, meta: Meta) -> Result<(), CopyError> {
        self.remove(path);
        let opaque =
            !self.hides_parent(path) && self.parent.lookup(path)?.is_some_and(|entry| entry.is_dir());
        self.nodes.insert(path.clone(), Node::Dir(Box::new(Dir { meta, fresh: true, opaque })));
        Ok(())
    }

    /// Puts a leaf at `path` whatever is there.
    pub(super) fn replace_by_leaf(&mut self, path: &RootPath, inode: usize) {
        self.remove(path);
        self.nodes.insert(path.clone(), Node::Leaf(inode));
    }

    fn remove(&mut self, path: &RootPath) {
        if let Some(Node::Dir(_)) = self.nodes.remove(path) {
            self.nodes.retain(|other, _| !other.starts_with(path));
        }
    }

    /// The inode of what stands at `path`; a file of the parent's is brought up. `None`: no such file.
    pub(super) fn inode_at(&mut self, path: &RootPath) -> Result<Option<usize>, CopyError> {
        match self.nodes.get(path) {
            Some(Node::Leaf(at)) => return Ok(Some(*at)),
            Some(Node::Dir(_)) => return Ok(None),
            None if self.hides_parent(path) => return Ok(None),
            None => {}
        }
        let Some(entry) = self.parent.lookup(path)? else { return Ok(None) };
        let body = match &entry.kind {
            Kind::File { .. } => Body::Parent(path.clone()),
            Kind::Symlink(target) => Body::Symlink(target.clone()),
            Kind::CharDevice(major, minor) => Body::Char(*major, *minor),
            Kind::BlockDevice(major, minor) => Body::Block(*major, *minor),
            Kind::Fifo => Body::Fifo,
            Kind::Dir { .. } | Kind::Socket | Kind::Whiteout => return Ok(None),
        };
        let meta = self.meta_of(entry);
        let at = self.add(meta, body);
        self.nodes.insert(path.clone(), Node::Leaf(at));
        Ok(Some(at))
    }
}
