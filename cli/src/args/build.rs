//! `build`

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `build`
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Name the image (repository[:tag]); repeatable
    #[arg(short, long = "tag", value_name = "NAME")]
    pub(crate) tags: Vec<String>,
    /// Read this Dockerfile instead of PATH/Dockerfile; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<String>,
    /// Print findings about the Dockerfile instead of building; the exit code is 1 if there are any
    #[arg(long, conflicts_with = "call")]
    pub(crate) check: bool,
    /// Print what the Dockerfile says instead of building: check|outline|targets[,format=json][,ignorestatus]
    #[arg(long, value_name = "METHOD")]
    pub(crate) call: Option<crate::commands::Call>,
    /// Build this stage instead of the last one
    #[arg(long, value_name = "STAGE")]
    pub(crate) target: Option<String>,
    /// Set an ARG; without `=VALUE`, from the environment; repeatable
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    pub(crate) build_args: Vec<String>,
    /// Add a label to the image; repeatable
    #[arg(long = "label", value_name = "NAME=VALUE")]
    pub(crate) labels: Vec<String>,
    /// Run every step, whatever is known from earlier builds
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Give a stage, an image or a new name other contents: a directory, a git address, a
    /// URL, docker-image://NAME or oci-layout://DIR[:TAG]; repeatable
    #[arg(long = "build-context", value_name = "NAME=SOURCE")]
    pub(crate) build_contexts: Vec<String>,
    /// Write the result: type=image|docker|oci|local|tar[,dest=PATH][,…], a directory, or `-` for a tar; repeatable
    #[arg(short, long = "output", value_name = "OUTPUT")]
    pub(crate) outputs: Vec<String>,
    /// Put the image into the store (`-o type=docker`), which is what happens without any output
    #[arg(long)]
    pub(crate) load: bool,
    /// Write the image's id to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) iidfile: Option<PathBuf>,
    /// Write what was built to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// How to show what happens [default: auto, or $BUILDKIT_PROGRESS]
    #[arg(long, value_name = "FORM", value_enum, ignore_case = true)]
    pub(crate) progress: Option<ProgressArg>,
    /// Print nothing but the image's id
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Build for these platforms; of several, the image is an index [default: the machine's, or
    /// $DOCKER_DEFAULT_PLATFORM]
    #[arg(long = "platform", value_name = "OS/ARCH[,…]", value_delimiter = ',')]
    pub(crate) platforms: Vec<String>,
    /// Network of RUN steps: none, or host; `default` is host
    #[arg(long, value_name = "MODE", default_value = "default")]
    pub(crate) network: String,
    /// Add a line to /etc/hosts of RUN steps; repeatable
    #[arg(long = "add-host", value_name = "NAME=ADDRESS")]
    pub(crate) add_hosts: Vec<String>,
    /// Give `RUN --mount=type=secret` a secret: id=ID[,src=FILE|,env=VARIABLE]; repeatable
    #[arg(long = "secret", value_name = "SECRET")]
    pub(crate) secrets: Vec<String>,
    /// Give `RUN --mount=type=ssh` an agent: default, or ID[=SOCKET|KEY[,KEY]]; repeatable
    #[arg(long = "ssh", value_name = "AGENT")]
    pub(crate) ssh: Vec<String>,
    /// Allow what RUN may only do if asked: network.host, security.insecure; repeatable
    #[arg(long = "allow", value_name = "ENTITLEMENT")]
    pub(crate) allow: Vec<String>,
    /// Run the steps of these stages, whatever is known of them; repeatable
    #[arg(long = "no-cache-filter", value_name = "STAGE[,…]", value_delimiter = ',')]
    pub(crate) no_cache_filter: Vec<String>,
    /// Size of /dev/shm in RUN steps [default: 64m]
    #[arg(long, value_name = "BYTES")]
    pub(crate) shm_size: Option<String>,
    /// Limit what processes of RUN steps may use: NAME=SOFT[:HARD]; repeatable
    #[arg(long = "ulimit", value_name = "LIMIT")]
    pub(crate) ulimits: Vec<String>,
    /// Put RUN steps below this cgroup
    #[arg(long, value_name = "PATH")]
    pub(crate) cgroup_parent: Option<String>,
    /// Annotate the image: [manifest|index|manifest-descriptor|index-descriptor[PLATFORM]:]KEY=VALUE; repeatable
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    pub(crate) annotations: Vec<String>,
    /// Run at most this many steps at once [default: the number of processors, at least 4]
    #[arg(long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Date the image, in Unix seconds [default: $SOURCE_DATE_EPOCH]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) source_date_epoch: Option<String>,
    /// Let no file of a new layer be later than SOURCE_DATE_EPOCH; it is always so
    #[arg(long, hide = true)]
    pub(crate) rewrite_timestamp: bool,
    /// Leave the history out of the image
    #[arg(long)]
    pub(crate) omit_history: bool,
    /// Leave a variable out of the image's environment; repeatable
    #[arg(long = "unsetenv", value_name = "NAME")]
    pub(crate) unset_env: Vec<String>,
    /// Leave a label out of the image; repeatable
    #[arg(long = "unsetlabel", value_name = "NAME")]
    pub(crate) unset_labels: Vec<String>,
    /// Keep the labels of base images
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) inherit_labels: Option<String>,
    /// Say no to attestations: type=provenance,disabled=true; none are made
    #[arg(long = "attest", value_name = "ATTESTATION")]
    pub(crate) attests: Vec<String>,
    /// Say no to provenance attestations; none are made
    #[arg(long, value_name = "false")]
    pub(crate) provenance: Option<String>,
    /// Say no to an SBOM; none is made
    #[arg(long, value_name = "false")]
    pub(crate) sbom: Option<String>,
    /// Leave no intermediate containers; there never are any
    #[arg(long, hide = true)]
    pub(crate) rm: bool,
    /// As --rm, for builds that fail
    #[arg(long, hide = true)]
    pub(crate) force_rm: bool,
    /// The build context: a directory, a git address, a URL, or `-` for an archive or a Dockerfile on standard input
    #[arg(value_name = "PATH")]
    pub(crate) path: String,
}

/// `--progress`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressArg {
    // `tty` on a terminal, else `plain`
    Auto,
    // Lines
    Plain,
    // A live view
    Tty,
    // Nothing but findings and errors
    Quiet,
    // One JSON object per event, in BuildKit's form
    Rawjson,
    // As `quiet`
    #[value(hide = true)]
    None,
}
