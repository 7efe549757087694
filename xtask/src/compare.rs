//! `cargo xtask compare`: builds each fixture project with lapstrake and with `docker build` (BuildKit, from Debian's
//! docker.io) and compares the root file systems and the image configs.
//!
//! Root file systems are compared by path, kind, mode, owner, xattrs, link target and content; times are not part of
//! a Dockerfile's meaning. Of the config everything but `created`, `history` and `rootfs` is compared.
//!
//! `docker load` must make the same image, by its ID, of what `lapstrake save` writes.
//!
//! Docker 20.10 is older than some flags. What it is given differs from what lapstrake is given by this alone:
//! `COPY --link` loses its `--link`, which says how a layer is cached and not what is in it.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The projects below `fixtures/projects`.
const PROJECTS: [&str; 5] = ["hello", "c-app", "python-web", "node-app", "stages12"];

/// Where the two tools' results differ, one line each.
#[expect(clippy::print_stderr, reason = "a chore talks to its developer")]
pub(crate) fn run(root: &Path, only: &[String]) -> Result<Vec<String>> {
    let scratch = Scratch::new()?;
    let bases = root.join("target/fixtures");
    check(Command::new(root.join("fixtures/base-images.sh")).arg(&bases))?;
    let lapstrake = Lapstrake { bin: binary(root)?, store: scratch.0.join("store") };
    let docker = Docker::start(&scratch.0.join("docker"))?;
    for base in ["busybox", "debian"] {
        let tar = bases.join(format!("{base}.tar"));
        check(lapstrake.command(&["import"]).arg(&tar).arg(base))?;
        check(docker.command(&["import"]).arg(&tar).arg(base))?;
    }
    let mut found = Vec::new();
    for project in PROJECTS.iter().filter(|name| only.is_empty() || only.iter().any(|o| o == *name)) {
        let context = scratch.0.join(project);
        check(Command::new("cp").arg("-a").arg(root.join("fixtures/projects").join(project)).arg(&context))?;
        if *project == "python-web" {
            check(Command::new("cp").arg("-a").arg(bases.join("wheels")).arg(&context))?;
        }
        let ours = lapstrake.build(project, &context, &scratch.0)?;
        without_link(&context.join("Dockerfile"))?;
        let theirs = docker.build(project, &context, &scratch.0)?;
        let mut differences = ours.differences(&theirs);
        differences.extend(docker.load(&lapstrake, project, &scratch.0)?);
        eprintln!("{project}: {} paths and the config, {} differences", ours.paths.len(), differences.len());
        found.extend(differences.into_iter().map(|line| format!("{project}: {line}")));
    }
    Ok(found)
}

fn without_link(dockerfile: &Path) -> Result<()> {
    let text = std::fs::read_to_string(dockerfile)?;
    Ok(std::fs::write(dockerfile, text.replace("COPY --link ", "COPY "))?)
}

/// What one tool made of one project.
struct Built {
    config: serde_json::Value,
    paths: BTreeMap<Vec<u8>, String>,
}

impl Built {
    fn differences(&self, theirs: &Built) -> Vec<String> {
        let mut found = Vec::new();
        for (path, line) in &self.paths {
            let path_text = String::from_utf8_lossy(path);
            match theirs.paths.get(path) {
                None => found.push(format!("{path_text}: only in lapstrake's image: {line}")),
                Some(other) if other != line => {
                    found.push(format!("{path_text}: {line}, docker has {other}"));
                }
                Some(_) => {}
            }
        }
        for path in theirs.paths.keys().filter(|path| !self.paths.contains_key(*path)) {
            found.push(format!("{}: only in docker's image", String::from_utf8_lossy(path)));
        }
        if self.config != theirs.config {
            found.push(format!("config: {}\n  docker has {}", self.config, theirs.config));
        }
        found
    }
}

struct Lapstrake {
    bin: PathBuf,
    store: PathBuf,
}

impl Lapstrake {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.bin);
        command.args(args).env("LAPSTRAKE_ROOT", &self.store);
        command
    }

    fn build(&self, name: &str, context: &Path, scratch: &Path) -> Result<Built> {
        let tar = scratch.join(format!("{name}.lapstrake.tar"));
        let output = format!("type=tar,dest={}", tar.display());
        check(self.command(&["build", "--progress=plain", "-t", name, "-o", &output]).arg(context))?;
        built(self.command(&["inspect", name]), &tar)
    }
}

/// A dockerd of our own: own socket, own state, no bridge. Stopped when dropped.
struct Docker {
    socket: String,
    daemon: Child,
}

impl Docker {
    fn start(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let socket = format!("unix://{}/sock", dir.display());
        let path = |name: &str| format!("{}/{name}", dir.display());
        let daemon = Command::new("/usr/sbin/dockerd")
            .args(["--iptables=false", "--bridge=none", "--storage-driver=overlay2", "-H", &socket])
            .args(["--data-root", &path("data"), "--exec-root", &path("exec"), "--pidfile", &path("pid")])
            .stdout(Stdio::null())
            .stderr(File::create(path("log"))?)
            .spawn()
            .context("start /usr/sbin/dockerd (Debian package docker.io)")?;
        let docker = Self { socket, daemon };
        let end = Instant::now() + Duration::from_secs(60);
        while !docker.command(&["version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?.success() {
            ensure!(Instant::now() < end, "dockerd did not answer within a minute, see {}", path("log"));
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(docker)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/docker");
        command.args(args).env("DOCKER_HOST", &self.socket).env("DOCKER_BUILDKIT", "1");
        command
    }

    fn build(&self, name: &str, context: &Path, scratch: &Path) -> Result<Built> {
        let tar = scratch.join(format!("{name}.docker.tar"));
        let output = format!("type=tar,dest={}", tar.display());
        let build = ["build", "--progress=plain", "--network=host"];
        check(self.command(&build).args(["-t", name]).arg(context))?;
        check(self.command(&build).args(["-o", &output]).arg(context))?;
        built(self.command(&["inspect", name]), &tar)
    }
}

impl Docker {
    /// Has docker load lapstrake's archive of a built image; says if it then is another image.
    fn load(&self, from: &Lapstrake, name: &str, scratch: &Path) -> Result<Option<String>> {
        let tar = scratch.join(format!("{name}.saved.tar"));
        check(from.command(&["save", "-o"]).arg(&tar).arg(name))?;
        check(self.command(&["load", "-i"]).arg(&tar))?;
        let ours = inspected(from.command(&["inspect", name]))?["Id"].clone();
        let theirs = inspected(self.command(&["inspect", name]))?["Id"].clone();
        Ok((ours != theirs).then(|| format!("docker load made {theirs} of {ours}")))
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        let stopped = Command::new("kill").arg(self.daemon.id().to_string()).status();
        if stopped.is_ok_and(|status| status.success()) {
            drop(self.daemon.wait());
        }
    }
}

fn built(inspect: Command, tar: &Path) -> Result<Built> {
    let image = inspected(inspect)?;
    let mut config = serde_json::json!({ "Architecture": image["Architecture"], "Os": image["Os"] });
    for (key, value) in image["Config"].as_object().context("find Config in the inspect output")? {
        let empty = match value {
            serde_json::Value::Null | serde_json::Value::Bool(false) => true,
            serde_json::Value::String(text) => text.is_empty(),
            serde_json::Value::Array(list) => list.is_empty(),
            serde_json::Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if !empty {
            config[key] = value.clone();
        }
    }
    sort(&mut config);
    Ok(Built { config, paths: paths(tar)? })
}

/// What `inspect` says of one image.
fn inspected(mut inspect: Command) -> Result<serde_json::Value> {
    let output = inspect.output().context("inspect the image")?;
    ensure!(output.status.success(), "inspect: {}", String::from_utf8_lossy(&output.stderr));
    let parsed: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("parse the inspect output")?;
    Ok(parsed[0].clone())
}

/// Keys in order: the tools write them in different ones.
fn sort(value: &mut serde_json::Value) {
    if let serde_json::Value::Object(map) = value {
        map.sort_keys();
        map.values_mut().for_each(sort);
    }
}

/// One line for each path of a tar.
fn paths(tar: &Path) -> Result<BTreeMap<Vec<u8>, String>> {
    let mut archive = tar::Archive::new(File::open(tar).with_context(|| format!("open {}", tar.display()))?);
    let mut found = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let mut path = entry.path_bytes().into_owned();
        while path.last() == Some(&b'/') {
            path.pop();
        }
        let path = path.strip_prefix(b"./").unwrap_or(&path).to_vec();
        if path.is_empty() || path == b"." {
            continue;
        }
        let xattrs = xattrs(&mut entry)?;
        let mut hasher = DefaultHasher::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match entry.read(&mut buffer)? {
                0 => break,
                n => hasher.write(&buffer[..n]),
            }
        }
        let header = entry.header();
        let link = entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned());
        let line = match header.entry_type() {
            tar::EntryType::Link => {
                let target = link.unwrap_or_default();
                found.get(target.trim_start_matches("./").as_bytes()).cloned().unwrap_or(target)
            }
            kind => format!(
                "{kind:?} {:04o} {}:{} {} bytes {:x} {} {xattrs:?}",
                header.mode()? & 0o7777,
                header.uid()?,
                header.gid()?,
                header.size()?,
                hasher.finish(),
                link.unwrap_or_default(),
            ),
        };
        found.insert(path, line);
    }
    Ok(found)
}

fn xattrs(entry: &mut tar::Entry<'_, File>) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            if let Some(name) = extension.key()?.strip_prefix("SCHILY.xattr.") {
                found.push((name.to_owned(), extension.value_bytes().to_vec()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// `$LAPSTRAKE`, or what cargo builds.
fn binary(root: &Path) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("LAPSTRAKE") {
        return Path::new(&given).canonicalize().with_context(|| format!("find LAPSTRAKE={given:?}"));
    }
    check(
        Command::new("cargo").args(["build", "--release", "--locked", "--package", "cli"]).current_dir(root),
    )?;
    for found in ["target/release/lapstrake", "target/x86_64-unknown-linux-gnu/release/lapstrake"] {
        if root.join(found).exists() {
            return Ok(root.join(found).canonicalize()?);
        }
    }
    bail!("no lapstrake below {}/target", root.display())
}

fn check(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A directory below the system's temporary one, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("lapstrake-compare-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
