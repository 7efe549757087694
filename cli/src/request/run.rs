//! `run`: [`RunArgs`] to a [`RunRequest`].

use super::{assignment, network};
use crate::args::RunArgs;
use crate::env::Env;
use crate::error::CliError;
use engine::container::{RunRequest, Volume};
use runner::spec::Network;
use std::path::Path;

/// Validates `args`.
///
/// # Errors
/// Anything wrong with a flag.
pub(crate) fn run(args: &RunArgs, env: &Env) -> Result<RunRequest, CliError> {
    let mut words = args.words.iter().cloned();
    let image = words.next().unwrap_or_default();
    let mut settings = Vec::new();
    for file in &args.env_files {
        settings.extend(env_file(file, env)?);
    }
    for text in &args.env {
        settings.push(setting("--env", text, env)?);
    }
    let cwd = env.cwd();
    let volumes = args
        .volumes
        .iter()
        .map(|text| Volume::parse(text, &cwd).map_err(|error| CliError::usage(error.to_string())));
    Ok(RunRequest {
        image,
        command: words.collect(),
        entrypoint: args.entrypoint.clone(),
        env: settings,
        workdir: args.workdir.clone(),
        user: args.user.clone(),
        volumes: volumes.collect::<Result<_, _>>()?,
        name: args.name.clone(),
        hostname: args.hostname.clone(),
        network: match network(&args.network)? {
            solver::graph::Network::Host => Network::Host,
            solver::graph::Network::None => Network::None,
        },
        remove: args.rm,
        terminal: args.tty,
        read_only: args.read_only,
    })
}

/// `NAME=VALUE` as it is, `NAME` with the value from the environment; a name that is not set there is taken away.
fn setting(flag: &str, text: &str, env: &Env) -> Result<String, CliError> {
    let found = assignment(flag, text, |name| env.var(name).map(str::to_owned))?;
    Ok(found.map_or_else(|| text.to_owned(), |(name, value)| format!("{name}={value}")))
}

/// docker's format: a setting a line, comments from `#` at its beginning, blanks before it dropped.
fn env_file(path: &Path, env: &Env) -> Result<Vec<String>, CliError> {
    let text = std::fs::read_to_string(path);
    let text =
        text.map_err(|error| CliError::usage(format!("read --env-file {}: {error}", path.display())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut settings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        if name.is_empty() || name.contains(char::is_whitespace) {
            let place = format!("{}:{}", path.display(), number + 1);
            return Err(CliError::usage(format!("{place}: `{name}` is no name of a variable")));
        }
        match (line.contains('='), env.var(name)) {
            (true, _) => settings.push(line.to_owned()),
            (false, Some(value)) => settings.push(format!("{name}={value}")),
            (false, None) => {}
        }
    }
    Ok(settings)
}
