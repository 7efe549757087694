//! The command line as typed: docker's and buildx's names.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "these comments are help texts, and brackets mean what may be left out"
)]

mod bake;
mod build;
mod debug;
mod image;
mod run;
mod switches;

pub(crate) use bake::BakeArgs;
pub(crate) use build::{BuildArgs, ProgressArg};
pub(crate) use debug::DebugArgs;
pub(crate) use image::{
    HistoryArgs, ImagesArgs, ImportArgs, InspectArgs, LoadArgs, RmiArgs, SaveArgs, SaveFormatArg, TagArgs,
};
pub(crate) use run::{PsArgs, RmArgs, RunArgs};
pub(crate) use switches::plain;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// What the environment and the exit code mean.
const AFTER: &str = "\
Everything is kept below --root DIR, $LAPSTRAKE_ROOT or /var/lib/lapstrake.

Environment:
  LAPSTRAKE_ROOT            Where everything is kept
  BUILDKIT_PROGRESS         Default of `build --progress`
  DOCKER_DEFAULT_PLATFORM   Default of --platform
  SSH_AUTH_SOCK             Agent of `build --ssh default`
  SOURCE_DATE_EPOCH         Date of what `build` and `import` make, in Unix seconds
  HTTP_PROXY, HTTPS_PROXY, FTP_PROXY, NO_PROXY, ALL_PROXY, also in small letters
                            What RUN steps see, unless --build-arg says otherwise
  NO_COLOR                  Print without colours

Exit codes:
  0 done, 1 failed, 2 the command line or the Dockerfile is wrong, 70 lapstrake's own fault,
  128 + n ended by signal n; `run` has docker's: 125, 126, 127, or the container's";

/// Build OCI images from Dockerfiles and run them, without a daemon
#[derive(Debug, Parser)]
#[command(name = "lapstrake", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = AFTER)]
pub(crate) struct Cli {
    /// Keep images, layers and containers in this directory
    #[arg(long, global = true, value_name = "DIR", display_order = 1000)]
    pub(crate) root: Option<PathBuf>,
    /// Say on standard error what happens inside; twice for all of it
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build an image from a Dockerfile
    Build(BuildArgs),
    /// Build the targets of a definition: HCL or JSON
    Bake(BakeArgs),
    /// Look into the file system of a build step that failed
    Debug(DebugArgs),
    /// Run a command in a new container
    Run(RunArgs),
    /// List containers
    Ps(PsArgs),
    /// Remove containers
    Rm(RmArgs),
    /// List images
    #[command(visible_alias = "ls")]
    Images(ImagesArgs),
    /// Remove images
    Rmi(RmiArgs),
    /// Give an image one more name
    Tag(TagArgs),
    /// Show all about images, as JSON
    Inspect(InspectArgs),
    /// Show how an image came about
    History(HistoryArgs),
    /// Load images from an archive or a layout directory
    Load(LoadArgs),
    /// Save images to an archive or a layout directory
    Save(SaveArgs),
    /// Make an image of a root file system's tar
    Import(ImportArgs),
    /// Manage images
    Image(ImageArgs),
    /// Manage containers
    Container(ContainerArgs),
    /// Build, as docker's plugin spells it
    #[command(visible_alias = "builder")]
    Buildx(BuildxArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the version
    Version,
}

/// `image COMMAND`
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: ImageCommand,
}

/// The commands below `image`.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is made in a process")]
pub(crate) enum ImageCommand {
    /// Build an image from a Dockerfile
    Build(BuildArgs),
    /// List images
    #[command(visible_alias = "list")]
    Ls(ImagesArgs),
    /// Remove images
    #[command(visible_alias = "remove")]
    Rm(RmiArgs),
    /// Give an image one more name
    Tag(TagArgs),
    /// Show all about images, as JSON
    Inspect(InspectArgs),
    /// Show how an image came about
    History(HistoryArgs),
    /// Load images from an archive or a layout directory
    Load(LoadArgs),
    /// Save images to an archive or a layout directory
    Save(SaveArgs),
    /// Make an image of a root file system's tar
    Import(ImportArgs),
}

/// `container COMMAND`
#[derive(Debug, Args)]
pub(crate) struct ContainerArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: ContainerCommand,
}

/// The commands below `container`.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is made in a process")]
pub(crate) enum ContainerCommand {
    /// Run a command in a new container
    Run(RunArgs),
    /// List containers
    #[command(visible_aliases = ["ps", "list"])]
    Ls(PsArgs),
    /// Remove containers
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
}

/// `buildx COMMAND`
#[derive(Debug, Args)]
pub(crate) struct BuildxArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: BuildxCommand,
}

/// The commands below `buildx`.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one is made in a process")]
pub(crate) enum BuildxCommand {
    /// Build an image from a Dockerfile
    #[command(visible_alias = "b")]
    Build(BuildArgs),
    /// Build the targets of a definition: HCL or JSON
    #[command(visible_alias = "f")]
    Bake(BakeArgs),
}

/// `completion`
#[derive(Debug, Args)]
pub(crate) struct CompletionArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests;
