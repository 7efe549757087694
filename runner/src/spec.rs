//! What to run, as data. Everything has been decided before: users are numbers, the argv is final.

use oci::mount::RootMount;
use serde::{Deserialize, Serialize};
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
    /// After the default mounts, in order.
    pub binds: Vec<Bind>,
    /// Files with given contents, bound read-only over the root for the time of the run.
    pub files: Vec<File>,
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
    /// Extra lines of `/etc/hosts`: name, address.
    pub extra_hosts: Vec<(String, String)>,
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

/// `-v source:target[:ro]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// Host path, absolute.
    pub source: PathBuf,
    /// Path in the container.
    pub target: String,
    /// Read-only.
    pub read_only: bool,
}

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Path in the container.
    pub target: String,
    /// Contents.
    pub data: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// `exit(code)`.
    Code(u8),
    /// Killed by a signal.
    Signal(i32),
}
