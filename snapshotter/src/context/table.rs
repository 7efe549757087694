//! The walked paths of a context, compactly: one fixed-size node per path, and one buffer with all names.

use oci::entry::Mtime;
use oci::{Kind, RootPath};
use std::ops::Range;
use std::time::Duration;

/// How long a file must have been left alone before its digest is remembered. Covers the coarsest time stamps that
/// file systems have, and writes that take their time.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// What tells two versions of a file apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) dev: u64,
    pub(super) ino: u64,
    pub(super) size: u64,
    pub(super) mtime: Mtime,
    pub(super) ctime: Mtime,
    /// Type and permission bits.
    pub(super) mode: u32,
}

impl Stamp {
    /// Whether the file's last change lies long enough before `limit` (since the epoch) for the next one to get
    /// another time stamp.
    pub(super) fn is_settled(&self, limit: Duration) -> bool {
        let newest = self.mtime.max(self.ctime);
        let Ok(secs) = u64::try_from(newest.secs) else { return true };
        Duration::new(secs, newest.nanos).checked_add(SETTLED_AFTER).is_some_and(|settled| settled <= limit)
    }
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    File,
    /// Its children are the nodes from `first` on, sorted by name.
    Dir {
        first: u32,
        count: u32,
    },
    /// A directory that could not be listed, and the error number.
    Unreadable(i32),
    /// Where the target is in the names.
    Link(Span),
    Char(u32, u32),
    Block(u32, u32),
    Fifo,
    Socket,
}

/// A piece of the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) len: u32,
}

impl Span {
    pub(super) fn of(self, names: &[u8]) -> &[u8] {
        &names[self.start..self.start + self.len as usize]
    }
}

/// One path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    pub(super) stamp: Stamp,
    pub(super) name: Span,
    pub(super) payload: Payload,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The root's is the root.
    pub(super) parent: u32,
    /// The first name of the same inode, if this is a further one.
    pub(super) head: Option<std::num::NonZeroU32>,
    /// Ignored, yet a directory that may hold something that is not.
    pub(super) only_with_children: bool,
    /// Has other names, perhaps not in this context.
    pub(super) shared: bool,
    pub(super) hidden: bool,
}

/// All paths. Node 0 is the context itself; a directory's children come after it, side by side.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) nodes: Vec<Node>,
    pub(super) names: Vec<u8>,
}

impl Table {
    pub(super) fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    pub(super) fn name(&self, at: usize) -> &[u8] {
        self.nodes[at].name.of(&self.names)
    }

    /// The positions of everything that is part of the context.
    pub(super) fn visible(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.nodes.len()).filter(|at| !self.nodes[*at].hidden)
    }

    /// The positions in the directory `at`, sorted by name.
    pub(super) fn children(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        self.range(at).filter(|at| !self.nodes[*at].hidden)
    }

    fn range(&self, at: usize) -> Range<usize> {
        match self.nodes[at].payload {
            Payload::Dir { first, count } => first as usize..(first + count) as usize,
            _ => 0..0,
        }
    }

    pub(super) fn find(&self, path: &RootPath) -> Option<usize> {
        let mut at = 0;
        for name in path.components() {
            let range = self.range(at);
            let start = range.start;
            let nodes = &self.nodes[range];
            at = start + nodes.binary_search_by(|node| node.name.of(&self.names).cmp(name)).ok()?;
        }
        (!self.nodes[at].hidden).then_some(at)
    }

    pub(super) fn path(&self, at: usize) -> RootPath {
        let mut chain = Vec::new();
        let mut at = at;
        while at != 0 {
            chain.push(at);
            at = self.nodes[at].parent as usize;
        }
        chain.iter().rev().fold(RootPath::root(), |path, at| path.child(self.name(*at)))
    }

    /// The kind of node `at`, its content digest left open.
    pub(super) fn kind(&self, at: usize) -> Kind {
        let node = &self.nodes[at];
        match node.payload {
            Payload::File => {
                let link_to = node.head.map(|head| self.path(head.get() as usize));
                Kind::File { size: node.stamp.size, digest: None, link_to }
            }
            Payload::Dir { .. } | Payload::Unreadable(_) => Kind::Dir { opaque: false },
            Payload::Link(target) => Kind::Symlink(target.of(&self.names).to_vec()),
            Payload::Char(major, minor) => Kind::CharDevice(major, minor),
            Payload::Block(major, minor) => Kind::BlockDevice(major, minor),
            Payload::Fifo => Kind::Fifo,
            Payload::Socket => Kind::Socket,
        }
    }
}
