//! RUN.

use super::builder::Dispatch;
use super::expand::Expander;
use super::plan::Command;
use super::{names, rules};
use crate::graph::{InlineFile, Mount, MountKind, Network, Op, Run, SecretMount, Security};
use parser::ast::{self, Heredoc};
use parser::diagnostic::Diagnostic;
use std::ops::Range;

/// Where BuildKit mounts a script that has an interpreter line.
const SCRIPT_DIR: &str = "/dev/pipes";

/// What a RUN executes.
struct Script {
    argv: Vec<String>,
    files: Vec<InlineFile>,
    /// The first line of a here-document that is the whole command, for the vertex name.
    summary: Option<String>,
}

impl Dispatch<'_, '_> {
    /// Lowers a RUN to a step.
    pub(super) fn run_step(&mut self, command: &Command, run: &ast::Run) -> Result<(), Diagnostic> {
        if let Some(device) = run.devices.first() {
            let message = "`RUN --device` is not supported";
            return Err(Diagnostic::new(&rules::UNSUPPORTED, device.span.clone(), message));
        }
        if matches!(&run.command, ast::Command::Exec(argv) if argv.is_empty()) {
            let at = command.instruction.span.clone();
            return Err(Diagnostic::new(&rules::EMPTY_COMMAND, at, "RUN has nothing to run"));
        }
        let mounts = self.mounts(command, run)?;
        self.take_mounts(command, &mounts);
        let network = self.network(run)?;
        let security = self.security(run)?;
        let script = self.script(run);
        let mut text = command.text.clone();
        if let Some(summary) = &script.summary {
            text.push_str(&format!(" ({summary})"));
        }
        let text = self.run_display(&text, &mounts);
        let name = self.vertex_name(command, &text);
        let created_by = format!("RUN {}{} # buildkit", self.build_args(), script.argv.join(" "));
        let op = Op::Run(Run {
            argv: script.argv,
            env: self.run_env(&mounts),
            proxy_env: self.builder.proxy_env.clone(),
            cwd: self.state.cwd().to_owned(),
            user: self.state.image.config.user.clone(),
            network,
            hostname: self.builder.hostname(),
            extra_hosts: self.builder.req.extra_hosts.clone(),
            files: script.files,
            platform: self.state.platform.clone(),
            mounts,
            security,
            shm_size: self.builder.req.shm_size,
            ulimits: self.builder.req.ulimits.clone(),
        });
        let step = self.step(command, name, op);
        self.state.commit_layer(created_by, step);
        Ok(())
    }

    /// What the process sees. An agent's socket is named even where no agent is given.
    fn run_env(&self, mounts: &[Mount]) -> Vec<String> {
        const AGENT: &str = "SSH_AUTH_SOCK";
        let mut env: Vec<String> =
            self.state.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let agents = mounts.iter().filter(|mount| matches!(mount.kind, MountKind::Ssh { .. }));
        if let Some(agent) = agents.min_by_key(|mount| mount.span.start)
            && !self.state.env.contains_key(AGENT)
        {
            env.push(format!("{AGENT}={}", agent.target));
            env.sort();
        }
        env
    }

    /// The vertex name's text, where the variables of secrets are stars.
    fn run_display(&self, text: &str, mounts: &[Mount]) -> String {
        let secrets = mounts.iter().filter_map(|mount| match &mount.kind {
            MountKind::Secret(SecretMount { env: Some(name), .. }) => Some(name),
            _ => None,
        });
        let mut secrets = secrets.peekable();
        if secrets.peek().is_none() {
            return self.display(text, true);
        }
        let mut env = self.state.env.clone();
        env.extend(secrets.map(|name| (name.clone(), "****".to_owned())));
        Expander::new(self.escape(), &env).display(text, true)
    }

    fn network(&self, run: &ast::Run) -> Result<Network, Diagnostic> {
        let Some(network) = &run.network else { return Ok(self.builder.req.network) };
        match network.node.as_str() {
            "none" => Ok(Network::None),
            "host" => {
                self.allowed("network.host", "--network=host", &network.span)?;
                Ok(Network::Host)
            }
            // The parser lets `default` alone through.
            _ => Ok(self.builder.req.network),
        }
    }

    fn security(&self, run: &ast::Run) -> Result<Security, Diagnostic> {
        // The parser lets `sandbox`, which is the default, and `insecure` through.
        match &run.security {
            Some(security) if security.node != "sandbox" => {
                self.allowed("security.insecure", "--security=insecure", &security.span)?;
                Ok(Security::Insecure)
            }
            _ => Ok(Security::Sandbox),
        }
    }

    fn allowed(&self, entitlement: &str, flag: &str, at: &Range<usize>) -> Result<(), Diagnostic> {
        if self.builder.req.allow.contains(entitlement) {
            return Ok(());
        }
        let message = format!("the build does not allow `RUN {flag}`");
        let finding = Diagnostic::new(&rules::NOT_ALLOWED, at.clone(), message);
        Err(finding
            .help(format!("add `--allow {entitlement}` to the build command, if you trust this Dockerfile")))
    }

    fn script(&self, run: &ast::Run) -> Script {
        let plain = |argv| Script { argv, files: Vec::new(), summary: None };
        let line = match &run.command {
            ast::Command::Exec(argv) => return plain(argv.clone()),
            ast::Command::Shell(text) => &text.node,
        };
        match run.heredocs.as_slice() {
            [] => plain(self.state.with_shell(line)),
            [only] if is_heredoc_alone(line) => self.whole_script(only),
            several => {
                let mut text = line.clone();
                for heredoc in several {
                    text.push('\n');
                    text.push_str(&heredoc.body.node);
                    text.push_str(&heredoc.name);
                }
                plain(self.state.with_shell(&text))
            }
        }
    }

    /// A here-document as the whole command: text for the shell, or a program with an interpreter line.
    fn whole_script(&self, heredoc: &Heredoc) -> Script {
        let body = &heredoc.body.node;
        let summary = Some(names::summary(body));
        if !body.starts_with("#!") {
            return Script { argv: self.state.with_shell(body), files: Vec::new(), summary };
        }
        let path = format!("{SCRIPT_DIR}/{}", heredoc.name);
        let file = InlineFile { path: path.clone(), data: body.as_bytes().to_vec() };
        Script { argv: self.state.with_shell(&path), files: vec![file], summary }
    }

    /// `|2 A=1 B=2 `: the ARGs in force, in the order of their first declaration.
    fn build_args(&self) -> String {
        let words: Vec<String> = self
            .state
            .args
            .iter()
            .map(|(name, value)| {
                let value = self.state.env.get(name).or(value.as_ref()).map_or("", String::as_str);
                format!("{name}={value}")
            })
            .collect();
        if words.is_empty() {
            return String::new();
        }
        format!("|{} {} ", words.len(), words.join(" "))
    }
}

/// Whether a command line is one here-document redirection and nothing else: `<<EOF`, `3<<-"A B"`.
fn is_heredoc_alone(line: &str) -> bool {
    let line = line.trim().trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(word) = line.strip_prefix("<<") else { return false };
    let word = word.strip_prefix('-').unwrap_or(word);
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => drop(chars.next()),
            (None, c) if c.is_whitespace() || c == '<' => return false,
            _ => {}
        }
    }
    !word.is_empty()
}
