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
    /// Times of contexts that were fetched, by name (the main one is `context`): for `SOURCE_DATE_EPOCH`.
    pub context_times: BTreeMap<String, i64>,
    /// `--target`
    pub target: Option<String>,
    /// `--build-arg`, values filled in; the client's proxy settings among them.
    pub build_args: BTreeMap<String, String>,
    /// `--label`
    pub labels: BTreeMap<String, String>,
    /// `--platform`. Empty for the machine's own, where the image keeps its base's platform.
    pub platforms: Vec<Platform>,
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
    /// The directories of PATH: where an emulator for other machines' programs is looked for.
    pub program_dirs: Vec<PathBuf>,
    /// Changes to the image that no step makes.
    pub edits: ImageEdits,
    /// Keep the file system of a step that fails, for `debug`.
    pub keep_failed: bool,
}

impl BuildRequest {
    /// A Dockerfile alone, everything else by default.
    pub fn new(dockerfile_name: String, dockerfile: String) -> Self {
        Self {
            dockerfile,
            dockerfile_name,
            context: None,
            named_contexts: BTreeMap::new(),
            context_times: BTreeMap::new(),
            target: None,
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            platforms: Vec::new(),
            no_cache: false,
            network: Network::Host,
            extra_hosts: Vec::new(),
            parallel: 1,
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            allow: BTreeSet::new(),
            no_cache_filter: BTreeSet::new(),
            shm_size: None,
            ulimits: Vec::new(),
            cgroup_parent: None,
            program_dirs: Vec::new(),
            edits: ImageEdits::default(),
            keep_failed: false,
        }
    }

    /// Whether an index of images is asked for, if only of one: several platforms, or `BUILDKIT_MULTI_PLATFORM`.
    pub fn is_multi_platform(&self) -> bool {
        let asked = self.build_args.get("BUILDKIT_MULTI_PLATFORM");
        self.platforms.len() > 1
            || asked.is_some_and(|value| matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
    }
}

/// What becomes of the image's config behind its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageEdits {
    /// `--unsetenv`: names.
    pub unset_env: Vec<String>,
    /// `--unsetlabel`: names.
    pub unset_labels: Vec<String>,
    /// `--omit-history`
    pub omit_history: bool,
    /// `--inherit-labels`: those of base images stay.
    pub inherit_labels: bool,
}

impl Default for ImageEdits {
    fn default() -> Self {
        Self { unset_env: Vec::new(), unset_labels: Vec::new(), omit_history: false, inherit_labels: true }
    }
}

impl ImageEdits {
    /// Carries them out.
    pub(crate) fn apply(&self, config: &mut oci::ImageConfig) {
        let name = |entry: &String| entry.split_once('=').map_or(entry.clone(), |(name, _)| name.to_owned());
        config.config.env.retain(|entry| !self.unset_env.contains(&name(entry)));
        config.config.labels.retain(|label, _| !self.unset_labels.contains(label));
        if self.omit_history {
            config.history.clear();
        }
    }
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
