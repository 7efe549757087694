//! `RUN`.

use super::command;
use crate::ast::{Command, Heredoc, MountFields, Run, Spanned};
use crate::diagnostic::Diagnostic;
use crate::flags::{Flags, Kind, Spec};
use crate::from_pairs::{self, Json};
use crate::rules;
use crate::statement::Statement;

const FLAGS: &[Spec] =
    &[("mount", Kind::List), ("network", Kind::Text), ("security", Kind::Text), ("device", Kind::List)];

/// Whether here-documents are looked for in `statement`: RUN, COPY and ADD, not in JSON form, also as triggers.
pub(crate) fn opens_heredocs(statement: &Statement<'_, '_>) -> bool {
    match statement.keyword {
        "RUN" | "COPY" | "ADD" => from_pairs::json(statement.slice(&statement.args)) == Json::No,
        "ONBUILD" => {
            let trigger = Statement::new(statement.line, statement.args.clone(), statement.escape);
            trigger.keyword != "ONBUILD" && opens_heredocs(&trigger)
        }
        _ => false,
    }
}

pub(super) fn build(
    statement: &Statement<'_, '_>,
    heredocs: Vec<Heredoc>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Run> {
    let flags = Flags::read(statement, FLAGS, diagnostics);
    one_of(&flags, "network", &["default", "none", "host"], diagnostics);
    one_of(&flags, "security", &["sandbox", "insecure"], diagnostics);
    let mounts =
        flags.list("mount").into_iter().filter_map(|mount| self::mount(mount, diagnostics)).collect();
    for device in flags.list("device") {
        diagnostics.extend(fields(&device.node).err().map(|problem| bad("device", &device, &problem)));
    }
    let command: Command = command(statement, &statement.args, diagnostics)?;
    Some(Run {
        mounts,
        network: flags.text("network"),
        security: flags.text("security"),
        devices: flags.list("device"),
        command,
        heredocs,
    })
}

fn one_of(flags: &Flags, name: &str, allowed: &[&str], diagnostics: &mut Vec<Diagnostic>) {
    let Some(value) = flags.given(name).filter(|value| !allowed.contains(&value.node.as_str())) else {
        return;
    };
    let help = match crate::suggest::closest(&value.node, allowed) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("It is one of {}", allowed.join(", ")),
    };
    diagnostics.push(bad(name, value, "no such value").help(help));
}

fn bad(name: &str, value: &Spanned<String>, problem: &str) -> Diagnostic {
    let message = format!("invalid --{name} `{}`: {problem}", value.node);
    Diagnostic::new(&rules::BAD_FLAG, value.span.clone(), message)
}

fn mount(mount: Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<MountFields>> {
    let fields = match fields(&mount.node) {
        Ok(fields) => fields,
        Err(problem) => {
            diagnostics.push(bad("mount", &mount, &problem));
            return None;
        }
    };
    let pair = |field: String| match field.split_once('=') {
        Some((key, value)) => (key.to_lowercase(), Some(value.to_owned())),
        None => (field.to_lowercase(), None),
    };
    let pairs: Vec<_> = fields.into_iter().map(pair).collect();
    let expands = |value: &str| value.find('$').is_some_and(|at| at + 1 != value.len());
    if pairs.iter().any(|(key, value)| key == "from" && value.as_deref().is_some_and(expands)) {
        let problem = bad("mount", &mount, "`from` doesn't support variable expansion");
        diagnostics
            .push(problem.help("Name a stage `FROM … AS name` with the variable, and mount from that"));
        return None;
    }
    Some(Spanned { node: pairs, span: mount.span })
}

/// One record of comma-separated values: a field in double quotes may hold commas, and `""` for a quote.
fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    if rest.is_empty() {
        return Err("it is empty".to_owned());
    }
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, more) =
                rest.split_once(',').map_or((rest, None), |(field, more)| (field, Some(more)));
            if field.contains('"') {
                return Err("a quote inside a field".to_owned());
            }
            fields.push(field.to_owned());
            match more {
                None => return Ok(fields),
                Some(more) => rest = more,
            }
            continue;
        };
        let (field, after) = quoted_field(quoted)?;
        fields.push(field);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(fields),
            None => return Err("text after a closing quote".to_owned()),
        }
    }
}

/// A field whose opening quote was eaten, and what follows its closing one.
fn quoted_field(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"').ok_or("a quote is not closed")?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => rest = more,
            None => return Ok((field, after)),
        }
        field.push('"');
    }
}
