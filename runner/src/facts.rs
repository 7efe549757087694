//! What this host offers, read once per process. The plan depends on nothing else of the host.

use crate::error::SandboxError;
use crate::plan::{MASKED, READ_ONLY};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The host as the plan sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Our own bounding set: nothing outside it can be granted.
    pub bounding: u64,
    /// Hard limits in force, by the kernel's number (0 to 15); `u64::MAX` is none.
    pub hard_limits: Vec<u64>,
    /// Where cgroups are mounted.
    pub cgroups: Cgroups,
    /// Those of [`mod@crate::plan`]'s masked and read-only paths that exist here.
    pub sensitive: Vec<String>,
    /// The host's `/etc/resolv.conf`, empty where it has none.
    pub resolv_conf: String,
    /// The host's `/etc/hosts`, empty where it has none.
    pub hosts: String,
    /// Loop devices that have a file behind them, up to the last of these.
    pub loops_in_use: u32,
}

/// The cgroup hierarchies of the host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cgroups {
    /// Mount point of the version 2 hierarchy, which in hybrid mode has no controllers.
    pub unified: Option<PathBuf>,
    /// Version 1 hierarchies: name of the mount below `/sys/fs/cgroup`, and our own directory in it.
    pub version1: Vec<(String, PathBuf)>,
}

static FACTS: OnceLock<HostFacts> = OnceLock::new();

impl HostFacts {
    /// Probes the host; what cannot change is read once per process, the rest each time.
    pub fn probe() -> Result<HostFacts, SandboxError> {
        let mut facts = match FACTS.get() {
            Some(facts) => facts.clone(),
            None => {
                let facts = fixed_facts()?;
                FACTS.get_or_init(|| facts).clone()
            }
        };
        facts.resolv_conf = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        facts.hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
        facts.loops_in_use = loops_in_use();
        Ok(facts)
    }
}

fn fixed_facts() -> Result<HostFacts, SandboxError> {
    let read =
        |what: &'static str| fs::read_to_string(what).map_err(|source| SandboxError::Probe { what, source });
    let status = read("/proc/self/status")?;
    let mountinfo = read("/proc/self/mountinfo")?;
    let own = read("/proc/self/cgroup")?;
    Ok(HostFacts {
        bounding: bounding_set(&status),
        hard_limits: hard_limits(),
        cgroups: cgroups(&mountinfo, &own),
        sensitive: sensitive_paths(),
        resolv_conf: String::new(),
        hosts: String::new(),
        loops_in_use: 0,
    })
}

/// One more than the highest number of a loop device in use.
fn loops_in_use() -> u32 {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let used = devices.filter(|device| device.path().join("loop").exists());
    let numbers = used.filter_map(|device| device.file_name().to_str()?.strip_prefix("loop")?.parse().ok());
    numbers.map(|number: u32| number.saturating_add(1)).max().unwrap_or(0)
}

/// Those of the masked and read-only paths that exist here, and every CPU's thermal_throttle directory.
fn sensitive_paths() -> Vec<String> {
    let cpus = (0..)
        .map(|cpu| format!("/sys/devices/system/cpu/cpu{cpu}"))
        .take_while(|dir| Path::new(dir).exists())
        .map(|dir| format!("{dir}/thermal_throttle"));
    let fixed = MASKED.iter().chain(&READ_ONLY).map(|path| (*path).to_owned());
    fixed.chain(cpus).filter(|path| Path::new(path).exists()).collect()
}

fn bounding_set(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapBnd:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0)
}

fn hard_limits() -> Vec<u64> {
    use rustix::process::{Resource, getrlimit};
    let of = |resource| getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let mut limits = vec![u64::MAX; 16];
    for (number, resource) in [
        (libc::RLIMIT_STACK, Resource::Stack),
        (libc::RLIMIT_CORE, Resource::Core),
        (libc::RLIMIT_NPROC, Resource::Nproc),
        (libc::RLIMIT_NOFILE, Resource::Nofile),
    ] {
        limits[number as usize] = of(resource);
    }
    limits
}

/// Reads the cgroup mounts out of mountinfo, and joins each with our own place in that hierarchy.
fn cgroups(mountinfo: &str, own: &str) -> Cgroups {
    let mut found = Cgroups::default();
    for line in mountinfo.lines() {
        let Some((mount, source)) = line.split_once(" - ") else { continue };
        let mut fields = mount.split(' ').skip(3);
        let (Some(root), Some(target)) = (fields.next(), fields.next()) else { continue };
        let mut fields = source.split(' ');
        match fields.next() {
            Some("cgroup2") => found.unified = Some(PathBuf::from(target)),
            Some("cgroup") => {
                let options = fields.nth(1).unwrap_or_default();
                let Some(name) = Path::new(target).file_name().and_then(|name| name.to_str()) else {
                    continue;
                };
                let place = own_directory(Path::new(target), root, options, own);
                found.version1.retain(|(known, _)| known != name);
                found.version1.push((name.to_owned(), place));
            }
            _ => {}
        }
    }
    found
}

/// Our directory below `target`, a mount of the hierarchy that has one of `options` as a controller (or name).
fn own_directory(target: &Path, root: &str, options: &str, own: &str) -> PathBuf {
    let place = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let ours =
            !controllers.is_empty() && controllers.split(',').all(|one| options.split(',').any(|o| o == one));
        ours.then_some(path)
    });
    let below = place.and_then(|path| Path::new(path).strip_prefix(root).ok());
    below.map_or_else(|| target.to_owned(), |path| target.join(path))
}

#[cfg(test)]
mod tests;
