//! What a spec must be, before anything is started.

use super::{Component, Path};
use crate::caps;
use crate::error::SandboxError;
use crate::spec::{Spec, Ulimit};

/// Longest host name that the kernel takes.
const MAX_HOSTNAME: usize = 64;

pub(super) fn check(spec: &Spec) -> Result<(), SandboxError> {
    let refuse = |why: String| Err(SandboxError::Spec(why));
    if spec.argv.first().is_none_or(String::is_empty) {
        return refuse("no command specified".to_owned());
    }
    if !safe_name(&spec.id) {
        return refuse(format!("sandbox id {:?} is no file name", spec.id));
    }
    if !spec.scratch.is_absolute() {
        return refuse(format!("scratch directory {} is not absolute", spec.scratch.display()));
    }
    if spec.hostname.len() > MAX_HOSTNAME {
        return refuse(format!("host name {:?} is longer than {MAX_HOSTNAME} bytes", spec.hostname));
    }
    if let Err(unknown) = caps::mask(&spec.capabilities) {
        return refuse(format!("no capability is named {unknown:?}"));
    }
    if let Some(parent) = &spec.cgroup_parent
        && crate::cgroup::parent_path(parent).is_none()
    {
        return refuse(format!("{parent:?} is no name of a cgroup: write /one/two or name.slice"));
    }
    for Ulimit { name, soft, hard } in &spec.ulimits {
        if crate::plan::limit_number(name).is_none() {
            return refuse(format!("no resource limit is named {name:?}"));
        }
        if *hard >= 0 && (*soft < 0 || soft > hard) {
            return refuse(format!("the soft limit of {name} is above the hard one: {soft}:{hard}"));
        }
    }
    for mount in &spec.mounts {
        check_target(mount.target())?;
    }
    Ok(())
}

fn safe_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']) && name.len() <= 255
}

/// A mount in /proc would take the place of what masks and read-only paths are there to guard.
fn check_target(target: &str) -> Result<(), SandboxError> {
    let refuse = |why: &str| Err(SandboxError::Spec(format!("mount target {target:?} {why}")));
    if !target.starts_with('/') {
        return refuse("is not absolute");
    }
    let mut names = Vec::new();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => drop(names.pop()),
            _ => {}
        }
    }
    match names.first() {
        None => refuse("is the root"),
        Some(first) if *first == "proc" => refuse("is inside /proc"),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
