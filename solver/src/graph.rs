//! The graph of steps. A step makes one layer (or names layers that exist); metadata-only instructions are no steps,
//! their effect is in the final [`ImageConfig`].

use oci::{ImageConfig, LayerId, Platform};
use parser::diagnostic::Diagnostic;
use std::collections::BTreeMap;
use std::ops::Range;

/// Index into [`Graph::steps`]. A step comes after all steps that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct StepId(pub u32);

/// All that a build does. Only steps that the target needs are in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// In dependency order.
    pub steps: Vec<Step>,
    /// The step whose chain is the image's root file system; `None` for an image without layers.
    pub target: Option<StepId>,
    /// The image's config, complete but for `rootfs` (empty here) and the times in `history`. `created` is the base
    /// image's: it stays if the build makes no layer.
    pub config: ImageConfig,
    /// For each entry of `config.history` that the build adds, in order: where its time and layer come from.
    pub history: Vec<HistorySource>,
    /// How many entries of `config.history` the base image brought; the rest is ours.
    pub base_history: usize,
    /// `SOURCE_DATE_EPOCH`, Unix seconds: the time of the image and its history, and the upper limit of the mtimes
    /// in its layers.
    pub epoch: Option<i64>,
    /// Findings that do not stop the build, in the order of their places.
    pub warnings: Vec<Diagnostic>,
}

/// Where one history entry's time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistorySource {
    /// The step's record: the entry has a layer.
    Step(StepId),
    /// A metadata instruction: it takes the time of the entry before.
    Metadata,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The chain below: the step's result is one more layer on it. `None`: the empty root.
    pub parent: Option<StepId>,
    /// What it does.
    pub op: Op,
    /// `[build 2/5] RUN make`: BuildKit's vertex name.
    pub name: String,
    /// Stage name, or its index where it has none.
    pub stage: String,
    /// The instruction's bytes in the Dockerfile (in [`Step::source`]).
    pub span: Range<usize>,
    /// Which text `span` points into: the Dockerfile, or an ONBUILD trigger of the named image.
    pub source: SourceText,
    /// Run even if a record exists (`--no-cache`).
    pub no_cache: bool,
}

impl Step {
    /// The steps that have to be done before this one: its parent, and the one that it copies from.
    pub fn inputs(&self) -> impl Iterator<Item = StepId> {
        let source = match &self.op {
            Op::Copy(Copy { from: CopyFrom::Step(step), .. }) => *step,
            _ => None,
        };
        let mounts = match &self.op {
            Op::Run(run) => run.mounts.as_slice(),
            _ => &[],
        };
        let mounted = mounts.iter().filter_map(|mount| match mount.kind.from()? {
            CopyFrom::Step(step) => *step,
            CopyFrom::Context(_) => None,
        });
        self.parent.into_iter().chain(source).chain(mounted)
    }
}

impl Step {
    /// Bytes of what it holds, about.
    pub(crate) fn size(&self) -> usize {
        let all = |texts: &[String]| texts.iter().map(|text| text.len() + size_of::<String>()).sum::<usize>();
        let own = match &self.op {
            Op::Base { .. } | Op::Mkdir(_) => 0,
            Op::Run(run) => {
                let files = run.files.iter().map(|file| file.data.len()).sum::<usize>();
                all(&run.argv) + all(&run.env) + all(&run.proxy_env) + files
            }
            Op::Copy(copy) => {
                let inline = copy.sources.iter().map(|source| match source {
                    CopySource::Inline(_, data) => data.len(),
                    CopySource::Path(path, _) => path.len(),
                    CopySource::Http(..) | CopySource::Git(..) => 0,
                });
                inline.sum()
            }
        };
        size_of::<Self>() + self.name.len() + own
    }
}

/// A text that spans point into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceText {
    /// The Dockerfile.
    Dockerfile,
    /// An ONBUILD trigger's text, from the image or stage named.
    Trigger {
        /// Image or stage.
        from: String,
        /// The trigger's text.
        text: String,
    },
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Names the layers of an image that is in the store already: no work. Its "layer" is a whole chain.
    Base {
        /// What the user wrote.
        reference: String,
        /// From the bottom layer to the top one.
        layers: Vec<LayerId>,
    },
    /// Runs a process.
    Run(Run),
    /// Copies files.
    Copy(Copy),
    /// Makes a directory, and those above it, where missing (WORKDIR).
    Mkdir(Mkdir),
}

/// RUN, all expansion done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Run {
    /// Argv of the process: for a shell form the SHELL, then the script as its last argument.
    pub argv: Vec<String>,
    /// `NAME=value`: image env with ARGs in use; sorted; without the proxy variables.
    pub env: Vec<String>,
    /// Proxy variables: given to the process, in no key, history or config.
    pub proxy_env: Vec<String>,
    /// Working directory in the image.
    pub cwd: String,
    /// `user[:group]`; empty for root.
    pub user: String,
    /// Network mode.
    pub network: Network,
    /// Host name.
    pub hostname: String,
    /// `--add-host`: name and address, lines of `/etc/hosts`.
    pub extra_hosts: Vec<(String, String)>,
    /// A heredoc that starts with `#!`: mounted read-only, executable, for the time of the step (BuildKit puts it
    /// below `/dev/pipes/`).
    pub files: Vec<InlineFile>,
    /// Platform of the chain below.
    pub platform: Platform,
    /// `--mount`, in the order in which they are mounted: what is below another's target comes after it.
    pub mounts: Vec<Mount>,
    /// `--security`
    pub security: Security,
    /// `--shm-size` of the build: bytes of `/dev/shm`; `None` for the default of 64 MiB.
    pub shm_size: Option<u64>,
    /// `--ulimit` of the build.
    pub ulimits: Vec<Ulimit>,
}

/// One `RUN --mount`, all expansion done.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mount {
    /// Absolute path in the container. Empty for a secret that is given as a variable alone.
    pub target: String,
    /// What is there.
    pub kind: MountKind,
    /// The flag in the step's text, for errors.
    pub span: Range<usize>,
}

/// What a mount shows. The defaults of the Dockerfile reference have been put in.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum MountKind {
    /// `type=bind`
    Bind {
        /// Whose tree.
        from: CopyFrom,
        /// Path in that tree, relative to its root; empty for all of it.
        source: String,
        /// `rw`: writes are let through and thrown away after the step.
        writable: bool,
    },
    /// `type=cache`
    Cache(CacheMount),
    /// `type=tmpfs`
    Tmpfs {
        /// Bytes at most; `None` for the kernel's default.
        size: Option<u64>,
    },
    /// `type=secret`
    Secret(SecretMount),
    /// `type=ssh`: the socket of an agent.
    Ssh {
        /// `default`, or a name of `--ssh`.
        id: String,
        /// Fail where it is not given, instead of leaving the mount out.
        required: bool,
        /// Of the socket.
        mode: u32,
        /// Of the socket.
        uid: u32,
        /// Of the socket.
        gid: u32,
    },
}

impl MountKind {
    /// The tree that it shows or starts from.
    pub fn from(&self) -> Option<&CopyFrom> {
        match self {
            MountKind::Bind { from, .. } => Some(from),
            MountKind::Cache(cache) => cache.seed.as_ref().map(|seed| &seed.from),
            MountKind::Tmpfs { .. } | MountKind::Secret(_) | MountKind::Ssh { .. } => None,
        }
    }
}

/// `type=cache`: a directory that outlives the build. Its contents are in no key and no layer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CacheMount {
    /// Which directory: with `BUILDKIT_CACHE_MOUNT_NS` before it where that is set.
    pub id: String,
    /// Who else may use it meanwhile.
    pub sharing: Sharing,
    /// What a new directory starts as; empty where `None`.
    pub seed: Option<Seed>,
    /// Mode of a new directory.
    pub mode: u32,
    /// Owner of a new directory.
    pub uid: u32,
    /// Group of a new directory.
    pub gid: u32,
    /// `ro`
    pub read_only: bool,
    /// `source` without `from`: the directory or file of the cache that is mounted, relative; empty for all of it.
    pub subdir: String,
}

/// `from` and `source` of a cache mount.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seed {
    /// Whose tree.
    pub from: CopyFrom,
    /// Path in it; empty for all of it.
    pub source: String,
}

/// `sharing` of a cache mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Sharing {
    /// Any number of steps at once.
    #[default]
    Shared,
    /// A step that finds it in use gets another directory.
    Private,
    /// A step that finds it in use waits.
    Locked,
}

/// `type=secret`: never in a key, layer, log or record.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SecretMount {
    /// Name given with `--secret`.
    pub id: String,
    /// `env`: the variable that holds the value. The file is mounted too if [`Mount::target`] is not empty.
    pub env: Option<String>,
    /// Fail where it is not given, instead of leaving the mount out.
    pub required: bool,
    /// Of the file.
    pub mode: u32,
    /// Of the file.
    pub uid: u32,
    /// Of the file.
    pub gid: u32,
}

/// `RUN --security`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Security {
    /// Docker's defaults.
    #[default]
    Sandbox,
    /// All capabilities and devices, no filter: what `--allow security.insecure` lets through.
    Insecure,
}

/// One resource limit, as `--ulimit` gives it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Ulimit {
    /// As docker writes it: `nofile`, `core` ..
    pub name: String,
    /// -1 for none.
    pub soft: i64,
    /// -1 for none.
    pub hard: i64,
}

/// A file that exists while a RUN runs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct InlineFile {
    /// Absolute path in the container.
    pub path: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// Network of a RUN or container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The host's.
    Host,
    /// A namespace with `lo` alone.
    None,
}

/// COPY or ADD, all expansion done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where the sources are.
    pub from: CopyFrom,
    /// Patterns as written (Go's filepath.Match), and in-line files.
    pub sources: Vec<CopySource>,
    /// Absolute after WORKDIR was applied; a trailing slash (or `/.`) is kept.
    pub dest: String,
    /// `--chown`, as written after expansion: names are resolved in the parent chain.
    pub chown: Option<String>,
    /// `--chmod`
    pub chmod: Option<Chmod>,
    /// `--link`: the layer does not look at the parent.
    pub link: bool,
    /// ADD: recognised tar archives among the local sources are unpacked.
    pub unpack: bool,
    /// `--unpack=true`: those that were fetched, too.
    pub unpack_fetched: bool,
    /// `--parents`
    pub parents: bool,
    /// `--exclude`
    pub exclude: Vec<String>,
    /// A directory is copied with its own mode and times, not its contents alone: what a mount shows of a context.
    pub whole: bool,
}

/// Where a copy reads.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum CopyFrom {
    /// A build context: `context` is the main one, others by `--build-context` name.
    Context(String),
    /// The chain of another step (stage or image); `None` is scratch.
    Step(Option<StepId>),
}

/// One source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopySource {
    /// Path or pattern, relative to the source's root. The span is that of the word, for errors.
    Path(String, Range<usize>),
    /// A file from the Dockerfile itself: name and bytes.
    Inline(String, Vec<u8>),
    /// ADD: a file to fetch. The span is that of the word.
    Http(HttpSource, Range<usize>),
    /// ADD: a commit to check out. The span is that of the word.
    Git(GitSource, Range<usize>),
}

/// A file on a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSource {
    /// `http://` or `https://`
    pub url: String,
    /// Name of the file, from the URL's path.
    pub name: String,
    /// `--checksum`: `sha256:…`
    pub checksum: Option<String>,
}

/// A tree of a git repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitSource {
    /// What `git fetch` takes, without fragment and BuildKit's query.
    pub remote: String,
    /// Branch, tag or commit; the remote's HEAD where `None`.
    pub reference: Option<String>,
    /// Directory of the repository; all of it where `None`.
    pub subdir: Option<String>,
    /// A commit (or a prefix of one) that has to come out.
    pub checksum: Option<String>,
    /// Keep `.git`.
    pub keep_git_dir: bool,
    /// Leave submodules out.
    pub skip_submodules: bool,
    /// Files get the commit's time instead of the checkout's.
    pub commit_mtime: bool,
    /// The commit in [`GitSource::checksum`] is fetched, wherever [`GitSource::reference`] is by now.
    pub fetch_by_commit: bool,
}

/// A mode change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chmod {
    /// Octal.
    Octal(u32),
    /// `u=rwX,go=rX`, checked.
    Symbolic(String),
}

/// WORKDIR's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mkdir {
    /// Absolute path.
    pub path: String,
    /// USER in force: the owner of the directories made.
    pub user: String,
}

/// Facts about a base image, which the engine resolves before lowering.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseImage {
    /// Its config.
    pub config: ImageConfig,
    /// Its layers in our store, bottom first.
    pub layers: Vec<LayerId>,
}

/// Images already resolved, by the reference as the Dockerfile (or a `--build-context`) wrote it and the platform.
pub type BaseImages = BTreeMap<(String, Platform), BaseImage>;
