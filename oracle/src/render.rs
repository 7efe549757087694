//! An image as text: what differs from the base it stands on, one line each.

use crate::base::busybox;
use crate::case::URL;
use crate::image::{Entry, Image, Kind};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::sync::OnceLock;

/// Later times are the clock's.
const LONG_AGO: u64 = 1_600_000_000;

/// Content up to this is written out.
const SHORT: usize = 400;

/// Writes `image` down: platform, config, what it adds to the base's history, and each path that it adds to the base,
/// changes or removes. `url` stands for the address that the build downloaded from.
pub fn render(image: &Image, bases: &[Image], url: &str) -> String {
    let base =
        bases.iter().find(|base| base.first_layer() == image.first_layer() && base.first_layer().is_some());
    let mut text = String::new();
    let config = &image.config;
    let platform = ["os", "architecture", "variant"].map(|part| config[part].as_str().unwrap_or_default());
    line(&mut text, format_args!("platform {}", platform.join("/").trim_end_matches('/')));
    if let Some(author) = config["author"].as_str().filter(|author| !author.is_empty()) {
        line(&mut text, format_args!("author {}", Value::from(author)));
    }
    // A build that only changes metadata keeps the base's date; all other dates are the clock's.
    if let Some(created) = config["created"].as_str().filter(|created| *created < "2020") {
        line(&mut text, format_args!("created {}", created.trim_end_matches('Z')));
    }
    let mut fields: Vec<(&String, &Value)> =
        config["config"].as_object().into_iter().flatten().filter(|(_, value)| !empty(value)).collect();
    fields.sort_by_key(|(name, _)| *name);
    for (name, value) in fields {
        line(&mut text, format_args!("{name} {}", sorted(value)));
    }
    let known = base.map_or(0, |base| history(base).len());
    for entry in history(image).iter().skip(known) {
        let mark = if entry["empty_layer"].as_bool() == Some(true) { "history-empty" } else { "history" };
        let by = entry["created_by"].as_str().unwrap_or_default();
        line(&mut text, format_args!("{mark} {}", Value::from(by)));
    }
    tree(&mut text, image, base);
    if url.is_empty() { text } else { text.replace(url, URL) }
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{what}");
}

fn history(image: &Image) -> Vec<Value> {
    image.config["history"].as_array().cloned().unwrap_or_default()
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// Objects by the order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            names.into_iter().map(|name| (name.clone(), sorted(&fields[name]))).collect()
        }
        other => other.clone(),
    }
}

fn tree(text: &mut String, image: &Image, base: Option<&Image>) {
    let before = |path: &String| base.and_then(|base| base.tree.get(path));
    for (path, entry) in &image.tree {
        if before(path).is_some_and(|before| same(before, entry)) {
            continue;
        }
        line(text, format_args!("{}", describe(path, entry)));
    }
    let gone =
        base.into_iter().flat_map(|base| base.tree.keys()).filter(|path| !image.tree.contains_key(*path));
    for path in gone {
        line(text, format_args!("removed {}", Value::from(path.as_str())));
    }
}

/// Whether a path of the base was left alone. The time of a directory is that of the last change in it; names of a file
/// that went elsewhere are their own lines.
fn same(before: &Entry, now: &Entry) -> bool {
    let mut now = now.clone();
    now.hardlinks.clone_from(&before.hardlinks);
    if now.kind == Kind::Dir && now.mtime > LONG_AGO {
        now.mtime = before.mtime;
    }
    *before == now
}

fn describe(path: &str, entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Dir => "dir",
        Kind::Symlink => "symlink",
        Kind::Char => "char",
        Kind::Block => "block",
        Kind::Fifo => "fifo",
    };
    let mut text = format!("{kind} {:04o} {}:{} {}", entry.mode, entry.uid, entry.gid, Value::from(path));
    if entry.mtime < LONG_AGO {
        text.push_str(&format!(" mtime={}", entry.mtime));
    }
    if !entry.link.is_empty() {
        text.push_str(&format!(" -> {}", entry.link));
    }
    if !entry.hardlinks.is_empty() && entry.kind == Kind::File {
        text.push_str(&format!(" hardlinks={}", entry.hardlinks));
    }
    for (name, value) in &entry.xattrs {
        text.push_str(&format!(" {name}={}", Value::from(String::from_utf8_lossy(value).as_ref())));
    }
    if entry.kind == Kind::File {
        text.push_str(&format!(" {}", content(entry)));
    }
    text
}

/// Short texts as they are, others by their digest, the program of the base images by its name.
fn content(entry: &Entry) -> String {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| busybox().map(|(program, _)| program).unwrap_or_default());
    if entry.data[..] == program[..] {
        return "busybox".to_owned();
    }
    let short = std::str::from_utf8(&entry.data).ok().filter(|text| text.len() <= SHORT);
    if let Some(text) = short {
        return Value::from(text).to_string();
    }
    let hex: String = Sha256::digest(&entry.data).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex} size={}", entry.data.len())
}
