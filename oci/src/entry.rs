//! One path of a file tree, as data: what a layer's index, a build context and a copy have in common.

use crate::{ContentDigest, RootPath};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file. `size` in bytes; `digest` is `None` where the bytes have not been read yet.
    File {
        /// Length in bytes.
        size: u64,
        /// BLAKE3 of the bytes, once known.
        digest: Option<ContentDigest>,
        /// The first (in path order) name of the same inode in the same tree, if this is a further hard link.
        link_to: Option<RootPath>,
    },
    /// A directory. `opaque`: hides what lower layers have below it (image-spec, layer.md, "Opaque Whiteout").
    Dir {
        /// Whether lower layers are hidden.
        opaque: bool,
    },
    /// A symbolic link, with its target's bytes as stored.
    Symlink(Vec<u8>),
    /// A character device, with major and minor number.
    CharDevice(u32, u32),
    /// A block device, with major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A Unix socket: seen in contexts and upper directories, left out of layers.
    Socket,
    /// Removes the path of this name from the layers below.
    Whiteout,
}

/// Modification time: seconds since the epoch (may be negative) and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Mtime {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub secs: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// The metadata of one path, and the identity of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What stands here.
    pub kind: Kind,
    /// Permission bits with set-id and sticky bits: at most `0o7777`.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Never part of an identity or key.
    pub mtime: Mtime,
    /// Sorted by name. Overlay's own (`trusted.overlay.*`, `user.overlay.*`) are never among them.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Entry {
    /// A directory `mode uid:gid` with no xattrs and the epoch as its mtime.
    pub fn dir(mode: u32, uid: u32, gid: u32) -> Self {
        Self {
            kind: Kind::Dir { opaque: false },
            mode,
            uid,
            gid,
            mtime: Mtime::default(),
            xattrs: Vec::new(),
        }
    }
    /// Whether this is a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, Kind::Dir { .. })
    }
    /// Whether this is a regular file.
    pub fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File { .. })
    }
}
