//! Findings about a Dockerfile without a build: what parsing and lowering all its stages give.

use crate::graph::BaseImages;
use crate::lower::rules as lower_rules;
use crate::lower::{LowerRequest, Lowered, NeededImage, lower};
use parser::ast::{Dockerfile, Instruction, Source, Spanned};
use parser::diagnostic::Diagnostic;
use parser::rules;
use std::ops::{Range, RangeInclusive};

#[cfg(test)]
mod tests;

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Checked {
    /// These images are to be looked up first; those that cannot be had go to [`LowerRequest::absent`]. Then call again.
    NeedImages(Vec<NeededImage>),
    /// All findings, in the order of their places.
    Done(Vec<Diagnostic>),
}

/// Checks the Dockerfile `source`. Where it does not parse only that is said.
pub fn check(source: &str, req: &LowerRequest, bases: &BaseImages) -> Checked {
    let settings = req.build_args.get("BUILDKIT_DOCKERFILE_CHECK").map(String::as_str);
    let parsed = parser::parse_with(source, settings);
    let mut found = parsed.diagnostics;
    if !found.iter().any(Diagnostic::is_error) {
        // A time is needed for building alone.
        let req = LowerRequest { check_only: true, epoch: req.epoch.or(Some(None)), ..req.clone() };
        match lower(&parsed.file, source, &req, bases) {
            Ok(Lowered::NeedImages(images)) => return Checked::NeedImages(images),
            Ok(Lowered::Graph(graph)) => found.extend(graph.warnings),
            Ok(Lowered::NeedEpoch(_)) => {}
            Err(findings) => found.extend(findings),
        }
    }
    found.sort_by_key(|finding| finding.at.start);
    Checked::Done(once(found))
}

/// Leaves out what is said twice: stages are looked at for what they read, and again one by one.
fn once(found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    for finding in found {
        let of_a_cycle = |before: &&Diagnostic| {
            before.rule.name == lower_rules::STAGE_CYCLE.name
                && finding.rule.name == lower_rules::LATER_STAGE.name
        };
        let mut here = kept.iter().rev().take_while(|before| before.at.start == finding.at.start);
        let again = here.any(|before| *before == finding || before.at == finding.at && of_a_cycle(&before));
        if !again {
            kept.push(finding);
        }
    }
    kept
}

/// The lines, from 1, of the instruction that a finding is about. What is about none has its own lines.
///
/// An empty line in a continued instruction counts for the last line of it, as BuildKit counts.
pub fn lines(file: &Dockerfile, source: &str, found: &Diagnostic) -> RangeInclusive<usize> {
    let lines = lines_at(file, source, &found.at);
    if found.rule.name == rules::NO_EMPTY_CONTINUATION.name {
        let last = *lines.end().max(&line(source, found.at.start));
        return last..=last;
    }
    lines
}

/// The lines, from 1, of the instruction that `at` begins in; where it is in none, its own.
pub fn lines_at(file: &Dockerfile, source: &str, at: &Range<usize>) -> RangeInclusive<usize> {
    let (span, end) = owner(file, at.start).unwrap_or((at, at.end.saturating_sub(1)));
    line(source, span.start)..=line(source, end.max(span.start))
}

fn line(source: &str, offset: usize) -> usize {
    source.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The span of the instruction that `place` is in, and where it ends with its here-documents.
fn owner(file: &Dockerfile, place: usize) -> Option<(&Range<usize>, usize)> {
    let globals = file.global_args.iter().map(|arg| (&arg.span, arg.span.end));
    let stages = file.stages.iter().flat_map(|stage| {
        let own = stage.instructions.iter().map(|one| (&one.span, end(one)));
        std::iter::once((&stage.from.span, stage.from.span.end)).chain(own)
    });
    globals.chain(stages).take_while(|(span, _)| span.start <= place).last().filter(|(_, end)| place <= *end)
}

/// Where an instruction ends: the delimiter of its last here-document stands on the line after the body.
fn end(instruction: &Spanned<Instruction>) -> usize {
    let heredoc = match &instruction.node {
        Instruction::Run(run) => run.heredocs.last(),
        Instruction::Copy(copy) | Instruction::Add(copy) => {
            let heredocs = copy.sources.iter().filter_map(|source| match source {
                Source::Heredoc(heredoc) => Some(heredoc),
                Source::Path(_) => None,
            });
            heredocs.max_by_key(|heredoc| heredoc.body.span.end)
        }
        _ => None,
    };
    heredoc.map_or(instruction.span.end, |heredoc| heredoc.body.span.end.max(instruction.span.end))
}
