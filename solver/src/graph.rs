//! The graph of steps. A step makes one layer (or names layers that exist); metadata-only instructions are no steps,
//! their effect is in the final [`ImageConfig`].

use oci::{ImageConfig, LayerId, Platform};
use parser::diagnostic::Diagnostic;
use std::collections::BTreeMap;
use std::ops::Range;

/// Index into [`Graph::steps`]. A step comes after all steps that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
        self.parent.into_iter().chain(source)
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// A file that exists while a RUN runs.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// ADD: recognised tar archives are unpacked.
    pub unpack: bool,
    /// `--parents`
    pub parents: bool,
    /// `--exclude`
    pub exclude: Vec<String>,
}

/// Where a copy reads.
#[derive(Debug, Clone, PartialEq, Eq)]
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
