//! A spec as an ordered list of steps. Pure: the same spec on the same host gives the same list.
//!
//! docs/design/sandbox.md lists the steps in this order and says why each stands where it does.

use crate::caps;
use crate::facts::HostFacts;
use crate::spec::{Network, Spec};
use oci::mount::RootMount;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

mod etc;

/// One step of the set-up, in the words of [`crate::error::Step`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetupOp {
    /// A cgroup of that name below `lapstrake`, fenced by docker's device rules. Done by the guard.
    Cgroup {
        /// The version 2 hierarchy; none: the guard mounts it for itself.
        hierarchy: Option<PathBuf>,
        /// Directory name.
        name: String,
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
    },
    /// Writes a file in the scratch directory and opens it as the next source. Directories are made.
    FileSource {
        /// Absolute, in the scratch directory.
        path: PathBuf,
        /// Contents.
        data: Vec<u8>,
        /// Permission bits.
        mode: u32,
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
    /// A character device in /dev, mode 0666.
    Device {
        /// Below /dev.
        name: String,
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
    },
    /// Effective and permitted set. Nothing for users other than root.
    Capabilities(u64),
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
    let mut ops = vec![
        SetupOp::Cgroup { hierarchy: host.cgroups.unified.clone(), name: spec.id.clone() },
        SetupOp::Namespaces { network: spec.network == Network::None },
        SetupOp::PrivatePropagation,
    ];
    let sources = Sources::of(spec, host);
    ops.extend(sources.open());
    root(&mut ops, spec, &sources);
    ops.extend([SetupOp::CgroupNamespace, SetupOp::Hostname(spec.hostname.clone())]);
    if spec.network == Network::None {
        ops.push(SetupOp::Loopback);
    }
    kernel_mounts(&mut ops);
    cgroup_mounts(&mut ops, host, &sources);
    ops.extend(sources.attach(spec.read_only_root));
    if spec.terminal {
        ops.push(SetupOp::Terminal);
    }
    fences(&mut ops, spec, host);
    process(&mut ops, spec, host);
    ops
}

/// The order in which sources are opened fixes their numbers: cgroup hierarchies, /etc files, binds, files.
struct Sources {
    entries: Vec<Source>,
}

struct Source {
    open: SetupOp,
    target: String,
    attributes: &'static str,
    /// Attached with the kernel's file systems, not with the user's mounts.
    cgroup: bool,
    /// An /etc file: read-only with the root.
    etc: bool,
}

impl Sources {
    fn of(spec: &Spec, host: &HostFacts) -> Sources {
        let mut all = Sources { entries: Vec::new() };
        if host.version1_only() {
            for (name, path) in &host.cgroups.version1 {
                let open = SetupOp::HostSource { path: path.clone() };
                all.push(open, format!("/sys/fs/cgroup/{name}"), "ro,nosuid,noexec,nodev", true, false);
            }
        }
        for (target, data) in etc::files(spec, host) {
            // Where its stub is due: one file serves as both.
            let path = stubs_dir(spec).join(target.trim_start_matches('/'));
            let open = SetupOp::FileSource { path, data: data.into_bytes(), mode: 0o644 };
            all.push(open, target.to_owned(), "", false, true);
        }
        for bind in &spec.binds {
            let open = SetupOp::HostSource { path: bind.source.clone() };
            all.push(open, bind.target.clone(), if bind.read_only { "ro" } else { "" }, false, false);
        }
        for file in &spec.files {
            let open = all.file(spec, file.data.clone(), file.mode);
            all.push(open, file.target.clone(), "ro", false, false);
        }
        all
    }

    fn file(&self, spec: &Spec, data: Vec<u8>, mode: u32) -> SetupOp {
        let path = spec.scratch.join(format!("file-{}", self.entries.len()));
        SetupOp::FileSource { path, data, mode }
    }

    fn push(&mut self, open: SetupOp, target: String, attributes: &'static str, cgroup: bool, etc: bool) {
        self.entries.push(Source { open, target, attributes, cgroup, etc });
    }

    fn open(&self) -> impl Iterator<Item = SetupOp> {
        self.entries.iter().map(|source| source.open.clone())
    }

    /// Mount points to prepare below the root's layers: not those inside file systems mounted later.
    fn stubs(&self) -> Vec<(String, usize)> {
        let inside_kernel_mount =
            |path: &str| ["/proc", "/sys", "/dev"].iter().any(|top| from_root(path).starts_with(top));
        let entries = self.entries.iter().enumerate();
        entries
            .filter(|(_, source)| !inside_kernel_mount(&source.target))
            .map(|(number, source)| (source.target.clone(), number))
            .collect()
    }

    fn attach(&self, read_only: bool) -> impl Iterator<Item = SetupOp> {
        let entries = self.entries.iter().enumerate();
        entries.filter(|(_, source)| !source.cgroup).map(move |(number, source)| SetupOp::Attach {
            source: number,
            target: source.target.clone(),
            attributes: if source.etc && read_only { "ro" } else { source.attributes }.to_owned(),
        })
    }
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

fn mount(kind: &str, target: &str, options: &str, attributes: &str) -> SetupOp {
    SetupOp::Mount {
        kind: kind.to_owned(),
        target: target.to_owned(),
        options: options.to_owned(),
        attributes: attributes.to_owned(),
    }
}

fn kernel_mounts(ops: &mut Vec<SetupOp>) {
    ops.push(mount("proc", "/proc", "", "nosuid,noexec,nodev"));
    ops.push(mount("tmpfs", "/dev", "mode=755,size=65536k", "nosuid,strictatime"));
    let devices =
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];
    ops.extend(devices.map(|(name, major, minor)| SetupOp::Device { name: name.to_owned(), major, minor }));
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    ops.extend(links.map(|(name, to)| SetupOp::Symlink { path: format!("/dev/{name}"), to: to.to_owned() }));
    ops.push(mount("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5", "nosuid,noexec"));
    ops.push(mount("mqueue", "/dev/mqueue", "", "nosuid,noexec,nodev"));
    ops.push(mount("tmpfs", "/dev/shm", "source=shm,mode=1777,size=65536k", "nosuid,noexec,nodev"));
    ops.push(mount("sysfs", "/sys", "", "nosuid,noexec,nodev,ro"));
}

fn cgroup_mounts(ops: &mut Vec<SetupOp>, host: &HostFacts, sources: &Sources) {
    if !host.version1_only() {
        ops.push(mount("cgroup2", "/sys/fs/cgroup", "", "nosuid,noexec,nodev,ro"));
        return;
    }
    ops.push(mount("tmpfs", "/sys/fs/cgroup", "mode=755", "nosuid,noexec,nodev"));
    for (number, source) in sources.entries.iter().enumerate().filter(|(_, source)| source.cgroup) {
        ops.push(SetupOp::Attach {
            source: number,
            target: source.target.clone(),
            attributes: source.attributes.to_owned(),
        });
    }
    for (joint, _) in host.cgroups.version1.iter().filter(|(name, _)| name.contains(',')) {
        ops.extend(
            joint
                .split(',')
                .map(|one| SetupOp::Symlink { path: format!("/sys/fs/cgroup/{one}"), to: joint.clone() }),
        );
    }
    ops.push(SetupOp::Seal { target: "/sys/fs/cgroup".to_owned(), attributes: "ro".to_owned() });
}

fn fences(ops: &mut Vec<SetupOp>, spec: &Spec, host: &HostFacts) {
    if spec.network == Network::None {
        let sysctl =
            |name: &str, value: &str| SetupOp::Sysctl { name: name.to_owned(), value: value.to_owned() };
        ops.push(sysctl("net/ipv4/ip_unprivileged_port_start", "0"));
        ops.push(sysctl("net/ipv4/ping_group_range", "0 2147483647"));
    }
    let (read_only, masked): (Vec<_>, Vec<_>) =
        host.sensitive.iter().cloned().partition(|path| READ_ONLY.contains(&path.as_str()));
    ops.extend(read_only.into_iter().map(SetupOp::ReadOnly));
    ops.extend(masked.into_iter().map(SetupOp::Mask));
    if spec.read_only_root {
        ops.push(SetupOp::Seal { target: "/".to_owned(), attributes: "ro".to_owned() });
    }
}

fn process(ops: &mut Vec<SetupOp>, spec: &Spec, host: &HostFacts) {
    for (resource, soft, hard) in [
        (libc::RLIMIT_NOFILE, 1 << 20, 1 << 20),
        (libc::RLIMIT_NPROC, u64::MAX, u64::MAX),
        (libc::RLIMIT_STACK, 8 << 20, u64::MAX),
        (libc::RLIMIT_CORE, 0, u64::MAX),
    ] {
        let most = host.hard_limits.get(resource as usize).copied().unwrap_or(u64::MAX);
        ops.push(SetupOp::Limit { resource, soft: soft.min(most), hard: hard.min(most) });
    }
    // Unknown names were refused when the spec was checked.
    let wanted = caps::mask(&spec.capabilities).unwrap_or(0) & host.bounding;
    let (uid, gid) = (spec.user.uid, spec.user.gid);
    ops.push(SetupOp::WorkingDirectory(if spec.cwd.is_empty() { "/".to_owned() } else { spec.cwd.clone() }));
    ops.push(SetupOp::Streams { uid, gid });
    if spec.no_new_privileges {
        ops.push(SetupOp::NoNewPrivileges);
    }
    ops.push(SetupOp::Bounding(wanted));
    if spec.seccomp {
        ops.push(SetupOp::Seccomp);
    }
    ops.push(SetupOp::Groups(spec.user.groups.clone()));
    ops.push(SetupOp::Ids { uid, gid });
    ops.push(SetupOp::Capabilities(if uid == 0 { wanted } else { 0 }));
    ops.push(SetupOp::DeathSignal);
    ops.push(SetupOp::Exec { argv: spec.argv.clone(), env: etc::environment(spec) });
}

#[cfg(test)]
mod tests;
