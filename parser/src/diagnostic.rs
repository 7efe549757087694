//! Findings as values: a rule, a place, a message, and what to do about it. The CLI alone renders them.

use std::ops::Range;

/// How bad a finding is. A build starts only if none is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Worth knowing, the build goes on.
    Warning,
    /// The build does not start.
    Error,
}

/// What kind of finding it is. One constant per kind; `docs/rules.md` is generated from their table.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable kebab-case name, shown as `error[name]`.
    pub name: &'static str,
    /// Severity.
    pub level: Level,
    /// One line for the reference page.
    pub summary: &'static str,
}

/// One finding in one source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind.
    pub rule: &'static Rule,
    /// What is wrong, with the subject in it, no full stop.
    pub message: String,
    /// Byte range in the source text.
    pub at: Range<usize>,
    /// A shorter note to put at the place, or empty.
    pub label: String,
    /// What the user can do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A finding without label and help.
    pub fn new(rule: &'static Rule, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { rule, message: message.into(), at, label: String::new(), help: None }
    }
    /// Adds what the user can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
    /// Adds the note at the place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
    /// Whether it stops the build.
    pub fn is_error(&self) -> bool {
        self.rule.level == Level::Error
    }
}
