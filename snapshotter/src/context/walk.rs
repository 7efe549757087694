//! The parallel walk over a context: directories side by side, metadata only.

use super::read::stamp;
use super::stat_index::{Known, StatIndex};
use super::table::{Node, Payload, Span, Table};
use super::{ContextError, IgnoreFilter, Verdict};
use crate::layer::dirfd::open_dir;
use oci::RootPath;
use rayon::prelude::*;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, RawDir, Statx, StatxFlags, readlinkat, statx};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::path::Path;

/// Names of one directory that one thread takes at a time.
const BATCH: usize = 1024;

/// The paths of a context, and what the index knew about each.
pub(super) struct Walked {
    pub(super) table: Table,
    pub(super) known: Vec<Option<Known>>,
}

/// A directory's children, sorted by name; the spans point into `names`.
#[derive(Default)]
struct Listing {
    names: Vec<u8>,
    found: Vec<(Node, Option<Known>)>,
    unreadable: Option<i32>,
}

struct Walk<'a> {
    root: &'a OwnedFd,
    ignore: &'a dyn IgnoreFilter,
    index: &'a StatIndex,
}

pub(super) fn walk(
    dir: &Path,
    root: &OwnedFd,
    ignore: &dyn IgnoreFilter,
    index: &StatIndex,
) -> Result<Walked, ContextError> {
    let top = RootPath::root();
    let inspect = |source| ContextError::Open { dir: dir.to_owned(), source };
    let stat = look(root.as_fd(), c"").map_err(inspect)?;
    let payload = Payload::Dir { first: 0, count: 0 };
    let mut table = Table { nodes: vec![node(&stat, Span { start: 0, len: 0 }, payload)], names: Vec::new() };
    let mut known = vec![None];
    let walk = Walk { root, ignore, index };
    let mut level = vec![(0usize, top)];
    // Level by level: few directories are open at a time, however deep the tree is.
    while !level.is_empty() {
        let lists: Vec<Listing> =
            level.par_iter().map(|(_, path)| walk.list(path)).collect::<Result<_, _>>()?;
        let mut next = Vec::new();
        for ((at, path), listing) in level.iter().zip(lists) {
            let first = table.nodes.len();
            append(&mut table, &mut known, *at, listing)
                .ok_or_else(|| ContextError::TooMany(dir.to_owned()))?;
            let dirs = (first..table.nodes.len())
                .filter(|at| matches!(table.node(*at).payload, Payload::Dir { .. }));
            next.extend(dirs.map(|at| (at, path.child(table.name(at)))));
        }
        level = next;
    }
    hide(&mut table);
    link(&mut table);
    Ok(Walked { table, known })
}

/// Adds the children of node `at`. `None` if there are too many nodes to number.
fn append(table: &mut Table, known: &mut Vec<Option<Known>>, at: usize, listing: Listing) -> Option<()> {
    let first = u32::try_from(table.nodes.len()).ok()?;
    let count = u32::try_from(listing.found.len()).ok()?;
    first.checked_add(count)?;
    table.nodes[at].payload = match listing.unreadable {
        Some(errno) => Payload::Unreadable(errno),
        None => Payload::Dir { first, count },
    };
    let base = table.names.len();
    table.names.extend_from_slice(&listing.names);
    for (mut node, digest) in listing.found {
        node.parent = u32::try_from(at).ok()?;
        node.name.start += base;
        if let Payload::Link(target) = &mut node.payload {
            target.start += base;
        }
        table.nodes.push(node);
        known.push(digest);
    }
    Some(())
}

/// Hides ignored directories that turned out to hold nothing of the context.
fn hide(table: &mut Table) {
    let mut wanted = vec![false; table.nodes.len()];
    for at in (1..table.nodes.len()).rev() {
        let node = &mut table.nodes[at];
        node.hidden = node.only_with_children && !wanted[at];
        if !node.hidden {
            wanted[node.parent as usize] = true;
        }
    }
}

/// Finds the names of the same inode; the first in path order is the head of the others.
fn link(table: &mut Table) {
    let mut groups: HashMap<(u64, u64), Vec<usize>> = HashMap::new();
    for at in table.visible().filter(|at| table.node(*at).shared) {
        let stamp = &table.node(at).stamp;
        groups.entry((stamp.dev, stamp.ino)).or_default().push(at);
    }
    for group in groups.into_values().filter(|group| group.len() > 1) {
        let Some(head) = group.iter().copied().min_by_key(|at| table.path(*at)) else { continue };
        for at in group.into_iter().filter(|at| *at != head) {
            table.nodes[at].head = u32::try_from(head).ok().and_then(NonZeroU32::new);
        }
    }
}

/// A name to look at, in the order of inode numbers: that is how they lie on disk, and in the index.
struct Name {
    ino: u64,
    name: CString,
    only_with_children: bool,
}

impl Walk<'_> {
    fn list(&self, path: &RootPath) -> Result<Listing, ContextError> {
        let dir = match open_dir(self.root, path.relative()) {
            Ok(dir) => dir,
            // Its name was there: whether it may not be read or is gone, it matters only to who needs it.
            Err(error) => {
                let unreadable = error.raw_os_error().or(Some(Errno::IO.raw_os_error()));
                return Ok(Listing { unreadable, ..Listing::default() });
            }
        };
        let mut names = self.names(&dir, path).map_err(failed("list", path))?;
        names.sort_unstable_by_key(|name| name.ino);
        let look = |batch: &[Name]| self.look_at(dir.as_fd(), batch).map_err(failed("inspect", path));
        let batches: Vec<Listing> = match names.len() {
            0..=BATCH => vec![look(&names)?],
            _ => names.par_chunks(BATCH).map(look).collect::<Result<_, _>>()?,
        };
        Ok(join(batches))
    }

    /// The names that are, or may hold, part of the context.
    fn names(&self, dir: &OwnedFd, path: &RootPath) -> io::Result<Vec<Name>> {
        let mut buffer = Vec::with_capacity(1 << 15);
        buffer.resize(1 << 15, MaybeUninit::uninit());
        let mut iter = RawDir::new(dir, &mut buffer);
        let mut relative = path.relative().to_vec();
        if !relative.is_empty() {
            relative.push(b'/');
        }
        let prefix = relative.len();
        let mut out = Vec::new();
        while let Some(entry) = iter.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let is_dir = match entry.file_type() {
                FileType::Unknown => look(dir.as_fd(), name).is_ok_and(|stat| is_dir(&stat)),
                known => known == FileType::Directory,
            };
            relative.truncate(prefix);
            relative.extend_from_slice(name.to_bytes());
            let verdict = self.ignore.verdict(&relative, is_dir);
            if verdict == Verdict::Keep || (verdict == Verdict::DropButDescend && is_dir) {
                let only_with_children = verdict != Verdict::Keep;
                out.push(Name { ino: entry.ino(), name: name.to_owned(), only_with_children });
            }
        }
        Ok(out)
    }

    fn look_at(&self, dir: BorrowedFd<'_>, batch: &[Name]) -> io::Result<Listing> {
        let mut out = Listing { found: Vec::with_capacity(batch.len()), ..Listing::default() };
        let mut near = 0;
        for Name { name, only_with_children, .. } in batch {
            // What went away since it was listed was never seen.
            let stat = match look(dir, name) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            let span = put(&mut out.names, name.to_bytes());
            let Some(payload) = payload(dir, name, &stat, &mut out.names)? else { continue };
            let mut node = node(&stat, span, payload);
            node.only_with_children = *only_with_children;
            node.shared = stat.stx_nlink > 1 && payload == Payload::File;
            let known = match payload {
                Payload::File => self.index.find(&node.stamp, &mut near),
                _ => None,
            };
            out.found.push((node, known));
        }
        Ok(out)
    }
}

fn join(batches: Vec<Listing>) -> Listing {
    let mut out = Listing::default();
    for batch in batches {
        let base = out.names.len();
        out.names.extend_from_slice(&batch.names);
        out.found.extend(batch.found.into_iter().map(|(mut node, known)| {
            node.name.start += base;
            if let Payload::Link(target) = &mut node.payload {
                target.start += base;
            }
            (node, known)
        }));
    }
    let names = &out.names;
    out.found.sort_unstable_by(|(a, _), (b, _)| a.name.of(names).cmp(b.name.of(names)));
    out
}

/// `None` if it went away, or became something else, since it was inspected.
fn payload(
    dir: BorrowedFd<'_>,
    name: &CStr,
    stat: &Statx,
    names: &mut Vec<u8>,
) -> io::Result<Option<Payload>> {
    let (major, minor) = (stat.stx_rdev_major, stat.stx_rdev_minor);
    Ok(Some(match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
        FileType::RegularFile => Payload::File,
        FileType::Directory => Payload::Dir { first: 0, count: 0 },
        FileType::Symlink => match readlinkat(dir, name, Vec::new()) {
            Ok(target) => Payload::Link(put(names, target.to_bytes())),
            Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
        FileType::CharacterDevice => Payload::Char(major, minor),
        FileType::BlockDevice => Payload::Block(major, minor),
        FileType::Fifo => Payload::Fifo,
        FileType::Socket => Payload::Socket,
        FileType::Unknown => return Err(io::ErrorKind::Unsupported.into()),
    }))
}

fn node(stat: &Statx, name: Span, payload: Payload) -> Node {
    Node {
        stamp: stamp(stat),
        name,
        payload,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        parent: 0,
        head: None,
        only_with_children: false,
        shared: false,
        hidden: false,
    }
}

/// Names and link targets are far shorter than 4 GiB: the kernel limits both.
fn put(names: &mut Vec<u8>, bytes: &[u8]) -> Span {
    let start = names.len();
    names.extend_from_slice(bytes);
    Span { start, len: u32::try_from(bytes.len()).unwrap_or(u32::MAX) }
}

fn is_dir(stat: &Statx) -> bool {
    FileType::from_raw_mode(u32::from(stat.stx_mode)) == FileType::Directory
}

fn look(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    Ok(statx(dir, name, flags, StatxFlags::BASIC_STATS)?)
}

fn failed(action: &'static str, path: &RootPath) -> impl Fn(io::Error) -> ContextError {
    move |source| ContextError::Io { action, path: path.clone(), source }
}
