//! The answers for programs, with the names that buildx gives.

use crate::diagnostics::Source;
use base64::Engine;
use parser::ast::Dockerfile;
use parser::diagnostic::Diagnostic;
use serde::Serialize;
use solver::checks;
use solver::lower::outline::{Given, Outline, description};
use std::ops::{Range, RangeInclusive};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Findings<'a> {
    warnings: Vec<Finding<'a>>,
    sources: [Text<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    build_error: Option<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    rule_name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    detail: String,
    location: Location,
}

#[derive(Serialize)]
struct Text<'a> {
    filename: &'a str,
    data: String,
    language: &'static str,
}

#[derive(Serialize)]
struct Failure {
    message: String,
    location: Location,
}

/// Lines from 1, each a range of its own.
#[derive(Serialize)]
struct Location {
    ranges: Vec<Lines>,
}

#[derive(Serialize)]
struct Lines {
    start: Line,
    end: Line,
}

#[derive(Serialize)]
struct Line {
    line: usize,
}

#[derive(Serialize)]
struct Targets<'a> {
    targets: Vec<Target<'a>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct Target<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "is_false")]
    default: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    base: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    platform: &'a str,
    location: Location,
}

#[derive(Serialize)]
struct Outlined<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Arg<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Taken<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ssh: Vec<Taken<'a>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct Arg<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    value: &'a str,
    location: Location,
}

#[derive(Serialize)]
struct Taken<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    required: bool,
    location: Location,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// The answer to `check`.
pub(super) fn findings(found: &[Diagnostic], file: &Dockerfile, source: &Source<'_>) -> String {
    let lines = |finding: &Diagnostic| location(checks::lines(file, source.text, finding));
    let one = |finding| Finding {
        location: lines(finding),
        rule_name: finding.rule.name,
        description: finding.rule.summary,
        url: parser::rules::page(finding.rule.name),
        detail: detail(finding),
    };
    let error = found.iter().find(|finding| finding.is_error());
    let text = Text {
        filename: source.name.rsplit('/').next().unwrap_or_default(),
        data: coded(source.text),
        language: "Dockerfile",
    };
    pretty(&Findings {
        warnings: found.iter().filter(|finding| !finding.is_error()).map(one).collect(),
        sources: [text],
        build_error: error.map(|error| Failure { message: detail(error), location: lines(error) }),
    })
}

/// The answer to `targets`.
pub(super) fn targets(file: &Dockerfile, source: &Source<'_>) -> String {
    let last = file.stages.len();
    let mut targets = Vec::new();
    for (index, stage) in file.stages.iter().enumerate() {
        let from = &stage.from.node;
        let name = from.name.as_ref().map(|name| name.node.to_lowercase()).unwrap_or_default();
        targets.push(Target {
            default: index + 1 == last,
            description: description(from.doc.as_deref(), &name),
            name,
            base: &from.image.node,
            platform: from.platform.as_ref().map(|platform| platform.node.as_str()).unwrap_or_default(),
            location: place(file, source, &stage.from.span),
        });
    }
    pretty(&Targets { targets, sources: [coded(source.text)] })
}

/// The answer to `outline`.
pub(super) fn outline(outline: &Outline, file: &Dockerfile, source: &Source<'_>) -> String {
    let args = outline.args.iter().map(|arg| Arg {
        name: &arg.name,
        description: &arg.description,
        value: &arg.value,
        location: place(file, source, &arg.at),
    });
    pretty(&Outlined {
        name: &outline.name,
        description: &outline.description,
        args: args.collect(),
        secrets: taken(&outline.secrets, file, source),
        ssh: taken(&outline.ssh, file, source),
        sources: [coded(source.text)],
    })
}

fn taken<'a>(all: &'a [Given], file: &Dockerfile, source: &Source<'_>) -> Vec<Taken<'a>> {
    let one = |given: &'a Given| Taken {
        name: &given.name,
        required: given.required,
        location: place(file, source, &given.at),
    };
    all.iter().map(one).collect()
}

fn detail(finding: &Diagnostic) -> String {
    let help = finding.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    format!("{}{help}", finding.message)
}

/// The lines of the instruction at `span`.
fn place(file: &Dockerfile, source: &Source<'_>, span: &Range<usize>) -> Location {
    location(checks::lines_at(file, source.text, span))
}

fn location(lines: RangeInclusive<usize>) -> Location {
    let line = |line| Lines { start: Line { line }, end: Line { line } };
    Location { ranges: lines.map(line).collect() }
}

fn coded(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Indented by two blanks.
fn pretty(value: &impl Serialize) -> String {
    // These values have neither maps nor other things that cannot be written.
    serde_json::to_string_pretty(value).unwrap_or_default()
}
