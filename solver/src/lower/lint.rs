//! Checks of what is built: Docker's build checks that look at stages, and some of our own.

use super::builder::{Builder, Dispatch};
use super::expand::Expander;
use super::plan::{Command as Placed, Origin, Plan};
use super::rules;
use crate::graph::SourceText;
use oci::{Platform, Reference};
use parser::ast::{ArgInstruction, Command, Copy, From, Instruction, KeyValue, Run, Source, Spanned};
use parser::diagnostic::{Diagnostic, Rule};
use std::ops::Range;

/// What the checks of one stage have to remember.
#[derive(Debug, Default)]
pub(super) struct Seen {
    cmd: Option<Range<usize>>,
    entrypoint: Option<Range<usize>>,
    healthcheck: Option<Range<usize>>,
}

impl Dispatch<'_, '_> {
    /// Looks at one command before it is carried out.
    pub(super) fn lint(&mut self, command: &Placed) {
        let own = command.source == SourceText::Dockerfile;
        let place = if own { &command.instruction.span } else { &self.stage.ast.from.span }.clone();
        self.images(command);
        match &command.instruction.node {
            Instruction::Cmd(form) => {
                let before = self.seen.cmd.replace(place);
                self.used_once(command, before, "CMD");
                self.json_args(command, form, "CMD");
            }
            Instruction::Entrypoint(form) => {
                let before = self.seen.entrypoint.replace(place);
                self.used_once(command, before, "ENTRYPOINT");
                self.json_args(command, form, "ENTRYPOINT");
            }
            Instruction::Healthcheck(_) => {
                let before = self.seen.healthcheck.replace(place);
                self.used_once(command, before, "HEALTHCHECK");
            }
            Instruction::Workdir(path) => self.relative_workdir(command, path),
            Instruction::Env(pairs) => {
                self.legacy(command, pairs, "ENV");
                for pair in pairs {
                    let name = self.display(&pair.key.node, false);
                    self.secret(command, &name, &pair.key.span, "ENV");
                }
            }
            Instruction::Label(pairs) => self.legacy(command, pairs, "LABEL"),
            Instruction::Arg(ArgInstruction { args, .. }) => {
                args.iter().for_each(|arg| self.secret(command, &arg.name.node, &arg.name.span, "ARG"));
            }
            Instruction::Expose(words) => words.iter().for_each(|word| self.port(command, word)),
            Instruction::Run(run) => self.lint_run(command, run),
            Instruction::Copy(copy) => self.lint_copy(command, copy, false),
            Instruction::Add(copy) => self.lint_copy(command, copy, true),
            _ => {}
        }
    }

    fn warn(&mut self, command: &Placed, rule: &'static Rule, at: &Range<usize>, what: String, help: String) {
        self.find(command, Diagnostic::new(rule, at.clone(), what).help(help));
    }

    fn used_once(&mut self, command: &Placed, before: Option<Range<usize>>, name: &str) {
        let Some(before) = before else { return };
        let own = command.source == SourceText::Dockerfile;
        if own
            && self
                .builder
                .file
                .check
                .skips_above(command.instruction.span.start, &rules::MULTIPLE_INSTRUCTIONS)
        {
            return;
        }
        let what = format!("this {name} has no effect: another one of its stage comes later");
        let help = format!("keep one {name} in a stage");
        // Its place is the earlier one's, which is a trigger or not whatever this one is.
        self.builder.findings.push(Diagnostic::new(&rules::MULTIPLE_INSTRUCTIONS, before, what).help(help));
    }

    fn json_args(&mut self, command: &Placed, form: &Command, name: &str) {
        let Command::Shell(text) = form else { return };
        if !self.state.image.config.shell.is_empty() {
            return;
        }
        let what = format!("{name} in shell form: a shell runs the program, which does not get signals");
        let plain = !text.node.contains(['$', '&', '|', ';', '<', '>', '*', '"', '\'', '\\', '`', '(', '\n']);
        let help = if plain && !text.node.trim().is_empty() {
            let words: Vec<String> = text.node.split_whitespace().map(|word| format!("\"{word}\"")).collect();
            format!("write `{name} [{}]`", words.join(", "))
        } else {
            "write a JSON array; a SHELL instruction above says that a shell is meant".to_owned()
        };
        self.warn(command, &parser::rules::JSON_ARGS_RECOMMENDED, &command.instruction.span, what, help);
    }

    fn relative_workdir(&mut self, command: &Placed, path: &Spanned<String>) {
        let expanded = self.display(&path.node, false);
        if !std::mem::replace(&mut self.state.workdir_set, true) && !expanded.starts_with('/') {
            let what = format!("the WORKDIR `{}` is relative to one that the base image sets", path.node);
            let help = format!("write an absolute path, such as `/{}`", expanded.trim_start_matches("./"));
            self.warn(command, &rules::WORKDIR_RELATIVE_PATH, &path.span, what, help);
        }
    }

    fn legacy(&mut self, command: &Placed, pairs: &[KeyValue], name: &str) {
        for pair in pairs.iter().filter(|pair| pair.legacy) {
            let what = format!("{name} with a blank between name and value is the legacy format");
            let help = format!("write `{name} {}=\"…\"`", pair.key.node);
            let span = &command.instruction.span;
            self.warn(command, &parser::rules::LEGACY_KEY_VALUE_FORMAT, span, what, help);
        }
    }

    fn secret(&mut self, command: &Placed, name: &str, at: &Range<usize>, instruction: &str) {
        if is_secret(name) {
            let what = format!("{instruction} `{name}` looks like a secret, and stays in the image");
            let id = name.to_lowercase();
            let help = format!("give it to the steps that need it: `RUN --mount=type=secret,id={id}`");
            self.warn(command, &rules::SECRETS_USED, at, what, help);
        }
    }

    /// The platforms of the images that a command reads.
    fn images(&mut self, command: &Placed) {
        let platform = &self.builder.globals.target_platform;
        for origin in command.from.iter().flatten() {
            if let Origin::Image { reference, context: None } = origin {
                let found = base_platform(self.builder, reference, platform, &command.instruction.span);
                found.into_iter().for_each(|found| self.find(command, found));
            }
        }
    }

    fn port(&mut self, command: &Placed, word: &Spanned<String>) {
        for text in self.words(word).unwrap_or_default() {
            let (front, container) = text.rsplit_once(':').unwrap_or(("", &text));
            let (number, protocol) = container.split_once('/').unwrap_or((container, ""));
            let lower = protocol.to_lowercase();
            if lower != protocol {
                let what = format!("the protocol of the port `{text}` is not in lower case");
                let help = format!("write `{number}/{lower}`");
                self.warn(command, &rules::EXPOSE_PROTO_CASING, &word.span, what, help);
            }
            if !front.trim_matches(':').is_empty() {
                let what =
                    format!("EXPOSE `{text}` has an address or a port of the host, which have no effect");
                let help = format!("write `{container}`: `run -p` maps ports");
                self.warn(command, &rules::EXPOSE_INVALID_FORMAT, &word.span, what, help);
            }
        }
    }

    fn lint_run(&mut self, command: &Placed, run: &Run) {
        let Command::Shell(text) = &run.command else { return };
        let span = &command.instruction.span;
        if let [doc] = run.heredocs.as_slice()
            && text.node.trim_start().starts_with("<<")
            && ignores_failures(&doc.body.node)
            && !has_errexit(&self.state.image.config.shell)
        {
            let what =
                "if one of these commands fails, the step goes on: only the last one counts".to_owned();
            let help = "begin the here-document with `set -e`".to_owned();
            self.warn(command, &rules::HEREDOC_WITHOUT_SET_E, span, what, help);
        }
        for (flag, tool, path) in recursive_changes(&text.node) {
            let path = super::names::absolute(self.state.cwd(), path);
            let below = format!("{}/", path.trim_end_matches('/'));
            if self.state.copied.iter().any(|to| *to == path || to.starts_with(&below)) {
                let what = format!(
                    "`{tool} -R` makes a second copy of the files that COPY or ADD put into `{path}`"
                );
                let help = format!("give the COPY `{flag}=…` instead");
                self.warn(command, &rules::RECURSIVE_CHANGE, span, what, help);
            }
        }
    }

    fn lint_copy(&mut self, command: &Placed, copy: &Copy, add: bool) {
        let to = self.display(&copy.destination.node, false);
        let to = super::names::absolute(self.state.cwd(), &to);
        if self.state.copied.len() < MAX_COPIED {
            self.state.copied.insert(if to == "/" { to } else { to.trim_end_matches('/').to_owned() });
        }
        for source in &copy.sources {
            let Source::Path(word) = source else { continue };
            let fetched = word.node.starts_with("http://") || word.node.starts_with("https://");
            let git = word.node.split(['#', '?']).next().unwrap_or_default().ends_with(".git");
            if add && fetched && !git && copy.checksum.is_none() {
                let what = format!("ADD of `{}` takes whatever the server sends", word.node);
                let help = "pin it: `ADD --checksum=sha256:…`".to_owned();
                self.warn(command, &rules::UNPINNED_ADD, &word.span, what, help);
            } else if !fetched && copy.from.is_none() {
                self.ignored(command, word, if add { "ADD" } else { "COPY" });
            }
        }
    }

    /// A source that the ignore file drops. Where the file has exceptions nothing can be said before the files are
    /// looked at.
    fn ignored(&mut self, command: &Placed, word: &Spanned<String>, name: &str) {
        let Some((file, ignore)) = &self.builder.ignore else { return };
        let written = self.display(&word.node, false);
        let path = super::names::absolute("/", &written);
        // As in BuildKit, patterns do not see through a slash at the start.
        let path = if written.starts_with('/') && path != "/" { &path } else { path.trim_matches('/') };
        if ignore.has_exceptions() {
            return;
        }
        // The root itself is dropped only where a pattern drops all that is in it.
        let Some((line, pattern)) = ignore.excluded_by(if path.is_empty() { b"." } else { path.as_bytes() })
        else {
            return;
        };
        if path.is_empty() && !["*", "**", "**/*"].contains(&pattern.trim()) {
            return;
        }
        let what = format!("{name} of `{}`, which line {line} of {file} excludes: `{pattern}`", word.node);
        let help = format!("change the pattern, or add `!{}` below it", path.trim_matches('/'));
        self.warn(command, &rules::COPY_IGNORED_FILE, &word.span, what, help);
    }
}

/// More places than these are not remembered: each RUN looks at all.
const MAX_COPIED: usize = 64;

/// Words that make a name a secret's: all of it, or one part between `_` at its start or end.
const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
/// Words that make it harmless.
const HARMLESS: [&str; 3] = ["public", "file", "version"];

fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let has = |words: &[&str]| lower.split('_').any(|part| words.contains(&part));
    has(&SECRET) && !has(&HARMLESS)
}

fn has_errexit(shell: &[String]) -> bool {
    shell.iter().skip(1).any(|flag| {
        flag == "errexit" || flag.starts_with('-') && !flag.starts_with("--") && flag.contains('e')
    })
}

/// Whether a script runs several commands, and goes on if one but the last fails.
fn ignores_failures(body: &str) -> bool {
    if body.starts_with("#!") {
        return false;
    }
    let mut commands = 0;
    let mut open = false;
    for line in body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if commands == 0 && !open && sets_errexit(line) {
            return false;
        }
        if !open {
            commands += 1;
        }
        open = line.ends_with("&&") || line.ends_with('\\') || line.ends_with("||") || line.ends_with('|');
    }
    commands > 1
}

fn sets_errexit(line: &str) -> bool {
    let mut words = line.split(|c: char| c.is_whitespace() || c == ';');
    words.next() == Some("set")
        && words.any(|word| word == "errexit" || word.starts_with('-') && word[1..].contains('e'))
}

/// The `chmod -R` and `chown -R` of a command line: the COPY flag that does the same, the tool, and its paths.
fn recursive_changes(text: &str) -> Vec<(&'static str, &'static str, &str)> {
    let mut found = Vec::new();
    for part in text.split(['&', '|', ';', '\n']) {
        let mut words = part.split_whitespace();
        let (flag, tool) = match words.next() {
            Some("chmod") => ("--chmod", "chmod"),
            Some("chown") => ("--chown", "chown"),
            _ => continue,
        };
        let words: Vec<&str> = words.filter(|word| *word != "\\").collect();
        let is_flag = |word: &&&str| word.starts_with("--") || word.starts_with("-R") || **word == "-v";
        let recursive = words.iter().any(|word| *word == "--recursive" || word.starts_with("-R"));
        if recursive {
            let paths = words.iter().filter(|word| !is_flag(word)).skip(1);
            found.extend(paths.filter(|path| !path.contains(['$', '*'])).map(|path| (flag, tool, *path)));
        }
    }
    found
}

/// `--platform` of one FROM, after expansion.
pub(super) fn from_platform(from: &From, expander: &Expander<'_>, target: &str) -> Option<Diagnostic> {
    let word = from.platform.as_ref()?;
    let done = expander.expansion(word)?;
    if let (Some(name), None) = (done.used.first(), done.unset.first())
        && done.used.len() == 1
        && name == "TARGETPLATFORM"
        && done.text == target
    {
        let what = format!("`--platform={}` is what FROM does anyway", word.node);
        return Some(
            Diagnostic::new(&rules::REDUNDANT_PLATFORM, word.span.clone(), what).help("leave it out"),
        );
    }
    if !done.used.is_empty() {
        return None;
    }
    let text = done.text;
    let platform: Platform = text.parse().ok()?;
    let name = from.name.as_ref().map(|name| name.node.to_lowercase()).unwrap_or_default();
    if name.contains(&platform.os) || name.contains(&platform.architecture) {
        return None;
    }
    let what = format!("FROM is bound to the platform `{text}`, whatever the build asks for");
    let help = "leave `--platform` out, write `$BUILDPLATFORM`, or put the platform into the stage's name";
    Some(Diagnostic::new(&rules::CONST_PLATFORM, word.span.clone(), what).help(help))
}

/// Bases whose names are wrong where no build argument is given. `defaults` expands with the defaults alone.
pub(super) fn default_args(plan: &Plan<'_>, defaults: &Expander<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for from in plan.stages.iter().map(|stage| &stage.ast.from.node) {
        let Ok(name) = defaults.word(&from.image, &mut Vec::new()) else { return found };
        if name.parse::<Reference>().is_err() {
            let what = format!("without build arguments, `{}` is no image name: `{name}`", from.image.node);
            let help = "give the ARG above the first FROM a default value";
            found
                .push(Diagnostic::new(&rules::INVALID_DEFAULT_ARG, from.image.span.clone(), what).help(help));
        }
    }
    found
}

/// An image for another platform than the one asked for.
pub(super) fn base_platform(
    builder: &Builder<'_>,
    name: &str,
    wanted: &Platform,
    at: &Range<usize>,
) -> Option<Diagnostic> {
    let image = builder.bases.get(&(name.to_owned(), wanted.clone()))?;
    let (os, architecture) = (&image.config.os, &image.config.architecture);
    let unknown = os.is_empty() && architecture.is_empty();
    if (&wanted.os, &wanted.architecture) == (os, architecture) || unknown || image.layers.is_empty() {
        return None;
    }
    let what = format!("the base image {name} is for {os}/{architecture}, and the build for {wanted}");
    let help = "name an image for that platform, or build for the image's with `--platform`";
    Some(Diagnostic::new(&rules::BASE_PLATFORM, at.clone(), what).help(help))
}

/// Whether a finding may be due to variables or a shell that an unknown base image sets.
pub(super) fn depends_on_base(found: &Diagnostic, src: &str) -> bool {
    let variables = || src.get(found.at.clone()).is_some_and(|text| text.contains('$'));
    match found.rule.name {
        "JSONArgsRecommended" | "UndefinedVar" => true,
        "WorkdirRelativePath" | "SecretsUsedInArgOrEnv" | "CopyIgnoredFile" => variables(),
        _ => found.is_error() && variables(),
    }
}
