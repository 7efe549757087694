//! The program `git`: shielded from the user's and the repository's configuration, never asking anything.

use crate::build::SshAgent;
use crate::sources::auth::{Authorization, for_git, redact, without_password};
use crate::sources::{FetchError, Fetcher};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Variables that would lead git elsewhere.
const REMOVED: [&str; 22] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_SSH",
    "GIT_SSH_VARIANT",
    "GIT_ASKPASS",
    "SSH_ASKPASS",
    "GIT_PROXY_COMMAND",
    "GIT_TEMPLATE_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_ALLOW_PROTOCOL",
    "GIT_PROTOCOL_FROM_USER",
    "GIT_REPLACE_REF_BASE",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
];
/// What stays of the words of a git that failed.
const WORDS: usize = 2000;

/// git for one remote.
pub(super) struct Git<'a> {
    fetcher: &'a Fetcher,
    /// The address without a password. Git keeps addresses in its files.
    pub(super) remote: String,
    /// The address as it may be shown.
    shown: String,
    bare: &'a Path,
    authorization: Option<Authorization>,
}

impl<'a> Git<'a> {
    pub(super) fn new(fetcher: &'a Fetcher, remote: &'a str, bare: &'a Path) -> Result<Self, FetchError> {
        let (plain, own) = without_password(remote)?;
        let authorization = for_git(fetcher, &plain)?.or(own);
        Ok(Self { fetcher, remote: plain, shown: redact(remote), bare, authorization })
    }

    /// Runs it in the repository of this remote. Gives what it printed, trimmed.
    pub(super) fn run(&self, args: &[&str]) -> Result<String, FetchError> {
        let mut command = self.command();
        command.arg("--git-dir").arg(self.bare).args(args);
        self.finish(command, args)
    }

    /// Without that repository.
    pub(super) fn bare_less(&self, args: &[&str]) -> Result<String, FetchError> {
        let mut command = self.command();
        command.args(args);
        self.finish(command, args)
    }

    /// In `tree`, with its own repository or `repository`.
    pub(super) fn in_tree(
        &self,
        tree: &Path,
        repository: &Path,
        index: Option<&Path>,
        args: &[&str],
    ) -> Result<String, FetchError> {
        let mut command = self.command();
        command.arg("--work-tree").arg(tree).arg("--git-dir").arg(repository).args(args).current_dir(tree);
        if let Some(index) = index {
            command.env("GIT_INDEX_FILE", index);
        }
        self.finish(command, args)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("git");
        for name in REMOVED {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).current_dir("/");
        command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_ATTR_NOSYSTEM", "1");
        command.env("GIT_SSH_COMMAND", self.ssh());
        if let Some(SshAgent::Socket(socket)) = self.fetcher.ssh.get("default") {
            command.env("SSH_AUTH_SOCK", socket);
        }
        let idle = self.fetcher.limits.idle.as_secs().to_string();
        let extra = self.authorization.as_ref().map(|a| (format!("http.{}.extraheader", a.scope), &a.header));
        let mut settings = vec![
            // Repositories on this machine's file system are not for submodules to name.
            ("protocol.allow", "never"),
            ("protocol.file.allow", "user"),
            ("protocol.http.allow", "always"),
            ("protocol.https.allow", "always"),
            ("protocol.git.allow", "always"),
            ("protocol.ssh.allow", "always"),
            ("core.hooksPath", "/dev/null"),
            ("credential.helper", ""),
            ("advice.detachedHead", "false"),
            ("init.defaultBranch", "master"),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            ("http.lowSpeedLimit", "1"),
            ("http.lowSpeedTime", idle.as_str()),
        ];
        // By the environment: other users see the arguments of a process.
        if let Some((name, header)) = &extra {
            settings.push((name, header));
        }
        command.env("GIT_CONFIG_COUNT", settings.len().to_string());
        for (at, (name, value)) in settings.into_iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{at}"), name).env(format!("GIT_CONFIG_VALUE_{at}"), value);
        }
        command
    }

    fn ssh(&self) -> String {
        let connect = self.fetcher.limits.connect.as_secs().max(1);
        let mut ssh = format!(
            "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout={connect} \
             -o ServerAliveInterval=15"
        );
        if let Some(SshAgent::Keys(keys)) = self.fetcher.ssh.get("default") {
            ssh.push_str(" -o IdentitiesOnly=yes");
            for key in keys {
                ssh.push_str(&format!(" -i '{}'", key.to_string_lossy().replace('\'', "'\\''")));
            }
        }
        ssh
    }

    fn finish(&self, mut command: Command, args: &[&str]) -> Result<String, FetchError> {
        self.fetcher.check()?;
        let url = self.shown.clone();
        let child = command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => FetchError::NoGit { url: url.clone() },
            _ => FetchError::io("run", Path::new("git"))(error),
        })?;
        let (succeeded, stdout, stderr) = self.wait(child)?;
        if succeeded {
            return Ok(String::from_utf8_lossy(&stdout).trim().to_owned());
        }
        let stderr = String::from_utf8_lossy(&stderr).trim().replace(&self.remote, &url);
        let stderr = stderr.lines().map(str::trim).collect::<Vec<_>>().join("; ");
        let stderr = stderr.chars().take(WORDS).collect();
        let verb = args.first().copied().unwrap_or_default().to_owned();
        Err(FetchError::Git { url, command: verb, stderr })
    }

    /// Waits for its end, and kills it and what it started if the user cancels.
    fn wait(&self, mut child: Child) -> Result<(bool, Vec<u8>, Vec<u8>), FetchError> {
        let broken = || FetchError::io("run", Path::new("git"));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let out = thread::spawn(move || read(out));
        let err = thread::spawn(move || read(err));
        let mut pause = Duration::from_millis(1);
        let status = loop {
            if let Some(status) = child.try_wait().map_err(broken())? {
                break status;
            }
            if self.fetcher.cancel.is_canceled() {
                if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
                    kill_process_group(group, Signal::KILL).map_err(|e| broken()(e.into()))?;
                }
                child.wait().map_err(broken())?;
                return Err(FetchError::Canceled);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        };
        Ok((status.success(), out.join().unwrap_or_default(), err.join().unwrap_or_default()))
    }
}

fn read(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What could be read is what there is to say.
    let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
    bytes
}
