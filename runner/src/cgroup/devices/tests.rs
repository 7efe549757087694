#![allow(clippy::cast_sign_loss, reason = "no number here is negative")]

use super::*;

const READ: u32 = 2;
const WRITE: u32 = 4;

/// Interprets the few instructions that the program uses.
fn run(kind: u32, access: u32, major: u32, minor: u32) -> bool {
    let context = [kind | (access << 16), major, minor];
    let program = program();
    let (mut registers, mut at) = ([0_u32; 11], 0_usize);
    loop {
        let BpfInstruction { code, registers: pair, offset, immediate } = program[at];
        let (to, from) = (usize::from(pair & 15), usize::from(pair >> 4));
        at += 1;
        let wanted = immediate as u32;
        match code {
            LOAD_WORD => registers[to] = context[offset as usize / 4],
            COPY => registers[to] = registers[from],
            MOVE => registers[to] = wanted,
            AND => registers[to] &= wanted,
            SHIFT_RIGHT => registers[to] >>= wanted,
            IF_EQUAL if registers[to] == wanted => at += offset as usize,
            IF_NOT if registers[to] != wanted => at += offset as usize,
            IF_EQUAL | IF_NOT => {}
            EXIT => return registers[0] == 1,
            other => panic!("code {other:#x}"),
        }
    }
}

#[test]
fn dockers_devices_open_and_no_others() {
    let (block, character) = (1, 2);
    for (major, minor) in
        [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, 0), (136, 77), (10, 200)]
    {
        for access in [READ, WRITE, READ | WRITE] {
            assert!(run(character, access, major, minor), "{major}:{minor}");
            assert!(!run(block, access, major, minor), "block {major}:{minor}");
        }
    }
    for (major, minor) in
        [(1, 1), (1, 2), (1, 4), (1, 6), (1, 11), (5, 3), (10, 229), (10, 201), (137, 0), (254, 0)]
    {
        assert!(!run(character, READ, major, minor), "{major}:{minor}");
        assert!(!run(block, READ, major, minor), "{major}:{minor}");
    }
}

#[test]
fn any_node_can_be_made() {
    for kind in [1, 2] {
        assert!(run(kind, 1, 8, 0));
        assert!(!run(kind, 1 | READ, 8, 0), "making and reading is not just making");
    }
}
