//! A mount as data: snapshots produce it, the runner alone carries it out.

use std::path::PathBuf;

/// How a root file system comes about.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RootMount {
    /// An overlay: `lower` from the bottom layer to the top one. `upper` and `work` lie on one file system.
    /// An empty `lower` means that the upper directory alone is the root.
    Overlay {
        /// Read-only directories, lowest first.
        lower: Vec<PathBuf>,
        /// Takes the changes.
        upper: PathBuf,
        /// Overlay's scratch directory.
        work: PathBuf,
    },
}
