//! A store, a working directory and an empty environment for one test.

use crate::tarball;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// What one test works in. Removed at its end, with everything that is mounted below it looked for first.
pub(crate) struct TestEnv {
    dir: TempDir,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Output {
    /// As written.
    pub(crate) raw: Vec<u8>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit: Option<i32>,
    command: String,
}

impl Output {
    /// Asserts exit code 0.
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// Asserts an exit code.
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(
            self.exit,
            Some(code),
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            self.command,
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that standard error has `text` in it.
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{}: no `{text}` in\n{}", self.command, self.stderr);
        self
    }

    /// How many steps were taken from the cache.
    pub(crate) fn cached(&self) -> usize {
        self.stderr.lines().filter(|line| line.ends_with(" CACHED")).count()
    }
}

/// The tar of the base image; made once.
fn base_tar() -> &'static [u8] {
    static TAR: OnceLock<Vec<u8>> = OnceLock::new();
    TAR.get_or_init(|| tarball::busybox(&[]))
}

impl TestEnv {
    /// An empty store.
    pub(crate) fn empty() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "the end-to-end tests need root");
        Self { dir: tempfile::Builder::new().prefix("lapstrake-it-").tempdir().unwrap() }
    }

    /// A store that has the image `busybox`.
    pub(crate) fn new() -> Self {
        let env = Self::empty();
        env.write("busybox.tar", base_tar());
        let mut import = env.command(["import", "-c", r#"CMD ["sh"]"#, "-c"]);
        import.arg("ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        import.args(["busybox.tar", "busybox"]).env("SOURCE_DATE_EPOCH", tarball::BASE_TIME.to_string());
        env.output(&mut import).ok();
        env
    }

    /// Where commands run.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The store.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Writes a file below the working directory, with its parent directories.
    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Reads a file below the working directory.
    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path)).unwrap()
    }

    /// Writes `dockerfile` to `ctx/Dockerfile`, and other files of the context beside it.
    pub(crate) fn context(&self, dockerfile: &str, files: &[(&str, &str)]) {
        self.write("ctx/Dockerfile", dockerfile);
        for (name, text) in files {
            self.write(&format!("ctx/{name}"), text);
        }
    }

    /// A command of the binary, not started. Its environment is empty but for the store and a PATH.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lapstrake"));
        command.args(args).current_dir(self.path()).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LAPSTRAKE_ROOT", self.root());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the binary with these arguments.
    #[must_use = "assert the exit code with .ok() or .code(n)"]
    pub(crate) fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        self.output(&mut self.command(args))
    }

    /// Runs the binary with a line of arguments, cut at blanks.
    #[must_use = "assert the exit code with .ok() or .code(n)"]
    pub(crate) fn line(&self, line: &str) -> Output {
        self.run(line.split(' '))
    }

    /// Builds `ctx` with plain progress and further arguments.
    #[must_use = "assert the exit code with .ok() or .code(n)"]
    pub(crate) fn build(&self, args: &str) -> Output {
        let line = format!("build --progress=plain {args} ctx");
        self.run(line.split(' ').filter(|word| !word.is_empty()))
    }

    /// Runs a command.
    #[must_use = "assert the exit code with .ok() or .code(n)"]
    pub(crate) fn output(&self, command: &mut Command) -> Output {
        self.wait(command.spawn().unwrap(), format!("{command:?}"))
    }

    /// Runs a command that reads `input`.
    #[must_use = "assert the exit code with .ok() or .code(n)"]
    pub(crate) fn feed(&self, command: &mut Command, input: &[u8]) -> Output {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let command = format!("{command:?}");
        std::thread::scope(|scope| {
            // The command may end without having read all.
            scope.spawn(move || stdin.write_all(input).unwrap_or_default());
            self.wait(child, command)
        })
    }

    /// Waits for a child of [`TestEnv::command`].
    #[must_use = "assert the exit code with .ok() or .code(n)"]
    pub(crate) fn wait(&self, child: Child, command: String) -> Output {
        let output = child.wait_with_output().unwrap();
        Output {
            stdout: self.normal(&output.stdout),
            stderr: self.normal(&output.stderr),
            raw: output.stdout,
            exit: output.status.code(),
            command,
        }
    }

    /// Text with what differs between runs replaced: paths of this test, digests, times.
    fn normal(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).replace(&*self.path().to_string_lossy(), "$DIR");
        let mut out = String::new();
        for (number, word) in text.split("sha256:").enumerate() {
            let rest = word.trim_start_matches(|c: char| c.is_ascii_hexdigit());
            let digest = number > 0 && word.len() - rest.len() == 64;
            out.push_str(if number > 0 { "sha256:" } else { "" });
            out.push_str(if digest { "<hex>" } else { &word[..word.len() - rest.len()] });
            out.push_str(rest);
        }
        out.lines().map(|line| without_times(line) + "\n").collect()
    }

    /// What an image is, from `inspect`.
    pub(crate) fn inspect(&self, image: &str) -> serde_json::Value {
        let output = self.run(["inspect", image]).ok();
        let values: serde_json::Value = serde_json::from_slice(&output.raw).unwrap();
        values[0].clone()
    }

    /// The id of an image.
    pub(crate) fn id(&self, image: &str) -> String {
        self.inspect(image)["Id"].as_str().unwrap().to_owned()
    }

    /// What is mounted below this test's directory now; there should be nothing.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let dir = self.path().to_string_lossy().into_owned();
        mounts.lines().filter(|line| line.contains(&dir)).map(str::to_owned).collect()
    }

    /// Processes that have this test's store in their command line or for a root; there should be none.
    pub(crate) fn processes(&self) -> Vec<String> {
        let root = self.root().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            if String::from_utf8_lossy(&environ).contains(&format!("LAPSTRAKE_ROOT={root}\0")) {
                found.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        found
    }

    /// Directories of work in progress in the store; there should be none when nothing runs.
    pub(crate) fn work(&self) -> Vec<String> {
        match std::fs::read_dir(self.root().join("work")) {
            Ok(entries) => entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect(),
            Err(_) => Vec::new(),
        }
    }

    /// Asserts that nothing is left mounted, running or half done.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.mounts(), Vec::<String>::new(), "mounts are left");
        assert_eq!(self.processes(), Vec::<String>::new(), "processes are left");
        assert_eq!(self.work(), Vec::<String>::new(), "work directories are left");
    }
}

/// `#5 0.123 x` becomes `#5 T x`, and `DONE 0.1s` becomes `DONE T`.
fn without_times(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        [number, "DONE", _] if number.starts_with('#') => format!("{number} DONE T"),
        [number, time, rest @ ..] if number.starts_with('#') && time.parse::<f64>().is_ok() => {
            [&[*number, "T"], rest].concat().join(" ")
        }
        _ => line.to_owned(),
    }
}
