//! The instructions that change the config alone, and WORKDIR.

use super::builder::Dispatch;
use super::plan::Command;
use super::{args, gofmt, names, ports, rules, signals};
use crate::graph::{Mkdir, Op};
use oci::image::{Empty, Healthcheck as ConfigHealthcheck};
use parser::ast::{self, ArgDecl, Healthcheck, Instruction, KeyValue, Spanned};
use parser::diagnostic::Diagnostic;

impl Dispatch<'_, '_> {
    /// Carries out any instruction that makes no layer.
    pub(super) fn metadata(&mut self, command: &Command) -> Result<(), Diagnostic> {
        match &command.instruction.node {
            Instruction::Arg(arg) => self.arg(command, &arg.args)?,
            Instruction::Env(pairs) => self.env(command, pairs)?,
            Instruction::Label(pairs) => self.label(command, pairs)?,
            Instruction::Cmd(cmd) => self.cmd(cmd),
            Instruction::Entrypoint(entrypoint) => self.entrypoint(entrypoint),
            Instruction::Expose(words) => self.expose(words)?,
            Instruction::Healthcheck(check) => self.healthcheck(check),
            Instruction::Maintainer(name) => {
                self.state.image.author = Some(name.node.clone());
                self.state.commit(format!("MAINTAINER {}", name.node));
            }
            Instruction::Onbuild(text) => self.state.image.config.on_build.push(text.node.clone()),
            Instruction::Shell(argv) => {
                self.state.image.config.shell.clone_from(argv);
                self.state.commit(format!("SHELL {}", gofmt::list(argv)));
            }
            Instruction::Stopsignal(word) => self.stopsignal(command, word)?,
            Instruction::User(word) => {
                let user = self.word(command, word)?;
                self.state.commit(format!("USER {user}"));
                self.state.image.config.user = user;
            }
            Instruction::Volume(words) => self.volume(command, words)?,
            // These make layers, and do not come here.
            Instruction::Run(_) | Instruction::Copy(_) | Instruction::Add(_) | Instruction::Workdir(_) => {}
        }
        Ok(())
    }

    fn arg(&mut self, command: &Command, declared: &[ArgDecl]) -> Result<(), Diagnostic> {
        let mut texts = Vec::new();
        for arg in declared {
            let name = &arg.name.node;
            self.builder.used_args.insert(name.clone());
            let value = match (self.builder.globals.build_args.get(name), &arg.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(self.word(command, default)?),
                // A global ARG's value is final: nothing of this stage is expanded in it again.
                (None, None) => self.builder.globals.env.get(name).cloned(),
            };
            let inherited = arg.default.is_none() && !self.builder.globals.build_args.contains_key(name);
            let inherited = inherited && self.builder.globals.env.contains_key(name);
            self.take_arg(command, name, value.as_deref(), inherited);
            match &value {
                Some(value) => {
                    if !args::is_no_variable(name) {
                        self.state.set_arg(name, value);
                    }
                    texts.push(format!("{name}={value}"));
                }
                None => texts.push(name.clone()),
            }
            self.state.args.insert(name, value);
        }
        self.state.commit(format!("ARG {}", texts.join(" ")));
        Ok(())
    }

    /// Expands all pairs before any takes effect. A name may become empty, as in BuildKit.
    fn pairs(&mut self, command: &Command, pairs: &[KeyValue]) -> Result<Vec<(String, String)>, Diagnostic> {
        let mut out = Vec::new();
        for pair in pairs {
            let key = self.word(command, &pair.key)?;
            out.push((key, self.word(command, &pair.value)?));
        }
        Ok(out)
    }

    fn env(&mut self, command: &Command, pairs: &[KeyValue]) -> Result<(), Diagnostic> {
        let mut text = String::from("ENV");
        for (name, value) in self.pairs(command, pairs)? {
            text.push_str(&format!(" {name}={value}"));
            self.state.set_env(&name, &value);
        }
        self.state.commit(text);
        Ok(())
    }

    fn label(&mut self, command: &Command, pairs: &[KeyValue]) -> Result<(), Diagnostic> {
        let mut text = String::from("LABEL");
        for (name, value) in self.pairs(command, pairs)? {
            text.push_str(&format!(" {name}={value}"));
            self.state.image.config.labels.insert(name, value);
        }
        self.state.commit(text);
        Ok(())
    }

    fn argv(&self, command: &ast::Command) -> Vec<String> {
        match command {
            ast::Command::Exec(argv) => argv.clone(),
            ast::Command::Shell(text) => self.state.with_shell(&text.node),
        }
    }

    fn cmd(&mut self, command: &ast::Command) {
        let argv = self.argv(command);
        self.state.commit(format!("CMD {}", gofmt::quoted_list(&argv)));
        let config = &mut self.state.image.config;
        config.cmd = Some(argv).filter(|argv| !argv.is_empty());
        config.args_escaped = true;
        self.cmd_set = true;
    }

    fn entrypoint(&mut self, command: &ast::Command) {
        let argv = self.argv(command);
        self.state.commit(format!("ENTRYPOINT {}", gofmt::quoted_list(&argv)));
        let config = &mut self.state.image.config;
        config.entrypoint = Some(argv).filter(|argv| !argv.is_empty());
        if !self.cmd_set {
            config.cmd = None;
        }
    }

    fn expose(&mut self, words: &[Spanned<String>]) -> Result<(), Diagnostic> {
        let mut all = Vec::new();
        // In the order of the words as written, which history shows.
        let mut words: Vec<&Spanned<String>> = words.iter().collect();
        words.sort_by(|one, other| one.node.cmp(&other.node));
        for word in words {
            for text in self.words(word)? {
                let bad = |message| Diagnostic::new(&rules::BAD_PORT, word.span.clone(), message);
                all.extend(ports::parse(&text).map_err(bad)?);
            }
        }
        self.state.commit(format!("EXPOSE {}", gofmt::list(&all)));
        self.state.image.config.exposed_ports.extend(all.into_iter().map(|port| (port, Empty {})));
        Ok(())
    }

    fn healthcheck(&mut self, check: &Healthcheck) {
        let check = match check {
            Healthcheck::None => ConfigHealthcheck { test: vec!["NONE".into()], ..Default::default() },
            Healthcheck::Cmd { interval, timeout, start_period, start_interval, retries, command } => {
                let test = match command {
                    ast::Command::Shell(text) => vec!["CMD-SHELL".to_owned(), text.node.clone()],
                    ast::Command::Exec(argv) => [&["CMD".to_owned()], argv.as_slice()].concat(),
                };
                ConfigHealthcheck {
                    test,
                    interval: interval.unwrap_or(0),
                    timeout: timeout.unwrap_or(0),
                    start_period: start_period.unwrap_or(0),
                    start_interval: start_interval.unwrap_or(0),
                    retries: retries.unwrap_or(0),
                }
            }
        };
        self.state.commit(format!(
            "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
            gofmt::list(&check.test),
            gofmt::duration(check.interval),
            gofmt::duration(check.timeout),
            gofmt::duration(check.start_period),
            gofmt::duration(check.start_interval),
            check.retries,
        ));
        self.state.image.config.healthcheck = Some(check);
    }

    fn stopsignal(&mut self, command: &Command, word: &Spanned<String>) -> Result<(), Diagnostic> {
        let signal = self.word(command, word)?;
        if !signals::is_signal(&signal) {
            let message = format!("`{signal}` is no signal");
            return Err(Diagnostic::new(&rules::BAD_SIGNAL, word.span.clone(), message));
        }
        self.state.commit(format!("STOPSIGNAL {signal}"));
        self.state.image.config.stop_signal = signal;
        Ok(())
    }

    fn volume(&mut self, command: &Command, words: &[Spanned<String>]) -> Result<(), Diagnostic> {
        let mut volumes = Vec::new();
        for word in words {
            let volume = self.word(command, word)?;
            if volume.is_empty() {
                let message = format!("the volume `{}` has no path", word.node);
                return Err(Diagnostic::new(&rules::EMPTY_VOLUME, word.span.clone(), message));
            }
            volumes.push(volume);
        }
        self.state.commit(format!("VOLUME {}", gofmt::list(&volumes)));
        self.state.image.config.volumes.extend(volumes.into_iter().map(|path| (path, Empty {})));
        Ok(())
    }

    /// WORKDIR: a directory made as the user, where it is not the root.
    pub(super) fn workdir(&mut self, command: &Command, word: &Spanned<String>) -> Result<(), Diagnostic> {
        let path = self.word(command, word)?;
        let path = names::absolute(&self.state.image.config.working_dir, &path);
        self.state.image.config.working_dir.clone_from(&path);
        let created_by = format!("WORKDIR {path}");
        if path == "/" {
            self.state.commit(created_by);
            return Ok(());
        }
        let text = self.display(&command.text, false);
        let name = self.vertex_name(command, &text);
        let user = self.state.image.config.user.clone();
        self.check_names(&user, &word.span)?;
        let step = self.step(command, name, Op::Mkdir(Mkdir { path, user }));
        self.state.commit_layer(created_by, step);
        Ok(())
    }
}
