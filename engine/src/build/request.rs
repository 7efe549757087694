//! A build as asked for, validated by the face that took it.

use crate::contexts::ContextDir;
use oci::Platform;
use solver::graph::{Network, Ulimit};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

/// Everything that a build depends on.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// Text of the Dockerfile.
    pub dockerfile: String,
    /// What messages call it.
    pub dockerfile_name: String,
    /// The main context; `None` where there is none (a Dockerfile alone).
    pub context: Option<ContextDir>,
    /// `--build-context`
    pub named_contexts: BTreeMap<String, NamedContext>,
    /// `--target`
    pub target: Option<String>,
    /// `--build-arg`, values filled in; the client's proxy settings among them.
    pub build_args: BTreeMap<String, String>,
    /// `--label`
    pub labels: BTreeMap<String, String>,
    /// `--platform`
    pub platform: Option<Platform>,
    /// `--no-cache`
    pub no_cache: bool,
    /// `--network`
    pub network: Network,
    /// `--add-host`: name and address.
    pub extra_hosts: Vec<(String, String)>,
    /// How many steps run at once.
    pub parallel: usize,
    /// `--secret`, by id.
    pub secrets: BTreeMap<String, Secret>,
    /// `--ssh`, by id.
    pub ssh: BTreeMap<String, SshAgent>,
    /// `--allow`
    pub allow: BTreeSet<String>,
    /// `--no-cache-filter`
    pub no_cache_filter: BTreeSet<String>,
    /// `--shm-size`, bytes.
    pub shm_size: Option<u64>,
    /// `--ulimit`
    pub ulimits: Vec<Ulimit>,
    /// `--cgroup-parent`
    pub cgroup_parent: Option<String>,
}

/// A `--secret`. Its value is never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Read when a step needs it.
    File(PathBuf),
    /// From the environment.
    Value(Vec<u8>),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::File(path) => f.debug_tuple("File").field(path).finish(),
            Secret::Value(_) => f.write_str("Value(..)"),
        }
    }
}

/// A `--ssh`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshAgent {
    /// The socket of a running agent.
    Socket(PathBuf),
    /// Private keys, for an agent of the build's own.
    Keys(Vec<PathBuf>),
}

/// A `--build-context`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory.
    Dir(ContextDir),
    /// An image in an OCI layout: `oci-layout://DIR[:TAG][@DIGEST]`.
    Image(String),
}
