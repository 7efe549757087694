//! Flags and environment as a validated request for the engine.

mod build;
mod remote;
mod run;
mod values;

pub(crate) use build::{Build, build};
pub(crate) use remote::fetch;
pub(crate) use run::run;
pub(crate) use values::{secrets, ssh};

use crate::env::Env;
use crate::error::CliError;
use oci::{Platform, Reference};
use solver::graph::Network;

/// `--platform`, or `DOCKER_DEFAULT_PLATFORM`.
///
/// # Errors
/// What is no platform.
pub(crate) fn platform(flag: Option<&str>, env: &Env) -> Result<Option<Platform>, CliError> {
    let text = flag.or_else(|| env.platform());
    text.map(|text| text.parse::<Platform>().map_err(|error| CliError::usage(error.to_string()))).transpose()
}

/// A name to give to an image: one without a digest.
///
/// # Errors
/// What is no such name.
pub(crate) fn new_name(text: &str) -> Result<Reference, CliError> {
    let name: Reference = text.parse().map_err(|error| CliError::usage(format!("{error}")))?;
    if name.digest.is_some() {
        return Err(CliError::usage(format!(
            "`{text}` has a digest: a name to give is of the form repository:tag"
        )));
    }
    Ok(name)
}

/// Whether a step or container has the host's network. `default` is the host's.
///
/// # Errors
/// Any other mode, by name.
pub(crate) fn network(mode: &str) -> Result<Network, CliError> {
    match mode {
        "default" | "host" => Ok(Network::Host),
        "none" => Ok(Network::None),
        other => Err(CliError::usage_help(
            format!("network `{other}` is not supported yet"),
            "write `host` (the default here) or `none`",
        )),
    }
}

/// `NAME=VALUE`, or `NAME` with the value that `otherwise` gives. `None` if there is no value.
fn assignment(
    flag: &str,
    text: &str,
    otherwise: impl Fn(&str) -> Option<String>,
) -> Result<Option<(String, String)>, CliError> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, otherwise(text)),
    };
    if name.is_empty() {
        return Err(CliError::usage(format!("`{flag} {text}`: the name is empty")));
    }
    Ok(value.map(|value| (name.to_owned(), value)))
}

#[cfg(test)]
mod tests;
