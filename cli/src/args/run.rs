//! Commands about containers.

use clap::Args;
use std::path::PathBuf;

/// `run`
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
#[command(override_usage = "lapstrake run [OPTIONS] IMAGE [COMMAND] [ARG]...")]
#[command(
    after_help = "The exit code is the command's; 128 + n if signal n ended it; 125 if the container could \
                        not be made, 126 if the command cannot be run, 127 if there is none of that name."
)]
pub(crate) struct RunArgs {
    /// Remove the container when it ends
    #[arg(long)]
    pub(crate) rm: bool,
    /// Pass standard input on
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the container a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Set a variable; without `=VALUE`, from the environment; repeatable
    #[arg(short, long = "env", value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Set the variables that this file lists; repeatable
    #[arg(long = "env-file", value_name = "FILE")]
    pub(crate) env_files: Vec<PathBuf>,
    /// Start in this directory of the container
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Run as this user, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Mount a directory, a named volume or a new one; repeatable
    #[arg(short, long = "volume", value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    pub(crate) volumes: Vec<String>,
    /// Run this instead of the image's entrypoint; empty for none
    #[arg(long, value_name = "COMMAND")]
    pub(crate) entrypoint: Option<String>,
    /// Name the container
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Name the container's host
    #[arg(short = 'h', long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// Network: none, or host; `default` is host
    #[arg(long, visible_alias = "net", value_name = "MODE", default_value = "default")]
    pub(crate) network: String,
    /// Let only volumes be written
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Refuse an image that is for another platform [default: $DOCKER_DEFAULT_PLATFORM]
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<String>,
    /// Print help
    #[arg(long, action = clap::ArgAction::HelpLong)]
    help: Option<bool>,
    /// Name or id of the image, and what to run instead of its command
    #[arg(value_name = "IMAGE [COMMAND] [ARG]", required = true, trailing_var_arg = true)]
    pub(crate) words: Vec<String>,
}

/// `ps`
#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// Show containers that have ended, too
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print ids only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print whole ids and commands
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print each container by a template such as '{{.ID}} {{.Names}}', or as `json`
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
}

/// `rm`
#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// Kill containers that run
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove their anonymous volumes, too
    #[arg(short, long)]
    pub(crate) volumes: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub(crate) containers: Vec<String>,
}
