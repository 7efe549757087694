//! A build as asked for, validated by the face that took it.

use crate::contexts::ContextDir;
use oci::Platform;
use solver::graph::Network;
use std::collections::BTreeMap;

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
}

/// A `--build-context`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// A directory.
    Dir(ContextDir),
    /// An image in an OCI layout: `oci-layout://DIR[:TAG][@DIGEST]`.
    Image(String),
}
