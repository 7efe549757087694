//! Findings and failed steps, with the lines that they are about.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use engine::build::{StepError, StepFailure};
use parser::diagnostic::{Diagnostic, Level as Severity};
use solver::graph::SourceText;
use std::ops::Range;

use crate::error::chain;
use crate::visible;

/// A text that findings are about, and how to show it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// What messages call it.
    pub(crate) name: &'a str,
    /// All of it.
    pub(crate) text: &'a str,
    /// Whether to use colours.
    pub(crate) color: bool,
}

/// Findings that are about the command line: there is no line of the file to show.
const OF_THE_COMMAND_LINE: [&str; 3] = ["unknown-target", "UnusedBuildArg", "UnusedCacheFilter"];

impl Source<'_> {
    /// All findings, in the order of their places, errors and warnings mixed.
    pub(crate) fn render(&self, findings: &[Diagnostic]) -> String {
        self.sorted(findings, false)
    }

    /// As [`Self::render`], with the addresses of the pages that explain the findings.
    pub(crate) fn render_with_pages(&self, findings: &[Diagnostic]) -> String {
        self.sorted(findings, true)
    }

    fn sorted(&self, findings: &[Diagnostic], pages: bool) -> String {
        let mut sorted: Vec<&Diagnostic> = findings.iter().collect();
        sorted.sort_by_key(|finding| finding.at.start);
        sorted.into_iter().map(|finding| self.finding(finding, pages)).collect()
    }

    fn finding(&self, finding: &Diagnostic, pages: bool) -> String {
        let level = match finding.rule.level {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group =
            Group::with_title(level.primary_title(finding.message.as_str()).id(finding.rule.name));
        if !OF_THE_COMMAND_LINE.contains(&finding.rule.name) {
            group = group.element(self.excerpt(finding.at.clone(), &finding.label));
        }
        if let Some(help) = &finding.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        if let Some(page) = parser::rules::page(finding.rule.name).filter(|_| pages) {
            group = group.element(Level::NOTE.message(format!("see {page}")));
        }
        self.print(group)
    }

    /// A failed step: its last output, what went wrong, its line, and where the whole output is.
    pub(crate) fn step(&self, error: &StepError) -> String {
        let mut text = tail(error);
        let trigger;
        let source = match &error.text {
            SourceText::Dockerfile => *self,
            SourceText::Trigger { from, text } => {
                trigger = format!("ONBUILD of {from}");
                Source { name: &trigger, text, color: self.color }
            }
        };
        let title = chain(&error.failure);
        let mut group = Group::with_title(Level::ERROR.primary_title(title))
            .element(source.excerpt(error.span.clone(), ""));
        for note in notes(error) {
            group = group.element(Level::NOTE.message(note));
        }
        let look = error.kept.iter().map(|id| format!("look into what it left with `lapstrake debug {id}`"));
        for help in helps(&error.failure).into_iter().chain(look) {
            group = group.element(Level::HELP.message(help));
        }
        text.push_str(&self.print(group));
        text
    }

    fn excerpt<'b>(
        &'b self,
        at: Range<usize>,
        label: &'b str,
    ) -> Snippet<'b, annotate_snippets::Annotation<'b>> {
        let label = (!label.is_empty()).then_some(label);
        let place = AnnotationKind::Primary.span(within(self.text, at)).label(label);
        Snippet::source(self.text).path(self.name).annotation(place)
    }

    fn print(&self, group: Group<'_>) -> String {
        let renderer = if self.color { Renderer::styled() } else { Renderer::plain() };
        format!("{}\n", renderer.decor_style(DecorStyle::Ascii).render(&[group]))
    }
}

/// `at`, cut to the text and to whole characters, without the line's end.
fn within(text: &str, at: Range<usize>) -> Range<usize> {
    let floor = |mut index: usize| {
        index = index.min(text.len());
        while !text.is_char_boundary(index) {
            index -= 1;
        }
        index
    };
    let start = floor(at.start);
    let end = floor(at.end.max(at.start));
    start..start + text[start..end].trim_end().len()
}

fn tail(error: &StepError) -> String {
    let tail = String::from_utf8_lossy(&error.tail);
    if tail.trim().is_empty() {
        return String::new();
    }
    let line = |line: &str| String::from_utf8_lossy(&visible::line(line.as_bytes())).into_owned();
    let lines: Vec<String> = tail.trim_end_matches('\n').lines().map(line).collect();
    format!("------\n > {}:\n{}\n------\n", visible::text(&error.name), lines.join("\n"))
}

fn notes(error: &StepError) -> Vec<String> {
    let log = error.log.iter().map(|log| format!("the whole output is in {}", log.display()));
    log.collect()
}

fn helps(failure: &StepFailure) -> Vec<String> {
    let mut helps = Vec::new();
    if let StepFailure::NotFound { excluded, similar, .. } = failure {
        if let Some(by) = excluded {
            helps.push(format!("line {} of {} excludes it: `{}`", by.line, by.file, by.pattern));
        }
        if let [first, rest @ ..] = similar.as_slice() {
            let rest: String = rest.iter().map(|name| format!(", `{name}`")).collect();
            helps.push(format!("did you mean `{first}`{rest}?"));
        }
    }
    if let StepFailure::Mount(error) = failure {
        helps.extend(error.failure.help());
    }
    if let StepFailure::Platform { platform, .. } = failure {
        helps.push(format!(
            "install qemu-user-static, or register a binfmt_misc handler for {}",
            platform.architecture
        ));
    }
    helps
}

#[cfg(test)]
mod tests;
