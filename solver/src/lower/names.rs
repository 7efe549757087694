//! Texts for people: instructions on one line, vertex names, history.

use super::expand::Env;
use oci::Platform;

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

/// `linux/amd64`, with `->arm64` behind it where the variables say that this is built for.
pub(super) fn platform(base: &Platform, env: Option<&Env>) -> String {
    let var = |name: &str| env.and_then(|env| env.get(name)).cloned();
    let whole = var("TARGETPLATFORM").and_then(|text| text.parse::<Platform>().ok());
    let parts = || {
        let (os, architecture, variant) = (var("TARGETOS"), var("TARGETARCH"), var("TARGETVARIANT"));
        if os.is_none() && architecture.is_none() && variant.is_none() {
            return None;
        }
        let some =
            |text: Option<String>, other: &String| text.filter(|t| !t.is_empty()).unwrap_or(other.clone());
        Some(Platform {
            os: some(os, &base.os),
            architecture: some(architecture, &base.architecture),
            variant: variant.filter(|v| !v.is_empty()),
        })
    };
    match whole.or_else(parts) {
        Some(target) if target.os != base.os => format!("{base}->{target}"),
        Some(target) if target.architecture != base.architecture => {
            let variant = target.variant.map(|variant| format!("/{variant}")).unwrap_or_default();
            format!("{base}->{}{variant}", target.architecture)
        }
        _ => base.to_string(),
    }
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

/// Go's `path.Clean`, for any path.
pub(super) fn clean_any(path: &str) -> String {
    if path.starts_with('/') {
        return clean(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
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
