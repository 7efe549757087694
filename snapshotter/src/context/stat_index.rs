//! The stat index: what earlier builds hashed, found again by metadata. Format: `docs/formats/context-index.md`.

use super::table::Stamp;
use oci::ContentDigest;
use oci::entry::Mtime;
use std::io::{self, Write};
use std::path::Path;

const MAGIC: &[u8; 8] = b"LAPSCTXI";
const VERSION: u32 = 1;
/// Magic 8, version 4, zero 4, records 8.
const HEADER: usize = 24;
/// dev, ino, size, mtime, ctime 8 each; both nanoseconds, mode, flags 4 each; digest 32.
const RECORD: usize = 88;
const CHECKSUM: usize = 32;
const HAS_ATTRIBUTES: u32 = 1;

/// What an index knows about one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) digest: ContentDigest,
    /// Whether the file has extended attributes.
    pub(super) attributes: bool,
}

/// A line of the index.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) stamp: Stamp,
    pub(super) digest: ContentDigest,
    pub(super) attributes: bool,
}

/// A loaded index. Empty where there was none, or an unusable one.
#[derive(Debug, Default)]
pub(super) struct StatIndex {
    bytes: Vec<u8>,
    count: usize,
}

impl StatIndex {
    pub(super) fn load(path: &Path) -> StatIndex {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "no context index");
                return StatIndex::default();
            }
        };
        match check(&bytes) {
            Some(count) => StatIndex { bytes, count },
            None => {
                tracing::warn!(path = %path.display(), "the context index is damaged or of another version: hashing anew");
                StatIndex::default()
            }
        }
    }

    /// What is known about the file with this stamp. `near` is where the last one was found: neighbours in a
    /// directory are mostly neighbours here.
    pub(super) fn find(&self, stamp: &Stamp, near: &mut usize) -> Option<Known> {
        let at = self.position((stamp.dev, stamp.ino), *near)?;
        *near = at;
        let record = self.record(at);
        if stamp_of(record) != *stamp {
            return None;
        }
        let digest = ContentDigest::from_bytes(take(record, 56));
        Some(Known { digest, attributes: number32(record, 52) & HAS_ATTRIBUTES != 0 })
    }

    fn position(&self, key: (u64, u64), near: usize) -> Option<usize> {
        for at in [near + 1, near] {
            if at < self.count && self.key(at) == key {
                return Some(at);
            }
        }
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let mid = low + (high - low) / 2;
            if self.key(mid) < key { low = mid + 1 } else { high = mid }
        }
        (low < self.count && self.key(low) == key).then_some(low)
    }

    fn record(&self, at: usize) -> &[u8] {
        let start = HEADER + at * RECORD;
        &self.bytes[start..start + RECORD]
    }

    fn key(&self, at: usize) -> (u64, u64) {
        let record = self.record(at);
        (number(record, 0), number(record, 8))
    }
}

/// Writes an index of `records`, in any order, to `path`: complete or not at all. Not synced.
pub(super) fn save(path: &Path, mut records: Vec<Record>) -> io::Result<()> {
    let key = |record: &Record| (record.stamp.dev, record.stamp.ino);
    records.sort_unstable_by_key(key);
    records.dedup_by_key(|record| key(record));
    let mut bytes = Vec::with_capacity(HEADER + records.len() * RECORD + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(records.len() as u64).to_le_bytes());
    records.iter().for_each(|record| append(&mut bytes, record));
    let checksum = blake3::hash(&bytes);
    bytes.extend_from_slice(checksum.as_bytes());
    let dir = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(dir)?;
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(&bytes)?;
    file.persist(path)?;
    Ok(())
}

fn append(bytes: &mut Vec<u8>, record: &Record) {
    let stamp = &record.stamp;
    for number in [stamp.dev, stamp.ino, stamp.size] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for time in [stamp.mtime.secs, stamp.ctime.secs] {
        bytes.extend_from_slice(&time.to_le_bytes());
    }
    let flags = if record.attributes { HAS_ATTRIBUTES } else { 0 };
    for number in [stamp.mtime.nanos, stamp.ctime.nanos, stamp.mode, flags] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(record.digest.as_bytes());
}

/// The number of records, if these are the bytes of an index.
fn check(bytes: &[u8]) -> Option<usize> {
    let end = bytes.len().checked_sub(CHECKSUM).filter(|end| *end >= HEADER)?;
    let known = &bytes[..8] == MAGIC && number32(bytes, 8) == VERSION;
    let count = usize::try_from(number(bytes, 16)).ok()?;
    let fits = count.checked_mul(RECORD).and_then(|len| len.checked_add(HEADER)) == Some(end);
    (known && fits && blake3::hash(&bytes[..end]).as_bytes()[..] == bytes[end..]).then_some(count)
}

fn stamp_of(record: &[u8]) -> Stamp {
    let time =
        |secs, nanos| Mtime { secs: i64::from_le_bytes(take(record, secs)), nanos: number32(record, nanos) };
    Stamp {
        dev: number(record, 0),
        ino: number(record, 8),
        size: number(record, 16),
        mtime: time(24, 40),
        ctime: time(32, 44),
        mode: number32(record, 48),
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(bytes, at))
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(bytes, at))
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
