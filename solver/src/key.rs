//! Step keys: what makes two steps the same step.
//!
//! | input | in the key? | why |
//! |---|---|---|
//! | key epoch | yes | a change of what a step does to its input makes all old records misses |
//! | kind of step | yes | the same fields mean different things |
//! | RUN: argv (with SHELL) | yes | it is what runs |
//! | RUN: environment, sorted | yes | image env, and each ARG from its declaration on |
//! | RUN: order of the environment | no | `execve` gives no meaning to it |
//! | RUN: proxy variables | no | they say how to reach the network, not what to fetch |
//! | RUN: working directory, user | yes | the process sees them |
//! | RUN: network mode | yes | the process sees it |
//! | RUN: `--add-host` | yes | the process reads it in `/etc/hosts` |
//! | RUN: host name | yes | the process sees it |
//! | RUN: in-line files | yes | path and bytes: the process reads them |
//! | RUN: platform | yes | it decides how the process is run |
//! | RUN: `--security`, `--shm-size`, `--ulimit` | yes | the process sees them |
//! | RUN: mounts, in order: kind, target, path in the source, access | yes | the process sees them |
//! | RUN: what a bind mount shows | yes | as one digest each: names, kinds, modes, owners, links, xattrs, contents |
//! | RUN: whose tree a mount shows | no | keys contain content, never names |
//! | RUN: cache mount's id, sharing, owner, mode, first contents | yes | another id is another directory |
//! | RUN: cache mount's contents | no | they make a step faster, not different |
//! | RUN: secret's and agent's id, variable, owner, mode, whether required | yes | the process sees them |
//! | RUN: secret's value, agent's socket | no | a rotated secret is the same secret |
//! | COPY: selected source entries | yes | as one digest: names, kinds, modes, links, xattrs, contents |
//! | COPY: patterns as written | no | the selection says what they matched; `--parents` alone makes paths from them |
//! | COPY: context, stage or image | no | keys contain content, never names |
//! | COPY: in-line files | yes | name and bytes |
//! | COPY: destination | yes | with its trailing slash: it decides between a file and a directory |
//! | COPY: `--chown --chmod --link --exclude`, unpacking | yes | they change what is written |
//! | WORKDIR: path, user | yes | the directory and its owner |
//! | vertex name, stage, place in the Dockerfile | no | display only |
//! | `--no-cache` | no | it decides whether to ask, not what |
//! | mtimes | no | no layer identity has them |
//! | the tree below the step | not here | in the strong key, by the answers to the step's observations |

use crate::graph::{Chmod, Copy, CopySource, Mkdir, Network, Op, Run, Security};
use oci::{Answer, Asked, KeyDigest, ObservationSet};

mod mounts;
mod preimage;
#[cfg(test)]
mod tests;

pub use preimage::{Field, Preimage, PreimageError};

/// Raise this when a step's result for equal keys changes.
const KEY_EPOCH: u8 = 2;

/// What a step reads beside the tree below it, as digests of contents.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// A COPY's selected entries.
    pub source: Option<KeyDigest>,
    /// For each of [`Run::mounts`] whose [`crate::graph::MountKind::from`] is some, in order: what it shows.
    pub mounts: Vec<KeyDigest>,
}

/// What reads the walk over a step's fields. There are two: the hasher and the recorder, so a key and its
/// explanation cannot disagree.
pub trait KeySink {
    /// One field. A list is the same name many times; an absent option is no field.
    fn field(&mut self, name: &'static str, value: &[u8]);
}

/// Puts the fields of `op` and what it reads into `to`.
pub fn walk(op: &Op, inputs: &Inputs, to: &mut impl KeySink) {
    to.field("epoch", &[KEY_EPOCH]);
    match op {
        Op::Base { layers, .. } => {
            to.field("op", b"base");
            layers.iter().for_each(|layer| to.field("layer", layer.as_bytes()));
        }
        Op::Run(run) => walk_run(run, &inputs.mounts, to),
        Op::Copy(copy) => walk_copy(copy, inputs.source.as_ref(), to),
        Op::Mkdir(Mkdir { path, user }) => {
            to.field("op", b"mkdir");
            to.field("path", path.as_bytes());
            to.field("user", user.as_bytes());
        }
    }
}

/// The key of the step's definition. Under it lie the observation sets of its earlier runs.
pub fn weak_key(op: &Op, inputs: &Inputs) -> KeyDigest {
    let mut hasher = Hasher::new(b"weak");
    walk(op, inputs, &mut hasher);
    hasher.finish()
}

/// The same walk, kept for [`crate::explain`]. Secret-looking values are in it as digests.
pub fn preimage(op: &Op, inputs: &Inputs) -> Preimage {
    let mut preimage = Preimage::default();
    walk(op, inputs, &mut preimage);
    preimage
}

/// The key of a result: `weak` and what today's tree answers to the observations in `set`, in the set's order
/// (one answer for [`ObservationSet::Everything`]).
pub fn strong_key(weak: &KeyDigest, set: &ObservationSet, answers: &[Answer]) -> KeyDigest {
    let mut hasher = Hasher::new(b"strong");
    hasher.field("weak", weak.as_bytes());
    match set {
        ObservationSet::Everything => hasher.field("everything", b""),
        ObservationSet::Paths(paths) => {
            for observation in paths {
                hasher.field("path", observation.path.as_bytes());
                hasher.field("asked", asked(observation.asked));
            }
        }
    }
    answers.iter().for_each(|answer| hasher.field("answer", answer.as_bytes()));
    hasher.finish()
}

fn walk_run(run: &Run, mounted: &[KeyDigest], to: &mut impl KeySink) {
    to.field("op", b"run");
    to.field("platform", run.platform.to_string().as_bytes());
    run.argv.iter().for_each(|arg| to.field("argv", arg.as_bytes()));
    let mut env: Vec<&String> = run.env.iter().collect();
    env.sort();
    env.into_iter().for_each(|var| to.field("env", var.as_bytes()));
    to.field("cwd", run.cwd.as_bytes());
    to.field("user", run.user.as_bytes());
    let network: &[u8] = match run.network {
        Network::Host => b"host",
        Network::None => b"none",
    };
    to.field("network", network);
    to.field("hostname", run.hostname.as_bytes());
    for (name, address) in &run.extra_hosts {
        to.field("host", name.as_bytes());
        to.field("address", address.as_bytes());
    }
    for file in &run.files {
        to.field("file", file.path.as_bytes());
        to.field("file-data", &file.data);
    }
    if run.security == Security::Insecure {
        to.field("security", b"insecure");
    }
    if let Some(size) = run.shm_size {
        to.field("shm-size", size.to_string().as_bytes());
    }
    for limit in &run.ulimits {
        to.field("ulimit", format!("{}={}:{}", limit.name, limit.soft, limit.hard).as_bytes());
    }
    mounts::walk(&run.mounts, mounted, to);
}

fn walk_copy(copy: &Copy, source: Option<&KeyDigest>, to: &mut impl KeySink) {
    to.field("op", b"copy");
    to.field("dest", copy.dest.as_bytes());
    if let Some(chown) = &copy.chown {
        to.field("chown", chown.as_bytes());
    }
    match &copy.chmod {
        None => {}
        Some(Chmod::Octal(mode)) => to.field("chmod", format!("{mode:o}").as_bytes()),
        Some(Chmod::Symbolic(mode)) => to.field("chmod-symbolic", mode.as_bytes()),
    }
    to.field("link", &[u8::from(copy.link)]);
    to.field("unpack", &[u8::from(copy.unpack)]);
    to.field("unpack-fetched", &[u8::from(copy.unpack_fetched)]);
    to.field("parents", &[u8::from(copy.parents)]);
    if copy.whole {
        to.field("whole", &[1]);
    }
    copy.exclude.iter().for_each(|pattern| to.field("exclude", pattern.as_bytes()));
    for item in &copy.sources {
        match item {
            CopySource::Path(path, _) if copy.parents => to.field("source-path", path.as_bytes()),
            CopySource::Path(..) => {}
            CopySource::Inline(name, data) => {
                to.field("inline", name.as_bytes());
                to.field("inline-data", data);
            }
            // What they fetched is in the digest of the selected entries.
            CopySource::Http(..) | CopySource::Git(..) => {}
        }
    }
    if let Some(source) = source {
        to.field("source", source.as_bytes());
    }
}

fn asked(asked: Asked) -> &'static [u8] {
    match asked {
        Asked::Metadata => b"metadata",
        Asked::Kind => b"kind",
        Asked::Content => b"content",
        Asked::Listing => b"listing",
    }
}

/// The hashing sink: every name and value goes in behind its length, so no two walks give the same bytes.
struct Hasher(blake3::Hasher);

impl Hasher {
    fn new(domain: &[u8]) -> Self {
        let mut hasher = Self(blake3::Hasher::new());
        hasher.put(domain);
        hasher
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    fn finish(self) -> KeyDigest {
        KeyDigest::from_bytes(*self.0.finalize().as_bytes())
    }
}

impl KeySink for Hasher {
    fn field(&mut self, name: &'static str, value: &[u8]) {
        self.put(name.as_bytes());
        self.put(value);
    }
}
