//! /proc, /dev, /sys: what the kernel provides.

use super::SetupOp;
use super::sources::Sources;
use crate::facts::HostFacts;
use crate::spec::Spec;

/// Of /dev/shm, as docker has it.
const SHM_SIZE: u64 = 64 << 20;

/// Everywhere: name, major, minor.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// For a privileged sandbox: the kernel's log, what file systems and machines are made of in user space.
const MORE_DEVICES: [(&str, u32, u32); 6] = [
    ("kmsg", 1, 11),
    ("cuse", 10, 203),
    ("fuse", 10, 229),
    ("kvm", 10, 232),
    ("net/tun", 10, 200),
    ("loop-control", 10, 237),
];

/// How many loop devices a privileged sandbox has beyond those in use.
const FREE_LOOPS: u32 = 8;

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

fn mount(kind: &str, target: &str, options: &str, attributes: &str) -> SetupOp {
    SetupOp::Mount {
        kind: kind.to_owned(),
        target: target.to_owned(),
        options: options.to_owned(),
        attributes: attributes.to_owned(),
    }
}

pub(super) fn mounts(ops: &mut Vec<SetupOp>, spec: &Spec, host: &HostFacts) {
    ops.push(mount("proc", "/proc", "", "nosuid,noexec,nodev"));
    ops.push(mount("tmpfs", "/dev", "mode=755,size=65536k", "nosuid,strictatime"));
    let device = |block: bool, (name, major, minor): (&str, u32, u32)| SetupOp::Device {
        name: name.to_owned(),
        block,
        major,
        minor,
    };
    ops.extend(DEVICES.map(|known| device(false, known)));
    if spec.privileged {
        ops.extend(MORE_DEVICES.map(|known| device(false, known)));
        let loops = 0..host.loops_in_use.saturating_add(FREE_LOOPS);
        ops.extend(loops.map(|number| device(true, (&format!("loop{number}"), 7, number))));
    }
    ops.extend(LINKS.map(|(name, to)| SetupOp::Symlink { path: format!("/dev/{name}"), to: to.to_owned() }));
    ops.push(mount("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=0620,gid=5", "nosuid,noexec"));
    ops.push(mount("mqueue", "/dev/mqueue", "", "nosuid,noexec,nodev"));
    // One of the user's takes its place; `mount` then shows it alone.
    let own_shm = spec.mounts.iter().any(|mount| mount.target() == "/dev/shm");
    let shm = format!("source=shm,mode=1777,size={}k", spec.shm_size.unwrap_or(SHM_SIZE).div_ceil(1024));
    if !own_shm {
        ops.push(mount("tmpfs", "/dev/shm", &shm, "nosuid,noexec,nodev"));
    }
    ops.push(mount("sysfs", "/sys", "", unless_privileged(spec)));
}

fn unless_privileged(spec: &Spec) -> &'static str {
    if spec.privileged { "nosuid,noexec,nodev" } else { "nosuid,noexec,nodev,ro" }
}

pub(super) fn cgroups(ops: &mut Vec<SetupOp>, spec: &Spec, host: &HostFacts, sources: &Sources) {
    if !host.version1_only() {
        ops.push(mount("cgroup2", "/sys/fs/cgroup", "", unless_privileged(spec)));
        return;
    }
    ops.push(mount("tmpfs", "/sys/fs/cgroup", "mode=755", "nosuid,noexec,nodev"));
    ops.extend(sources.attach_cgroups());
    for (joint, _) in host.cgroups.version1.iter().filter(|(name, _)| name.contains(',')) {
        ops.extend(
            joint
                .split(',')
                .map(|one| SetupOp::Symlink { path: format!("/sys/fs/cgroup/{one}"), to: joint.clone() }),
        );
    }
    if !spec.privileged {
        ops.push(SetupOp::Seal { target: "/sys/fs/cgroup".to_owned(), attributes: "ro".to_owned() });
    }
}
