//! Answers to observations: digests that are equal exactly when a step could not tell two trees apart.

use super::ChainView;
use crate::tree::{Tree, TreeError};
use oci::{Answer, Asked, Entry, KeyDigest, Kind, Observation};

pub(super) fn answer(view: &ChainView, observation: &Observation) -> Result<Answer, TreeError> {
    let mut out = Encoder::new(observation.asked);
    let path = &observation.path;
    match observation.asked {
        Asked::Metadata => match view.lookup(path)? {
            None => out.absent(),
            Some(entry) => out.metadata(&entry),
        },
        Asked::Kind => match view.lookup(path)? {
            None => out.absent(),
            Some(entry) => out.kind(&entry.kind),
        },
        Asked::Content => match view.lookup(path)? {
            Some(entry) if entry.is_file() => out.bytes(view.content_digest(path)?.as_bytes()),
            _ => out.absent(),
        },
        Asked::Listing => match view.children(path) {
            Ok(children) => out.listing(&children),
            Err(TreeError::NotDirectory(_)) => out.absent(),
            Err(error) => return Err(error),
        },
    }
    Ok(out.finish())
}

struct Encoder(blake3::Hasher);

impl Encoder {
    fn new(asked: Asked) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"lapstrake answer 1\0");
        hasher.update(&[match asked {
            Asked::Metadata => 1,
            Asked::Kind => 2,
            Asked::Content => 3,
            Asked::Listing => 4,
        }]);
        Self(hasher)
    }

    fn finish(self) -> Answer {
        KeyDigest::from_bytes(*self.0.finalize().as_bytes())
    }

    fn absent(&mut self) {
        self.0.update(&[0]);
    }

    fn number(&mut self, number: u32) {
        self.0.update(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(&[1]);
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Never a size, digest or hard link: those belong to other questions.
    fn kind(&mut self, kind: &Kind) {
        let mut tag = |tag: u8| {
            self.0.update(&[tag]);
        };
        match kind {
            Kind::File { .. } => tag(1),
            Kind::Dir { .. } => tag(2),
            Kind::Symlink(target) => {
                tag(3);
                self.bytes(target);
            }
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                tag(if matches!(kind, Kind::CharDevice(..)) { 4 } else { 5 });
                self.number(*major);
                self.number(*minor);
            }
            Kind::Fifo => tag(6),
            Kind::Socket => tag(7),
            Kind::Whiteout => tag(8),
        }
    }

    fn metadata(&mut self, entry: &Entry) {
        self.kind(&entry.kind);
        for number in [entry.mode, entry.uid, entry.gid] {
            self.number(number);
        }
        self.0.update(&(entry.xattrs.len() as u64).to_le_bytes());
        for (name, value) in &entry.xattrs {
            self.bytes(name);
            self.bytes(value);
        }
    }

    fn listing(&mut self, children: &[(Vec<u8>, Entry)]) {
        self.0.update(&(children.len() as u64 + 1).to_le_bytes());
        for (name, entry) in children {
            self.bytes(name);
            self.kind(&entry.kind);
        }
    }
}
