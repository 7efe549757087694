//! `cargo xtask record ADDRESS [CASE…]`: builds the cases of `fixtures/cases` with the BuildKit at an address, such as
//! `unix:///run/buildkit/buildkitd.sock`, and writes to each folder's `expected` what BuildKit made of it.
//!
//! CASE is `group/name`, `group`, or part of a name; without any, the cases that nothing is recorded of are built.
//! `buildctl` is taken from PATH, or named by `BUILDCTL`; `BUILDKIT_VERSION` names a daemon that has no version of its
//! own. The daemon must share this machine's network, and allow
//! `network.host` and `security.insecure` to the cases that ask for them.

use anyhow::{Context, Result, bail, ensure};
use oracle::{Base, Build, Case, Image, Server};
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Records, and returns what went wrong, one line each.
#[expect(clippy::print_stderr, reason = "a chore talks to its developer")]
pub(crate) fn run(root: &Path, args: &[String]) -> Result<Vec<String>> {
    let Some((address, only)) = args.split_first() else {
        bail!("the address of a BuildKit daemon is missing");
    };
    let scratch = std::env::temp_dir().join(format!("lapstrake-record-{}", std::process::id()));
    let recorder = Recorder::new(address, scratch.clone())?;
    let mut found = Vec::new();
    for (name, dir) in cases(&root.join("fixtures/cases"))? {
        let recorded = dir.join("expected").exists();
        let wanted = if only.is_empty() { !recorded } else { only.iter().any(|part| name.contains(part)) };
        if wanted {
            match recorder.record(&name, &dir) {
                Ok(()) => eprintln!("{name}"),
                Err(error) => found.push(format!("{name}: {error:#}")),
            }
        }
    }
    fs::remove_dir_all(&scratch).context("remove the scratch directory")?;
    Ok(found)
}

fn cases(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for group in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let group = group?;
        if !group.metadata()?.is_dir() {
            continue;
        }
        for case in fs::read_dir(group.path())? {
            let case = case?;
            let name = format!("{}/{}", group.file_name().display(), case.file_name().display());
            found.push((name, case.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// A BuildKit, and base images for it.
struct Recorder {
    buildctl: String,
    address: String,
    version: String,
    scratch: PathBuf,
    /// Name and digest.
    bases: Vec<(&'static str, String)>,
    images: Vec<Image>,
}

impl Recorder {
    fn new(address: &str, scratch: PathBuf) -> Result<Self> {
        let buildctl = std::env::var("BUILDCTL").unwrap_or_else(|_| "buildctl".to_owned());
        let output = Command::new(&buildctl).args(["--addr", address, "debug", "info"]).output();
        let output = output.with_context(|| format!("run {buildctl}"))?;
        let version =
            version(&String::from_utf8_lossy(&output.stdout), std::env::var("BUILDKIT_VERSION").ok());
        let mut bases = Vec::new();
        let mut images = Vec::new();
        fs::create_dir_all(&scratch)?;
        for base in Base::all()? {
            let dir = scratch.join("bases").join(base.name);
            bases.push((base.name, base.write_layout(&dir)?));
            images.push(base.image()?);
        }
        let address = address.to_owned();
        Ok(Self { buildctl, address, version, scratch, bases, images })
    }

    fn record(&self, name: &str, dir: &Path) -> Result<()> {
        let case = Case::folder(name, dir)?;
        let work = self.scratch.join("case");
        let context = work.join("context");
        let www = work.join("www");
        fs::create_dir_all(&www)?;
        let server = Server::start(&www)?;
        let url = if case.serves() { server.url() } else { String::new() };
        case.lay_out(&context, &www, &url)?;
        let mut text = format!("# recorded with {}\n", self.version);
        for (number, build) in case.builds.iter().enumerate() {
            text.push_str(&format!("== build {number}\n"));
            text.push_str(&self.build(build, &context, &work, &url)?);
        }
        fs::remove_dir_all(&work)?;
        Ok(fs::write(dir.join("expected"), text)?)
    }

    fn build(&self, build: &Build, context: &Path, work: &Path, url: &str) -> Result<String> {
        let [tar, oci] = ["image.tar", "image.oci"].map(|file| work.join(file));
        self.forget_contexts()?;
        let mut command = self.command(build, context);
        for (id, value) in &build.secrets {
            fs::write(work.join(id), value)?;
            command.arg("--secret").arg(format!("id={id},src={}", work.join(id).display()));
        }
        let socket = work.join("agent");
        let agent = if build.ssh { Some(UnixListener::bind(&socket)?) } else { None };
        if agent.is_some() {
            command.arg("--ssh").arg(format!("default={}", socket.display()));
        }
        command.arg("--output").arg(format!("type=tar,dest={}", tar.display()));
        command.arg("--output").arg(format!("type=oci,dest={}", oci.display()));
        let output = command.output().context("run buildctl")?;
        if agent.is_some() {
            fs::remove_file(&socket)?;
        }
        if output.status.success() {
            return Ok(oracle::render(&Image::read(&oci, &tar)?, &self.images, url));
        }
        failure(build, &output)
    }

    /// BuildKit compares a context with the one before by sizes and times of its files alone, and keeps the times of
    /// directories that it has: each build starts without one.
    fn forget_contexts(&self) -> Result<()> {
        let mut command = Command::new(&self.buildctl);
        let output =
            command.args(["--addr", &self.address, "prune", "--filter", "type==source.local"]).output();
        ensure!(output.context("run buildctl prune")?.status.success(), "buildctl prune ended in error");
        Ok(())
    }

    fn command(&self, build: &Build, context: &Path) -> Command {
        let mut command = Command::new(&self.buildctl);
        command.args(["--addr", &self.address, "build", "--progress=plain", "--no-cache"]);
        command.args(["--frontend", "dockerfile.v0"]);
        let main = context.join(build.subdir.as_deref().unwrap_or(""));
        let file = main.join(build.file());
        let mut local = |name: &str, dir: &Path| {
            command.arg("--local").arg(format!("{name}={}", dir.display()));
        };
        local("context", &main);
        local("dockerfile", file.parent().unwrap_or(&main));
        build.contexts.iter().for_each(|(name, dir)| local(name, &context.join(dir)));
        let mut opt = |name: &str, value: &str| {
            command.arg("--opt").arg(format!("{name}={value}"));
        };
        opt("filename", &file.file_name().unwrap_or_default().to_string_lossy());
        for (name, digest) in &self.bases {
            opt(&format!("context:{name}"), &format!("oci-layout://{name}@{digest}"));
        }
        for name in build.contexts.keys() {
            opt(&format!("context:{name}"), &format!("local:{name}"));
        }
        build.args.iter().for_each(|(name, value)| opt(&format!("build-arg:{name}"), value));
        build.labels.iter().for_each(|(name, value)| opt(&format!("label:{name}"), value));
        build.target.iter().for_each(|target| opt("target", target));
        build.platform.iter().for_each(|platform| opt("platform", platform));
        build.network.iter().for_each(|network| opt("force-network-mode", network));
        for (name, _) in &self.bases {
            let dir = self.scratch.join("bases").join(name);
            command.arg("--oci-layout").arg(format!("{name}={}", dir.display()));
        }
        for what in &build.allow {
            command.args(["--allow", what]);
        }
        command
    }
}

/// What a daemon says of itself. One that was built without a version has a name given by `BUILDKIT_VERSION`.
fn version(info: &str, given: Option<String>) -> String {
    let find = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("unknown").trim();
    let own = find("BuildKit:").split_whitespace().last().unwrap_or("unknown").to_owned();
    format!("BuildKit {}, Dockerfile frontend {}", given.unwrap_or(own), find("Dockerfile:"))
}

/// `fails`, and the lines of the Dockerfile that are marked.
fn failure(build: &Build, output: &Output) -> Result<String> {
    let log = String::from_utf8_lossy(&output.stderr);
    if !log.contains("failed to solve") {
        bail!("buildctl: {log}");
    }
    let name = Path::new(build.file()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let excerpt = log.rsplit_once(&format!("\n{name}:")).map(|(_, rest)| rest);
    let mut marked = excerpt.into_iter().flat_map(str::lines).filter_map(|line| line.split_once(" | >>>"));
    let Some((first, _)) = marked.next() else {
        return Ok("fails\n".to_owned());
    };
    let last = marked.next_back().map_or(first, |(number, _)| number);
    Ok(format!("fails at {}-{}\n", first.trim(), last.trim()))
}
