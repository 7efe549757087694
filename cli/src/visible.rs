//! Text from elsewhere on its way to a terminal: it may not move the cursor, set titles or overwrite what stands there.

use std::borrow::Cow;

/// `text` with a sign in the place of each control character but line feeds and tabs.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { sign(c) }).collect()
}

/// A line of a program's output: as [`text()`], but with its colours. Bytes that are no text stay as they are.
pub(crate) fn line(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let c = match *rest {
            [0x1b, b'[', ..] if color(rest) > 0 => {
                out.extend_from_slice(&rest[..color(rest)]);
                at += color(rest);
                continue;
            }
            [byte, ..] if byte.is_ascii_control() && byte != b'\t' => char::from(byte),
            [0xc2, byte @ 0x80..=0x9f, ..] => {
                at += 1;
                char::from(byte)
            }
            [byte, ..] => {
                out.push(byte);
                at += 1;
                continue;
            }
            [] => break,
        };
        out.extend_from_slice(sign(c).encode_utf8(&mut [0; 4]).as_bytes());
        at += 1;
    }
    out
}

/// The length of the sequence that sets colours which `bytes` begins with; 0 if it is another.
fn color(bytes: &[u8]) -> usize {
    let inner = bytes.iter().skip(2).take_while(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')).count();
    if bytes.get(2 + inner) == Some(&b'm') { inner + 3 } else { 0 }
}

/// What stands for a control character; other characters stand for themselves.
fn sign(c: char) -> char {
    match u32::from(c) {
        code @ 0..0x20 => char::from_u32(0x2400 + code).unwrap_or('\u{fffd}'),
        0x7f => '\u{2421}',
        0x80..=0x9f => '\u{fffd}',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    fn line(bytes: &[u8]) -> String {
        String::from_utf8_lossy(&super::line(bytes)).into_owned()
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(super::text("\u{1b}]0;title\u{7}\r\u{9b}2J\u{7f}"), "␛]0;title␇␍\u{fffd}2J␡");
        assert_eq!(super::text("two\nlines,\té"), "two\nlines,\té");
    }

    #[test]
    fn lines_keep_their_colours_and_no_other_sequence() {
        assert_eq!(line(b"\x1b[1;31mred\x1b[m\tplain"), "\x1b[1;31mred\x1b[m\tplain");
        assert_eq!(line(b"\x1b[2J\x1b]0;t\x07\x1b[1;31"), "␛[2J␛]0;t␇␛[1;31");
        assert_eq!(line("10%\r20% \u{9b}31m é\u{8f}".as_bytes()), "10%␍20% \u{fffd}31m é\u{fffd}");
        assert_eq!(super::line(b"\xff\x9b\xc2"), b"\xff\x9b\xc2");
    }
}
