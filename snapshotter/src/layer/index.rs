//! A layer's index: its paths, sorted, in the very bytes that lie on disk.
//!
//! Loading reads the file and checks one digest; nothing is parsed or allocated per entry, and a lookup is a binary
//! search in those bytes. `docs/formats/layer-index.md` describes them.

mod build;
mod record;

use oci::{Entry, Kind, LayerId, RootPath};
use record::{RECORD, Record};
use std::cmp::Ordering;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

pub(crate) use record::Tag;

const MAGIC: &[u8; 8] = b"LAPSLAYR";
const VERSION: u32 = 1;
/// Magic 8, version 4, zero 4, entries 8, heap length 8, file bytes 8, layer id 32.
const HEADER: usize = 72;
const CHECKSUM: usize = 32;

/// The sorted path table of one layer.
pub struct LayerIndex {
    /// Header, records, heap, checksum.
    bytes: Vec<u8>,
    count: usize,
    heap: Range<usize>,
    size: u64,
    id: LayerId,
    /// (head, member) of every hard link, heads themselves included; sorted. Made when first asked for.
    groups: OnceLock<Vec<(u32, u32)>>,
}

/// Why an index could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The file could not be read.
    #[error("read layer index {path}")]
    Io {
        /// The index file.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is cut off or its bytes are not those that were written.
    #[error("layer index {0} is damaged")]
    Damaged(std::path::PathBuf),
    /// The file was written by another version of lapstrake.
    #[error("layer index {path} has format {found}, and this version reads {VERSION}")]
    Version {
        /// The index file.
        path: std::path::PathBuf,
        /// The format that it names.
        found: u32,
    },
}

impl LayerIndex {
    /// Makes an index of `entries` in any order. Of several with the same path the last one counts.
    ///
    /// Every path's parent directories should be among them (`/` may be missing: see `docs/design/snapshots.md`).
    /// Hard links may name any member of their group in `link_to`: the first in path order becomes the head, and all
    /// members take the metadata of the member that links to none. A link to a path that is no regular file here
    /// counts as a file of its own. What has no meaning is made uniform: mode, owner and times of a whiteout, and a
    /// symbolic link's mode (0777).
    pub fn build(entries: Vec<(RootPath, Entry)>) -> LayerIndex {
        build::build(entries)
    }

    /// The layer's identity: a digest of everything but mtimes.
    pub fn id(&self) -> LayerId {
        self.id
    }

    /// Number of entries, whiteouts included.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether the layer changes nothing.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Sum of the regular files' lengths in bytes; of hard links only the first counts.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The entry at `path`.
    pub fn get(&self, path: &RootPath) -> Option<Entry> {
        self.position(path.as_bytes()).ok().map(|at| self.entry(at))
    }

    /// All entries, sorted: a directory comes directly before what it holds.
    pub fn iter(&self) -> impl Iterator<Item = (RootPath, Entry)> + '_ {
        (0..self.count).map(|at| (self.path(at), self.entry(at)))
    }

    /// Names and entries in `dir`, sorted by name. Empty where the layer has nothing there.
    pub fn children(&self, dir: &RootPath) -> Vec<(Vec<u8>, Entry)> {
        self.child_positions(dir).into_iter().map(|at| (self.name(at).to_vec(), self.entry(at))).collect()
    }

    /// Writes the index to `path`: complete or not at all. Not synced.
    pub fn write_to(&self, path: &Path) -> io::Result<()> {
        let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&self.bytes)?;
        file.persist(path)?;
        Ok(())
    }

    /// Loads what [`LayerIndex::write_to`] wrote. Any change to those bytes is an error.
    pub fn read_from(path: &Path) -> Result<LayerIndex, IndexError> {
        let bytes = read(path).map_err(|source| IndexError::Io { path: path.to_owned(), source })?;
        Self::from_bytes(bytes).map_err(|found| match found {
            Some(found) => IndexError::Version { path: path.to_owned(), found },
            None => IndexError::Damaged(path.to_owned()),
        })
    }

    /// Checks and wraps the bytes of an index file. The error is the version found, if it is another one.
    fn from_bytes(bytes: Vec<u8>) -> Result<LayerIndex, Option<u32>> {
        let end = bytes.len().checked_sub(CHECKSUM).filter(|end| *end >= HEADER).ok_or(None)?;
        if &bytes[..8] != MAGIC {
            return Err(None);
        }
        let version = u32::from_le_bytes(record::take(&bytes, 8));
        if version != VERSION {
            return Err(Some(version));
        }
        if blake3::hash(&bytes[..end]).as_bytes()[..] != bytes[end..] {
            return Err(None);
        }
        let field = |at| u64::from_le_bytes(record::take(&bytes, at));
        let count = usize::try_from(field(16)).map_err(|_| None)?;
        let heap = count.checked_mul(RECORD).and_then(|len| len.checked_add(HEADER)).ok_or(None)?;
        if heap.checked_add(usize::try_from(field(24)).map_err(|_| None)?) != Some(end) {
            return Err(None);
        }
        let (size, id) = (field(32), LayerId::from_bytes(record::take(&bytes, 40)));
        Ok(LayerIndex { count, heap: heap..end, size, id, bytes, groups: OnceLock::new() })
    }

    /// Where `path` is, or would be.
    pub(crate) fn position(&self, path: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let mid = low + (high - low) / 2;
            match compare(self.path_bytes(mid), path) {
                Ordering::Less => low = mid + 1,
                Ordering::Greater => high = mid,
                Ordering::Equal => return Ok(mid),
            }
        }
        Err(low)
    }

    /// The positions strictly below `dir`, whether or not `dir` has an entry of its own.
    pub(crate) fn below(&self, dir: &RootPath) -> Range<usize> {
        let start = match self.position(dir.as_bytes()) {
            Ok(at) => at + 1,
            Err(at) => at,
        };
        start..self.end_of(dir.as_bytes(), start)
    }

    /// The positions of the direct children of `dir`, sorted.
    pub(crate) fn child_positions(&self, dir: &RootPath) -> Vec<usize> {
        let depth = if dir.is_root() { 1 } else { dir.as_bytes().len() + 1 };
        let Range { start: mut at, end } = self.below(dir);
        let mut out = Vec::new();
        while at < end {
            let path = self.path_bytes(at);
            if !path[depth..].contains(&b'/') {
                out.push(at);
            }
            at += 1;
            if at < end && is_below(self.path_bytes(at), path) {
                at = self.end_of(path, at);
            }
        }
        out
    }

    /// The first position from `start` on that is not below `dir`, given that all below it are contiguous from there.
    fn end_of(&self, dir: &[u8], start: usize) -> usize {
        let (mut low, mut high) = (start, self.count);
        while low < high {
            let mid = low + (high - low) / 2;
            if is_below(self.path_bytes(mid), dir) { low = mid + 1 } else { high = mid }
        }
        low
    }

    pub(crate) fn path(&self, at: usize) -> RootPath {
        RootPath::new(self.path_bytes(at))
    }

    pub(crate) fn path_bytes(&self, at: usize) -> &[u8] {
        let record = self.record(at);
        self.heap_bytes(record.path_offset(), u64::from(record.path_len()))
    }

    pub(crate) fn name(&self, at: usize) -> &[u8] {
        self.path_bytes(at).rsplit(|b| *b == b'/').next().unwrap_or_default()
    }

    pub(crate) fn tag(&self, at: usize) -> Tag {
        self.record(at).tag()
    }

    /// The head of a further hard link.
    pub(crate) fn head(&self, at: usize) -> Option<usize> {
        self.record(at).head()
    }

    /// All members of the hard link group with this head, in order, the head first.
    pub(crate) fn group(&self, head: usize) -> impl Iterator<Item = usize> + '_ {
        let groups = self.groups.get_or_init(|| {
            let link = |at: usize| self.head(at).map(|head| (record::narrow(head), record::narrow(at)));
            let mut pairs: Vec<(u32, u32)> = (0..self.count).filter_map(link).collect();
            pairs.sort_unstable();
            pairs
        });
        let head32 = record::narrow(head);
        let start = groups.partition_point(|pair| pair.0 < head32);
        let rest = groups[start..].iter().take_while(move |pair| pair.0 == head32);
        std::iter::once(head).chain(rest.map(|pair| pair.1 as usize))
    }

    pub(crate) fn entry(&self, at: usize) -> Entry {
        let record = self.record(at);
        let kind = match record.tag() {
            Tag::File => Kind::File {
                size: record.word(),
                digest: record.digest(),
                link_to: record.head().map(|head| self.path(head)),
            },
            Tag::Dir => Kind::Dir { opaque: false },
            Tag::OpaqueDir => Kind::Dir { opaque: true },
            Tag::Symlink => Kind::Symlink(self.heap_bytes(record.word(), u64::from(record.short())).to_vec()),
            Tag::CharDevice => Kind::CharDevice(record.major(), record.minor()),
            Tag::BlockDevice => Kind::BlockDevice(record.major(), record.minor()),
            Tag::Fifo => Kind::Fifo,
            Tag::Socket => Kind::Socket,
            Tag::Whiteout => Kind::Whiteout,
        };
        let (uid, gid) = (record.uid(), record.gid());
        Entry { kind, mode: record.mode(), uid, gid, mtime: record.mtime(), xattrs: self.xattrs(&record) }
    }

    fn xattrs(&self, record: &Record<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
        let Some(offset) = record.xattrs() else { return Vec::new() };
        let mut at = offset;
        let mut number = || {
            let found = self.heap_bytes(at, 4);
            at += 4;
            if found.len() == 4 { u32::from_le_bytes(record::take(found, 0)) } else { 0 }
        };
        let lengths: Vec<(u32, u32)> = (0..number()).map(|_| (number(), number())).collect();
        let mut text = |len: u32| {
            let found = self.heap_bytes(at, u64::from(len)).to_vec();
            at += u64::from(len);
            found
        };
        lengths.into_iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    fn record(&self, at: usize) -> Record<'_> {
        let start = HEADER + at * RECORD;
        Record::new(&self.bytes[start..start + RECORD])
    }

    /// Empty where the heap has no such bytes: the checksum makes that impossible for what we wrote.
    fn heap_bytes(&self, offset: u64, len: u64) -> &[u8] {
        let range = usize::try_from(offset).ok().zip(usize::try_from(len).ok());
        let heap = &self.bytes[self.heap.clone()];
        range.and_then(|(start, len)| heap.get(start..start.checked_add(len)?)).unwrap_or_default()
    }
}

impl std::fmt::Debug for LayerIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LayerIndex").field("id", &self.id).field("len", &self.count).finish_non_exhaustive()
    }
}

impl PartialEq for LayerIndex {
    /// Equal in everything, mtimes included. Compare [`LayerIndex::id`] to leave those out.
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for LayerIndex {}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or(0) + 1);
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// [`RootPath`]'s order, on bytes: component by component.
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    const STEP: usize = 8;
    let shorter = a.len().min(b.len());
    let mut at = 0;
    while at + STEP <= shorter && a[at..at + STEP] == b[at..at + STEP] {
        at += STEP;
    }
    while at < shorter && a[at] == b[at] {
        at += 1;
    }
    if at == shorter {
        return a.len().cmp(&b.len());
    }
    let key = |byte: u8| if byte == b'/' { 0 } else { u16::from(byte) + 1 };
    key(a[at]).cmp(&key(b[at]))
}

/// Whether `path` is strictly below `dir`; both absolute.
pub(crate) fn is_below(path: &[u8], dir: &[u8]) -> bool {
    match dir {
        b"/" => path.len() > 1,
        _ => path.len() > dir.len() && path[dir.len()] == b'/' && path.starts_with(dir),
    }
}

#[cfg(test)]
mod tests;
