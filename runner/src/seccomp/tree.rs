//! Ranges to BPF.

use super::{ARCH_I386, ARCH_X86_64, CLONE_NAMESPACES, FAMILIES, PERSONALITIES, Verdict, X32_BIT};
use crate::sys::Filter;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets in struct seccomp_data; the low half of an argument comes first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENT_0: u32 = 16;

const fn op(code: u16, jt: u8, jf: u8, k: u32) -> Filter {
    Filter { code, jt, jf, k }
}

const ALLOW: Filter = op(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW);
const KILL: Filter = op(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS);

const fn errno(errno: i32) -> Filter {
    op(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno.cast_unsigned())
}

/// The whole filter for two tables of ranges.
pub(super) fn program(native: &[(u32, Verdict)], i386: &[(u32, Verdict)]) -> Vec<Filter> {
    let native = subtree(native);
    let i386 = subtree(i386);
    let mut program = vec![op(LOAD, 0, 0, ARCHITECTURE), op(EQUAL, 1, 0, ARCH_X86_64)];
    // Not x86-64: jump over its part, which begins behind this jump.
    program.push(op(JUMP, 0, 0, length(&native) + 3));
    program.push(op(LOAD, 0, 0, NUMBER));
    program.push(op(AT_LEAST, 0, 1, X32_BIT));
    program.push(errno(libc::ENOSYS));
    program.extend(native);
    program.extend([op(EQUAL, 1, 0, ARCH_I386), KILL, op(LOAD, 0, 0, NUMBER)]);
    program.extend(i386);
    program
}

fn length(part: &[Filter]) -> u32 {
    u32::try_from(part.len()).unwrap_or(u32::MAX)
}

/// Binary search: the number is in the accumulator.
fn subtree(ranges: &[(u32, Verdict)]) -> Vec<Filter> {
    if let [(_, only)] = ranges {
        return leaf(*only);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let Some((middle, _)) = high.first() else { return vec![KILL] };
    let (left, right) = (subtree(low), subtree(high));
    // Conditional jumps reach 255 instructions; farther right halves are reached by a plain jump.
    let mut part = match u8::try_from(left.len()) {
        Ok(distance) => vec![op(AT_LEAST, distance, 0, *middle)],
        Err(_) => vec![op(AT_LEAST, 0, 1, *middle), op(JUMP, 0, 0, length(&left))],
    };
    part.extend(left);
    part.extend(right);
    part
}

fn leaf(verdict: Verdict) -> Vec<Filter> {
    let deny = errno(libc::EPERM);
    match verdict {
        Verdict::Allow => vec![ALLOW],
        Verdict::Errno(code) => vec![errno(code)],
        Verdict::Clone => {
            vec![op(LOAD, 0, 0, ARGUMENT_0), op(ANY_BIT, 0, 1, CLONE_NAMESPACES), deny, ALLOW]
        }
        Verdict::Personality => {
            let tests = PERSONALITIES.map(|value| [op(EQUAL, 0, 1, value), ALLOW]);
            [op(LOAD, 0, 0, ARGUMENT_0)]
                .into_iter()
                .chain(tests.into_iter().flatten())
                .chain([deny])
                .collect()
        }
        Verdict::Socket => {
            let tests =
                FAMILIES.map(|(first, last)| [op(AT_LEAST, 0, 2, first), op(GREATER, 1, 0, last), ALLOW]);
            [op(LOAD, 0, 0, ARGUMENT_0)]
                .into_iter()
                .chain(tests.into_iter().flatten())
                .chain([deny])
                .collect()
        }
    }
}
