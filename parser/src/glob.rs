//! Wildcards over paths, in bytes: Go's `filepath.Match`, and moby's extension of it with `**`.
//!
//! `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` match one character, `\` makes the next one literal. A character is
//! one of UTF-8, or one byte where the text is not UTF-8.

#[cfg(test)]
mod tests;

/// A pattern with `[` unclosed or empty, a range without end, or a `\` at its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in the pattern `{0}`")]
pub struct BadPattern(pub String);

/// Whether `pattern` matches all of `name`, as Go's `filepath.Match` says: `**` is no more than `*`.
///
/// # Errors
/// The pattern is malformed, whether or not the name could match.
pub fn matches(pattern: &[u8], name: &[u8]) -> Result<bool, BadPattern> {
    Ok(run(&compile(pattern, false)?, name))
}

/// Whether `pattern` matches all of `path`, where `**` also matches `/`: see [`PathPattern`].
///
/// # Errors
/// The pattern is malformed.
pub fn matches_path(pattern: &[u8], path: &[u8]) -> Result<bool, BadPattern> {
    Ok(PathPattern::new(pattern)?.matches(path))
}

/// A compiled pattern with `**`: `**/` matches any number of leading directories (none too), and `/**` at the end
/// everything below.
#[derive(Debug, Clone)]
pub struct PathPattern {
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    /// No wildcard.
    Exact(Vec<u8>),
    /// `text**`.
    Prefix(Vec<u8>),
    /// `**text`.
    Suffix(Vec<u8>),
    /// `**/x` where `x` matches within one component.
    AnyComponent(Vec<Token>),
    General(Vec<Token>),
    /// Needs [`search`].
    Odd(Vec<Token>),
}

#[derive(Debug, Clone)]
enum Token {
    Literal(Vec<u8>),
    /// `?`
    One,
    /// `*`
    Star,
    /// `**` or `**/`, not at the end: nothing, or everything up to and with some `/`.
    Directories,
    /// `**` at the end.
    Everything,
    Class {
        negated: bool,
        ranges: Vec<(u32, u32)>,
    },
}

impl PathPattern {
    /// Compiles `pattern`.
    ///
    /// # Errors
    /// The pattern is malformed.
    pub fn new(pattern: &[u8]) -> Result<Self, BadPattern> {
        let tokens = compile(pattern, true)?;
        let plain = |bytes: &[u8]| !bytes.iter().any(|b| b"*?[]\\".contains(b));
        let kind = match tokens.as_slice() {
            [] => Kind::Exact(Vec::new()),
            [Token::Literal(text)] if plain(pattern) => Kind::Exact(text.clone()),
            [Token::Literal(text), Token::Everything] if plain(text) => Kind::Prefix(text.clone()),
            [Token::Directories | Token::Everything, ..] if plain(&pattern[2..]) => {
                Kind::Suffix(pattern[2..].to_vec())
            }
            [Token::Directories, rest @ ..] if pattern.get(2) == Some(&b'/') && depth(rest) == Some(0) => {
                Kind::AnyComponent(rest.to_vec())
            }
            _ if is_odd(&tokens) => Kind::Odd(tokens),
            _ => Kind::General(tokens),
        };
        Ok(Self { kind })
    }

    /// Whether it matches all of `path`.
    pub fn matches(&self, path: &[u8]) -> bool {
        match &self.kind {
            Kind::Exact(text) => path == text,
            Kind::Prefix(text) => path.starts_with(text),
            Kind::Suffix(text) => path.ends_with(text) || text.strip_prefix(b"/") == Some(path),
            Kind::AnyComponent(tokens) => {
                path.rsplit(|b| *b == b'/').next().is_some_and(|name| run(tokens, name))
            }
            Kind::General(tokens) => run(tokens, path),
            Kind::Odd(tokens) => search(tokens, path),
        }
    }

    /// Whether it matches `path` or a directory above it.
    pub fn matches_or_parent(&self, path: &[u8]) -> bool {
        match &self.kind {
            Kind::Exact(text) => {
                path.strip_prefix(text.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
            }
            Kind::Prefix(text) => path.starts_with(text),
            Kind::AnyComponent(tokens) => path.split(|b| *b == b'/').any(|name| run(tokens, name)),
            Kind::General(tokens) => match depth(tokens) {
                Some(depth) => ends(path).nth(depth).is_some_and(|end| run(tokens, &path[..end])),
                None => ends(path).any(|end| run(tokens, &path[..end])),
            },
            Kind::Suffix(_) | Kind::Odd(_) => ends(path).any(|end| self.matches(&path[..end])),
        }
    }

    /// Whether it might match something below the directory `dir`. Errs on the side of yes.
    pub fn may_match_below(&self, dir: &[u8]) -> bool {
        let literal = match &self.kind {
            Kind::Exact(text) => return below(text, dir),
            Kind::Prefix(text) => text.as_slice(),
            Kind::Suffix(_) | Kind::AnyComponent(_) | Kind::Odd(_) => return true,
            Kind::General(tokens) => {
                if depth(tokens).is_some_and(|depth| depth < ends(dir).count()) {
                    return false;
                }
                match tokens.first() {
                    Some(Token::Literal(text)) => text.as_slice(),
                    _ => return true,
                }
            }
        };
        below(literal, dir) || dir.starts_with(literal)
    }
}

/// The ends of all leading directories of `path`, and of itself.
pub(crate) fn ends(path: &[u8]) -> impl Iterator<Item = usize> {
    path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([path.len()])
}

fn below(text: &[u8], dir: &[u8]) -> bool {
    text.strip_prefix(dir).is_some_and(|rest| rest.first() == Some(&b'/'))
}

/// How many `/` a match has, where that is fixed.
fn depth(tokens: &[Token]) -> Option<usize> {
    tokens.iter().try_fold(0, |sum, token| match token {
        Token::Literal(text) => Some(sum + text.iter().filter(|b| **b == b'/').count()),
        Token::One | Token::Star => Some(sum),
        Token::Class { .. } | Token::Directories | Token::Everything => None,
    })
}

fn compile(pattern: &[u8], doublestar: bool) -> Result<Vec<Token>, BadPattern> {
    let bad = || BadPattern(String::from_utf8_lossy(pattern).into_owned());
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&b) = pattern.get(at) {
        at += 1;
        match b {
            b'*' if doublestar && pattern.get(at) == Some(&b'*') => {
                at += 1;
                at += usize::from(pattern.get(at) == Some(&b'/'));
                tokens.push(if at == pattern.len() { Token::Everything } else { Token::Directories });
            }
            b'*' => {
                if !matches!(tokens.last(), Some(Token::Star)) {
                    tokens.push(Token::Star);
                }
            }
            b'?' => tokens.push(Token::One),
            b'[' => {
                let (class, len) = class(&pattern[at..]).ok_or_else(bad)?;
                tokens.push(class);
                at += len;
            }
            b'\\' => {
                literal(&mut tokens, *pattern.get(at).ok_or_else(bad)?);
                at += 1;
            }
            _ => literal(&mut tokens, b),
        }
    }
    Ok(tokens)
}

fn literal(tokens: &mut Vec<Token>, byte: u8) {
    match tokens.last_mut() {
        Some(Token::Literal(text)) => text.push(byte),
        _ => tokens.push(Token::Literal(vec![byte])),
    }
}

/// The class whose `[` was just eaten, and its length with the `]`.
fn class(pattern: &[u8]) -> Option<(Token, usize)> {
    let negated = pattern.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut ranges = Vec::new();
    while ranges.is_empty() || pattern.get(at) != Some(&b']') {
        let low = class_char(pattern, &mut at)?;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') {
            at += 1;
            high = class_char(pattern, &mut at)?;
        }
        ranges.push((low, high));
    }
    Some((Token::Class { negated, ranges }, at + 1))
}

fn class_char(pattern: &[u8], at: &mut usize) -> Option<u32> {
    if matches!(pattern.get(*at)?, b'-' | b']') {
        return None;
    }
    if pattern[*at] == b'\\' {
        *at += 1;
    }
    let (c, len) = char_at(pattern, *at)?;
    *at += len;
    if c == INVALID || *at >= pattern.len() { None } else { Some(c) }
}

/// Stands for a byte that is not UTF-8. No character has this number.
const INVALID: u32 = u32::MAX;

/// The character at `at` and its length in bytes.
fn char_at(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let first = *text.get(at)?;
    if first < 0x80 {
        return Some((u32::from(first), 1));
    }
    let chunk = &text[at..text.len().min(at + 4)];
    let valid = match std::str::from_utf8(chunk) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&chunk[..error.valid_up_to()]).unwrap_or_default(),
    };
    Some(valid.chars().next().map_or((INVALID, 1), |c| (u32::from(c), c.len_utf8())))
}

/// Whether `*` and the `rest` of a pattern match `text`, where that is told by its end.
fn ends_with(rest: &[Token], text: &[u8]) -> Option<bool> {
    let before = match rest {
        [] => Some(text),
        [Token::Literal(literal)] => text.strip_suffix(literal.as_slice()),
        _ => return None,
    };
    Some(before.is_some_and(|before| !before.contains(&b'/')))
}

/// Whether a `**` stands inside a component, or a class matches `/`: then an earlier wildcard may need a second try.
fn is_odd(tokens: &[Token]) -> bool {
    let mut at_start = true;
    tokens.iter().any(|token| match token {
        Token::Directories => !at_start,
        Token::Class { .. } => {
            at_start = false;
            step(token, b"/", 0).is_some()
        }
        Token::Literal(text) => {
            at_start = text.ends_with(b"/");
            false
        }
        Token::One | Token::Star | Token::Everything => {
            at_start = false;
            false
        }
    })
}

/// Tries all ways, each place of the text with each token at most once.
fn search(tokens: &[Token], text: &[u8]) -> bool {
    let width = text.len() + 1;
    let mut seen = vec![false; (tokens.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((token, at)) = open.pop() {
        if std::mem::replace(&mut seen[token * width + at], true) {
            continue;
        }
        match tokens.get(token) {
            None if at == text.len() => return true,
            None => {}
            Some(Token::Everything) => return true,
            Some(Token::Star) => {
                open.push((token + 1, at));
                open.extend(step(&Token::One, text, at).map(|len| (token, at + len)));
            }
            Some(Token::Directories) => {
                open.push((token + 1, at));
                let slash = text[at..].iter().position(|b| *b == b'/');
                open.extend(slash.map(|slash| (token, at + slash + 1)));
            }
            Some(single) => open.extend(step(single, text, at).map(|len| (token + 1, at + len))),
        }
    }
    false
}

/// How many bytes at `at` a token matches that is no star.
fn step(token: &Token, text: &[u8], at: usize) -> Option<usize> {
    match token {
        Token::Literal(literal) => text[at..].starts_with(literal).then_some(literal.len()),
        Token::One => char_at(text, at).filter(|(c, _)| *c != u32::from(b'/')).map(|(_, len)| len),
        Token::Class { negated, ranges } => char_at(text, at)
            .filter(|(c, _)| ranges.iter().any(|(low, high)| (*low..=*high).contains(c)) != *negated)
            .map(|(_, len)| len),
        Token::Star | Token::Directories | Token::Everything => None,
    }
}

/// Matches left to right, going back to the last `*`, or else to the last `**`. Earlier ones need no second try, what
/// they could reach by taking more the later one reaches too; but see [`is_odd`].
fn run(tokens: &[Token], text: &[u8]) -> bool {
    let (mut token, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    let mut directories: Option<(usize, usize)> = None;
    loop {
        let matched = match tokens.get(token) {
            None if at == text.len() => return true,
            None => None,
            Some(Token::Everything) => return true,
            Some(Token::Star) => match ends_with(&tokens[token + 1..], &text[at..]) {
                Some(true) => return true,
                Some(false) => {
                    star = None;
                    None
                }
                None => {
                    star = Some((token + 1, at));
                    Some(0)
                }
            },
            Some(Token::Directories) => {
                directories = Some((token + 1, at));
                star = None;
                Some(0)
            }
            Some(single) => step(single, text, at),
        };
        if let Some(len) = matched {
            token += 1;
            at += len;
            continue;
        }
        star = star.and_then(|(after, from)| Some((after, from + step(&Token::One, text, from)?)));
        if let Some(again) = star {
            (token, at) = again;
            continue;
        }
        let Some((after, from)) = directories else { return false };
        let Some(slash) = text[from..].iter().position(|b| *b == b'/') else { return false };
        (token, at) = (after, from + slash + 1);
        directories = Some((token, at));
    }
}
