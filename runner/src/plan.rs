//! A spec as an ordered list of steps. Pure: the same spec on the same host gives the same list.
//!
//! docs/design/sandbox.md lists the steps in this order and says why each stands where it does.

use crate::caps;
use crate::facts::HostFacts;
use crate::spec::{Changes, Contents, Network, Spec};
use oci::mount::RootMount;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

mod etc;
mod kernel;
mod limits;
mod sources;

pub(crate) use limits::{name as limit_name, number as limit_number};
use sources::Sources;

/// One step of the set-up, in the words of [`crate::error::Step`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetupOp {
    /// A cgroup of that name below `lapstrake`, fenced by docker's device rules. Done by the guard.
    Cgroup {
        /// The version 2 hierarchy; none: the guard mounts it for itself.
        hierarchy: Option<PathBuf>,
        /// Relative path of the directory that `lapstrake` lies in, made if missing; empty for the hierarchy's root.
        parent: String,
        /// Directory name.
        name: String,
        /// Any device may be opened.
        every_device: bool,
    },
    /// Joins a cgroup of a version 1 hierarchy, made if missing.
    JoinCgroup {
        /// Our own directory in the hierarchy.
        hierarchy: PathBuf,
        /// Relative path below it.
        path: String,
    },
    /// Clone into new mnt, pid, ipc and uts namespaces, and the cgroup. Done by the guard.
    Namespaces {
        /// A new net namespace as well.
        network: bool,
    },
    /// Later mounts do not reach the host.
    PrivatePropagation,
    /// Opens a host path as a detached mount, with what is mounted below it. Sources are numbered from 0.
    HostSource {
        /// Absolute.
        path: PathBuf,
        /// Path in it; links stay in it. Empty for itself.
        below: String,
    },
    /// Writes a file in the scratch directory and opens it as the next source. Directories are made.
    FileSource {
        /// Absolute, in the scratch directory.
        path: PathBuf,
        /// Contents.
        data: Contents,
        /// Permission bits.
        mode: u32,
    },
    /// Mounts a file system in memory on a directory of the scratch directory, made for it, until the root is left.
    Memory {
        /// Absolute, in the scratch directory.
        at: PathBuf,
        /// As in [`SetupOp::Mount`].
        attributes: String,
    },
    /// As [`SetupOp::FileSource`], in a file system in memory.
    SecretSource {
        /// Absolute, below a [`SetupOp::Memory`].
        path: PathBuf,
        /// Contents.
        data: Contents,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
    /// Mounts an overlay and opens a path in it as the next source.
    OverlaySource {
        /// Lowest first.
        lower: Vec<PathBuf>,
        /// Takes the changes.
        changes: Option<Changes>,
        /// Inside the overlay.
        path: String,
        /// A directory of the scratch directory, made for it; `empty` and `at` are made in it.
        dir: PathBuf,
    },
    /// An empty directory in memory as the next source.
    MemorySource {
        /// `size=..,mode=..`
        options: String,
        /// As in [`SetupOp::Mount`].
        attributes: String,
        /// Takes the mode of the directory that it will cover.
        adopt_mode: bool,
    },
    /// Prepares a lowest layer that has the mount points of sources, so that the upper directory stays clean.
    Stubs {
        /// Absolute, in the scratch directory.
        dir: PathBuf,
        /// Path inside the root, and the source that says whether it is a directory.
        targets: Vec<(String, usize)>,
    },
    /// Mounts the overlay on `at`.
    Root {
        /// Lowest first; the stubs come below.
        lower: Vec<PathBuf>,
        /// Takes the changes.
        upper: PathBuf,
        /// Overlay's own.
        work: PathBuf,
        /// The directory of [`SetupOp::Stubs`].
        stubs: PathBuf,
        /// Mount point.
        at: PathBuf,
    },
    /// Makes `at` the root and detaches the host's tree.
    PivotRoot {
        /// The mount point of the root.
        at: PathBuf,
    },
    /// The cgroup becomes the root of a new cgroup namespace.
    CgroupNamespace,
    /// Sets the host name.
    Hostname(String),
    /// Brings `lo` up.
    Loopback,
    /// Mounts a kernel file system on a real directory, made if missing.
    Mount {
        /// `proc`, `tmpfs` ..
        kind: String,
        /// Inside the root.
        target: String,
        /// `name=value,..`
        options: String,
        /// `nosuid,noexec,nodev,ro,strictatime`
        attributes: String,
    },
    /// A device in /dev, mode 0666. Directories are made.
    Device {
        /// Below /dev.
        name: String,
        /// A block device, not a character device.
        block: bool,
        /// Number.
        major: u32,
        /// Number.
        minor: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Inside the root.
        path: String,
        /// Its text.
        to: String,
    },
    /// Attaches a source.
    Attach {
        /// Its number.
        source: usize,
        /// Inside the root; made if missing.
        target: String,
        /// As in [`SetupOp::Mount`].
        attributes: String,
    },
    /// A pseudo terminal: /dev/console and the three streams.
    Terminal,
    /// Writes below /proc/sys.
    Sysctl {
        /// Path below /proc/sys.
        name: String,
        /// Contents.
        value: String,
    },
    /// Covers a path with nothing: /dev/null over a file, an empty directory over a directory.
    Mask(String),
    /// Binds a path over itself, read-only.
    ReadOnly(String),
    /// Adds attributes to the mount at a path.
    Seal {
        /// Mount point inside the root.
        target: String,
        /// As in [`SetupOp::Mount`].
        attributes: String,
    },
    /// Sets a resource limit, clamped to the host's hard limit.
    Limit {
        /// The kernel's number.
        resource: u32,
        /// Soft.
        soft: u64,
        /// Hard.
        hard: u64,
    },
    /// Makes the directory if missing, and enters it.
    WorkingDirectory(String),
    /// Connects the three streams, and starts a session.
    Streams {
        /// Pipes made for this process become this user's, so that /dev/stdout can be opened.
        uid: u32,
        /// And group's.
        gid: u32,
    },
    /// Sets no_new_privs.
    NoNewPrivileges,
    /// Reduces the bounding set, and clears inheritable and ambient sets.
    Bounding(u64),
    /// Loads the default filter, while there is still the right to.
    Seccomp,
    /// Supplementary groups.
    Groups(Vec<u32>),
    /// Real, effective and saved ids.
    Ids {
        /// User.
        uid: u32,
        /// Group.
        gid: u32,
        /// The permitted set survives the change.
        keep: bool,
    },
    /// Effective and permitted set. Nothing for users other than root.
    Capabilities(u64),
    /// All sets, so that programs of users other than root have them too.
    AmbientCapabilities(u64),
    /// The process dies with the guard.
    DeathSignal,
    /// umask 0022, and the program.
    Exec {
        /// Complete.
        argv: Vec<String>,
        /// Complete.
        env: Vec<String>,
    },
}

/// PATH where the environment has none.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Covered where the host has them.
pub(crate) const MASKED: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Made read-only where the host has them.
pub(crate) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The whole sandbox, first step first.
pub fn plan(spec: &Spec, host: &HostFacts) -> Vec<SetupOp> {
    let mut ops = cgroup(spec, host);
    ops.extend([SetupOp::Namespaces { network: spec.network == Network::None }, SetupOp::PrivatePropagation]);
    let sources = Sources::of(spec, host);
    ops.extend(sources.open());
    root(&mut ops, spec, &sources);
    ops.extend([SetupOp::CgroupNamespace, SetupOp::Hostname(spec.hostname.clone())]);
    if spec.network == Network::None {
        ops.push(SetupOp::Loopback);
    }
    kernel::mounts(&mut ops, spec, host);
    kernel::cgroups(&mut ops, spec, host, &sources);
    ops.extend(sources.attach(spec.read_only_root));
    if spec.terminal {
        ops.push(SetupOp::Terminal);
    }
    fences(&mut ops, spec, host);
    process(&mut ops, spec, host);
    ops
}

/// Relative path; empty for the root. Checked before.
fn cgroup_parent(spec: &Spec) -> String {
    spec.cgroup_parent.as_deref().and_then(crate::cgroup::parent_path).unwrap_or_default()
}

fn cgroup(spec: &Spec, host: &HostFacts) -> Vec<SetupOp> {
    let parent = cgroup_parent(spec);
    let own = SetupOp::Cgroup {
        hierarchy: host.cgroups.unified.clone(),
        parent: parent.clone(),
        name: spec.id.clone(),
        every_device: spec.privileged,
    };
    let version1 = host.cgroups.version1.iter().filter(|_| !parent.is_empty());
    let join =
        version1.map(|(_, path)| SetupOp::JoinCgroup { hierarchy: path.clone(), path: parent.clone() });
    [own].into_iter().chain(join).collect()
}

fn stubs_dir(spec: &Spec) -> PathBuf {
    spec.scratch.join("stubs")
}

fn from_root(path: &str) -> PathBuf {
    std::path::Path::new("/").join(path)
}

impl HostFacts {
    /// The controllers live in version 1 hierarchies (hybrid mode included).
    fn version1_only(&self) -> bool {
        !self.cgroups.version1.is_empty()
    }
}

fn root(ops: &mut Vec<SetupOp>, spec: &Spec, sources: &Sources) {
    let RootMount::Overlay { lower, upper, work } = &spec.root;
    let stubs = stubs_dir(spec);
    ops.push(SetupOp::Stubs { dir: stubs.clone(), targets: sources.stubs() });
    ops.push(SetupOp::Root {
        lower: lower.clone(),
        upper: upper.clone(),
        work: work.clone(),
        stubs,
        at: spec.scratch.clone(),
    });
    ops.push(SetupOp::PivotRoot { at: spec.scratch.clone() });
}

fn fences(ops: &mut Vec<SetupOp>, spec: &Spec, host: &HostFacts) {
    if spec.network == Network::None {
        let sysctl =
            |name: &str, value: &str| SetupOp::Sysctl { name: name.to_owned(), value: value.to_owned() };
        ops.push(sysctl("net/ipv4/ip_unprivileged_port_start", "0"));
        ops.push(sysctl("net/ipv4/ping_group_range", "0 2147483647"));
    }
    if !spec.privileged {
        let (read_only, masked): (Vec<_>, Vec<_>) =
            host.sensitive.iter().cloned().partition(|path| READ_ONLY.contains(&path.as_str()));
        ops.extend(read_only.into_iter().map(SetupOp::ReadOnly));
        ops.extend(masked.into_iter().map(SetupOp::Mask));
    }
    if spec.read_only_root {
        ops.push(SetupOp::Seal { target: "/".to_owned(), attributes: "ro".to_owned() });
    }
}

fn process(ops: &mut Vec<SetupOp>, spec: &Spec, host: &HostFacts) {
    ops.extend(limits::limits(spec, host));
    // Unknown names were refused when the spec was checked.
    let wanted = if spec.privileged { u64::MAX } else { caps::mask(&spec.capabilities).unwrap_or(0) };
    let wanted = wanted & host.bounding;
    let (uid, gid) = (spec.user.uid, spec.user.gid);
    ops.push(SetupOp::WorkingDirectory(if spec.cwd.is_empty() { "/".to_owned() } else { spec.cwd.clone() }));
    ops.push(SetupOp::Streams { uid, gid });
    if spec.no_new_privileges && !spec.privileged {
        ops.push(SetupOp::NoNewPrivileges);
    }
    ops.push(SetupOp::Bounding(wanted));
    if spec.seccomp && !spec.privileged {
        ops.push(SetupOp::Seccomp);
    }
    ops.push(SetupOp::Groups(spec.user.groups.clone()));
    ops.push(SetupOp::Ids { uid, gid, keep: spec.privileged });
    ops.push(match (spec.privileged, uid) {
        (true, _) => SetupOp::AmbientCapabilities(wanted),
        (false, 0) => SetupOp::Capabilities(wanted),
        (false, _) => SetupOp::Capabilities(0),
    });
    ops.push(SetupOp::DeathSignal);
    ops.push(SetupOp::Exec { argv: spec.argv.clone(), env: etc::environment(spec) });
}

#[cfg(test)]
mod tests;
