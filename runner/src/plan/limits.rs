//! Resource limits.

use super::SetupOp;
use crate::facts::HostFacts;
use crate::spec::{Spec, Ulimit};

/// docker's names and the kernel's numbers.
const NAMES: [(&str, u32); 15] = [
    ("core", libc::RLIMIT_CORE),
    ("cpu", libc::RLIMIT_CPU),
    ("data", libc::RLIMIT_DATA),
    ("fsize", libc::RLIMIT_FSIZE),
    ("locks", libc::RLIMIT_LOCKS),
    ("memlock", libc::RLIMIT_MEMLOCK),
    ("msgqueue", libc::RLIMIT_MSGQUEUE),
    ("nice", libc::RLIMIT_NICE),
    ("nofile", libc::RLIMIT_NOFILE),
    ("nproc", libc::RLIMIT_NPROC),
    ("rss", libc::RLIMIT_RSS),
    ("rtprio", libc::RLIMIT_RTPRIO),
    ("rttime", libc::RLIMIT_RTTIME),
    ("sigpending", libc::RLIMIT_SIGPENDING),
    ("stack", libc::RLIMIT_STACK),
];

/// The kernel's number of the limit that docker calls `name`.
pub(crate) fn number(name: &str) -> Option<u32> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// The reverse of [`number`].
pub(crate) fn name(number: u32) -> Option<&'static str> {
    NAMES.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

/// The defaults, clamped to the host's hard limits, but for those that the spec sets.
pub(super) fn limits(spec: &Spec, host: &HostFacts) -> Vec<SetupOp> {
    let defaults = [
        (libc::RLIMIT_NOFILE, 1 << 20, 1 << 20),
        (libc::RLIMIT_NPROC, u64::MAX, u64::MAX),
        (libc::RLIMIT_STACK, 8 << 20, u64::MAX),
        (libc::RLIMIT_CORE, 0, u64::MAX),
    ];
    let set = |resource: u32| spec.ulimits.iter().any(|limit| number(&limit.name) == Some(resource));
    let defaults = defaults.into_iter().filter(|(resource, ..)| !set(*resource));
    let clamped = defaults.map(|(resource, soft, hard)| {
        let most = host.hard_limits.get(resource as usize).copied().unwrap_or(u64::MAX);
        SetupOp::Limit { resource, soft: u64::min(soft, most), hard: u64::min(hard, most) }
    });
    let asked = spec.ulimits.iter().filter_map(|Ulimit { name, soft, hard }| {
        // -1 is no limit, the kernel's largest number.
        Some(SetupOp::Limit {
            resource: number(name)?,
            soft: soft.cast_unsigned(),
            hard: hard.cast_unsigned(),
        })
    });
    clamped.chain(asked).collect()
}
