//! `build --check` and `build --call`: what a Dockerfile says, without building it.

use crate::diagnostics::Source;
use crate::error::{CliError, FAILED, USAGE};
use crate::output;
use engine::build::{BuildRequest, NamedContext};
use parser::ast::{Dockerfile, Stage};
use parser::diagnostic::Diagnostic;
use serde_json::{Map, Value, json};
use solver::graph::BaseImages;
use solver::lower::{ContextKind, LowerRequest, Lowered, lower};
use std::fmt::Write;
use std::ops::Range;
use std::str::FromStr;

/// What to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Build,
    Check,
    Targets,
}

/// `--call=METHOD[,format=json][,ignorestatus]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    method: Method,
    json: bool,
    ignore_status: bool,
}

impl Call {
    /// `--check`
    pub(crate) const CHECK: Self = Self { method: Method::Check, json: false, ignore_status: false };
}

impl FromStr for Call {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let method = match parts.next().unwrap_or_default() {
            "build" => Method::Build,
            "check" | "lint" => Method::Check,
            "targets" => Method::Targets,
            known @ ("outline" | "subrequests.describe" | "convertllb") => {
                return Err(format!("the method `{known}` is not supported yet; `check` and `targets` are"));
            }
            other => return Err(format!("there is no method `{other}`; there are `check` and `targets`")),
        };
        let mut call = Self { method, ..Self::CHECK };
        for part in parts {
            match part.split_once('=').unwrap_or((part, "true")) {
                ("format", "json") => call.json = true,
                ("format", "text") => call.json = false,
                ("ignorestatus", "true" | "1") => call.ignore_status = true,
                ("ignorestatus", "false" | "0") => call.ignore_status = false,
                _ => return Err(format!("`{part}` is neither `format=json` nor `ignorestatus`")),
            }
        }
        Ok(call)
    }
}

impl Call {
    /// Whether it asks for a build as ever.
    pub(crate) fn builds(&self) -> bool {
        self.method == Method::Build
    }
}

/// Says on standard output what `call` asks for.
///
/// # Errors
/// Ends with exit code 1 if there are findings, and with 2 if one of them is an error.
pub(crate) fn run(call: &Call, request: &BuildRequest, color: bool) -> Result<(), CliError> {
    let check = request.build_args.get("BUILDKIT_DOCKERFILE_CHECK").map(String::as_str);
    let parsed = parser::parse_with(&request.dockerfile, check);
    let source = Source { name: &request.dockerfile_name, text: &request.dockerfile, color };
    if call.method == Method::Targets {
        if parsed.diagnostics.iter().any(Diagnostic::is_error) {
            crate::log::say(&source.render(&parsed.diagnostics));
            return Err(CliError::Ended(USAGE));
        }
        return if call.json {
            output::line(&pretty(&targets_json(&parsed.file, &request.dockerfile)))
        } else {
            output::print(&targets(&parsed.file))
        };
    }
    let mut found = parsed.diagnostics;
    if !found.iter().any(Diagnostic::is_error) {
        found.extend(lowered(&parsed.file, request));
        found.sort_by_key(|finding| finding.at.start);
    }
    if call.json {
        output::line(&pretty(&findings_json(&found, request)))?;
    } else {
        output::print(&findings(&found, &source))?;
    }
    let errors = found.iter().any(Diagnostic::is_error);
    match (found.is_empty(), call.ignore_status, errors) {
        (true, ..) | (_, true, _) => Ok(()),
        (_, _, true) => Err(CliError::Ended(USAGE)),
        _ => Err(CliError::Ended(FAILED)),
    }
}

/// What lowering all stages finds.
fn lowered(file: &Dockerfile, request: &BuildRequest) -> Vec<Diagnostic> {
    let kind = |context: &NamedContext| match context {
        NamedContext::Dir(_) => ContextKind::Dir,
        NamedContext::Image(reference) => ContextKind::Image(reference.clone()),
    };
    let contexts = request.named_contexts.iter().map(|(name, context)| (name.clone(), kind(context)));
    let lower_request = LowerRequest {
        target: request.target.clone(),
        build_args: request.build_args.clone(),
        platform: request.platforms.first().cloned(),
        contexts: contexts.collect(),
        allow: request.allow.clone(),
        ignore: request.context.as_ref().and_then(|context| context.ignore.clone()),
        has_context: request.context.is_some(),
        check_only: true,
        epoch: Some(None),
        ..LowerRequest::default()
    };
    match lower(file, &request.dockerfile, &lower_request, &BaseImages::new()) {
        Ok(Lowered::Graph(graph)) => graph.warnings,
        // With all stages marked and the epoch given nothing is asked for.
        Ok(Lowered::NeedImages(_) | Lowered::NeedEpoch(_)) => Vec::new(),
        Err(findings) => findings,
    }
}

fn findings(found: &[Diagnostic], source: &Source<'_>) -> String {
    let count = match found.len() {
        0 => return "Check complete, no warnings found.\n".to_owned(),
        1 => "1 warning has been found!".to_owned(),
        count => format!("{count} warnings have been found!"),
    };
    format!("Check complete, {count}\n{}", source.render(found))
}

fn findings_json(found: &[Diagnostic], request: &BuildRequest) -> Value {
    let text = &request.dockerfile;
    let one = |finding: &Diagnostic| {
        let mut out = Map::new();
        out.insert("ruleName".into(), finding.rule.name.into());
        out.insert("description".into(), finding.rule.summary.into());
        if let Some(page) = parser::rules::page(finding.rule.name) {
            out.insert("url".into(), page.into());
        }
        out.insert("detail".into(), finding.message.as_str().into());
        out.insert("help".into(), finding.help.as_deref().unwrap_or_default().into());
        out.insert("location".into(), location(text, &finding.at));
        Value::Object(out)
    };
    let (errors, warnings): (Vec<_>, Vec<_>) = found.iter().partition(|finding| finding.is_error());
    let warnings: Vec<Value> = warnings.into_iter().map(one).collect();
    let mut all = json!({ "warnings": warnings, "sources": [{ "filename": request.dockerfile_name }] });
    if let Some(first) = errors.first() {
        all["buildError"] = json!({ "message": first.message, "location": location(text, &first.at) });
    }
    all
}

fn location(text: &str, at: &Range<usize>) -> Value {
    let line = |to: usize| text.bytes().take(to).filter(|byte| *byte == b'\n').count() + 1;
    json!({ "ranges": [{ "start": { "line": line(at.start) }, "end": { "line": line(at.end) } }] })
}

/// The name of a stage, and what the comment above says of it behind that name.
fn described(stage: &Stage) -> (String, String) {
    let from = &stage.from.node;
    let name = from.name.as_ref().map(|name| name.node.to_lowercase()).unwrap_or_default();
    let last = from.doc.as_deref().and_then(|doc| doc.lines().last()).unwrap_or_default();
    let rest = last.split_once(' ').filter(|(word, _)| !name.is_empty() && word.eq_ignore_ascii_case(&name));
    (name, rest.map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default())
}

fn targets(file: &Dockerfile) -> String {
    let mut rows = vec![("TARGET".to_owned(), "DESCRIPTION".to_owned())];
    for (index, stage) in file.stages.iter().enumerate() {
        let (mut name, description) = described(stage);
        if index + 1 == file.stages.len() {
            name = if name.is_empty() { "(default)".into() } else { format!("{name} (default)") };
        }
        rows.push((name, description));
    }
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    rows.iter().fold(String::new(), |mut text, (name, description)| {
        // Writing to a string cannot go wrong.
        let _ = writeln!(text, "{name:width$} {description}");
        text
    })
}

fn targets_json(file: &Dockerfile, text: &str) -> Value {
    let last = file.stages.len();
    let one = |(index, stage): (usize, &Stage)| {
        let (name, description) = described(stage);
        let from = &stage.from.node;
        let platform = from.platform.as_ref().map(|platform| platform.node.clone()).unwrap_or_default();
        let mut out = Map::new();
        let mut put = |key: &str, value: String| {
            if !value.is_empty() {
                out.insert(key.into(), value.into());
            }
        };
        put("name", name);
        put("description", description);
        put("base", from.image.node.clone());
        put("platform", platform);
        if index + 1 == last {
            out.insert("default".into(), true.into());
        }
        out.insert("location".into(), location(text, &stage.from.span));
        Value::Object(out)
    };
    json!({ "targets": file.stages.iter().enumerate().map(one).collect::<Vec<_>>() })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
