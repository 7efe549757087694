//! Dockerfiles with what BuildKit made of them: fixtures/reference/NAME.{txtar,expected}.
//!
//! A `.txtar` has sections `-- path --`: files of the context, `opts.json` (a list of builds), `setup.sh` (run in the
//! context first). A `.expected` has per build the image config and each path that the image adds to its base, or the
//! word `fails`. Times of a context's files are checked for their origin: equal where BuildKit has equal ones.

use crate::tarball::{self, Entry};
use crate::testenv::TestEnv;
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use tar::EntryType;

/// Files whose size depends on the base image's users, or on the host's kernel (a list of /dev).
const OTHER_SIZES: [&str; 5] = ["/etc/passwd", "/etc/group", "/all/etc/passwd", "/all/etc/group", "/r6"];

/// Files that a RUN made as hard links to files of the base.
const LINKS_TO_THE_BASE: [&str; 2] = ["/bin/sh", "/newsh"];

struct Case {
    name: String,
    sections: Vec<(String, String)>,
    expected: Vec<Vec<String>>,
}

fn load(name: &str) -> Case {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/reference");
    let text = std::fs::read_to_string(dir.join(format!("{name}.txtar"))).unwrap();
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match line.trim_end().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
            Some(path) => sections.push((path.to_owned(), String::new())),
            None => sections.iter_mut().last().into_iter().for_each(|section| section.1.push_str(line)),
        }
    }
    let text = std::fs::read_to_string(dir.join(format!("{name}.expected"))).unwrap();
    let blocks = text.split("== build ").skip(1);
    let expected = blocks.map(|block| block.lines().skip(1).map(str::to_owned).collect()).collect();
    Case { name: name.to_owned(), sections, expected }
}

impl Case {
    fn section(&self, name: &str) -> Option<&str> {
        self.sections.iter().find(|(path, _)| path == name).map(|(_, text)| text.as_str())
    }

    fn write_context(&self, env: &TestEnv) {
        std::fs::create_dir(env.path().join("ctx")).unwrap();
        for (path, text) in &self.sections {
            if !["opts.json", "setup.sh"].contains(&path.as_str()) {
                env.write(&format!("ctx/{path}"), text);
            }
        }
        if let Some(script) = self.section("setup.sh") {
            let status =
                Command::new("sh").args(["-e", "-c", script]).current_dir(env.path().join("ctx")).status();
            assert!(status.unwrap().success(), "{}: setup.sh", self.name);
        }
        let mut number = 0;
        date(&env.path().join("ctx"), &mut number);
    }

    /// All that differs from what was observed.
    fn check(&self, env: &TestEnv) -> Vec<String> {
        self.write_context(env);
        let options = self.section("opts.json").unwrap_or("[{}]");
        let builds: Vec<Value> = serde_json::from_str(options).unwrap();
        let mut found = Vec::new();
        assert_eq!(builds.len(), self.expected.len(), "{}", self.name);
        for (number, (options, expected)) in builds.iter().zip(&self.expected).enumerate() {
            let findings = build(env, options, expected);
            found.extend(findings.into_iter().map(|line| format!("{} build {number}: {line}", self.name)));
        }
        found
    }
}

/// Gives each file below `dir` a time of its own.
fn date(path: &Path, number: &mut i64) {
    let meta = path.symlink_metadata().unwrap();
    if meta.is_dir() {
        let mut names: Vec<PathBuf> = path.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.iter().for_each(|path| date(path, number));
    }
    *number += 1;
    let time = TimeSpec::new(1_500_000_000 + *number * 1_000_003, 0);
    utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, UtimensatFlags::NoFollowSymlink).unwrap();
}

fn build(env: &TestEnv, options: &Value, expected: &[String]) -> Vec<String> {
    let file = options["file"].as_str().unwrap_or("Dockerfile");
    let mut flags: Vec<String> =
        ["build", "--no-cache", "--progress=plain", "-t", "case", "-o", "type=tar,dest=case.tar"]
            .map(str::to_owned)
            .to_vec();
    flags.extend(["-f".to_owned(), format!("ctx/{file}"), "ctx".to_owned()]);
    flags.extend(options["target"].as_str().map(|target| format!("--target={target}")));
    for (option, flag) in [("args", "--build-arg"), ("labels", "--label")] {
        for (name, value) in options[option].as_object().into_iter().flatten() {
            flags.push(format!("{flag}={name}={}", value.as_str().unwrap()));
        }
    }
    let output = env.run(&flags);
    if expected[0] == "fails" {
        let place = options["line"].as_u64().map(|line| format!("{file}:{line}:"));
        return match (output.exit, place) {
            (Some(1 | 2), Some(place)) if !output.stderr.contains(&place) => {
                vec![format!("not said to fail at {place}:\n{}", output.stderr)]
            }
            (Some(1 | 2), _) => Vec::new(),
            _ => vec!["did not fail".to_owned()],
        };
    }
    if output.exit != Some(0) {
        return vec![format!("failed:\n{}", output.stderr)];
    }
    let mut found = config(env, &expected[0]);
    found.extend(files(env, &expected[1..]));
    found
}

/// The image config, without what is empty.
fn config(env: &TestEnv, expected: &str) -> Vec<String> {
    let (platform, json) = expected.split_once(' ').unwrap();
    let mut expected: Value = serde_json::from_str(json).unwrap();
    let image = env.inspect("case");
    let mut ours = image["Config"].clone();
    if let Some(author) = image["Author"].as_str().filter(|author| !author.is_empty()) {
        ours["Author"] = json!(author);
    }
    if let Some(created) = expected["created"].as_str() {
        if !image["Created"].as_str().unwrap().starts_with(created) {
            return vec![format!("created {}, expected {created}", image["Created"])];
        }
        expected.as_object_mut().unwrap().remove("created");
    }
    if expected["ArgsEscaped"].is_null() {
        // From the CMD that the base image was given here.
        ours.as_object_mut().unwrap().remove("ArgsEscaped");
    }
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    };
    ours.as_object_mut().unwrap().retain(|_, value| !empty(value));
    let has = format!("{}/{}", image["Os"].as_str().unwrap(), image["Architecture"].as_str().unwrap());
    if ours == expected && has == platform {
        Vec::new()
    } else {
        vec![format!("config {ours}\n  expected {expected}")]
    }
}

/// A path as BuildKit's image had it.
#[derive(Debug, Default)]
struct Wanted {
    kind: String,
    mode: String,
    owner: String,
    fields: BTreeMap<String, String>,
}

fn files(env: &TestEnv, lines: &[String]) -> Vec<String> {
    let base = base(env);
    let ours = tarball::read(&env.path().join("case.tar"));
    let groups = tarball::hard_links(&env.path().join("case.tar"));
    let mut found = Vec::new();
    let mut wanted = BTreeMap::new();
    for line in lines {
        if let Some(path) = line.trim().strip_prefix("removed ") {
            if ours.contains_key(path.trim()) {
                found.push(format!("{path} is not removed"));
            }
            continue;
        }
        let (path, want) = parse(line);
        wanted.insert(path, want);
    }
    // Long lists are cut in the data: nothing can be said of what is not in them.
    let cut = lines.iter().filter(|line| line.trim().starts_with("removed ")).count() >= 20;
    let mut times = Times::default();
    for (path, want) in &wanted {
        match ours.get(path) {
            Some(entry) => found.extend(differences(path, want, entry, &groups, &mut times)),
            None => found.push(format!("{path} is missing")),
        }
    }
    for (path, entry) in ours.iter().filter(|(path, _)| *path != "/" && !cut) {
        let known = wanted.contains_key(path) || base.get(path).is_some_and(|before| same(before, entry));
        if !known {
            found.push(format!("{path} is not expected: {:?} {:o}", entry.kind, entry.mode));
        }
    }
    found
}

/// All but the time of a directory, which differs where only what is in it does.
fn same(a: &Entry, b: &Entry) -> bool {
    a == b || (a.kind == EntryType::Directory && Entry { mtime: b.mtime, ..a.clone() } == *b)
}

/// The files of the base image, if the image stands on one.
fn base(env: &TestEnv) -> BTreeMap<String, Entry> {
    let layers = |name: &str| env.inspect(name)["RootFS"]["Layers"][0].clone();
    if layers("case") == layers("alpine") {
        return tarball::read(&env.path().join("alpine.tar"));
    }
    if layers("case") == layers("busybox") {
        tarball::read(&env.path().join("busybox.tar"))
    } else {
        BTreeMap::new()
    }
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

fn differences(
    path: &str,
    want: &Wanted,
    entry: &Entry,
    groups: &BTreeMap<String, String>,
    times: &mut Times,
) -> Vec<String> {
    let kind = match entry.kind {
        EntryType::Directory => "dir",
        EntryType::Symlink => "symlink",
        EntryType::Char => "char",
        EntryType::Block => "block",
        EntryType::Fifo => "fifo",
        _ => "file",
    };
    let mut pairs = vec![
        ("kind", kind.to_owned(), want.kind.clone()),
        ("mode", format!("{:04o}", entry.mode), want.mode.clone()),
        ("owner", format!("{}:{}", entry.uid, entry.gid), want.owner.clone()),
    ];
    if let Some(size) = want.fields.get("size").filter(|_| !OTHER_SIZES.contains(&path)) {
        pairs.push(("size", entry.size.to_string(), size.clone()));
    }
    if let Some(link) = want.fields.get("link") {
        pairs.push(("link", entry.link.clone().unwrap_or_default(), link.clone()));
    }
    let group = groups.get(path).cloned().unwrap_or_default();
    let theirs = want.fields.get("hardlinks").cloned().unwrap_or_default();
    // A new link to a file of the base: BuildKit makes a second file of it, here the two names stay one file.
    if !theirs.starts_with("bin/[") && !LINKS_TO_THE_BASE.contains(&path) {
        pairs.push(("hardlinks", group, theirs));
    }
    if let Some(mtime) = want.fields.get("mtime") {
        let ours = *times.ours.entry(mtime.clone()).or_insert(entry.mtime);
        let theirs = times.theirs.entry(entry.mtime).or_insert_with(|| mtime.clone()).clone();
        pairs.push(("time", format!("{} of {theirs}", entry.mtime), format!("{ours} of {mtime}")));
    }
    let wrong = pairs.into_iter().filter(|(_, ours, expected)| ours != expected);
    wrong.map(|(what, ours, expected)| format!("{path}: {what} {ours}, expected {expected}")).collect()
}

/// A second base image, which has mount points of its own.
fn add_alpine(env: &TestEnv) {
    env.write("alpine.tar", tarball::busybox(&["proc/", "sys/"]));
    let path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    env.run(["import", "-c", r#"CMD ["/bin/sh"]"#, "-c", path, "alpine.tar", "alpine"]).ok();
    env.line("tag alpine alpine:3.99").ok();
}

macro_rules! cases {
    ($($test:ident $name:literal;)*) => {
        $(#[test]
        fn $test() {
            let env = TestEnv::new();
            add_alpine(&env);
            let found = load($name).check(&env);
            assert!(found.is_empty(), "\n{}", found.join("\n"));
            env.assert_clean();
        })*
        const NAMES: &[&str] = &[$($name),*];
    };
}

cases! {
    add_archives "add-archives";
    arg_predefined "arg-predefined";
    arg_scope "arg-scope";
    copy_chown "copy-chown";
    copy_destinations "copy-destinations";
    copy_globs "copy-globs";
    copy_link "copy-link";
    copy_symlinks "copy-symlinks";
    dockerignore_rules "dockerignore-rules";
    env_forms "env-forms";
    escape_directive "escape-directive";
    hardlinks "hardlinks";
    heredoc_copy "heredoc-copy";
    json_or_shell "json-or-shell";
    metadata "metadata";
    onbuild_chain "onbuild-chain";
    parse_errors "parse-errors";
    run_environment "run-environment";
    shell_instruction "shell-instruction";
}

#[test]
fn no_case_is_forgotten() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/reference");
    let files = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let cases: BTreeSet<String> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "txtar"))
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(cases, NAMES.iter().map(|name| (*name).to_owned()).collect());
}
