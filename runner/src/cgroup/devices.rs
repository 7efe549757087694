//! docker's device rules as an eBPF program.

use crate::sys::{self, BpfInstruction};
use std::io;
use std::os::fd::OwnedFd;

/// Character devices that may be opened: major and minor, None for any minor. Making nodes is always allowed,
/// opening anything else never.
const ALLOWED: [(i32, Option<i32>); 10] = [
    (1, Some(3)),
    (1, Some(5)),
    (1, Some(7)),
    (1, Some(8)),
    (1, Some(9)),
    (5, Some(0)),
    (5, Some(1)),
    (5, Some(2)),
    (136, None),
    (10, Some(200)),
];

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const COPY: u8 = 0xbf;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const IF_EQUAL: u8 = 0x15;
const IF_NOT: u8 = 0x55;
const EXIT: u8 = 0x95;

// struct bpf_cgroup_dev_ctx: kind in the low half of the first word, wanted access in the high half.
const CHARACTER: i32 = 2;
const MKNOD: i32 = 1;
// Registers; 1 holds the context on entry, 0 the answer.
const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

/// Loads the program; attach it to as many cgroups as there are.
pub(crate) fn load() -> io::Result<OwnedFd> {
    sys::load_device_program(&program())
}

fn op(code: u8, destination: u8, source: u8, offset: i16, immediate: i32) -> BpfInstruction {
    BpfInstruction { code, registers: destination | (source << 4), offset, immediate }
}

fn program() -> Vec<BpfInstruction> {
    let mut program = vec![
        op(LOAD_WORD, KIND, 1, 0, 0),
        op(COPY, ACCESS, KIND, 0, 0),
        op(AND, KIND, 0, 0, 0xffff),
        op(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        op(LOAD_WORD, MAJOR, 1, 4, 0),
        op(LOAD_WORD, MINOR, 1, 8, 0),
    ];
    let answer = |allow: bool| [op(MOVE, 0, 0, 0, allow.into()), op(EXIT, 0, 0, 0, 0)];
    program.push(op(IF_NOT, ACCESS, 0, 2, MKNOD));
    program.extend(answer(true));
    program.push(op(IF_EQUAL, KIND, 0, 2, CHARACTER));
    program.extend(answer(false));
    for (major, minor) in ALLOWED {
        program.push(op(IF_NOT, MAJOR, 0, if minor.is_some() { 3 } else { 2 }, major));
        program.extend(minor.map(|minor| op(IF_NOT, MINOR, 0, 2, minor)));
        program.extend(answer(true));
    }
    program.extend(answer(false));
    program
}

#[cfg(test)]
mod tests;
