//! The binary is one file that needs nothing installed beside it.

/// Program header type of an interpreter (elf(5)): a dynamically linked program names its loader in one.
const PT_INTERP: u32 = 3;

#[test]
fn nothing_is_linked_dynamically() {
    let elf = std::fs::read(env!("CARGO_BIN_EXE_lapstrake")).unwrap();
    assert_eq!(&elf[..5], b"\x7fELF\x02", "a 64-bit ELF file");
    let word = |at: usize| usize::from(u16::from_le_bytes([elf[at], elf[at + 1]]));
    let table = usize::try_from(u64::from_le_bytes(elf[32..40].try_into().unwrap())).unwrap();
    let (size, count) = (word(54), word(56));
    assert!(count > 0);
    let kinds = (0..count)
        .map(|n| table + n * size)
        .map(|at| u32::from_le_bytes(elf[at..at + 4].try_into().unwrap()));
    assert!(!kinds.into_iter().any(|kind| kind == PT_INTERP), "it names a dynamic loader");
}
