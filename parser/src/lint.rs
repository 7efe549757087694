//! Checks over a whole tree, named and worded as Docker's build checks.

use crate::ast::{Command, Dockerfile, Instruction, Stage};
use crate::diagnostic::Diagnostic;
use crate::rules;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// Adds what `file`, parsed from `source`, gives cause for.
pub(crate) fn check(file: &Dockerfile, source: &str, diagnostics: &mut Vec<Diagnostic>) {
    instruction_casing(file, source, diagnostics);
    stage_names(file, source, diagnostics);
    json_args(file, diagnostics);
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
        diagnostics.push(Diagnostic::new(&rules::CONSISTENT_INSTRUCTION_CASING, at, message));
    }
}

fn stage_names(file: &Dockerfile, source: &str, diagnostics: &mut Vec<Diagnostic>) {
    let mut seen = HashSet::new();
    for stage in &file.stages {
        let from = &stage.from.node;
        let Some(name) = &from.name else { continue };
        let mut warn = |rule, at: &Range<usize>, message| {
            diagnostics.push(Diagnostic::new(rule, at.clone(), message));
        };
        let written = &source[keyword(source, &stage.from.span)];
        let between = source.get(from.image.span.end..name.span.start).unwrap_or_default();
        let word =
            between.split_whitespace().find(|word| word.eq_ignore_ascii_case("as")).unwrap_or_default();
        if (is_lower(written) && !is_lower(word)) || (is_upper(written) && !is_upper(word)) {
            let message = format!("'{word}' and '{written}' keywords' casing do not match");
            warn(&rules::FROM_AS_CASING, &stage.from.span, message);
        }
        let lower = name.node.to_lowercase();
        if lower != name.node {
            let message = format!("Stage name '{}' should be lowercase", name.node);
            warn(&rules::STAGE_NAME_CASING, &name.span, message);
        }
        if matches!(lower.as_str(), "scratch" | "context") {
            let message = format!("Stage name should not use the same name as reserved stage {lower:?}");
            warn(&rules::RESERVED_STAGE_NAME, &name.span, message);
        }
        if !seen.insert(lower.clone()) {
            let message = format!("Duplicate stage name {lower:?}, stage names should be unique");
            warn(&rules::DUPLICATE_STAGE_NAME, &name.span, message);
        }
    }
}

/// CMD and ENTRYPOINT in shell form, where no SHELL of this file is in force.
fn json_args(file: &Dockerfile, diagnostics: &mut Vec<Diagnostic>) {
    let mut own_shell: HashMap<String, bool> = HashMap::new();
    for stage in &file.stages {
        let from = &stage.from.node;
        let mut shell = own_shell.get(&from.image.node.to_lowercase()).copied().unwrap_or(false);
        for instruction in &stage.instructions {
            let name = match &instruction.node {
                Instruction::Shell(_) => {
                    shell = true;
                    continue;
                }
                Instruction::Cmd(Command::Shell(_)) => "CMD",
                Instruction::Entrypoint(Command::Shell(_)) => "ENTRYPOINT",
                _ => continue,
            };
            if !shell {
                let message = format!(
                    "JSON arguments recommended for {name} to prevent unintended behavior related to OS signals"
                );
                diagnostics.push(Diagnostic::new(
                    &rules::JSON_ARGS_RECOMMENDED,
                    instruction.span.clone(),
                    message,
                ));
            }
        }
        if let Some(name) = &from.name {
            own_shell.insert(name.node.to_lowercase(), shell);
        }
    }
}
