//! Strings, their encodings and digests.

use super::{Function, MANY, count, list, whole};
use crate::error::Error;
use crate::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use sha2::{Digest, Sha256, Sha512};

pub(super) const TABLE: &[Function] = &[
    ("base64decode", 1, 1, |a, _| {
        let bytes = STANDARD.decode(a[0].text()?).map_err(|error| Error::new(error.to_string()))?;
        String::from_utf8(bytes).map(Value::String).map_err(|_| Error::new("the result is no text"))
    }),
    ("base64encode", 1, 1, |a, _| text(STANDARD.encode(a[0].text()?))),
    ("basename", 1, 1, |a, _| text(base(&a[0].text()?))),
    ("byteslen", 1, 1, |a, _| Ok(count(a[0].text()?.len()))),
    ("chomp", 1, 1, |a, _| text(a[0].text()?.trim_end_matches(['\n', '\r']).to_owned())),
    ("dirname", 1, 1, |a, _| text(dir(&a[0].text()?))),
    ("homedir", 0, 0, |_, facts| text(facts.home.clone())),
    ("indent", 2, 2, |a, _| {
        let by = " ".repeat(super::size(&a[0])?.min(1024));
        text(a[1].text()?.replace('\n', &format!("\n{by}")))
    }),
    ("join", 1, MANY, |a, _| {
        let mut parts = Vec::new();
        for items in &a[1..] {
            for item in items.list()? {
                parts.push(item.text()?);
            }
        }
        text(parts.join(&a[0].text()?))
    }),
    ("jsondecode", 1, 1, |a, _| {
        let json = serde_json::from_str(&a[0].text()?).map_err(|error| Error::new(error.to_string()))?;
        Ok(Value::from_json(&json))
    }),
    ("jsonencode", 1, 1, |a, _| text(crate::html_safe(&a[0].json().to_string()))),
    ("lower", 1, 1, |a, _| text(a[0].text()?.to_lowercase())),
    ("regex", 2, 2, |a, _| {
        let (pattern, of) = (regex(&a[0])?, a[1].text()?);
        let found = pattern.captures(&of).ok_or_else(|| Error::new("nothing matches"))?;
        Ok(captured(&pattern, &found))
    }),
    ("regexall", 2, 2, |a, _| {
        let (pattern, of) = (regex(&a[0])?, a[1].text()?);
        Ok(list(pattern.captures_iter(&of).map(|found| captured(&pattern, &found))))
    }),
    ("regex_replace", 3, 3, |a, _| {
        let of = a[0].text()?;
        text(regex(&a[1])?.replace_all(&of, a[2].text()?.as_str()).into_owned())
    }),
    ("replace", 3, 3, |a, _| text(a[0].text()?.replace(&a[1].text()?, &a[2].text()?))),
    ("reverse", 1, 1, |a, _| text(a[0].text()?.chars().rev().collect())),
    ("sanitize", 1, 1, |a, _| {
        let keep = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
        text(a[0].text()?.chars().map(keep).collect())
    }),
    ("sha256", 1, 1, |a, _| text(hex(&Sha256::digest(a[0].text()?)))),
    ("sha512", 1, 1, |a, _| text(hex(&Sha512::digest(a[0].text()?)))),
    ("split", 2, 2, |a, _| {
        let (by, of) = (a[0].text()?, a[1].text()?);
        if by.is_empty() {
            return Ok(list(of.chars().map(|c| Value::String(c.to_string()))));
        }
        Ok(list(of.split(&by).map(Value::from)))
    }),
    ("strlen", 1, 1, |a, _| Ok(count(a[0].text()?.chars().count()))),
    ("substr", 3, 3, |a, _| substr(&a[0].text()?, whole(&a[1])?, whole(&a[2])?)),
    ("title", 1, 1, |a, _| text(title(&a[0].text()?))),
    ("trim", 2, 2, |a, _| {
        let set: Vec<char> = a[1].text()?.chars().collect();
        text(a[0].text()?.trim_matches(set.as_slice()).to_owned())
    }),
    ("trimprefix", 2, 2, |a, _| {
        let (of, prefix) = (a[0].text()?, a[1].text()?);
        text(of.strip_prefix(&prefix).unwrap_or(&of).to_owned())
    }),
    ("trimspace", 1, 1, |a, _| text(a[0].text()?.trim().to_owned())),
    ("trimsuffix", 2, 2, |a, _| {
        let (of, suffix) = (a[0].text()?, a[1].text()?);
        text(of.strip_suffix(&suffix).unwrap_or(&of).to_owned())
    }),
    ("upper", 1, 1, |a, _| text(a[0].text()?.to_uppercase())),
    ("urlencode", 1, 1, |a, _| text(urlencode(&a[0].text()?))),
];

#[expect(clippy::unnecessary_wraps, reason = "as all functions return")]
fn text(text: String) -> Result<Value, Error> {
    Ok(Value::String(text))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn regex(value: &Value) -> Result<Regex, Error> {
    let pattern = value.text()?;
    Regex::new(&pattern).map_err(|error| Error::new(format!("`{pattern}` is no regular expression: {error}")))
}

/// As HCL has it: the match, or a list of unnamed groups, or an object of named ones.
fn captured(pattern: &Regex, found: &regex::Captures<'_>) -> Value {
    let group = |group: Option<regex::Match<'_>>| group.map_or(Value::Null, |group| group.as_str().into());
    let names: Vec<&str> = pattern.capture_names().flatten().collect();
    if pattern.captures_len() == 1 {
        group(found.get(0))
    } else if names.is_empty() {
        list(found.iter().skip(1).map(group))
    } else {
        Value::Object(names.into_iter().map(|name| (name.to_owned(), group(found.name(name)))).collect())
    }
}

fn base(path: &str) -> String {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".".into(),
        "" => "/".into(),
        path => path.rsplit('/').next().unwrap_or(path).to_owned(),
    }
}

fn dir(path: &str) -> String {
    crate::clean(path.rsplit_once('/').map_or("", |(dir, _)| if dir.is_empty() { "/" } else { dir }))
}

fn substr(text: &str, offset: i64, length: i64) -> Result<Value, Error> {
    let chars: Vec<char> = text.chars().collect();
    let len = i64::try_from(chars.len()).unwrap_or(i64::MAX);
    let start = if offset < 0 { offset + len } else { offset }.clamp(0, len);
    let end = if length < 0 { len } else { start.saturating_add(length).min(len) };
    let place = |at: i64| usize::try_from(at).unwrap_or_default();
    self::text(chars[place(start)..place(end)].iter().collect())
}

fn title(text: &str) -> String {
    let mut before = ' ';
    let upper = |c: char| {
        let first = !(before.is_alphanumeric() || before == '_' || before == '\'');
        before = c;
        if first { c.to_uppercase().collect::<String>() } else { c.to_string() }
    };
    text.chars().map(upper).collect()
}

/// As Go's url.QueryEscape.
fn urlencode(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escape).collect()
}
