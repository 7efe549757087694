//! The patterns of `${x#p}` and `${x/p/r}`: `*`, `?` and literal characters. Neither wildcard matches a line break.
//!
//! They become regular expressions of an engine without back-tracking: a Dockerfile decides what is matched with what.

use super::ExpandError;
use regex::Regex;

enum Token {
    Star,
    Any,
    Literal(char),
}

/// `value` without the shortest (or `longest`) match of `pattern` at its start (or at its `end`).
pub(super) fn trim(pattern: &str, value: &str, end: bool, longest: bool) -> Result<String, ExpandError> {
    let mut tokens = compile(pattern)?;
    if !end {
        let found = regex(pattern, &tokens, true, longest)?.find(value);
        return Ok(value[found.map_or(0, |found| found.end())..].to_owned());
    }
    tokens.reverse();
    let reversed: String = value.chars().rev().collect();
    let found = regex(pattern, &tokens, true, longest)?.find(&reversed);
    Ok(value[..value.len() - found.map_or(0, |found| found.end())].to_owned())
}

/// `value` with the first match of `pattern`, or all of them, replaced. A match is as long as it can be. The result has
/// at most `limit` bytes.
pub(super) fn replace(
    pattern: &str,
    value: &str,
    with: &str,
    all: bool,
    limit: usize,
) -> Result<String, ExpandError> {
    let regex = regex(pattern, &compile(pattern)?, false, true)?;
    let (mut out, mut at) = (String::new(), 0);
    for found in regex.find_iter(value).take(if all { usize::MAX } else { 1 }) {
        out.push_str(&value[at..found.start()]);
        out.push_str(with);
        at = found.end();
        if out.len() > limit {
            return Err(ExpandError::TooLong);
        }
    }
    out.push_str(&value[at..]);
    Ok(out)
}

fn compile(pattern: &str) -> Result<Vec<Token>, ExpandError> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Star,
            '?' => Token::Any,
            '\\' => match chars.next() {
                Some(c @ ('}' | '/' | '*' | '?' | '\\')) => Token::Literal(c),
                _ => return Err(ExpandError::Pattern(pattern.to_owned())),
            },
            c => Token::Literal(c),
        });
    }
    Ok(tokens)
}

fn regex(pattern: &str, tokens: &[Token], at_start: bool, longest: bool) -> Result<Regex, ExpandError> {
    let mut text = String::from(if at_start { "^" } else { "" });
    for token in tokens {
        match token {
            Token::Star if longest => text.push_str(".*"),
            Token::Star => text.push_str(".*?"),
            Token::Any => text.push('.'),
            Token::Literal(c) => text.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    // The engine refuses patterns of some hundred kilobytes.
    Regex::new(&text).map_err(|_| ExpandError::Pattern(pattern.chars().take(40).collect()))
}
