//! The projects of `fixtures/projects`: real ones, with apt, gcc, pip and node in their RUNs.
//!
//! Each is built, built again, edited, run, exported, handed to skopeo and podman, and built again on another empty
//! store. Base images come from `fixtures/base-images.sh`, which is run if they are missing; RUN needs the network.

use crate::testenv::{Output, TestEnv};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What the times of an image are set to.
const EPOCH: &str = "1136239445";

/// An edit of one file, and the steps that then run: all others must be cached.
struct Edit {
    file: &'static str,
    find: &'static str,
    put: &'static str,
    runs: &'static [&'static str],
    /// Whether the image becomes another one.
    changes: bool,
}

/// A project, and what must be true of it.
struct Project {
    name: &'static str,
    base: &'static str,
    /// How many steps it has, FROMs left out.
    steps: usize,
    command: &'static [&'static str],
    prints: &'static str,
    edits: &'static [Edit],
}

#[test]
fn hello() {
    check(&Project {
        name: "hello",
        base: "busybox",
        steps: 3,
        command: &["world"],
        prints: "Hello, world!\nHello, garboard!\nHello, keel!\nHello, sheer!\nHello, strake!\n",
        edits: &[
            Edit { file: "NOTES.md", find: "", put: "Not in the image.\n", runs: &[], changes: false },
            Edit {
                file: "names.txt",
                find: "",
                put: "stem\n",
                runs: &[
                    "[3/4] COPY greet.sh names.txt ./",
                    "[4/4] RUN chmod 0755 greet.sh && sort names.txt > sorted.txt && rm names.txt",
                ],
                changes: true,
            },
        ],
    });
}

#[test]
fn c_app() {
    check(&Project {
        name: "c-app",
        base: "debian",
        steps: 7,
        command: &[],
        prints: "wordcount 1.0: 2 lines, 5 words, 28 bytes\n",
        edits: &[
            // Equal object code: nothing after the compiler runs.
            Edit {
                file: "src/main.c",
                find: "",
                put: "/* the end */\n",
                runs: &[
                    "[build 3/4] COPY src ./src",
                    "[build 4/4] RUN make VERSION=1.0 && setcap cap_dac_override=ep wordcount",
                ],
                changes: false,
            },
            Edit {
                file: "words.txt",
                find: "",
                put: "rib\n",
                runs: &["[stage-2 3/3] COPY words.txt /usr/share/wordcount/"],
                changes: true,
            },
        ],
    });
}

#[test]
fn python_web() {
    check(&Project {
        name: "python-web",
        base: "debian",
        steps: 8,
        command: &["python3", "/app/app.py", "--self-test"],
        prints: "/ 200 OK ahoy\n/healthz 200 OK {\"ok\": true}\n",
        edits: &[Edit {
            file: "app.py",
            find: "ahoy",
            put: "avast",
            runs: &["[stage-2 5/5] COPY app.py check.py ./"],
            changes: true,
        }],
    });
}

#[test]
fn node_app() {
    check(&Project {
        name: "node-app",
        base: "debian",
        steps: 8,
        command: &["3"],
        prints: "plank 1\nplank 2 over 1\nplank 3 over 2\n",
        edits: &[Edit {
            file: "lib/hull.js",
            find: "over",
            put: "above",
            runs: &[
                "[bundle 3/4] COPY lib lib",
                "[bundle 4/4] RUN [\"node\", \"bundle.js\"]",
                "[stage-2 2/3] COPY --from=bundle /build/dist/ .",
            ],
            changes: true,
        }],
    });
}

#[test]
fn stages12() {
    check(&Project {
        name: "stages12",
        base: "busybox",
        steps: 23,
        command: &[],
        prints: "base: base\nframes: THE FRAMES\nstern: THE STERN\n",
        edits: &[Edit {
            file: "parts/stem.txt",
            find: "",
            put: "larch\n",
            runs: &[
                "[stem 1/2] COPY parts/stem.txt /in",
                "[stem 2/2] RUN tr a-z A-Z < /in > /parts/stem",
                "[backbone 2/3] COPY --from=stem /parts/stem /parts/",
                "[report 1/4] COPY --from=backbone / /",
                "[report 4/4] RUN cd /parts && for part in *; do printf '%s: ' \"$part\"; cat \"$part\"; done > /report",
                "[stage-11 2/2] COPY --from=report /report /report",
            ],
            changes: true,
        }],
    });
}

fn check(project: &Project) {
    let env = prepared(project);
    let cold = steps(&build(&env, project, &[]));
    assert_eq!(cold.values().filter(|cached| !**cached).count(), project.steps, "{cold:#?}");
    let id = env.id(project.name);
    let again = steps(&build(&env, project, &[]));
    assert!(again.len() == project.steps && again.values().all(|cached| *cached), "{again:#?}");
    assert_eq!(env.id(project.name), id);
    prints(project, env.run([&["run", "--rm", project.name], project.command].concat()));
    exports(&env, project);
    read_by_others(&env, project);
    read_back(&env, project);
    for edit in project.edits {
        edited(&env, project, edit);
    }
    env.assert_clean();
    let other = prepared(project);
    build(&other, project, &[]);
    assert_eq!(other.id(project.name), id);
    exports(&other, project);
    for kind in ["oci", "docker"] {
        let file = format!("{kind}.tar");
        let same = std::fs::read(env.path().join(&file)).unwrap()
            == std::fs::read(other.path().join(&file)).unwrap();
        assert!(same, "{}: {file} differs between two empty stores", project.name);
    }
}

/// An empty store with the project's base image, and a copy of the project.
fn prepared(project: &Project) -> TestEnv {
    let env = TestEnv::empty();
    copy(&fixtures().join(project.name), &env.path().join("ctx"));
    if project.name == "python-web" {
        copy(&bases().join("wheels"), &env.path().join("ctx/wheels"));
    }
    let tar = bases().join(project.base).with_extension("tar");
    let mut import = env.command(["import"]);
    env.output(import.arg(tar).arg(project.base).env("SOURCE_DATE_EPOCH", EPOCH)).ok();
    env
}

fn build(env: &TestEnv, project: &Project, more: &[&str]) -> Output {
    let mut command = env.command(["build", "--progress=plain", "-t", project.name]);
    env.output(command.args(more).arg("ctx").env("SOURCE_DATE_EPOCH", EPOCH)).ok()
}

/// The steps of a build, FROMs left out, and whether each was cached.
fn steps(output: &Output) -> BTreeMap<String, bool> {
    let mut names = BTreeMap::new();
    let mut found = BTreeMap::new();
    for line in output.stderr.lines() {
        let Some((number, rest)) = line.split_once(' ') else { continue };
        if rest.starts_with('[') && !rest.contains("] FROM ") {
            names.insert(number.to_owned(), rest.to_owned());
        } else if let (Some(name), "CACHED" | "DONE T") = (names.get(number), rest) {
            found.insert(name.clone(), rest == "CACHED");
        }
    }
    found
}

fn edited(env: &TestEnv, project: &Project, edit: &Edit) {
    let before = env.id(project.name);
    let text = env.read(&format!("ctx/{}", edit.file));
    let text = if edit.find.is_empty() { text + edit.put } else { text.replace(edit.find, edit.put) };
    env.write(&format!("ctx/{}", edit.file), text);
    let steps = steps(&build(env, project, &[]));
    let ran: BTreeSet<&str> = steps.iter().filter(|(_, cached)| !**cached).map(|(name, _)| &**name).collect();
    assert_eq!(ran, edit.runs.iter().copied().collect(), "{} was edited", edit.file);
    assert_eq!(steps.len(), project.steps, "{steps:#?}");
    assert_eq!(env.id(project.name) != before, edit.changes, "{} was edited", edit.file);
    env.run([&["run", "--rm", project.name], project.command].concat()).ok();
}

/// `oci.tar` and `docker.tar` in the working directory.
fn exports(env: &TestEnv, project: &Project) {
    for kind in ["oci", "docker"] {
        let output = format!("type={kind},dest={kind}.tar");
        let steps = steps(&build(env, project, &["-o", &output]));
        assert!(steps.values().all(|cached| *cached), "{steps:#?}");
    }
}

/// skopeo reads what was exported; podman loads it and runs it.
fn read_by_others(env: &TestEnv, project: &Project) {
    let config = env.inspect(project.name);
    let podman = Podman { dir: env.path() };
    for kind in ["oci", "docker"] {
        let source = format!("{kind}-archive:{}", env.path().join(format!("{kind}.tar")).display());
        let text = tool(Command::new("skopeo").args(["inspect", "--config", &source]));
        let theirs: serde_json::Value = serde_json::from_str(&text).unwrap();
        for key in ["Cmd", "Entrypoint", "Env", "User", "WorkingDir", "Labels"] {
            let ours = &config["Config"][key];
            let unset = ours.is_null() || ours.as_str() == Some("");
            assert!(
                theirs["config"][key] == *ours || (unset && theirs["config"][key].is_null()),
                "{key}: {text}"
            );
        }
        tool(Command::new("skopeo").args(["inspect", &source]));
        let image = tool(podman.command(&["pull", "--quiet"]).arg(&source));
        let mut run = podman.command(&["--cgroup-manager=cgroupfs", "--runtime=runc", "run", "--rm"]);
        run.args(["--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", image.trim()]);
        contains_all(project, &tool(run.args(project.command)));
    }
    tool(podman.command(&["load", "--quiet", "-i"]).arg(env.path().join("docker.tar")));
    let saved = env.path().join("podman.tar");
    tool(podman.command(&["save", "--quiet", "-o"]).arg(saved).arg(project.name));
}

/// What podman saved, and what skopeo converted, loads and runs here, on a store that lacks the project.
fn read_back(env: &TestEnv, project: &Project) {
    let path = |name: &str| env.path().join(name).display().to_string();
    let to = format!("docker-archive:{}:back:latest", path("skopeo.tar"));
    tool(Command::new("skopeo").args(["copy", "--quiet", &format!("oci-archive:{}", path("oci.tar")), &to]));
    for (file, image) in [("podman.tar", project.name), ("skopeo.tar", "back")] {
        let store = TestEnv::empty();
        store.run(["load", "-i", &path(file)]).ok();
        let name = if image == "back" { image.to_owned() } else { format!("localhost/{image}") };
        let known = store.run(["inspect", &name]).exit == Some(0);
        let name = if known { name } else { image.to_owned() };
        prints(project, store.run([&["run", "--rm", &name], project.command].concat()));
        std::fs::remove_file(path(file)).unwrap();
    }
}

fn prints(project: &Project, output: Output) {
    contains_all(project, &output.ok().stdout);
}

fn contains_all(project: &Project, text: &str) {
    for line in project.prints.lines() {
        assert!(text.lines().any(|found| found == line), "{}: no `{line}` in\n{text}", project.name);
    }
}

/// podman with a storage of its own, which some versions leave mounted.
struct Podman<'a> {
    dir: &'a Path,
}

impl Podman<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("podman");
        command.arg("--root").arg(self.dir.join("podman")).arg("--runroot").arg(self.dir.join("podman-run"));
        command.args(["--storage-driver", "overlay"]).args(args);
        command
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        let dir = self.dir.join("podman/overlay");
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        if mounts.contains(&format!(" {} ", dir.display())) {
            let status = Command::new("umount").arg("--lazy").arg(&dir).status();
            assert!(status.is_ok() || std::thread::panicking(), "umount {}: {status:?}", dir.display());
        }
    }
}

/// Standard output of a command that must succeed.
fn tool(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn copy(from: &Path, to: &Path) {
    tool(Command::new("cp").arg("-a").arg(from).arg(to));
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/projects")
}

/// The directory of base images, made if it is not there yet.
fn bases() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fixtures");
        #[expect(clippy::disallowed_methods, reason = "`make test` says where it put the base images")]
        let dir = std::env::var_os("LAPSTRAKE_FIXTURES").map_or(default, PathBuf::from);
        tool(Command::new(fixtures().join("../base-images.sh")).arg(&dir));
        dir
    })
}
