//! Trees and findings as text, one line each.

use parser::Parsed;
use parser::diagnostic::{Diagnostic, Level};
use std::fmt::Write as _;
use std::ops::Range;

/// The tree. A place is `@start..end` in bytes.
pub(crate) fn tree(parsed: &Parsed) -> String {
    let file = &parsed.file;
    let mut out = format!("escape {:?}\n", file.escape);
    for directive in &file.directives {
        let _ = writeln!(out, "directive {}", compact(directive));
    }
    for arg in &file.global_args {
        let _ = writeln!(out, "global {}", compact(arg));
    }
    for stage in &file.stages {
        let _ = writeln!(out, "stage {}", compact(&stage.from));
        for instruction in &stage.instructions {
            let _ = writeln!(out, "  {}", compact(instruction));
        }
    }
    out
}

/// `Spanned { node: N, span: a..b }` becomes `N@a..b`.
pub(crate) fn compact(node: &impl std::fmt::Debug) -> String {
    let text = format!("{node:?}").replace("Spanned { node: ", "");
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(", span: ") {
        let (span, after) = after.split_once(" }").expect("a span ends");
        let _ = write!(out, "{before}@{span}");
        rest = after;
    }
    out + rest
}

/// The findings, each with the text that it points at.
pub(crate) fn findings(source: &str, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for found in diagnostics {
        let level = if found.rule.level == Level::Error { "error" } else { "warning" };
        let label = if found.label.is_empty() { String::new() } else { format!(" ({})", found.label) };
        let _ = writeln!(out, "{level}[{}]: {}", found.rule.name, found.message);
        let _ = writeln!(out, "  at {} {:?}{label}", place(source, &found.at), &source[found.at.clone()]);
        if let Some(help) = &found.help {
            let _ = writeln!(out, "  help: {help}");
        }
    }
    out
}

/// `line:column`, both from 1.
fn place(source: &str, at: &Range<usize>) -> String {
    let before = &source[..at.start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    format!("{}:{}", before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
