//! `fixtures/reference/NAME.{txtar,expected}`: per build the image config and each path that the image adds to its base,
//! or `fails`, with the line where one is known.
//!
//! Times of a context's files are checked for their origin: equal where BuildKit has equal ones.

use super::{Bench, failure, verdict};
use oracle::{Build, Case, Entry, Image, Kind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/reference")
}

fn check(name: &str) {
    let read = |ending: &str| std::fs::read_to_string(dir().join(format!("{name}.{ending}"))).unwrap();
    let case = Case::txtar(name, &read("txtar"), &read("expected")).unwrap();
    let bench = Bench::new();
    let _laid = bench.lay_out(&case);
    let expected = case.expected.clone().unwrap_or_default();
    let blocks: Vec<Vec<&str>> =
        expected.split("== build ").skip(1).map(|block| block.lines().skip(1).collect()).collect();
    assert_eq!(case.builds.len(), blocks.len(), "{name}");
    let mut found = Vec::new();
    let mut times = Times::default();
    for (number, (build, lines)) in case.builds.iter().zip(&blocks).enumerate() {
        let findings = check_build(&bench, build, lines, &mut times);
        found.extend(verdict(&format!("{name} {number}"), findings));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    bench.env.assert_clean();
}

fn check_build(bench: &Bench, build: &Build, lines: &[&str], times: &mut Times) -> Vec<String> {
    let (output, image) = bench.build(build);
    if let Some(place) = lines[0].strip_prefix("fails") {
        let line: Option<u32> = place.strip_prefix(" at ").map(|line| line.parse().unwrap()).or(build.line);
        return failure(&output, build, line.map(|line| line..=line));
    }
    let Some(image) = image else {
        return vec![format!("failed:\n{}", output.stderr)];
    };
    let mut found = config(&image, lines[0]);
    found.extend(files(bench, &image, &lines[1..], times));
    found
}

/// The image config, without what is empty.
fn config(image: &Image, expected: &str) -> Vec<String> {
    let (platform, json) = expected.split_once(' ').unwrap();
    let mut expected: Value = serde_json::from_str(json).unwrap();
    let mut ours = image.config["config"].clone();
    if let Some(author) = image.config["author"].as_str().filter(|author| !author.is_empty()) {
        ours["Author"] = json!(author);
    }
    if let Some(created) = image.config["created"].as_str().filter(|created| *created < "2020") {
        ours["created"] = json!(created.trim_end_matches('Z'));
    }
    let empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    for value in [&mut ours, &mut expected] {
        value.as_object_mut().unwrap().retain(|_, value| !empty(value));
    }
    let part = |name: &str| image.config[name].as_str().unwrap_or_default();
    let has = format!("{}/{}", part("os"), part("architecture"));
    if ours == expected && has == platform {
        Vec::new()
    } else {
        vec![format!("config {ours}\n  expected {expected}")]
    }
}

/// A list of what is in /dev, and its size: BuildKit has a socket for traces there.
const DEVICES: (&str, &str) = ("/r6", "92");

/// A path as BuildKit's image had it.
#[derive(Debug, Default)]
struct Wanted {
    kind: String,
    mode: String,
    owner: String,
    fields: BTreeMap<String, String>,
}

fn files(bench: &Bench, image: &Image, lines: &[&str], times: &mut Times) -> Vec<String> {
    let first = |image: &Image| image.config["rootfs"]["diff_ids"][0].clone();
    let base = bench.bases.iter().find(|base| first(base) == first(image));
    let mut found = Vec::new();
    let mut wanted = BTreeMap::new();
    let mut removed = 0;
    for line in lines {
        if let Some(path) = line.trim().strip_prefix("removed ") {
            removed += 1;
            if image.tree.contains_key(path.trim()) {
                found.push(format!("{path} is not removed"));
            }
            continue;
        }
        let (path, want) = parse(line);
        wanted.insert(path, want);
    }
    for (path, want) in &wanted {
        match image.tree.get(path) {
            Some(entry) => found.extend(differences(path, want, entry, times)),
            None => found.push(format!("{path} is missing")),
        }
    }
    // Lists of what is removed are cut after twenty.
    let gone =
        base.into_iter().flat_map(|base| base.tree.keys()).filter(|path| !image.tree.contains_key(*path));
    let gone = gone.count();
    if base.is_some() && gone != removed && (removed < 20 || gone < 20) {
        found.push(format!("{gone} paths are removed, expected {removed}"));
    }
    for (path, entry) in &image.tree {
        let before = base.and_then(|base| base.tree.get(path));
        if !wanted.contains_key(path) && !before.is_some_and(|before| same(before, entry)) {
            found.push(format!("{path} is not expected: {:?} {:o}", entry.kind, entry.mode));
        }
    }
    found
}

/// All but the time of a directory, which differs where only what is in it does.
fn same(before: &Entry, now: &Entry) -> bool {
    let mut now = now.clone();
    if now.kind == Kind::Dir {
        now.mtime = before.mtime;
    }
    *before == now
}

fn parse(line: &str) -> (String, Wanted) {
    let (head, rest) = line.trim().split_once('"').unwrap();
    let (path, fields) = rest.rsplit_once('"').unwrap();
    let path: String = serde_json::from_str(&format!("\"{path}\"")).unwrap();
    let head: Vec<&str> = head.split_whitespace().collect();
    let fields = fields.split_whitespace().filter_map(|field| field.split_once('='));
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (path, Wanted { kind: head[0].into(), mode: head[1].into(), owner: head[2].into(), fields })
}

/// Which of our times stands for which of BuildKit's.
#[derive(Default)]
struct Times {
    ours: BTreeMap<String, u64>,
    theirs: BTreeMap<u64, String>,
}

fn differences(path: &str, want: &Wanted, entry: &Entry, times: &mut Times) -> Vec<String> {
    let kind = match entry.kind {
        Kind::Dir => "dir",
        Kind::Symlink => "symlink",
        Kind::Char => "char",
        Kind::Block => "block",
        Kind::Fifo => "fifo",
        Kind::File => "file",
    };
    let field = |name: &str| want.fields.get(name).cloned().unwrap_or_default();
    let mut pairs = vec![
        ("kind", kind.to_owned(), want.kind.clone()),
        ("mode", format!("{:04o}", entry.mode), want.mode.clone()),
        ("owner", format!("{}:{}", entry.uid, entry.gid), want.owner.clone()),
        ("hardlinks", entry.hardlinks.clone(), field("hardlinks")),
    ];
    if want.fields.get("size").is_some_and(|size| (path, size.as_str()) != DEVICES) {
        pairs.push(("size", entry.data.len().to_string(), field("size")));
    }
    if kind == "symlink" {
        pairs.push(("link", entry.link.clone(), field("link")));
    }
    match want.fields.get("mtime") {
        Some(mtime) => {
            let ours = *times.ours.entry(mtime.clone()).or_insert(entry.mtime);
            let theirs = times.theirs.entry(entry.mtime).or_insert_with(|| mtime.clone()).clone();
            pairs.push(("time", format!("{} of {theirs}", entry.mtime), format!("{ours} of {mtime}")));
        }
        // BuildKit loses times of directories that it has sent before.
        None if kind != "dir" && entry.mtime < 1_600_000_000 => {
            pairs.push(("time", entry.mtime.to_string(), "the clock's".to_owned()));
        }
        None => {}
    }
    let wrong = pairs.into_iter().filter(|(_, ours, expected)| ours != expected);
    wrong.map(|(what, ours, expected)| format!("{path}: {what} {ours}, expected {expected}")).collect()
}

macro_rules! cases {
    ($($test:ident $name:literal;)*) => {
        $(#[test]
        fn $test() {
            check($name);
        })*
        const NAMES: &[&str] = &[$($name),*];
    };
}

cases! {
    add_archives "add-archives";
    add_http "add-http";
    arg_predefined "arg-predefined";
    arg_scope "arg-scope";
    context_modes "context-modes";
    copy_chown "copy-chown";
    copy_destinations "copy-destinations";
    copy_globs "copy-globs";
    copy_link "copy-link";
    copy_parents "copy-parents";
    copy_symlinks "copy-symlinks";
    dockerignore_rules "dockerignore-rules";
    env_forms "env-forms";
    escape_directive "escape-directive";
    hardlinks "hardlinks";
    heredoc_copy "heredoc-copy";
    heredoc_run "heredoc-run";
    json_or_shell "json-or-shell";
    metadata "metadata";
    mount_bind "mount-bind";
    mount_cache "mount-cache";
    onbuild_chain "onbuild-chain";
    parse_errors "parse-errors";
    run_environment "run-environment";
    shell_instruction "shell-instruction";
}

#[test]
fn no_case_is_forgotten() {
    let files = dir().read_dir().unwrap().map(|entry| entry.unwrap().path());
    let cases: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "txtar"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(cases, NAMES.iter().map(|name| (*name).to_owned()).collect());
}
