//! One fixed-size record of an index file.

use oci::ContentDigest;
use oci::entry::Mtime;

/// Length of a record in bytes.
pub(super) const RECORD: usize = 88;

/// What stands at a path, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Tag {
    File = 1,
    Dir = 2,
    OpaqueDir = 3,
    Symlink = 4,
    CharDevice = 5,
    BlockDevice = 6,
    Fifo = 7,
    Socket = 8,
    Whiteout = 9,
}

/// A record's fields before they are written. Offsets count from the start of the heap.
pub(super) struct Fields {
    pub(super) path: (u64, u32),
    pub(super) tag: Tag,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Mtime,
    /// File: 1 + position of its head, or 0. Symlink: length of the target.
    pub(super) short: u32,
    /// File: length. Symlink: offset of the target. Device: major << 32 | minor.
    pub(super) word: u64,
    /// 1 + offset of the xattrs, or 0.
    pub(super) xattrs: u64,
    pub(super) digest: Option<ContentDigest>,
}

impl Fields {
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.path.0.to_le_bytes());
        out.extend_from_slice(&self.path.1.to_le_bytes());
        out.extend_from_slice(&[self.tag as u8, u8::from(self.digest.is_some())]);
        out.extend_from_slice(&self.mode.to_le_bytes());
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&self.gid.to_le_bytes());
        out.extend_from_slice(&self.mtime.secs.to_le_bytes());
        out.extend_from_slice(&self.mtime.nanos.to_le_bytes());
        out.extend_from_slice(&self.short.to_le_bytes());
        out.extend_from_slice(&self.word.to_le_bytes());
        out.extend_from_slice(&self.xattrs.to_le_bytes());
        out.extend_from_slice(self.digest.as_ref().map_or(&[0; 32], |digest| digest.as_bytes()));
    }
}

/// A view of a record's bytes.
pub(super) struct Record<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// `bytes` must be [`RECORD`] long.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        debug_assert_eq!(bytes.len(), RECORD);
        Self(bytes)
    }
    pub(super) fn path_offset(&self) -> u64 {
        u64::from_le_bytes(take(self.0, 0))
    }
    pub(super) fn path_len(&self) -> u32 {
        u32::from_le_bytes(take(self.0, 8))
    }
    pub(super) fn tag(&self) -> Tag {
        match self.0[12] {
            2 => Tag::Dir,
            3 => Tag::OpaqueDir,
            4 => Tag::Symlink,
            5 => Tag::CharDevice,
            6 => Tag::BlockDevice,
            7 => Tag::Fifo,
            8 => Tag::Socket,
            9 => Tag::Whiteout,
            _ => Tag::File,
        }
    }
    pub(super) fn mode(&self) -> u32 {
        u32::from(u16::from_le_bytes(take(self.0, 14)))
    }
    pub(super) fn uid(&self) -> u32 {
        u32::from_le_bytes(take(self.0, 16))
    }
    pub(super) fn gid(&self) -> u32 {
        u32::from_le_bytes(take(self.0, 20))
    }
    pub(super) fn mtime(&self) -> Mtime {
        Mtime { secs: i64::from_le_bytes(take(self.0, 24)), nanos: u32::from_le_bytes(take(self.0, 32)) }
    }
    pub(super) fn short(&self) -> u32 {
        u32::from_le_bytes(take(self.0, 36))
    }
    pub(super) fn head(&self) -> Option<usize> {
        match self.tag() {
            Tag::File => (self.short() as usize).checked_sub(1),
            _ => None,
        }
    }
    pub(super) fn word(&self) -> u64 {
        u64::from_le_bytes(take(self.0, 40))
    }
    pub(super) fn major(&self) -> u32 {
        u32::from_le_bytes(take(self.0, 44))
    }
    pub(super) fn minor(&self) -> u32 {
        u32::from_le_bytes(take(self.0, 40))
    }
    pub(super) fn xattrs(&self) -> Option<u64> {
        u64::from_le_bytes(take(self.0, 48)).checked_sub(1)
    }
    pub(super) fn digest(&self) -> Option<ContentDigest> {
        (self.0[13] != 0).then(|| ContentDigest::from_bytes(take(self.0, 56)))
    }
}

/// `N` bytes of `bytes` from `at`; the caller knows that they are there.
pub(super) fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

/// Positions are stored in 32 bits: `build` keeps no more entries than that.
pub(super) fn narrow(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
