//! Targets and groups.

mod fields;

use crate::entry::{Entry, Secret, Ssh};
use crate::error::Place;
use serde::Serialize;
use std::collections::BTreeMap;

pub(crate) use fields::{FIELDS, normalize_entries, set, strings};

/// A group of targets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its targets and groups.
    pub targets: Vec<String>,
    /// Whether Compose files without builds made it: buildx prints `null` for its targets.
    pub(crate) unbuilt: bool,
}

impl Serialize for Group {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut map = BTreeMap::new();
        if !self.description.is_empty() {
            map.insert("description", serde_json::Value::from(self.description.as_str()));
        }
        let bare = self.unbuilt && self.targets.is_empty();
        let targets = if bare { serde_json::Value::Null } else { self.targets.clone().into() };
        map.insert("targets", targets);
        map.serialize(out)
    }
}

/// Strings by name.
pub type Strings = BTreeMap<String, String>;

/// What one build is to do: buildx's keys, `None` or empty where nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Target {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The targets that it is based on; none once it is resolved.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inherits: Vec<String>,
    /// Annotations of the image.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "escaped_list")]
    pub annotations: Vec<String>,
    /// Attestations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attest: Vec<Entry>,
    /// The build context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Named contexts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub contexts: Strings,
    /// The Dockerfile, from the context's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The Dockerfile itself.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "escaped_option")]
    pub dockerfile_inline: Option<String>,
    /// Build arguments.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "escaped_map")]
    pub args: Strings,
    /// Labels of the image.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "escaped_map")]
    pub labels: Strings,
    /// Names of the image.
    #[serde(skip_serializing_if = "empty_list")]
    pub tags: Option<Vec<String>>,
    /// Where cached steps come from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cache_from: Vec<Entry>,
    /// Where cached steps go.
    #[serde(skip_serializing_if = "empty_list")]
    pub cache_to: Option<Vec<Entry>>,
    /// The stage to build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secret: Vec<Secret>,
    /// Agents.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh: Vec<Ssh>,
    /// Platforms.
    #[serde(skip_serializing_if = "empty_list")]
    pub platforms: Option<Vec<String>>,
    /// What becomes of the result.
    #[serde(skip_serializing_if = "empty_list")]
    pub output: Option<Vec<Entry>>,
    /// Whether base images are looked up anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<bool>,
    /// Whether every step runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_cache: Option<bool>,
    /// The network of RUN steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The stages whose steps run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_cache_filter: Vec<String>,
    /// The size of /dev/shm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_size: Option<String>,
    /// Limits of processes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<String>,
    /// Limits of steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What is asked of the Dockerfile instead of building it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What RUN may do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entitlements: Vec<String>,
    /// Lines of /etc/hosts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", serialize_with = "escaped_map")]
    pub extra_hosts: Strings,
    /// Policies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policy: Vec<Entry>,
    /// Whether only another target needs it.
    #[serde(skip)]
    pub linked: bool,
    /// Where each attribute is set.
    #[serde(skip)]
    pub places: BTreeMap<String, Place>,
}

/// Limits of steps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Resources {
    /// Bytes of memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Bytes of memory and swap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<String>,
    /// Weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<i64>,
    /// Period in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<i64>,
    /// Microseconds of each period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// Processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_cpus: Option<String>,
    /// Memory nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset_mems: Option<String>,
}

impl Target {
    /// Lays `other` over this one: what it says wins or is added.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.places.extend(other.places.clone());
        over(&mut self.context, &other.context);
        over(&mut self.dockerfile, &other.dockerfile);
        over(&mut self.dockerfile_inline, &other.dockerfile_inline);
        over(&mut self.target, &other.target);
        over(&mut self.call, &other.call);
        over(&mut self.pull, &other.pull);
        over(&mut self.no_cache, &other.no_cache);
        over(&mut self.network, &other.network);
        over(&mut self.shm_size, &other.shm_size);
        over(&mut self.tags, &other.tags);
        over(&mut self.platforms, &other.platforms);
        over(&mut self.cache_to, &other.cache_to);
        over(&mut self.output, &other.output);
        if !other.description.is_empty() {
            self.description.clone_from(&other.description);
        }
        for (mine, theirs) in [
            (&mut self.args, &other.args),
            (&mut self.contexts, &other.contexts),
            (&mut self.labels, &other.labels),
            (&mut self.extra_hosts, &other.extra_hosts),
        ] {
            mine.extend(theirs.clone());
        }
        self.annotations.extend_from_slice(&other.annotations);
        self.no_cache_filter.extend_from_slice(&other.no_cache_filter);
        self.ulimits.extend_from_slice(&other.ulimits);
        self.entitlements.extend_from_slice(&other.entitlements);
        self.inherits.extend_from_slice(&other.inherits);
        self.policy.extend_from_slice(&other.policy);
        self.attest.extend_from_slice(&other.attest);
        self.secret.extend_from_slice(&other.secret);
        self.ssh.extend_from_slice(&other.ssh);
        self.cache_from.extend_from_slice(&other.cache_from);
        if let Some(theirs) = &other.resources {
            let mine = self.resources.get_or_insert_default();
            over(&mut mine.memory, &theirs.memory);
            over(&mut mine.memory_swap, &theirs.memory_swap);
            over(&mut mine.cpu_shares, &theirs.cpu_shares);
            over(&mut mine.cpu_period, &theirs.cpu_period);
            over(&mut mine.cpu_quota, &theirs.cpu_quota);
            over(&mut mine.cpuset_cpus, &theirs.cpuset_cpus);
            over(&mut mine.cpuset_mems, &theirs.cpuset_mems);
        }
    }

    /// Leaves out what is empty or said twice.
    pub(crate) fn normalize(&mut self) {
        for list in [
            Some(&mut self.annotations),
            self.tags.as_mut(),
            self.platforms.as_mut(),
            Some(&mut self.no_cache_filter),
            Some(&mut self.ulimits),
        ]
        .into_iter()
        .flatten()
        {
            unique(list);
        }
        last_of_each(&mut self.attest, |entry| entry.kind().to_owned());
        last_of_each(&mut self.secret, |secret| secret.id.clone());
        last_of_each(&mut self.ssh, |ssh| ssh.id.clone());
        normalize_entries(&mut self.cache_from);
        self.cache_to.iter_mut().chain(self.output.iter_mut()).for_each(normalize_entries);
        if self.network.as_deref() == Some("host") {
            self.entitlements.push("network.host".to_owned());
        }
        unique(&mut self.entitlements);
        self.contexts.retain(|_, source| !source.is_empty());
    }
}

fn over<T: Clone>(mine: &mut Option<T>, theirs: &Option<T>) {
    if theirs.is_some() {
        mine.clone_from(theirs);
    }
}

/// The first of each that is not empty.
fn unique(list: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|item| !item.is_empty() && seen.insert(item.clone()));
}

/// One of each key: the last, where the first was.
fn last_of_each<T>(list: &mut Vec<T>, key: impl Fn(&T) -> String) {
    let mut out: Vec<T> = Vec::new();
    for item in list.drain(..) {
        match out.iter_mut().find(|old| key(old) == key(&item)) {
            Some(old) => *old = item,
            None => out.push(item),
        }
    }
    *list = out;
}

fn empty_list<T>(list: &Option<Vec<T>>) -> bool {
    list.as_ref().is_none_or(Vec::is_empty)
}

/// So that the text is itself again when it is read as HCL.
fn escape(text: &str) -> String {
    text.replace("${", "$${").replace("%{", "%%{")
}

fn escaped_list<S: serde::Serializer>(list: &[String], out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(list.iter().map(|text| escape(text)))
}

fn escaped_option<S: serde::Serializer>(text: &Option<String>, out: S) -> Result<S::Ok, S::Error> {
    text.as_deref().map(escape).serialize(out)
}

fn escaped_map<S: serde::Serializer>(map: &Strings, out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(map.iter().map(|(name, text)| (name, escape(text))))
}
