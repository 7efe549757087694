//! Values as Go prints them: history texts are made with Go's `fmt`.

use std::fmt::Write as _;

/// `%q` of a list: `["a" "b"]`.
pub(super) fn quoted_list(list: &[String]) -> String {
    let words: Vec<String> = list.iter().map(|word| quote(word)).collect();
    format!("[{}]", words.join(" "))
}

/// `%v` of a list: `[a b]`.
pub(super) fn list(list: &[String]) -> String {
    format!("[{}]", list.join(" "))
}

/// `%q` of a string.
pub(super) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            c if c.is_ascii_control() => push_escape(&mut out, "x", 2, c),
            c if is_unprintable(c) => push_escape(&mut out, "u", 4, c),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// What Go's `IsPrint` refuses and text may hold: controls, blanks other than a space, invisible format characters.
fn is_unprintable(c: char) -> bool {
    let format = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{e000}'..='\u{f8ff}');
    c.is_control() || (c.is_whitespace() && c != ' ') || format
}

fn push_escape(out: &mut String, kind: &str, width: usize, c: char) {
    // Writing to a String cannot fail.
    write!(out, "\\{kind}{:0width$x}", u32::from(c)).unwrap_or_default();
}

/// `%v` of a duration in nanoseconds: `1h2m3s`, `3.5s`, `100ms`.
pub(super) fn duration(nanos: i64) -> String {
    const SECOND: u64 = 1_000_000_000;
    let sign = if nanos < 0 { "-" } else { "" };
    let abs = nanos.unsigned_abs();
    if abs == 0 {
        return "0s".into();
    }
    if abs < SECOND {
        let (unit, name) = match abs {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{sign}{}{name}", decimal(abs, unit));
    }
    let (minutes, rest) = (abs / (60 * SECOND), abs % (60 * SECOND));
    let seconds = decimal(rest, SECOND);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

/// `value / unit`, exactly, without trailing zeros.
fn decimal(value: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = format!("{rest:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}
