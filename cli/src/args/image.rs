//! Commands about images.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `images`
#[derive(Debug, Args)]
pub(crate) struct ImagesArgs {
    /// Show all images; there are no hidden ones
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print ids only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show digests
    #[arg(long)]
    pub(crate) digests: bool,
    /// Print whole ids
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Show only some: dangling=true|false, reference=PATTERN, label=NAME[=VALUE], before=IMAGE, since=IMAGE;
    /// repeatable
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
    /// Print each image by a template such as '{{.Repository}}:{{.Tag}}', or as `json`
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Show the images of this name only
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) name: Option<String>,
}

/// `rmi`
#[derive(Debug, Args)]
pub(crate) struct RmiArgs {
    /// Remove images that have several names, or that containers use
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
}

/// `tag`
#[derive(Debug, Args)]
pub(crate) struct TagArgs {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    pub(crate) source: String,
    /// The new name
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) target: String,
}

/// `inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Print each by a template such as '{{.Config.Env}}' or '{{json .Config}}', or as `json`
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
}

/// `history`
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Print ids only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print whole ids and instructions
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print sizes and times for people (true, false)
    #[arg(short = 'H', long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) human: bool,
    /// Print each line by a template such as '{{.CreatedBy}}', or as `json`
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Name or id
    #[arg(value_name = "IMAGE")]
    pub(crate) image: String,
}

/// `load`
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// Read this archive or layout directory instead of standard input
    #[arg(short, long, value_name = "PATH")]
    pub(crate) input: Option<PathBuf>,
    /// Show no progress; there is none to be shown
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Of images for several platforms, take this one [default: the machine's, or $DOCKER_DEFAULT_PLATFORM]
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
}

/// `save`
#[derive(Debug, Args)]
pub(crate) struct SaveArgs {
    /// Write here instead of to standard output
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// What to write
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = SaveFormatArg::DockerArchive)]
    pub(crate) format: SaveFormatArg,
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
}

/// `save --format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SaveFormatArg {
    // For `docker load`, podman and skopeo
    DockerArchive,
    // An OCI layout as a tar
    OciArchive,
    // An OCI layout directory
    OciDir,
}

/// `import`
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    // Apply a Dockerfile instruction to the image's config; repeatable
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    pub(crate) changes: Vec<String>,
    // Say this in the image's history
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    // What the files are for [default: the machine's platform, or $DOCKER_DEFAULT_PLATFORM]
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    // A tar, plain or compressed with gzip or zstd; `-` is standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    // The image's name
    #[arg(value_name = "NAME[:TAG]")]
    pub(crate) name: Option<String>,
}
