//! From a list of entries to the bytes of an index.

use super::record::{Fields, RECORD, Tag, narrow};
use super::{CHECKSUM, HEADER, LayerIndex, MAGIC, VERSION, compare};
use oci::entry::Mtime;
use oci::{Entry, Kind, LayerId, RootPath};
use std::sync::OnceLock;

/// Names the format of the identity: a change to what is hashed changes this.
const IDENTITY: &[u8] = b"lapstrake layer 1\0";
const FLUSH: usize = 1 << 16;

pub(super) fn build(mut entries: Vec<(RootPath, Entry)>) -> LayerIndex {
    sort(&mut entries);
    entries.iter_mut().for_each(|(_, entry)| normalise(entry));
    let heads = group(&mut entries);
    let id = identity(&entries, &heads);
    let mut heap = Vec::with_capacity(entries.iter().map(|(path, _)| path.as_bytes().len()).sum());
    let mut bytes = Vec::with_capacity(HEADER + entries.len() * RECORD + heap.capacity() + CHECKSUM);
    let size =
        entries.iter().zip(&heads).filter(|(_, head)| head.is_none()).map(|(e, _)| file_size(&e.1)).sum();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&[0; 8]); // the heap's length, known below
    bytes.extend_from_slice(&u64::to_le_bytes(size));
    bytes.extend_from_slice(id.as_bytes());
    for ((path, entry), head) in entries.iter().zip(&heads) {
        fields(path, entry, *head, &mut heap).append_to(&mut bytes);
    }
    bytes[24..32].copy_from_slice(&(heap.len() as u64).to_le_bytes());
    let start = bytes.len();
    bytes.append(&mut heap);
    let end = bytes.len();
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    LayerIndex { count: entries.len(), heap: start..end, size, id, bytes, groups: OnceLock::new() }
}

/// Sorted and unique; of equal paths the last one stays.
fn sort(entries: &mut Vec<(RootPath, Entry)>) {
    let order = |a: &(RootPath, Entry), b: &(RootPath, Entry)| compare(a.0.as_bytes(), b.0.as_bytes());
    if !entries.is_sorted_by(|a, b| order(a, b).is_lt()) {
        entries.sort_by(order);
        // `dedup_by` hands (later, earlier) and drops the first of the two.
        entries.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
    }
    entries.truncate(u32::MAX as usize - 1);
}

fn normalise(entry: &mut Entry) {
    entry.mode &= 0o7777;
    entry.xattrs.sort();
    match entry.kind {
        Kind::Symlink(_) => entry.mode = 0o777,
        Kind::Whiteout => {
            *entry = Entry { kind: Kind::Whiteout, mtime: Mtime::default(), ..Entry::dir(0, 0, 0) };
        }
        _ => {}
    }
}

/// The head's position for each further hard link; members get their group's metadata.
fn group(entries: &mut [(RootPath, Entry)]) -> Vec<Option<usize>> {
    let origins: Vec<Option<usize>> = (0..entries.len()).map(|at| origin(entries, at)).collect();
    let mut heads = vec![None; entries.len()];
    if origins.iter().all(Option::is_none) {
        return heads;
    }
    let mut first: std::collections::HashMap<usize, usize> = std::collections::HashMap::new();
    for origin in origins.iter().flatten() {
        first.insert(*origin, *origin);
    }
    for (at, origin) in origins.iter().enumerate() {
        if let Some(first) = origin.and_then(|origin| first.get_mut(&origin)) {
            *first = at.min(*first);
        }
    }
    for at in 0..entries.len() {
        let origin = origins[at].unwrap_or(at);
        let Some(head) = first.get(&origin).copied() else { continue };
        entries[at].1 = entries[origin].1.clone();
        heads[at] = (head != at).then_some(head);
    }
    heads
}

/// The member of `at`'s group that links to none, or `None` for a file that is linked to nothing.
fn origin(entries: &[(RootPath, Entry)], mut at: usize) -> Option<usize> {
    let mut found = None;
    for _ in 0..entries.len() {
        let Kind::File { link_to, .. } = &entries[at].1.kind else { return None };
        let Some(target) = link_to else { return found };
        at = entries.binary_search_by(|(path, _)| compare(path.as_bytes(), target.as_bytes())).ok()?;
        found = Some(at);
    }
    None // a circle
}

fn file_size(entry: &Entry) -> u64 {
    match entry.kind {
        Kind::File { size, .. } => size,
        _ => 0,
    }
}

fn tag(kind: &Kind) -> Tag {
    match kind {
        Kind::File { .. } => Tag::File,
        Kind::Dir { opaque: false } => Tag::Dir,
        Kind::Dir { opaque: true } => Tag::OpaqueDir,
        Kind::Symlink(_) => Tag::Symlink,
        Kind::CharDevice(..) => Tag::CharDevice,
        Kind::BlockDevice(..) => Tag::BlockDevice,
        Kind::Fifo => Tag::Fifo,
        Kind::Socket => Tag::Socket,
        Kind::Whiteout => Tag::Whiteout,
    }
}

fn fields(path: &RootPath, entry: &Entry, head: Option<usize>, heap: &mut Vec<u8>) -> Fields {
    let mut fields = Fields {
        path: put(heap, path.as_bytes()),
        tag: tag(&entry.kind),
        mode: u16::try_from(entry.mode & 0o7777).unwrap_or_default(),
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
        short: 0,
        word: 0,
        xattrs: put_xattrs(heap, &entry.xattrs),
        digest: None,
    };
    match &entry.kind {
        Kind::File { size, digest, .. } => {
            (fields.word, fields.digest) = (*size, *digest);
            fields.short = head.map_or(0, |head| narrow(head) + 1);
        }
        Kind::Symlink(target) => (fields.word, fields.short) = put(heap, target),
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            fields.word = u64::from(*major) << 32 | u64::from(*minor);
        }
        _ => {}
    }
    fields
}

fn put(heap: &mut Vec<u8>, bytes: &[u8]) -> (u64, u32) {
    let offset = heap.len() as u64;
    heap.extend_from_slice(bytes);
    (offset, narrow(bytes.len()))
}

/// Count, then the lengths of each name and value, then their bytes.
fn put_xattrs(heap: &mut Vec<u8>, xattrs: &[(Vec<u8>, Vec<u8>)]) -> u64 {
    if xattrs.is_empty() {
        return 0;
    }
    let offset = heap.len() as u64;
    heap.extend_from_slice(&narrow(xattrs.len()).to_le_bytes());
    for (name, value) in xattrs {
        heap.extend_from_slice(&narrow(name.len()).to_le_bytes());
        heap.extend_from_slice(&narrow(value.len()).to_le_bytes());
    }
    for (name, value) in xattrs {
        heap.extend_from_slice(name);
        heap.extend_from_slice(value);
    }
    offset + 1
}

/// See `docs/formats/layer-index.md`, "Identity".
fn identity(entries: &[(RootPath, Entry)], heads: &[Option<usize>]) -> LayerId {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = Vec::with_capacity(FLUSH + 4096);
    buffer.extend_from_slice(IDENTITY);
    for ((path, entry), head) in entries.iter().zip(heads) {
        text(&mut buffer, path.as_bytes());
        buffer.push(tag(&entry.kind) as u8);
        for number in [entry.mode, entry.uid, entry.gid] {
            buffer.extend_from_slice(&number.to_le_bytes());
        }
        kind(&mut buffer, &entry.kind, head.map(|head| &entries[head].0));
        buffer.extend_from_slice(&narrow(entry.xattrs.len()).to_le_bytes());
        for (name, value) in &entry.xattrs {
            text(&mut buffer, name);
            text(&mut buffer, value);
        }
        if buffer.len() >= FLUSH {
            hasher.update(&buffer);
            buffer.clear();
        }
    }
    LayerId::from_bytes(*hasher.update(&buffer).finalize().as_bytes())
}

fn kind(buffer: &mut Vec<u8>, kind: &Kind, head: Option<&RootPath>) {
    match kind {
        Kind::File { size, digest, .. } => {
            buffer.extend_from_slice(&size.to_le_bytes());
            buffer.push(u8::from(digest.is_some()));
            buffer.extend_from_slice(digest.as_ref().map_or(&[0; 32], |digest| digest.as_bytes()));
            text(buffer, head.map_or(b"", |head| head.as_bytes()));
        }
        Kind::Symlink(target) => text(buffer, target),
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            buffer.extend_from_slice(&major.to_le_bytes());
            buffer.extend_from_slice(&minor.to_le_bytes());
        }
        Kind::Dir { .. } | Kind::Fifo | Kind::Socket | Kind::Whiteout => {}
    }
}

fn text(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    buffer.extend_from_slice(bytes);
}
