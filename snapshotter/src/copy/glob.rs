//! Go's `filepath.Match` on bytes: the language of source patterns.

/// Whether `name` contains anything that a pattern gives a meaning to.
pub(super) fn is_pattern(name: &[u8]) -> bool {
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

/// Whether `pattern` matches all of `name`. `*` and `?` match no slash; `[a-z]`, `[^a-z]` match one byte sequence of a
/// character; a backslash takes the next character as it is. `None`: the pattern is malformed.
pub(super) fn matches(pattern: &[u8], name: &[u8]) -> Option<bool> {
    // Go reports a malformed pattern even where the name has been found not to match.
    let found = here(pattern, name);
    if found.is_none() || !well_formed(pattern) { None } else { found }
}

/// Classic backtracking to the last star only: linear in practice, and never recursive.
fn here(pattern: &[u8], name: &[u8]) -> Option<bool> {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() || p < pattern.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
            continue;
        }
        if n < name.len() && p < pattern.len() {
            let (matched, pattern_len, name_len) = one(&pattern[p..], &name[n..])?;
            if matched {
                (p, n) = (p + pattern_len, n + name_len);
                continue;
            }
        }
        match star {
            Some((at, from)) if from < name.len() && name[from] != b'/' => {
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
            _ => return Some(false),
        }
    }
    Some(true)
}

/// Matches one element (no star) at the start of both: whether, and how long it is in each.
fn one(pattern: &[u8], name: &[u8]) -> Option<(bool, usize, usize)> {
    let (char, len) = decode(name);
    match pattern[0] {
        b'?' => Some((char != u32::from(b'/'), 1, len)),
        b'[' => {
            let (matched, used) = class(pattern, char)?;
            Some((matched, used, len))
        }
        b'\\' => Some((*pattern.get(1)? == name[0], 2, 1)),
        byte => Some((byte == name[0], 1, 1)),
    }
}

/// Matches a class `[…]` at the start of `pattern`: whether it holds `char`, and its length.
fn class(pattern: &[u8], char: u32) -> Option<(bool, usize)> {
    let mut at = 1;
    let negated = pattern.get(at) == Some(&b'^');
    at += usize::from(negated);
    let (mut matched, mut ranges) = (false, 0);
    loop {
        if pattern.get(at) == Some(&b']') && ranges > 0 {
            return Some((matched != negated, at + 1));
        }
        let low = bound(pattern, &mut at)?;
        let high = match pattern.get(at) {
            Some(b'-') => {
                at += 1;
                bound(pattern, &mut at)?
            }
            _ => low,
        };
        matched |= low <= char && char <= high;
        ranges += 1;
    }
}

/// One end of a range.
fn bound(pattern: &[u8], at: &mut usize) -> Option<u32> {
    match pattern.get(*at)? {
        b'-' | b']' => return None,
        b'\\' => *at += 1,
        _ => {}
    }
    let rest = pattern.get(*at..).filter(|rest| !rest.is_empty())?;
    let (char, len) = decode(rest);
    *at += len;
    // A class cannot end with a bound: its bracket must follow.
    (*at < pattern.len()).then_some(char)
}

fn well_formed(pattern: &[u8]) -> bool {
    let mut at = 0;
    while at < pattern.len() {
        match pattern[at] {
            b'[' => match class(&pattern[at..], 0) {
                Some((_, used)) => at += used,
                None => return false,
            },
            b'\\' if at + 1 == pattern.len() => return false,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    true
}

/// The first character and its length. Bytes that are no UTF-8 stand for themselves, outside Unicode.
fn decode(bytes: &[u8]) -> (u32, usize) {
    let len = match bytes[0] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        byte if byte < 0x80 => return (u32::from(byte), 1),
        byte => return (0x11_0000 + u32::from(byte), 1),
    };
    let text = bytes.get(..len).and_then(|part| std::str::from_utf8(part).ok());
    match text.and_then(|text| text.chars().next()) {
        Some(char) => (u32::from(char), len),
        None => (0x11_0000 + u32::from(bytes[0]), 1),
    }
}

#[cfg(test)]
mod tests;
