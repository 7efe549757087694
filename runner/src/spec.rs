//! What to run, as data. Everything has been decided before: users are numbers, the argv is final.

use oci::mount::RootMount;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// One sandboxed process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Unique among live sandboxes of one store; names the cgroup.
    pub id: String,
    /// The root file system. Mounted inside the new mount namespace only: nothing is left on the host.
    pub root: RootMount,
    /// Scratch directory on the host, owned by this sandbox, empty: mount point, generated files.
    pub scratch: PathBuf,
    /// `--read-only`
    pub read_only_root: bool,
    /// Argv; `argv[0]` is looked up in the env's PATH inside the root.
    pub argv: Vec<String>,
    /// `NAME=value`, complete.
    pub env: Vec<String>,
    /// Made if missing.
    pub cwd: String,
    /// Numeric ids, looked up in the image by [`crate::user`] beforehand.
    pub user: User,
    /// Host name.
    pub hostname: String,
    /// Network mode.
    pub network: Network,
    /// After the default mounts, in order: a later one may lie inside an earlier one.
    pub mounts: Vec<Mount>,
    /// Capability names without `CAP_`: effective, permitted and bounding. Intersected with what lapstrake has.
    pub capabilities: Vec<String>,
    /// Load the default seccomp profile.
    pub seccomp: bool,
    /// Set `no_new_privs`.
    pub no_new_privileges: bool,
    /// A build step: what it leaves in the root is a layer. Mount-point stubs that did not exist before are removed
    /// after the run, but for `/proc`, `/sys` and `/dev`, which stay, as BuildKit leaves them. It has BuildKit's
    /// `/etc/hosts`, and no `/etc/hostname` of its own; a container has docker's.
    pub remove_stubs: bool,
    /// A terminal for the process.
    pub terminal: bool,
    /// Extra lines of `/etc/hosts`: name, address. The address `host-gateway` is the host's own.
    pub extra_hosts: Vec<(String, String)>,
    /// Every capability that lapstrake has, every device, no filter, nothing masked, `/sys` writable: `capabilities`,
    /// `seccomp` and `no_new_privileges` count for nothing then.
    pub privileged: bool,
    /// Bytes of `/dev/shm`; `None` for 64 MiB.
    pub shm_size: Option<u64>,
    /// In place of the default limits.
    pub ulimits: Vec<Ulimit>,
    /// The cgroup that holds the sandbox's own; made if missing. `None` for the root of the hierarchy.
    pub cgroup_parent: Option<String>,
}

/// Who the process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct User {
    /// Numeric user.
    pub uid: u32,
    /// Numeric primary group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Home directory, for `HOME` where the env has none.
    pub home: String,
}

/// Network of a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The host's.
    Host,
    /// A new namespace with `lo` up.
    None,
}

/// Something mounted inside. Targets are absolute paths in the container; what is missing of them is made, and does not
/// stay. Links in them lead nowhere out of the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mount {
    /// A file, directory or socket of the host.
    Bind {
        /// Host path, absolute.
        source: PathBuf,
        /// Path in that directory; links on the way stay in it. Empty for all of it.
        below: String,
        /// Where.
        target: String,
        /// Read-only.
        read_only: bool,
    },
    /// A file or directory of another chain of layers.
    Overlay {
        /// The chain's directories, lowest first; none for an empty tree.
        lower: Vec<PathBuf>,
        /// Path in that tree; links on the way stay in the tree. Empty for all of it.
        source: String,
        /// Where.
        target: String,
        /// Takes the changes; read-only where there is none.
        changes: Option<Changes>,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Where.
        target: String,
        /// Bytes at most; `None` for the kernel's default, half of the memory.
        size: Option<u64>,
        /// Of the directory; `None` for that of the directory that it covers.
        mode: Option<u32>,
    },
    /// A read-only file in memory with given contents.
    File {
        /// Where.
        target: String,
        /// Contents.
        data: Contents,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

impl Mount {
    /// Where it is mounted.
    pub fn target(&self) -> &str {
        match self {
            Mount::Bind { target, .. }
            | Mount::Overlay { target, .. }
            | Mount::Tmpfs { target, .. }
            | Mount::File { target, .. } => target,
        }
    }
}

/// Where a writable overlay keeps its changes: two empty directories on one file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// The changes.
    pub upper: PathBuf,
    /// Overlay's scratch directory.
    pub work: PathBuf,
}

/// What is in a file, perhaps a secret: not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents(pub Vec<u8>);

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// A resource limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// As docker calls it: `nofile`, `core` ..
    pub name: String,
    /// -1 for none.
    pub soft: i64,
    /// -1 for none.
    pub hard: i64,
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// `exit(code)`.
    Code(u8),
    /// Killed by a signal.
    Signal(i32),
}
