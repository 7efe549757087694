//! `completion`

use crate::args::{Cli, CompletionArgs};
use crate::error::CliError;
use crate::output;
use clap::CommandFactory;

/// Prints the script.
///
/// # Errors
/// If standard output fails.
pub(super) fn completion(args: &CompletionArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "lapstrake", &mut script);
    output::print(&String::from_utf8_lossy(&script))
}
