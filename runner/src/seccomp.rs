//! docker's default system call filter as a classic BPF program.
//!
//! The table is data/syscalls.txt; [`compile`] turns it into a binary search over ranges of numbers, one tree for
//! x86-64 and one for i386. What a call gets: allowed; EPERM when it is known and not allowed; ENOSYS when it is
//! newer than the table, so that a libc falls back to what it used before. x32 programs get ENOSYS for
//! everything, as from the many kernels built without x32; any other architecture is killed.

use crate::sys::Filter;
use std::sync::OnceLock;

mod tree;

const TABLE: &str = include_str!("../data/syscalls.txt");

const ARCH_X86_64: u32 = 0xc000_003e;
const ARCH_I386: u32 = 0x4000_0003;
/// Set in the numbers of x32 calls.
const X32_BIT: u32 = 0x4000_0000;

/// CLONE_NEW* without CLONE_NEWTIME, which clone cannot take.
const CLONE_NAMESPACES: u32 = 0x7e02_0000;
const PERSONALITIES: [u32; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// First and last of each run of address families that a socket may have: neither AF_ALG (38) nor AF_VSOCK (40),
/// which reach the host's kernel past every namespace, nor families that no kernel has any more.
const FAMILIES: [(u32, u32); 8] =
    [(0, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)];

/// What a system call gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Errno(i32),
    /// By its first argument.
    Socket,
    Clone,
    Personality,
}

const EPERM: Verdict = Verdict::Errno(libc::EPERM);
const ENOSYS: Verdict = Verdict::Errno(libc::ENOSYS);

/// The filter for a process that holds `capabilities`; kept for the default set.
pub(crate) fn filter(capabilities: u64) -> Vec<Filter> {
    static DEFAULT: OnceLock<(u64, Vec<Filter>)> = OnceLock::new();
    let (known, program) = DEFAULT.get_or_init(|| (capabilities, compile(capabilities)));
    if *known == capabilities { program.clone() } else { compile(capabilities) }
}

/// Compiles the table for a process that holds `capabilities`.
fn compile(capabilities: u64) -> Vec<Filter> {
    let native = ranges(&table(capabilities, Column::Native));
    let i386 = ranges(&table(capabilities, Column::I386));
    tree::program(&native, &i386)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Native,
    I386,
}

/// Number and verdict of every call in one column, sorted.
fn table(capabilities: u64, column: Column) -> Vec<(u32, Verdict)> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    let mut calls: Vec<(u32, Verdict)> = rows
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (_, native, i386, rule) = (words.next()?, words.next()?, words.next()?, words.next()?);
            let number = if column == Column::Native { native } else { i386 };
            Some((number.parse().ok()?, verdict(rule, capabilities)))
        })
        .collect();
    calls.sort_by_key(|(number, _)| *number);
    calls
}

fn verdict(rule: &str, capabilities: u64) -> Verdict {
    let holds = |name: &str| crate::caps::bit(name).is_some_and(|bit| capabilities & bit != 0);
    match rule {
        "allow" => Verdict::Allow,
        "never" => EPERM,
        "socket" => Verdict::Socket,
        "clone" | "clone3" if holds("SYS_ADMIN") => Verdict::Allow,
        "clone" => Verdict::Clone,
        // Its flags lie in memory, out of a filter's sight: libc falls back to clone.
        "clone3" => ENOSYS,
        "personality" => Verdict::Personality,
        names if names.split('+').any(holds) => Verdict::Allow,
        _ => EPERM,
    }
}

/// Runs of equal verdicts as (first number, verdict). Numbers that no call has join their neighbour; those above
/// the highest get ENOSYS.
fn ranges(calls: &[(u32, Verdict)]) -> Vec<(u32, Verdict)> {
    let mut ranges: Vec<(u32, Verdict)> = Vec::new();
    for (number, verdict) in calls {
        match ranges.last() {
            None => ranges.push((0, *verdict)),
            Some((_, last)) if last == verdict => {}
            Some(_) => ranges.push((*number, *verdict)),
        }
    }
    let highest = calls.last().map_or(0, |(number, _)| *number);
    ranges.push((highest + 1, ENOSYS));
    ranges
}

#[cfg(test)]
mod tests;
