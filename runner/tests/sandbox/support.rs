//! A store with one busybox layer, and sandboxes over it.

use oci::mount::RootMount;
use runner::spec::{Exit, Network, Spec, User};
use runner::{Io, Running, Sandbox, SandboxError, Stream, caps};
use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

const APPLETS: [&str; 40] = [
    "sh", "true", "false", "cat", "ls", "id", "env", "echo", "grep", "mount", "umount", "mknod", "mkdir",
    "rm", "sleep", "kill", "ps", "hostname", "stat", "touch", "chmod", "head", "wc", "dd", "readlink", "ln",
    "mv", "tty", "stty", "unshare", "test", "seq", "ip", "chown", "cut", "sort", "tr", "df", "pwd", "setsid",
];

/// Directories of one sandbox.
pub(crate) struct Store {
    pub(crate) dir: TempDir,
    next: AtomicU32,
}

static UNIQUE: AtomicU32 = AtomicU32::new(0);

/// Makes `dir` a root with busybox in it.
pub(crate) fn busybox_layer(dir: &Path) {
    fs::create_dir_all(dir.join("bin")).unwrap();
    fs::copy("/bin/busybox", dir.join("bin/busybox")).expect("busybox-static is installed");
    for applet in APPLETS {
        symlink("busybox", dir.join("bin").join(applet)).unwrap();
    }
}

impl Store {
    pub(crate) fn new() -> Store {
        let store = Store { dir: tempfile::tempdir_in("/var/tmp").unwrap(), next: AtomicU32::new(0) };
        busybox_layer(&store.layer());
        store
    }

    pub(crate) fn layer(&self) -> PathBuf {
        self.dir.path().join("layer")
    }

    /// A build step's sandbox over the busybox layer.
    pub(crate) fn spec(&self, argv: &[&str]) -> Spec {
        self.spec_over(vec![self.layer()], argv)
    }

    pub(crate) fn spec_over(&self, lower: Vec<PathBuf>, argv: &[&str]) -> Spec {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let dir = |name: &str| {
            let dir = self.dir.path().join(format!("{name}-{number}"));
            fs::create_dir(&dir).unwrap();
            dir
        };
        let unique = UNIQUE.fetch_add(1, Ordering::Relaxed);
        Spec {
            id: format!("test-{}-{unique}", std::process::id()),
            root: RootMount::Overlay { lower, upper: dir("upper"), work: dir("work") },
            scratch: dir("scratch"),
            read_only_root: false,
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            env: vec!["PATH=/bin:/usr/bin".to_owned()],
            cwd: "/".to_owned(),
            user: User { home: "/root".to_owned(), ..User::default() },
            hostname: "buildkitsandbox".to_owned(),
            network: Network::Host,
            mounts: vec![],
            capabilities: caps::default_names(),
            seccomp: true,
            no_new_privileges: false,
            remove_stubs: true,
            terminal: false,
            extra_hosts: vec![],
            privileged: false,
            shm_size: None,
            ulimits: vec![],
            cgroup_parent: None,
        }
    }

    pub(crate) fn shell(&self, script: &str) -> Spec {
        self.spec(&["sh", "-c", script])
    }
}

pub(crate) fn upper(spec: &Spec) -> PathBuf {
    let RootMount::Overlay { upper, .. } = &spec.root;
    upper.clone()
}

/// Output (both streams, in order) and exit.
pub(crate) fn output(spec: &Spec) -> (String, Exit) {
    try_output(spec).unwrap()
}

pub(crate) fn try_output(spec: &Spec) -> Result<(String, Exit), SandboxError> {
    let (mut read, write) = std::io::pipe().unwrap();
    let io = Io {
        stdout: Stream::Fd(write.try_clone().unwrap().into()),
        stderr: Stream::Fd(write.into()),
        ..Io::default()
    };
    let mut running = Sandbox::spawn(spec, io)?;
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    Ok((text, running.wait()?))
}

/// Output of a script that must succeed.
pub(crate) fn says(spec: &Spec) -> String {
    let (text, exit) = output(spec);
    assert_eq!(exit, Exit::Code(0), "{text}");
    text
}

pub(crate) fn spawn(spec: &Spec) -> Running {
    Sandbox::spawn(spec, Io::default()).unwrap()
}

/// A running sandbox, and its output up to the line in which `mark` stands.
pub(crate) fn spawn_reading(spec: &Spec, mark: &str) -> (Running, String) {
    use std::io::BufRead;
    let io = Io { stdout: Stream::Piped, stderr: Stream::Inherit, ..Io::default() };
    let mut running = Sandbox::spawn(spec, io).unwrap();
    let mut reader = std::io::BufReader::new(running.stdout.take().unwrap());
    let mut text = String::new();
    while !text.lines().last().is_some_and(|line| line.contains(mark)) {
        assert_ne!(reader.read_line(&mut text).unwrap(), 0, "{text}");
    }
    (running, text)
}

/// Paths below `dir`, sorted, relative.
pub(crate) fn tree(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, prefix: &str, all: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            all.push(name.clone());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{name}/"), all);
            }
        }
    }
    let mut all = Vec::new();
    walk(dir, "", &mut all);
    all.sort();
    all
}

/// The cgroup directory of a sandbox, wherever version 2 is mounted.
pub(crate) fn cgroup_of(spec: &Spec) -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 ")).expect("cgroup2 is mounted");
    Path::new(line.split(' ').nth(4).unwrap()).join("lapstrake").join(&spec.id)
}

/// Nothing of `spec` is mounted, running or in a cgroup.
pub(crate) fn assert_nothing_left(spec: &Spec) {
    assert!(!cgroup_of(spec).exists(), "cgroup of {}", spec.id);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let scratch = spec.scratch.to_str().unwrap();
    assert!(!mounts.contains(scratch), "{mounts}");
}
