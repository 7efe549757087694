//! Dockerfiles with what BuildKit made of them: `fixtures/reference` and `fixtures/cases`.

mod folders;
mod pending;
mod reference;

use crate::testenv::{Output, TestEnv};
use oracle::{Base, Build, Image, Server};
use std::ops::RangeInclusive;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

/// A store with the base images, and the results of builds in it.
struct Bench {
    env: TestEnv,
    bases: Vec<Image>,
}

/// A case's context, written out.
struct Laid {
    /// Keeps the address answering.
    server: Server,
    url: String,
}

impl Bench {
    fn new() -> Self {
        let env = TestEnv::empty();
        let mut bases = Vec::new();
        for base in Base::all().unwrap() {
            let dir = env.path().join("bases").join(base.name);
            base.write_layout(&dir).unwrap();
            env.run(["load", "--quiet", "-i", dir.to_str().unwrap()]).ok();
            bases.push(base.image().unwrap());
        }
        env.line("tag alpine alpine:3.99").ok();
        std::fs::rename(env.root(), env.path().join("store.new")).unwrap();
        Self { env, bases }
    }

    /// Writes the context of a case to `ctx`.
    fn lay_out(&self, case: &oracle::Case) -> Laid {
        self.renew_store();
        for dir in ["ctx", "www"] {
            let dir = self.env.path().join(dir);
            if dir.exists() {
                std::fs::remove_dir_all(&dir).unwrap();
            }
            std::fs::create_dir(&dir).unwrap();
        }
        let www = self.env.path().join("www");
        let server = Server::start(&www).unwrap();
        let url = if case.serves() { server.url() } else { String::new() };
        case.lay_out(&self.env.path().join("ctx"), &www, &url).unwrap();
        Laid { server, url }
    }

    /// Layers that are equal but for their times are one layer: a case starts in a store without those of others.
    fn renew_store(&self) {
        let remove = Command::new("rm").arg("-rf").arg(self.env.root()).status().unwrap();
        assert!(remove.success());
        let mut copy = Command::new("cp");
        copy.args(["-a", "--reflink=auto"]).arg(self.env.path().join("store.new")).arg(self.env.root());
        assert!(copy.status().unwrap().success());
    }

    /// Builds, and returns the image if the build succeeded.
    fn build(&self, build: &Build) -> (Output, Option<Image>) {
        let main = Path::new("ctx").join(build.subdir.as_deref().unwrap_or(""));
        let mut command = self.env.command(["build", "--no-cache", "--progress=plain"]);
        command.args(["-o", "type=tar,dest=image.tar", "-o", "type=oci,dest=image.oci"]);
        command.arg("-f").arg(main.join(build.file()));
        let single =
            [("--target", &build.target), ("--platform", &build.platform), ("--network", &build.network)];
        for (flag, value) in single.iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?))) {
            command.arg(flag).arg(value);
        }
        for what in &build.allow {
            command.arg("--allow").arg(what);
        }
        for (flag, values) in [("--build-arg", &build.args), ("--label", &build.labels)] {
            for (name, value) in values {
                command.arg(flag).arg(format!("{name}={value}"));
            }
        }
        for (name, dir) in &build.contexts {
            command.arg("--build-context").arg(format!("{name}=ctx/{dir}"));
        }
        for (id, value) in &build.secrets {
            let file = self.env.write(&format!("secrets/{id}"), value);
            command.arg("--secret").arg(format!("id={id},src={}", file.display()));
        }
        let socket = self.env.path().join("agent");
        let agent = build.ssh.then(|| UnixListener::bind(&socket).unwrap());
        if agent.is_some() {
            command.arg("--ssh").arg(format!("default={}", socket.display()));
        }
        let output = self.env.output(command.arg(main));
        if agent.is_some() {
            std::fs::remove_file(&socket).unwrap();
        }
        let path = |name: &str| self.env.path().join(name);
        let image = (output.exit == Some(0))
            .then(|| Image::read(&path("image.oci"), &path("image.tar")).expect("read the results"));
        (output, image)
    }
}

/// What is wrong with how a build failed that must fail, at one of some lines if they are known.
fn failure(output: &Output, build: &Build, lines: Option<RangeInclusive<u32>>) -> Vec<String> {
    let said = |line| output.stderr.contains(&format!("{}:{line}:", build.file()));
    match (output.exit, lines) {
        (Some(1 | 2), Some(lines)) if !lines.clone().any(said) => {
            vec![format!("not said to fail at {lines:?} of {}:\n{}", build.file(), output.stderr)]
        }
        (Some(1 | 2), _) => Vec::new(),
        (Some(0), _) => vec!["did not fail".to_owned()],
        (exit, _) => vec![format!("exit code {exit:?}:\n{}", output.stderr)],
    }
}

/// Where two texts differ, line by line.
fn diff(expected: &str, actual: &str) -> Vec<String> {
    let expected: Vec<&str> = expected.lines().collect();
    let actual: Vec<&str> = actual.lines().collect();
    let missing = expected.iter().filter(|line| !actual.contains(line)).map(|line| format!("  - {line}"));
    let extra = actual.iter().filter(|line| !expected.contains(line)).map(|line| format!("  + {line}"));
    let mut found: Vec<String> = missing.chain(extra).collect();
    if found.is_empty() && expected != actual {
        found.push("  the lines are in another order".to_owned());
    }
    found
}

/// What differs from what was recorded, and is not expected to; and what is expected to differ, and does not.
fn verdict(name: &str, findings: Vec<String>) -> Vec<String> {
    let pending = pending::PENDING.iter().find(|(case, _)| *case == name);
    match (pending, findings.is_empty()) {
        (Some((_, why)), true) => vec![format!("{name} is met: take it off the list ({why})")],
        (Some(_), false) => Vec::new(),
        (None, _) => findings.into_iter().map(|line| format!("{name}: {line}")).collect(),
    }
}
