//! The filter, run by a small interpreter of classic BPF, against the table.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers, and bits cut on purpose"
)]

use super::*;
use std::collections::BTreeMap;

/// What a program makes of one system call.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Outcome {
    Allow,
    Errno(i32),
    Kill,
}

/// Runs `program` on struct seccomp_data, given as its words.
fn run(program: &[Filter], number: u32, arch: u32, argument: u64) -> Outcome {
    let mut data = [0_u32; 16];
    (data[0], data[1]) = (number, arch);
    (data[4], data[5]) = (argument as u32, (argument >> 32) as u32);
    let (mut accumulator, mut at) = (0_u32, 0_usize);
    for _ in 0..program.len() {
        let Filter { code, jt, jf, k } = program[at];
        at += 1;
        let jump = |taken: bool| usize::from(if taken { jt } else { jf });
        match code {
            0x20 => accumulator = data[k as usize / 4],
            0x05 => at += k as usize,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x45 => at += jump(accumulator & k != 0),
            0x06 => {
                return match k & 0xffff_0000 {
                    0x7fff_0000 => Outcome::Allow,
                    0x0005_0000 => Outcome::Errno((k & 0xffff) as i32),
                    0x8000_0000 => Outcome::Kill,
                    other => panic!("action {other:#x}"),
                };
            }
            other => panic!("code {other:#x}"),
        }
    }
    panic!("the program does not end");
}

fn default_program() -> Vec<Filter> {
    compile(crate::caps::mask(&crate::caps::default_names()).unwrap())
}

fn rows() -> Vec<(&'static str, Option<u32>, Option<u32>, &'static str)> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#'));
    rows.map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words.len(), 4, "{line}");
        let number = |word: &str| (word != "-").then(|| word.parse().unwrap());
        (words[0], number(words[1]), number(words[2]), words[3])
    })
    .collect()
}

fn number(name: &str) -> u32 {
    rows().into_iter().find(|row| row.0 == name).and_then(|row| row.1).unwrap()
}

#[test]
fn every_listed_call_gets_its_rule() {
    let program = default_program();
    let default: Vec<String> = crate::caps::default_names();
    for (name, native, i386, rule) in rows() {
        let expected = match rule {
            "allow" | "socket" | "clone" | "personality" => Outcome::Allow, // their arguments are 0 here
            "clone3" => Outcome::Errno(libc::ENOSYS),
            "never" => Outcome::Errno(libc::EPERM),
            names if names.split('+').any(|one| default.iter().any(|held| held == one)) => Outcome::Allow,
            _ => Outcome::Errno(libc::EPERM),
        };
        for (number, arch) in [(native, ARCH_X86_64), (i386, ARCH_I386)] {
            let Some(number) = number else { continue };
            assert_eq!(run(&program, number, arch, 0), expected, "{name} {number} on {arch:#x}");
        }
    }
}

#[test]
fn the_table_is_sound() {
    let mut seen: BTreeMap<(bool, u32), &str> = BTreeMap::new();
    for (name, native, i386, rule) in rows() {
        for key in native.map(|n| (true, n)).into_iter().chain(i386.map(|n| (false, n))) {
            assert_eq!(seen.insert(key, name), None, "{key:?}");
        }
        let known = ["allow", "never", "socket", "clone", "clone3", "personality"].contains(&rule)
            || rule.split('+').all(|one| crate::caps::bit(one).is_some());
        assert!(known, "{name}: {rule}");
    }
    for name in ["read", "write", "execve", "exit_group", "openat", "mmap", "futex", "capset", "prctl"] {
        assert_eq!(rows().iter().find(|row| row.0 == name).unwrap().3, "allow", "{name}");
    }
    for name in
        ["io_uring_setup", "keyctl", "add_key", "request_key", "userfaultfd", "kexec_load", "pivot_root"]
    {
        assert_eq!(rows().iter().find(|row| row.0 == name).unwrap().3, "never", "{name}");
    }
}

#[test]
fn numbers_agree_with_libc() {
    for (name, expected) in [
        ("read", libc::SYS_read),
        ("ptrace", libc::SYS_ptrace),
        ("mount", libc::SYS_mount),
        ("unshare", libc::SYS_unshare),
        ("bpf", libc::SYS_bpf),
        ("clone3", libc::SYS_clone3),
        ("openat2", libc::SYS_openat2),
        ("mseal", libc::SYS_mseal),
    ] {
        assert_eq!(i64::from(number(name)), expected, "{name}");
    }
}

#[test]
fn newer_numbers_and_x32_are_unknown() {
    let program = default_program();
    let unknown = Outcome::Errno(libc::ENOSYS);
    for number in [467, 500, 1000, 0x3fff_ffff, X32_BIT, X32_BIT + 1, X32_BIT + 520, u32::MAX] {
        assert_eq!(run(&program, number, ARCH_X86_64, 0), unknown, "{number:#x}");
    }
    for number in [467, 1000, u32::MAX] {
        assert_eq!(run(&program, number, ARCH_I386, 0), unknown, "{number:#x}");
    }
    for arch in [0, 0xc000_00b7, 0x4000_0028] {
        assert_eq!(run(&program, 0, arch, 0), Outcome::Kill, "{arch:#x}");
    }
}

#[test]
fn arguments_are_looked_at() {
    let program = default_program();
    let native = |name: &str, argument: u64| run(&program, number(name), ARCH_X86_64, argument);
    let denied = Outcome::Errno(libc::EPERM);
    for family in 0..64_u64 {
        let known = [12, 19, 20, 23, 25, 34, 37, 38, 40].contains(&family) || family > 45;
        assert_eq!(native("socket", family), if known { denied } else { Outcome::Allow }, "{family}");
    }
    for flags in [libc::CLONE_NEWNS, libc::CLONE_NEWUSER, libc::CLONE_NEWPID, libc::CLONE_NEWNET] {
        assert_eq!(native("clone", flags as u64), denied, "{flags:#x}");
    }
    assert_eq!(native("clone", (libc::CLONE_VM | libc::CLONE_THREAD | libc::SIGCHLD) as u64), Outcome::Allow);
    for persona in [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff] {
        assert_eq!(native("personality", persona), Outcome::Allow, "{persona:#x}");
    }
    for persona in [1, 4, 0x40000, 0x0040_0000] {
        assert_eq!(native("personality", persona), denied, "{persona:#x}");
    }
}

#[test]
fn capabilities_unlock_their_calls() {
    let program = compile(crate::caps::mask(&["SYS_ADMIN".into(), "BPF".into()]).unwrap());
    let native = |name: &str, argument: u64| run(&program, number(name), ARCH_X86_64, argument);
    for name in ["mount", "unshare", "setns", "clone3", "bpf", "perf_event_open"] {
        assert_eq!(native(name, 0), Outcome::Allow, "{name}");
    }
    assert_eq!(native("clone", libc::CLONE_NEWNS as u64), Outcome::Allow);
    for name in ["chroot", "reboot", "init_module"] {
        assert_eq!(native(name, 0), Outcome::Errno(libc::EPERM), "{name}");
    }
}

/// Each call costs a walk down the tree: that must stay short.
#[test]
fn the_tree_is_shallow() {
    let program = default_program();
    let steps = |number: u32| {
        let (mut at, mut steps) = (4, 0); // behind the prologue
        while program[at].code != 0x06 && program[at].code != 0x20 {
            let Filter { code, jt, jf, k } = program[at];
            at += 1 + match code {
                0x05 => k as usize,
                _ => usize::from(if number >= k { jt } else { jf }),
            };
            steps += 1;
        }
        steps
    };
    let deepest = (0..470).map(steps).max().unwrap();
    assert!(deepest <= 12, "{deepest} steps");
    assert!(program.len() < 512, "{} instructions", program.len());
}
