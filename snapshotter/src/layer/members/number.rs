//! Numbers in tar headers: octal text, or base 256 (GNU, star).

use tar::Header;

/// A numeric field; an empty one is 0. `None` if it is no number, or too large.
pub(super) fn parse(field: &[u8]) -> Option<i64> {
    match field.first()? {
        first if first & 0x80 != 0 => base256(field),
        _ => octal(field),
    }
}

/// Big-endian two's complement whose top bit only marks the form.
fn base256(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative { field[0] } else { field[0] & 0x7f };
    let start: i64 = if negative { -1 } else { 0 };
    std::iter::once(&first).chain(&field[1..]).try_fold(start, |value, byte| {
        let shifted = value.checked_mul(256)?;
        Some(shifted | i64::from(*byte))
    })
}

fn octal(field: &[u8]) -> Option<i64> {
    let text = field.split(|b| *b == 0).next().unwrap_or_default().trim_ascii();
    text.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

/// Compares a header with its checksum: the sum of its bytes, unsigned or (old Sun tars) signed.
pub(super) fn check(header: &Header) -> Result<(), &'static str> {
    let wanted = octal(&header.as_old().cksum).ok_or("a header has no valid checksum")?;
    let bytes = header.as_bytes().iter().enumerate();
    let bytes = bytes.map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let unsigned: i64 = bytes.clone().map(i64::from).sum();
    let signed: i64 = bytes.map(|byte| i64::from(byte.cast_signed())).sum();
    if wanted == unsigned || wanted == signed { Ok(()) } else { Err("a header does not match its checksum") }
}
