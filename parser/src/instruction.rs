//! From an instruction's parts to the tree: each instruction's own rules about flags and arguments.

mod copy;
mod healthcheck;
mod run;

use crate::ast::{ArgDecl, ArgInstruction, Command, From, Heredoc, Instruction, KeyValue, Spanned};
use crate::diagnostic::Diagnostic;
use crate::flags::{Flags, Kind};
use crate::from_pairs;
use crate::rules;
use crate::statement::Statement;
use std::ops::Range;

pub(crate) use run::opens_heredocs;

/// Anything but `FROM` and `ARG`. `None` where nothing can be made of it; then there is a diagnostic.
pub(crate) fn build(
    statement: &Statement<'_, '_>,
    heredocs: Vec<Heredoc>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Instruction> {
    match statement.keyword {
        "ADD" => return copy::add(statement, heredocs, diagnostics).map(Instruction::Add),
        "COPY" => return copy::copy(statement, heredocs, diagnostics).map(Instruction::Copy),
        "HEALTHCHECK" => return healthcheck::build(statement, diagnostics).map(Instruction::Healthcheck),
        "RUN" => return run::build(statement, heredocs, diagnostics).map(Instruction::Run),
        _ => {}
    }
    Flags::read(statement, &[], diagnostics);
    Some(match statement.keyword {
        "CMD" => Instruction::Cmd(command(statement, &statement.args, diagnostics)?),
        "ENTRYPOINT" => Instruction::Entrypoint(command(statement, &statement.args, diagnostics)?),
        "ENV" => Instruction::Env(key_values(statement, diagnostics)?),
        "LABEL" => Instruction::Label(key_values(statement, diagnostics)?),
        "EXPOSE" => Instruction::Expose(some(statement, statement.words(), diagnostics)?),
        "VOLUME" => Instruction::Volume(volumes(statement, diagnostics)?),
        "MAINTAINER" => Instruction::Maintainer(maintainer(statement, diagnostics)?),
        "ONBUILD" => Instruction::Onbuild(onbuild(statement, &heredocs, diagnostics)?),
        "SHELL" => Instruction::Shell(shell(statement, diagnostics)?),
        "STOPSIGNAL" => Instruction::Stopsignal(statement.single(diagnostics)?),
        "USER" => Instruction::User(statement.single(diagnostics)?),
        "WORKDIR" => Instruction::Workdir(statement.single(diagnostics)?),
        _ => return None,
    })
}

/// `FROM`. A stage is made of the first word even where the rest is wrong, for what follows to belong to.
pub(crate) fn from(
    statement: &Statement<'_, '_>,
    doc: Option<String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> From {
    let flags = Flags::read(statement, &[("platform", Kind::Text)], diagnostics);
    let words = statement.words();
    let name = match words.as_slice() {
        [_] => None,
        [_, keyword, name] if keyword.node.eq_ignore_ascii_case("as") => {
            diagnostics.extend(bad_stage_name(name));
            Some(name.clone())
        }
        _ => {
            let problem = statement.arguments("requires either one or three arguments");
            diagnostics.push(problem.help("Write `FROM image` or `FROM image AS name`"));
            None
        }
    };
    let missing = || Spanned { node: String::new(), span: statement.whole() };
    let image = words.into_iter().next().unwrap_or_else(missing);
    From { platform: flags.text("platform"), image, name, doc }
}

fn bad_stage_name(name: &Spanned<String>) -> Option<Diagnostic> {
    let lower = name.node.to_lowercase();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if lower.starts_with(|c: char| c.is_ascii_lowercase()) && lower.chars().all(allowed) {
        return None;
    }
    let message = format!("invalid name for build stage: `{}`", name.node);
    let problem = Diagnostic::new(&rules::STAGE_NAME, name.span.clone(), message);
    Some(problem.help("A name starts with a letter and holds letters, digits, `-`, `_` and `.`"))
}

/// `ARG`.
pub(crate) fn arg(
    statement: &Statement<'_, '_>,
    doc: Option<String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ArgInstruction> {
    Flags::read(statement, &[], diagnostics);
    let words = quoted_words(statement);
    if words.is_empty() {
        diagnostics.push(statement.arguments("requires at least one argument"));
        return None;
    }
    let mut args = Vec::with_capacity(words.len());
    for word in words {
        let (key, value) = match statement.slice(&word).split_once('=') {
            None => (word.clone(), None),
            Some((key, _)) => {
                let equals = word.start + key.len();
                (word.start..equals, Some(equals + 1..word.end))
            }
        };
        if key.is_empty() {
            diagnostics.push(blank_name(statement, &word));
            continue;
        }
        let default = value.map(|value| statement.spanned(&value));
        args.push(ArgDecl { name: statement.spanned(&key), default });
    }
    Some(ArgInstruction { args, doc })
}

/// A shell or exec form.
fn command(
    statement: &Statement<'_, '_>,
    args: &Range<usize>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Command> {
    Some(match statement.json(args, diagnostics).ok()? {
        Some(strings) => Command::Exec(strings.into_iter().map(|string| string.node).collect()),
        None => Command::Shell(statement.spanned(args)),
    })
}

fn quoted_words(statement: &Statement<'_, '_>) -> Vec<Range<usize>> {
    let base = statement.args.start;
    let words = from_pairs::quoted_words(statement.slice(&statement.args), statement.escape);
    words.into_iter().map(|word| word.start + base..word.end + base).collect()
}

fn blank_name(statement: &Statement<'_, '_>, at: &Range<usize>) -> Diagnostic {
    let message = format!("{} names can not be blank", statement.keyword);
    Diagnostic::new(&rules::KEY_VALUE, statement.span(at), message).help("Put a name before the `=`")
}

/// `name=value …`, or the legacy `name value`.
fn key_values(statement: &Statement<'_, '_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<KeyValue>> {
    let words = quoted_words(statement);
    let Some(first) = words.first() else {
        diagnostics.push(statement.arguments("requires at least one argument"));
        return None;
    };
    if !statement.slice(first).contains('=') {
        return legacy_key_value(statement, diagnostics).map(|pair| vec![pair]);
    }
    let mut pairs = Vec::with_capacity(words.len());
    for word in words {
        let text = statement.slice(&word);
        match text.find('=') {
            None => {
                let message = format!("can't find = in `{text}`: it must be of the form name=value");
                let problem = Diagnostic::new(&rules::KEY_VALUE, statement.span(&word), message);
                diagnostics.push(problem.help("Put a value with blanks in quotes: name=\"a b\""));
                return None;
            }
            Some(0) => {
                diagnostics.push(blank_name(statement, &word));
                return None;
            }
            Some(equals) => pairs.push(KeyValue {
                key: statement.spanned(&(word.start..word.start + equals)),
                value: statement.spanned(&(word.start + equals + 1..word.end)),
                legacy: false,
            }),
        }
    }
    Some(pairs)
}

fn legacy_key_value(statement: &Statement<'_, '_>, diagnostics: &mut Vec<Diagnostic>) -> Option<KeyValue> {
    let text = statement.slice(&statement.args);
    let is_blank = |c: char| matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ');
    let name = statement.keyword;
    let Some(end) = text.find(is_blank) else {
        let problem = statement.arguments("must have two arguments");
        diagnostics.push(problem.help(format!("Write `{name} {text}=value`")));
        return None;
    };
    let value = end + (text.len() - end - text[end..].trim_start_matches(is_blank).len());
    let start = statement.args.start;
    Some(KeyValue {
        key: statement.spanned(&(start..start + end)),
        value: statement.spanned(&(start + value..statement.args.end)),
        legacy: true,
    })
}

/// `items`, if there is any.
fn some(
    statement: &Statement<'_, '_>,
    items: Vec<Spanned<String>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Spanned<String>>> {
    if items.is_empty() {
        diagnostics.push(statement.arguments("requires at least one argument"));
        return None;
    }
    Some(items)
}

fn volumes(statement: &Statement<'_, '_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Spanned<String>>> {
    let items = statement.list(diagnostics)?;
    let mut items = some(statement, items, diagnostics)?;
    for item in &mut items {
        item.node = item.node.trim().to_owned();
        if item.node.is_empty() {
            let message = "VOLUME specified can not be an empty string";
            diagnostics.push(Diagnostic::new(&rules::ARGUMENTS, item.span.clone(), message));
            return None;
        }
    }
    Some(items)
}

fn maintainer(statement: &Statement<'_, '_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
    let who = statement.single(diagnostics)?;
    let message = "Maintainer instruction is deprecated in favor of using label";
    let warning = Diagnostic::new(&rules::MAINTAINER_DEPRECATED, statement.whole(), message);
    diagnostics.push(warning.help(format!("LABEL org.opencontainers.image.authors={:?}", who.node)));
    Some(who)
}

fn shell(statement: &Statement<'_, '_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<String>> {
    let strings = statement.json(&statement.args, diagnostics).ok()?;
    if statement.args.is_empty() || strings.as_ref().is_some_and(Vec::is_empty) {
        diagnostics.push(statement.arguments("requires at least one argument"));
        return None;
    }
    let Some(strings) = strings else {
        let at = statement.span(&statement.args);
        let message = "SHELL requires the arguments to be in JSON form";
        let problem = Diagnostic::new(&rules::JSON_REQUIRED, at, message);
        diagnostics.push(problem.help("Write `SHELL [\"/bin/bash\", \"-c\"]`, with double quotes"));
        return None;
    };
    Some(strings.into_iter().map(|string| string.node).collect())
}

/// The trigger's text. Of its own errors only those show now that no later state can mend.
fn onbuild(
    statement: &Statement<'_, '_>,
    heredocs: &[Heredoc],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Spanned<String>> {
    if statement.args.is_empty() {
        diagnostics.push(statement.arguments("requires at least one argument"));
        return None;
    }
    let trigger = Statement::new(statement.line, statement.args.clone(), statement.escape);
    if let Some(problem) = not_a_trigger(&trigger) {
        diagnostics.push(problem);
        return None;
    }
    let mut now = Vec::new();
    if trigger.keyword != "ARG" {
        build(&trigger, Vec::new(), &mut now);
    }
    now.retain(|found| found.rule == &rules::JSON_STRINGS || found.rule == &rules::KEY_VALUE);
    diagnostics.append(&mut now);
    // Blanks at the end are kept: they are in the image's config.
    let range = statement.args.start..statement.line.text().len();
    let mut text = statement.spanned(&range);
    for heredoc in heredocs {
        text.node.push('\n');
        text.node.push_str(&statement.line.source()[heredoc.body.span.clone()]);
        text.node.push_str(&heredoc.name);
    }
    Some(text)
}

/// Why an instruction cannot be a trigger.
pub(crate) fn not_a_trigger(trigger: &Statement<'_, '_>) -> Option<Diagnostic> {
    let message = match trigger.keyword {
        "ONBUILD" => "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".to_owned(),
        "FROM" | "MAINTAINER" => format!("{} isn't allowed as an ONBUILD trigger", trigger.keyword),
        _ => return None,
    };
    Some(Diagnostic::new(&rules::ONBUILD_TRIGGER, trigger.span(&trigger.name), message))
}
