//! Variables in the strings of a Compose file.

use crate::error::Error;

/// `text` with its variables replaced.
pub(super) fn interpolate(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Error> {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let end = closing(after).ok_or_else(|| wrong(text, "`${` has no `}`"))?;
            out.push_str(&braced(&after[..end], text, env)?);
            rest = &after[end + 1..];
        } else {
            let end = name_end(after);
            if end == 0 {
                return Err(wrong(text, "no name follows `$`").help("write `$$` for a dollar sign"));
            }
            out.push_str(&env(&after[..end]).unwrap_or_default());
            rest = &after[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn wrong(text: &str, why: &str) -> Error {
    Error::new(format!("in `{text}`: {why}"))
}

/// Where the brace that is open before `text` is closed.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut dollar) = (0_usize, false);
    for (at, c) in text.char_indices() {
        match c {
            '{' if dollar => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
        dollar = c == '$';
    }
    None
}

fn name_end(text: &str) -> usize {
    let part = |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    text.char_indices().find(|one| !part(*one)).map_or(text.len(), |(at, _)| at)
}

/// What stands between braces.
fn braced(inner: &str, text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Error> {
    if inner.matches("${").count() > 32 {
        return Err(wrong(text, "variables are nested too deep"));
    }
    let (name, rest) = inner.split_at(name_end(inner));
    if name.is_empty() {
        return Err(wrong(text, "no name follows `${`").help("write `$$` for a dollar sign"));
    }
    let value = env(name);
    let filled = value.clone().filter(|value| !value.is_empty());
    let (operator, word) = match rest.strip_prefix(':') {
        Some(rest) => (rest.chars().next().map(|c| (c, true)), rest.get(1..).unwrap_or_default()),
        None => (rest.chars().next().map(|c| (c, false)), rest.get(1..).unwrap_or_default()),
    };
    let (operator, chosen) = match operator {
        None if rest.is_empty() => return Ok(value.unwrap_or_default()),
        Some((operator @ ('-' | '?' | '+'), true)) => (operator, filled),
        Some((operator @ ('-' | '?' | '+'), false)) => (operator, value),
        _ => return Err(wrong(text, &format!("`${{{inner}}}` is no variable"))),
    };
    match (operator, chosen) {
        ('+', Some(_)) | ('-', None) => interpolate(word, env),
        ('+', None) => Ok(String::new()),
        (_, Some(value)) => Ok(value),
        (_, None) => {
            let why = interpolate(word, env)?;
            let why = if why.is_empty() { "it has no value".to_owned() } else { why };
            Err(Error::new(format!("the variable `{name}` is required: {why}"))
                .help(format!("set it in the environment, in .env or with `--var {name}=…`")))
        }
    }
}

/// The variables of a `.env` file.
pub(super) fn dotenv(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, Error> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else {
            return Err(Error::new(format!(".env: `{line}` is not of the form NAME=VALUE")));
        };
        let value = value.trim();
        let quoted = |quote: char| value.strip_prefix(quote).and_then(|inner| inner.split_once(quote));
        let value = if let Some((inner, _)) = quoted('\'') {
            inner.to_owned()
        } else {
            let inner = match quoted('"') {
                Some((inner, _)) => inner,
                None if value.starts_with(['"', '\'']) => {
                    return Err(Error::new(format!(
                        ".env: the value of `{name}` has no closing quote on its line"
                    )));
                }
                None => value.split_once(" #").map_or(value, |(value, _)| value).trim_end(),
            };
            let known = |name: &str| {
                let own = || all.iter().rev().find(|(of, _)| of == name).map(|(_, value)| value.clone());
                env(name).or_else(own)
            };
            interpolate(inner, &known)
                .map_err(|error| Error { message: format!(".env: {error}"), ..error })?
        };
        all.push((name.trim().to_owned(), value));
    }
    Ok(all)
}
