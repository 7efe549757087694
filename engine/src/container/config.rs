//! The image's config and the request as one process. Pure.

use super::{ContainerError, RunRequest};
use oci::image::{DEFAULT_PATH, RunConfig};

/// Argv and directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) argv: Vec<String>,
    pub(super) cwd: String,
}

pub(super) fn process(request: &RunRequest, image: &RunConfig) -> Result<Process, ContainerError> {
    let mut argv = match request.entrypoint.as_deref() {
        Some("") => Vec::new(),
        Some(entrypoint) => vec![entrypoint.to_owned()],
        None => image.entrypoint.clone().unwrap_or_default(),
    };
    if !request.command.is_empty() {
        argv.extend_from_slice(&request.command);
    } else if request.entrypoint.is_none() {
        argv.extend(image.cmd.clone().unwrap_or_default());
    }
    if argv.is_empty() {
        return Err(ContainerError::NoCommand);
    }
    let image_cwd = if image.working_dir.is_empty() { "/" } else { &image.working_dir };
    let cwd = request.workdir.as_deref().unwrap_or(image_cwd);
    if !cwd.starts_with('/') {
        return Err(ContainerError::Workdir(cwd.to_owned()));
    }
    Ok(Process { argv, cwd: cwd.to_owned() })
}

/// docker's defaults, then the image's, then the request's. A later value takes the earlier one's place.
pub(super) fn environment(request: &RunRequest, image: &RunConfig, hostname: &str) -> Vec<String> {
    let mut env = vec![format!("PATH={DEFAULT_PATH}"), format!("HOSTNAME={hostname}")];
    if request.terminal {
        env.push("TERM=xterm".to_owned());
    }
    for setting in image.env.iter().chain(&request.env) {
        let name = setting.split_once('=').map_or(setting.as_str(), |(name, _)| name);
        let same = env.iter().position(|one| one.split_once('=').is_some_and(|(known, _)| known == name));
        match (same, setting.contains('=')) {
            (Some(at), true) => env[at].clone_from(setting),
            (None, true) => env.push(setting.clone()),
            (Some(at), false) => drop(env.remove(at)),
            (None, false) => {}
        }
    }
    env
}
