//! What a step saw of the tree below it: the currency of the two-phase cache keys.

use crate::{KeyDigest, RootPath};

/// What was asked about a path. Each kind is answered from layer indexes alone, without touching files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Kind, mode, owner, group and xattrs; or that nothing is there.
    Metadata,
    /// Kind only (file, directory, link with its target, device, or absent).
    Kind,
    /// A regular file's bytes, or that there is none.
    Content,
    /// The sorted names and kinds in a directory.
    Listing,
}

/// One question put to the parent tree. Links are not followed: each hop is an observation of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Observation {
    /// Where.
    pub path: RootPath,
    /// What.
    pub asked: Asked,
}

/// All that a step observed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObservationSet {
    /// The whole tree: the answer is the identity of the chain (what a RUN observes).
    Everything,
    /// These questions, sorted and unique (what a COPY observes).
    Paths(Vec<Observation>),
}

/// The digest of one answer. Equal answers mean that the step cannot tell the two trees apart by this question.
pub type Answer = KeyDigest;
