//! Texts for people: instructions on one line, vertex names, history.

/// An instruction's first logical line, continuations joined and comments between them cut, as written otherwise.
pub(super) fn one_line(text: &str, escape: char) -> String {
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        if number > 0 && (line.trim().is_empty() || line.trim_start().starts_with('#')) {
            continue;
        }
        match line.trim_end().strip_suffix(escape) {
            Some(start) if number_of_escapes(start, escape).is_multiple_of(2) => out.push_str(start),
            _ => {
                out.push_str(line.strip_suffix('\r').unwrap_or(line));
                break;
            }
        }
    }
    out.trim().to_owned()
}

fn number_of_escapes(text: &str, escape: char) -> usize {
    text.chars().rev().take_while(|c| *c == escape).count()
}

/// The first word in capitals.
pub(super) fn upper_command(text: &str) -> String {
    match text.split_once(' ') {
        Some((command, rest)) => format!("{} {rest}", command.to_uppercase()),
        None => text.to_uppercase(),
    }
}

/// A here-document's first line, with dots if there are more.
pub(super) fn summary(body: &str) -> String {
    let mut lines = body.trim().lines();
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() { first + "..." } else { first }
}

/// Go's `path.Clean`, for absolute paths.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// `path` seen from `dir`. An absolute path is left as it is, as BuildKit does.
pub(super) fn absolute(dir: &str, path: &str) -> String {
    let dir = if dir.is_empty() { "/" } else { dir };
    match path {
        "" => dir.to_owned(),
        path if path.starts_with('/') => path.to_owned(),
        path => clean(&format!("{dir}/{path}")),
    }
}

/// As [`absolute`], but a trailing slash (or `/.`), which makes a destination a directory, stays.
pub(super) fn destination(dir: &str, path: &str) -> String {
    let path = if path.is_empty() || path == "." { "./" } else { path };
    let mut out = absolute(dir, path);
    if path.ends_with('/') && !out.ends_with('/') {
        out.push('/');
    } else if path.ends_with("/.") && !path.starts_with('/') {
        if out != "/" {
            out.push('/');
        }
        out.push('.');
    }
    out
}
