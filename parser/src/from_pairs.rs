//! From pest's pairs to plain ranges and strings. Nothing outside this file knows pest.

use pest::Parser as _;
use pest::iterators::{Pair, Pairs};
use std::ops::Range;

#[derive(pest_derive::Parser)]
#[grammar = "dockerfile.pest"]
struct Grammar;

/// The start of an instruction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Head {
    pub(crate) name: Range<usize>,
    pub(crate) flags: Vec<Flag>,
    /// Where the arguments start.
    pub(crate) rest: usize,
}

/// `--name[=value]`, quotes and escapes still in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Flag {
    pub(crate) whole: Range<usize>,
    pub(crate) name: Range<usize>,
    pub(crate) value: Option<Range<usize>>,
}

/// Whether a text is a JSON array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Json {
    /// Of strings: decoded, with their places, quotes included.
    Strings(Vec<(String, Range<usize>)>),
    /// With something else in it: the first such place.
    Other(Range<usize>),
    /// It is none.
    No,
}

/// Arrays nested deeper are taken for other text: the grammar recurses.
const MAX_JSON_DEPTH: usize = 64;

/// As the grammar's `blank`.
const BLANK: [char; 5] = [' ', '\t', '\u{b}', '\u{c}', '\r'];

/// Splits an instruction, trimmed, into name, flags and arguments.
pub(crate) fn head(text: &str, escape: char) -> Head {
    let name = text.find(BLANK).unwrap_or(text.len());
    let rest = text.len() - text[name..].trim_start_matches(BLANK).len();
    // Most lines have no flags, and need no grammar.
    if !text.is_empty() && !text[rest..].starts_with("--") {
        return Head { name: 0..name, flags: Vec::new(), rest };
    }
    let rule = if escape == '`' { Rule::head_backtick } else { Rule::head_backslash };
    let mut head = Head { rest: text.len(), ..Head::default() };
    for pair in children(rule, text) {
        match pair.as_rule() {
            Rule::name => head.name = range(&pair),
            Rule::rest => head.rest = range(&pair).start,
            Rule::flag_backslash | Rule::flag_backtick => head.flags.push(flag(pair)),
            _ => {}
        }
    }
    head
}

fn flag(pair: Pair<'_, Rule>) -> Flag {
    let mut flag = Flag { whole: range(&pair), ..Flag::default() };
    for part in pair.into_inner() {
        match part.as_rule() {
            Rule::flag_name => flag.name = range(&part),
            _ => flag.value = Some(range(&part)),
        }
    }
    flag
}

/// Words between blanks.
pub(crate) fn words(text: &str) -> Vec<Range<usize>> {
    let words = children(Rule::words, text).filter(|pair| pair.as_rule() == Rule::word);
    words.map(|pair| range(&pair)).collect()
}

/// Words between blanks that are in no quotes and not escaped.
pub(crate) fn quoted_words(text: &str, escape: char) -> Vec<Range<usize>> {
    let rule = if escape == '`' { Rule::quoted_backtick } else { Rule::quoted_backslash };
    children(rule, text).filter(|pair| pair.as_rule() != Rule::EOI).map(|pair| range(&pair)).collect()
}

/// Reads a JSON array.
pub(crate) fn json(text: &str) -> Json {
    if !text.starts_with('[') || depth(text) > MAX_JSON_DEPTH {
        return Json::No;
    }
    let Some(pairs) = parse(Rule::json, text) else { return Json::No };
    let mut strings = Vec::new();
    for pair in pairs {
        match pair.as_rule() {
            Rule::json_string => {
                let at = range(&pair);
                strings.push((decode(&text[at.start + 1..at.end - 1]), at));
            }
            Rule::json_other => return Json::Other(range(&pair)),
            _ => {}
        }
    }
    Json::Strings(strings)
}

/// How deep brackets nest, those in strings not counted.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for b in text.bytes() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth += 1,
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Undoes the escapes of a JSON string's inside. Half a surrogate pair becomes U+FFFD.
fn decode(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let sign = rest.as_bytes()[at + 1];
        rest = &rest[at + 2..];
        out.push(match sign {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => unicode(&mut rest),
            other => char::from(other),
        });
    }
    out.push_str(rest);
    out
}

/// The character of `XXXX` or `XXXX\uXXXX` at the start of `rest`, which it shortens.
fn unicode(rest: &mut &str) -> char {
    let hex = |text: &str| text.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let first = hex(rest).unwrap_or(0xFFFD);
    *rest = &rest[4..];
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = rest.strip_prefix("\\u").and_then(hex)
        && (0xDC00..0xE000).contains(&second)
    {
        *rest = &rest[6..];
        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn parse(rule: Rule, text: &str) -> Option<Pairs<'_, Rule>> {
    Some(Grammar::parse(rule, text).ok()?.next()?.into_inner())
}

fn children(rule: Rule, text: &str) -> impl Iterator<Item = Pair<'_, Rule>> {
    parse(rule, text).into_iter().flatten()
}

fn range(pair: &Pair<'_, Rule>) -> Range<usize> {
    let span = pair.as_span();
    span.start()..span.end()
}
