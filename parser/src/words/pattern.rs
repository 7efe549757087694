//! The patterns of `${x#p}` and `${x/p/r}`: `*`, `?` and literal characters. Neither wildcard matches a line break.

use super::ExpandError;

enum Token {
    Star,
    Any,
    Literal(char),
}

/// `value` without the shortest (or `longest`) match of `pattern` at its start (or at its `end`).
pub(super) fn trim(pattern: &str, value: &str, end: bool, longest: bool) -> Result<String, ExpandError> {
    let mut tokens = compile(pattern)?;
    let mut chars: Vec<char> = value.chars().collect();
    if end {
        tokens.reverse();
        chars.reverse();
    }
    let Some(cut) = match_at(&tokens, &chars, longest) else { return Ok(value.to_owned()) };
    let mut rest = chars.split_off(cut);
    if end {
        rest.reverse();
    }
    Ok(rest.into_iter().collect())
}

/// `value` with the first match of `pattern`, or all of them, replaced. A match is as long as it can be.
pub(super) fn replace(pattern: &str, value: &str, with: &str, all: bool) -> Result<String, ExpandError> {
    let tokens = compile(pattern)?;
    let chars: Vec<char> = value.chars().collect();
    let mut out = String::new();
    let (mut at, mut last_end, mut done) = (0, None, false);
    while at <= chars.len() {
        let found = if done { None } else { match_at(&tokens, &chars[at..], true) };
        match found {
            // An empty match directly after a match is none.
            Some(0) if last_end == Some(at) => last_end = None,
            Some(len) => {
                out.push_str(with);
                done = !all;
                at += len;
                last_end = Some(at);
                if len > 0 {
                    continue;
                }
            }
            None => {}
        }
        if let Some(c) = chars.get(at) {
            out.push(*c);
        }
        at += 1;
    }
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

/// Length of the shortest or longest match that starts with `text`. All ways are followed side by side.
fn match_at(tokens: &[Token], text: &[char], longest: bool) -> Option<usize> {
    let mut states = vec![false; tokens.len() + 1];
    let mut next = states.clone();
    states[0] = true;
    let mut best = None;
    for at in 0..=text.len() {
        for state in 0..tokens.len() {
            if states[state] && matches!(tokens[state], Token::Star) {
                states[state + 1] = true;
            }
        }
        if states[tokens.len()] {
            best = Some(at);
            if !longest {
                break;
            }
        }
        let Some(&c) = text.get(at) else { break };
        next.fill(false);
        for (state, token) in tokens.iter().enumerate().filter(|(state, _)| states[*state]) {
            match token {
                Token::Star if c != '\n' => next[state] = true,
                Token::Any if c != '\n' => next[state + 1] = true,
                Token::Literal(literal) if *literal == c => next[state + 1] = true,
                _ => {}
            }
        }
        std::mem::swap(&mut states, &mut next);
        if !states.contains(&true) {
            break;
        }
    }
    best
}
