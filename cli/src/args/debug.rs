//! `debug`

use clap::Args;

/// `debug`
#[derive(Debug, Args)]
pub(crate) struct DebugArgs {
    /// Which failed step [default: the last one]
    #[arg(value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Run this instead of a shell
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
    /// Give the step's shell this to run
    #[arg(short = 'c', value_name = "SCRIPT", conflicts_with = "command")]
    pub(crate) script: Option<String>,
    /// List the failed steps that are kept
    #[arg(short, long, conflicts_with_all = ["id", "script", "rm"])]
    pub(crate) list: bool,
    /// Remove this failed step, or all of them
    #[arg(long, conflicts_with_all = ["command", "script"])]
    pub(crate) rm: bool,
    /// A secret of the step's, as for `build`; repeatable
    #[arg(long = "secret", value_name = "SECRET")]
    pub(crate) secrets: Vec<String>,
    /// An SSH agent of the step's, as for `build`; repeatable
    #[arg(long = "ssh", value_name = "AGENT")]
    pub(crate) ssh: Vec<String>,
}
