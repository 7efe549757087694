//! `HEALTHCHECK`.

use super::command;
use crate::ast::{Command, Healthcheck};
use crate::diagnostic::Diagnostic;
use crate::duration;
use crate::flags::{Flags, Kind, Spec};
use crate::rules;
use crate::statement::{Statement, trim};
use std::ops::Range;

const FLAGS: &[Spec] = &[
    ("interval", Kind::Text),
    ("timeout", Kind::Text),
    ("start-period", Kind::Text),
    ("start-interval", Kind::Text),
    ("retries", Kind::Text),
];

/// The shortest time that is allowed, in nanoseconds. 0 means: as inherited.
const SHORTEST: i64 = 1_000_000;

pub(super) fn build(statement: &Statement<'_, '_>, diagnostics: &mut Vec<Diagnostic>) -> Option<Healthcheck> {
    let flags = Flags::read(statement, FLAGS, diagnostics);
    let args = statement.slice(&statement.args);
    let kind = args.split(char::is_whitespace).next().unwrap_or_default();
    let kind_at = statement.args.start..statement.args.start + kind.len();
    let rest = trim(statement.line.text(), kind_at.end..statement.args.end);
    let mut problem = |at, message: &str, help: &str| {
        diagnostics.push(Diagnostic::new(&rules::HEALTHCHECK, statement.span(at), message).help(help));
    };
    if kind.is_empty() {
        diagnostics.push(statement.arguments("requires at least one argument"));
        return None;
    }
    if kind.eq_ignore_ascii_case("NONE") {
        if !rest.is_empty() {
            problem(&rest, "HEALTHCHECK NONE takes no arguments", "Remove them, or write CMD for NONE");
            return None;
        }
        return Some(Healthcheck::None);
    }
    if !kind.eq_ignore_ascii_case("CMD") {
        let message = format!("unknown type `{kind}` in HEALTHCHECK");
        problem(&kind_at, &message, "Write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`");
        return None;
    }
    let command = check(statement, &kind_at, &rest, diagnostics)?;
    Some(Healthcheck::Cmd {
        interval: time(&flags, "interval", diagnostics),
        timeout: time(&flags, "timeout", diagnostics),
        start_period: time(&flags, "start-period", diagnostics),
        start_interval: time(&flags, "start-interval", diagnostics),
        retries: retries(&flags, diagnostics),
        command,
    })
}

/// The command after `CMD`, which must be there.
fn check(
    statement: &Statement<'_, '_>,
    kind: &Range<usize>,
    rest: &Range<usize>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Command> {
    let command = command(statement, rest, diagnostics)?;
    let missing = match &command {
        Command::Shell(text) => text.node.is_empty(),
        Command::Exec(args) => args.is_empty(),
    };
    if missing {
        let message = "missing command after HEALTHCHECK CMD";
        diagnostics.push(Diagnostic::new(&rules::HEALTHCHECK, statement.span(kind), message));
        return None;
    }
    Some(command)
}

fn time(flags: &Flags, name: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<i64> {
    let value = flags.text(name)?;
    let message = match duration::parse(&value.node) {
        Some(0) => return None,
        Some(time) if time >= SHORTEST => return Some(time),
        Some(_) => format!("--{name} cannot be less than 1ms, and is `{}`", value.node),
        None => format!("--{name} is no duration: `{}`", value.node),
    };
    let problem = Diagnostic::new(&rules::BAD_FLAG, value.span, message);
    diagnostics.push(problem.help("Write a number with a unit: 500ms, 30s, 1m30s"));
    None
}

fn retries(flags: &Flags, diagnostics: &mut Vec<Diagnostic>) -> Option<i64> {
    let value = flags.text("retries")?;
    match value.node.parse::<i32>() {
        Ok(0) => None,
        Ok(count) if count > 0 => Some(i64::from(count)),
        Ok(_) => {
            let message = format!("--retries cannot be negative ({})", value.node);
            diagnostics.push(Diagnostic::new(&rules::BAD_FLAG, value.span, message));
            None
        }
        Err(_) => {
            let message = format!("--retries is no whole number: `{}`", value.node);
            diagnostics.push(Diagnostic::new(&rules::BAD_FLAG, value.span, message));
            None
        }
    }
}
