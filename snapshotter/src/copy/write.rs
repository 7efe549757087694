//! From a plan to a layer on disk and its index.

pub(super) mod file;

use super::CopyError;
use super::plan::{Body, Inode, Meta, Node, Plan};
use crate::layer::LayerIndex;
use crate::layer::dirfd::{open_dir, open_root};
use crate::layer::index::compare;
use crate::layer::xattr::{self, OPAQUE, Target};
use crate::tree::Tree;
use file::{Content, Place};
use oci::{Entry, Kind, RootPath};
use rayon::prelude::*;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, Uid, chownat, fchmod, fchown, fstat, futimens, linkat, mkdirat,
};
use std::collections::HashMap;
use std::ffi::CString;
use std::path::Path;

/// Files of one directory that one thread takes at a time.
const BATCH: usize = 128;

/// The plan's paths, sorted.
type Paths = Vec<(RootPath, Node)>;

pub(super) fn write(src: &dyn Tree, mut plan: Plan<'_>, diff_dir: &Path) -> Result<LayerIndex, CopyError> {
    let mut paths: Paths = std::mem::take(&mut plan.nodes).into_iter().collect();
    paths.par_sort_unstable_by(|a, b| compare(a.0.as_bytes(), b.0.as_bytes()));
    let root = open_root(diff_dir).map_err(CopyError::io("open", &RootPath::root()))?;
    let heads = heads(&paths, plan.inodes.len());
    let writer = Writer { src, plan: &plan, root: &root };
    writer.make_dirs(&paths)?;
    let contents = writer.make_leaves(&paths, &heads)?;
    writer.make_links(&paths, &heads)?;
    writer.finish_dirs(&paths)?;
    if let Some(staging) = plan.staging.take() {
        staging.close().map_err(CopyError::io("remove the staging directory of", &RootPath::root()))?;
        finish_dir(&root, &paths)?;
    }
    Ok(index(paths, &plan.inodes, &heads, &contents))
}

/// The first path of each inode, as a position in `paths`.
fn heads(paths: &Paths, inodes: usize) -> Vec<Option<usize>> {
    let mut heads = vec![None; inodes];
    for (at, (_, node)) in paths.iter().enumerate() {
        if let Node::Leaf(inode) = node {
            heads[*inode].get_or_insert(at);
        }
    }
    heads
}

struct Writer<'a> {
    src: &'a dyn Tree,
    plan: &'a Plan<'a>,
    root: &'a OwnedFd,
}

impl Writer<'_> {
    /// Makes the directories, open to us alone until they are finished.
    fn make_dirs(&self, paths: &Paths) -> Result<(), CopyError> {
        let mut parents = Parents::new(self.root);
        for (path, _) in paths.iter().filter(|(path, node)| is_dir(node) && !path.is_root()) {
            let (dir, name) = parents.of(path)?;
            mkdirat(dir, &name, Mode::RWXU).map_err(CopyError::io("make the directory", path))?;
        }
        Ok(())
    }

    /// Makes everything else, under the first path of each. Files' sizes and digests by inode.
    fn make_leaves(
        &self,
        paths: &Paths,
        heads: &[Option<usize>],
    ) -> Result<HashMap<usize, Content>, CopyError> {
        let mut by_dir: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for at in heads.iter().flatten() {
            by_dir.entry(dir_of(&paths[*at].0)).or_default().push(*at);
        }
        let batches: Vec<(&[u8], &[usize])> =
            by_dir.iter().flat_map(|(dir, all)| all.chunks(BATCH).map(|part| (*dir, part))).collect();
        let done: Vec<Vec<(usize, Content)>> = batches
            .into_par_iter()
            .map(|(dir, batch)| self.make_batch(dir, batch, paths))
            .collect::<Result<_, _>>()?;
        Ok(done.into_iter().flatten().collect())
    }

    fn make_batch(
        &self,
        dir: &[u8],
        batch: &[usize],
        paths: &Paths,
    ) -> Result<Vec<(usize, Content)>, CopyError> {
        let fd = open_dir(self.root, dir).map_err(CopyError::io("open", &RootPath::new(dir)))?;
        let mut out = Vec::new();
        for at in batch {
            let (path, Node::Leaf(inode)) = &paths[*at] else { continue };
            let place = Place { dir: fd.as_fd(), name: name_of(path)?, path };
            let content = place.make(&self.plan.inodes[*inode], self.src, self.plan)?;
            out.extend(content.map(|content| (*inode, content)));
        }
        Ok(out)
    }

    fn make_links(&self, paths: &Paths, heads: &[Option<usize>]) -> Result<(), CopyError> {
        let (mut targets, mut parents) = (Parents::new(self.root), Parents::new(self.root));
        for (at, (path, node)) in paths.iter().enumerate() {
            let Node::Leaf(inode) = node else { continue };
            let Some(head) = heads[*inode].filter(|head| *head != at) else { continue };
            let (from, old) = targets.of(&paths[head].0)?;
            let (to, new) = parents.of(path)?;
            linkat(from, &old, to, &new, AtFlags::empty()).map_err(CopyError::io("link", path))?;
        }
        Ok(())
    }

    /// Owners, modes, attributes and times of directories, from the innermost outwards.
    fn finish_dirs(&self, paths: &Paths) -> Result<(), CopyError> {
        for (path, node) in paths.iter().rev() {
            let Node::Dir(dir) = node else { continue };
            let fd = open_dir(self.root, path.relative()).map_err(CopyError::io("open", path))?;
            if dir.opaque {
                xattr::set(Target::Fd(fd.as_fd()), OPAQUE, b"y")
                    .map_err(CopyError::io("set attributes of", path))?;
            }
            finish(fd.as_fd(), &dir.meta, path)?;
        }
        Ok(())
    }
}

/// The root's times, after the last change in it.
fn finish_dir(root: &OwnedFd, paths: &Paths) -> Result<(), CopyError> {
    match paths.first() {
        Some((path, Node::Dir(dir))) if path.is_root() => {
            futimens(root, &times(&dir.meta)).map_err(CopyError::io("set the times of", path))
        }
        _ => Ok(()),
    }
}

/// Owner, mode, attributes and times of something open.
fn finish(fd: BorrowedFd<'_>, meta: &Meta, path: &RootPath) -> Result<(), CopyError> {
    // Asking costs less than setting what is so already.
    let found = fstat(fd).map_err(CopyError::io("inspect", path))?;
    // In this order: a new owner takes away set-id bits and capabilities.
    if (found.st_uid, found.st_gid) != (meta.uid, meta.gid) {
        fchown(fd, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))
            .map_err(CopyError::io("set the owner of", path))?;
    }
    if found.st_mode & 0o7777 != meta.mode {
        fchmod(fd, Mode::from_raw_mode(meta.mode)).map_err(CopyError::io("set the mode of", path))?;
    }
    for (name, value) in &meta.xattrs {
        xattr::set(Target::Fd(fd), name, value).map_err(CopyError::io("set attributes of", path))?;
    }
    futimens(fd, &times(meta)).map_err(CopyError::io("set the times of", path))
}

/// The same of something that cannot be opened.
fn finish_name(place: &Place<'_>, meta: &Meta, is_link: bool) -> Result<(), CopyError> {
    let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
    chownat(place.dir, &place.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(CopyError::io("set the owner of", place.path))?;
    if !is_link {
        rustix::fs::chmodat(place.dir, &place.name, Mode::from_raw_mode(meta.mode), AtFlags::empty())
            .map_err(CopyError::io("set the mode of", place.path))?;
    }
    for (name, value) in &meta.xattrs {
        xattr::set(Target::Name(place.dir, &place.name), name, value)
            .map_err(CopyError::io("set attributes of", place.path))?;
    }
    rustix::fs::utimensat(place.dir, &place.name, &times(meta), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(CopyError::io("set the times of", place.path))
}

fn times(meta: &Meta) -> Timestamps {
    let time = Timespec { tv_sec: meta.mtime.secs, tv_nsec: meta.mtime.nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// Keeps the directory of the last path open: neighbours come one after the other.
struct Parents<'a> {
    root: &'a OwnedFd,
    open: Option<(Vec<u8>, OwnedFd)>,
}

impl<'a> Parents<'a> {
    fn new(root: &'a OwnedFd) -> Self {
        Self { root, open: None }
    }

    /// The directory of `path`, and its name there.
    fn of(&mut self, path: &RootPath) -> Result<(BorrowedFd<'_>, CString), CopyError> {
        let dir = dir_of(path);
        if self.open.as_ref().is_none_or(|(open, _)| open != dir) {
            let fd = open_dir(self.root, dir).map_err(CopyError::io("open", &RootPath::new(dir)))?;
            self.open = Some((dir.to_vec(), fd));
        }
        let fd = self.open.as_ref().map_or(self.root.as_fd(), |(_, fd)| fd.as_fd());
        Ok((fd, name_of(path)?))
    }
}

/// The directory of `path`, relative to the root.
fn dir_of(path: &RootPath) -> &[u8] {
    let relative = path.relative();
    &relative[..relative.iter().rposition(|b| *b == b'/').unwrap_or(0)]
}

fn name_of(path: &RootPath) -> Result<CString, CopyError> {
    let name = CString::new(path.name().unwrap_or_default());
    name.map_err(|_| CopyError::io("name", path)(std::io::ErrorKind::InvalidFilename))
}

fn is_dir(node: &Node) -> bool {
    matches!(node, Node::Dir(_))
}

/// The root has an entry only where it is not what it is by default.
fn is_plain_root(path: &RootPath, entry: &Entry) -> bool {
    path.is_root() && (entry.mode, entry.uid, entry.gid) == (0o755, 0, 0) && entry.xattrs.is_empty()
}

fn index(
    paths: Paths,
    inodes: &[Inode],
    heads: &[Option<usize>],
    contents: &HashMap<usize, Content>,
) -> LayerIndex {
    let names: HashMap<usize, RootPath> = linked(&paths, heads);
    let mut entries = Vec::with_capacity(paths.len());
    for (at, (path, node)) in paths.into_iter().enumerate() {
        let entry = match node {
            Node::Dir(dir) => entry(dir.meta, Kind::Dir { opaque: dir.opaque }),
            Node::Leaf(inode) => {
                let link_to = names.get(&inode).filter(|_| heads[inode] != Some(at)).cloned();
                let kind = kind(&inodes[inode].body, contents.get(&inode), link_to);
                entry(inodes[inode].meta.clone(), kind)
            }
        };
        if !is_plain_root(&path, &entry) {
            entries.push((path, entry));
        }
    }
    LayerIndex::build(entries)
}

/// The first names of inodes that have several.
fn linked(paths: &Paths, heads: &[Option<usize>]) -> HashMap<usize, RootPath> {
    let mut out = HashMap::new();
    for (at, (_, node)) in paths.iter().enumerate() {
        if let Node::Leaf(inode) = node
            && let Some(head) = heads[*inode].filter(|head| *head != at)
        {
            out.entry(*inode).or_insert_with(|| paths[head].0.clone());
        }
    }
    out
}

fn entry(meta: Meta, kind: Kind) -> Entry {
    let Meta { mode, uid, gid, mtime, xattrs } = meta;
    Entry { kind, mode, uid, gid, mtime, xattrs }
}

fn kind(body: &Body, content: Option<&Content>, link_to: Option<RootPath>) -> Kind {
    match body {
        Body::Source(..) | Body::Parent(_) | Body::Inline(_) | Body::Staged { .. } => {
            let (size, digest) = content.map_or((0, None), |content| (content.size, Some(content.digest)));
            Kind::File { size, digest, link_to }
        }
        Body::Symlink(target) => Kind::Symlink(target.clone()),
        Body::Char(major, minor) => Kind::CharDevice(*major, *minor),
        Body::Block(major, minor) => Kind::BlockDevice(*major, *minor),
        Body::Fifo => Kind::Fifo,
    }
}
