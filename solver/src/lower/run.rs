//! RUN.

use super::builder::Dispatch;
use super::plan::Command;
use super::{names, rules};
use crate::graph::{InlineFile, Network, Op, Run, Security};
use parser::ast::{self, Heredoc};
use parser::diagnostic::Diagnostic;

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
        Self::refuse(run)?;
        let network = self.network(run)?;
        let script = self.script(run);
        let mut text = command.text.clone();
        if let Some(summary) = &script.summary {
            text.push_str(&format!(" ({summary})"));
        }
        let text = self.display(command, &text, true);
        let name = self.vertex_name(command, &text);
        let created_by = format!("RUN {}{} # buildkit", self.build_args(), script.argv.join(" "));
        let op = Op::Run(Run {
            argv: script.argv,
            env: self.state.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
            proxy_env: self.builder.proxy_env.clone(),
            cwd: self.state.cwd().to_owned(),
            user: self.state.image.config.user.clone(),
            network,
            hostname: self.builder.req.hostname.clone(),
            extra_hosts: self.builder.req.extra_hosts.clone(),
            files: script.files,
            platform: self.state.platform.clone(),
            mounts: Vec::new(),
            security: Security::Sandbox,
            shm_size: self.builder.req.shm_size,
            ulimits: self.builder.req.ulimits.clone(),
        });
        let step = self.step(command, name, op);
        self.state.commit_layer(created_by, step);
        Ok(())
    }

    /// The flags that are not lowered yet.
    fn refuse(run: &ast::Run) -> Result<(), Diagnostic> {
        if let Some(mount) = run.mounts.first() {
            let kind = mount.node.iter().find(|(key, _)| key == "type").and_then(|(_, value)| value.clone());
            let kind = kind.unwrap_or_else(|| "bind".into());
            let message = format!("`RUN --mount=type={kind}` is not supported yet");
            return Err(Diagnostic::new(&rules::UNSUPPORTED, mount.span.clone(), message));
        }
        if let Some(device) = run.devices.first() {
            let message = "`RUN --device` is not supported yet";
            return Err(Diagnostic::new(&rules::UNSUPPORTED, device.span.clone(), message));
        }
        // The parser lets `sandbox`, which is the default, and `insecure` through.
        match &run.security {
            Some(security) if security.node != "sandbox" => {
                let message = format!("`RUN --security={}` is not supported yet", security.node);
                Err(Diagnostic::new(&rules::UNSUPPORTED, security.span.clone(), message))
            }
            _ => Ok(()),
        }
    }

    fn network(&self, run: &ast::Run) -> Result<Network, Diagnostic> {
        let Some(network) = &run.network else { return Ok(self.builder.req.network) };
        match network.node.as_str() {
            "default" => Ok(self.builder.req.network),
            "none" => Ok(Network::None),
            "host" => Ok(Network::Host),
            other => {
                let message = format!("`RUN --network={other}` is not supported");
                Err(Diagnostic::new(&rules::UNSUPPORTED, network.span.clone(), message))
            }
        }
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
        let mut args: Vec<(&String, String)> = Vec::new();
        for (name, value) in &self.state.args {
            let value = self.state.env.get(name).or(value.as_ref()).cloned().unwrap_or_default();
            match args.iter_mut().find(|(known, _)| *known == name) {
                Some(arg) => arg.1 = value,
                None => args.push((name, value)),
            }
        }
        if args.is_empty() {
            return String::new();
        }
        let words: Vec<String> = args.iter().map(|(name, value)| format!("{name}={value}")).collect();
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
