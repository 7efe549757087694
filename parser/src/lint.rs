//! Checks over a whole tree, named and worded as Docker's build checks.

use crate::ast::{Dockerfile, Stage};
use crate::diagnostic::Diagnostic;
use crate::rules;
use std::collections::HashSet;
use std::ops::Range;

/// Adds what `file`, parsed from `source`, gives cause for.
pub(crate) fn check(file: &Dockerfile, source: &str, diagnostics: &mut Vec<Diagnostic>) {
    instruction_casing(file, source, diagnostics);
    stage_names(file, source, diagnostics);
}

/// The instruction's name as written.
fn keyword(source: &str, span: &Range<usize>) -> Range<usize> {
    let text = &source[span.clone()];
    let len = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    span.start..span.start + len
}

fn is_lower(word: &str) -> bool {
    !word.contains(|c: char| c.is_ascii_uppercase())
}

fn is_upper(word: &str) -> bool {
    !word.contains(|c: char| c.is_ascii_lowercase())
}

fn instruction_casing(file: &Dockerfile, source: &str, diagnostics: &mut Vec<Diagnostic>) {
    let spans = |stage: &Stage| {
        let inner: Vec<_> = stage.instructions.iter().map(|instruction| instruction.span.clone()).collect();
        [stage.from.span.clone()].into_iter().chain(inner)
    };
    let keywords: Vec<_> = file.stages.iter().flat_map(spans).map(|span| keyword(source, &span)).collect();
    let lower = keywords.iter().filter(|at| is_lower(&source[(*at).clone()])).count();
    let upper = keywords.iter().filter(|at| is_upper(&source[(*at).clone()])).count();
    let (wanted, fits): (_, fn(&str) -> bool) =
        if lower > upper { ("lowercase", is_lower) } else { ("uppercase", is_upper) };
    for at in keywords.into_iter().filter(|at| !fits(&source[at.clone()])) {
        let word = &source[at.clone()];
        let message = format!("Command '{word}' should match the case of the command majority ({wanted})");
        let right = if lower > upper { word.to_lowercase() } else { word.to_uppercase() };
        let found = Diagnostic::new(&rules::CONSISTENT_INSTRUCTION_CASING, at, message);
        diagnostics.push(found.help(format!("write `{right}`")));
    }
}

fn stage_names(file: &Dockerfile, source: &str, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for stage in &file.stages {
        let from = &stage.from.node;
        let Some(name) = &from.name else { continue };
        let mut warn = |rule, at: &Range<usize>, message, help: String| {
            diagnostics.push(Diagnostic::new(rule, at.clone(), message).help(help));
        };
        let written = &source[keyword(source, &stage.from.span)];
        let between = source.get(from.image.span.end..name.span.start).unwrap_or_default();
        let word =
            between.split_whitespace().find(|word| word.eq_ignore_ascii_case("as")).unwrap_or_default();
        if (is_lower(written) && !is_lower(word)) || (is_upper(written) && !is_upper(word)) {
            let message = format!("'{word}' and '{written}' keywords' casing do not match");
            let right = if is_lower(written) { "from … as" } else { "FROM … AS" };
            warn(&rules::FROM_AS_CASING, &stage.from.span, message, format!("write `{right}`"));
        }
        let lower = name.node.to_lowercase();
        if lower != name.node {
            let message = format!("Stage name '{}' should be lowercase", name.node);
            warn(&rules::STAGE_NAME_CASING, &name.span, message, format!("name it `{lower}`"));
        }
        if matches!(lower.as_str(), "scratch" | "context") {
            let message = format!("Stage name should not use the same name as reserved stage {lower:?}");
            let help = format!("choose another name: `{lower}` has a meaning of its own in FROM and --from");
            warn(&rules::RESERVED_STAGE_NAME, &name.span, message, help);
        }
        if !seen.insert(lower.clone()) {
            let message = format!("Duplicate stage name {lower:?}, stage names should be unique");
            let help = "give this stage another name: later lines that name it get the last one above them";
            warn(&rules::DUPLICATE_STAGE_NAME, &name.span, message, help.to_owned());
        }
    }
}

/// The comment above a FROM or ARG is a description only if it begins with a name that the line gives.
pub(crate) fn description(
    doc: Option<&str>,
    instruction: &str,
    names: &[&str],
    at: &Range<usize>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let Some(last) = doc.and_then(|doc| doc.lines().last()) else { return };
    let [name, rest @ ..] = names else { return };
    if names.contains(&last.split(' ').next().unwrap_or_default()) {
        return;
    }
    let name = if rest.is_empty() { name } else { "<arg_key>" };
    let message = format!("the comment above {instruction} does not describe it");
    let found = Diagnostic::new(&rules::INVALID_DEFINITION_DESCRIPTION, at.clone(), message);
    diagnostics
        .push(found.help(format!("begin it with the name: `# {name} …`, or put an empty line below it")));
}
