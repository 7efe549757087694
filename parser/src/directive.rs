//! Parser directives: `# syntax=`, `# escape=` and `# check=`, on the first lines only.

use crate::ast::{Directive, Spanned};
use crate::check::Check;
use crate::diagnostic::Diagnostic;
use crate::rules;
use std::ops::Range;

/// Reads directives as long as there are any.
#[derive(Debug, Default)]
pub(crate) struct Directives {
    done: bool,
    pub(crate) found: Vec<Directive>,
}

impl Directives {
    /// Finds none anywhere.
    pub(crate) fn none() -> Self {
        Self { done: true, found: Vec::new() }
    }

    /// Looks at a line without blanks before it. `None` once something else than a directive was met.
    pub(crate) fn line(
        &mut self,
        source: &str,
        line: &Range<usize>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<&Directive> {
        if self.done {
            return None;
        }
        let Some(directive) = read(source, line) else {
            self.done = true;
            return None;
        };
        let name = &directive.name.node;
        if let Some(first) = self.found.iter().find(|seen| seen.name.node == *name) {
            let message = format!("only one {name} parser directive can be used");
            let problem = Diagnostic::new(&rules::BAD_DIRECTIVE, first.name.span.clone(), message);
            diagnostics.push(problem.help("Remove one of them"));
            return None;
        }
        diagnostics.extend(check(&directive));
        self.found.push(directive);
        self.found.last()
    }
}

/// `#` name `=` value, with blanks anywhere between.
fn read(source: &str, line: &Range<usize>) -> Option<Directive> {
    let text = &source[line.clone()];
    let inner = text.strip_prefix('#')?.trim_start();
    let start = line.end - inner.len();
    let (name, value) = inner.split_once('=')?;
    let name = name.trim_end_matches(BLANK);
    let mut chars = name.chars();
    if !chars.next()?.is_ascii_alphabetic() || !chars.all(|c| c.is_ascii_alphanumeric()) {
        return None;
    }
    let value = value.trim_start_matches(BLANK);
    let value_start = line.end - value.len();
    let value = value.trim_end_matches(BLANK);
    let lower = name.to_ascii_lowercase();
    if value.is_empty() || !["syntax", "escape", "check"].contains(&lower.as_str()) {
        return None;
    }
    Some(Directive {
        name: Spanned { node: lower, span: start..start + name.len() },
        value: Spanned { node: value.to_owned(), span: value_start..value_start + value.len() },
    })
}

const BLANK: [char; 5] = ['\t', '\n', '\u{c}', '\r', ' '];

fn check(directive: &Directive) -> Option<Diagnostic> {
    let Spanned { node: value, span } = &directive.value;
    match directive.name.node.as_str() {
        "escape" if value != "\\" && value != "`" => {
            let message = format!("invalid escape token `{value}`");
            let problem = Diagnostic::new(&rules::BAD_DIRECTIVE, span.clone(), message);
            Some(problem.help("The escape character is `\\` or a backtick"))
        }
        "syntax" if !is_dockerfile_frontend(value) => {
            let message = format!("the frontend `{value}` cannot be run");
            let problem = Diagnostic::new(&rules::FOREIGN_SYNTAX, span.clone(), message);
            Some(problem.help(
                "The built-in parser reads `docker/dockerfile` of any version: use that, or no syntax line",
            ))
        }
        "check" => {
            let problem = Check::parse(value).err()?;
            Some(Diagnostic::new(&rules::BAD_DIRECTIVE, span.clone(), problem).help(
                "Write `# check=skip=RULE,RULE` or `skip=all`, and `;error=true` to make warnings fail the build",
            ))
        }
        _ => None,
    }
}

/// Whether a frontend's name stands for the built-in parser:
/// `docker/dockerfile`, of any registry (mirrors), tag and digest. What follows a blank is the frontend's own.
pub fn is_dockerfile_frontend(value: &str) -> bool {
    let image = value.split(' ').next().unwrap_or_default();
    let image = image.split('@').next().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let repository = last.split(':').next().unwrap_or_default();
    matches!(repository, "dockerfile" | "dockerfile-upstream") && image.contains('/')
}
