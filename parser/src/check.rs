//! `# check=`: which warnings a file does not want, and whether the rest fail the build.

use crate::ast::Dockerfile;
use crate::diagnostic::{Diagnostic, Level};
use crate::rules;
use std::ops::Range;

/// The settings of a file's `# check=` line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// No warnings at all.
    pub skip_all: bool,
    /// Names of rules that give no warning.
    pub skip: Vec<String>,
    /// Warnings that are left fail the build.
    pub error: bool,
    /// Names of experimental rules that are wanted; `all` for all of them.
    pub experimental: Vec<String>,
    /// What comments `# check=skip=…` directly above instructions say about these, in the order of the file.
    pub local: Vec<(Range<usize>, Check)>,
}

/// Rules that look at the whole file: a comment above one instruction does not change them.
const WHOLE_FILE: [&str; 5] = [
    "NoEmptyContinuation",
    "ConsistentInstructionCasing",
    "DuplicateStageName",
    "ReservedStageName",
    "InvalidDefaultArgInFrom",
];

impl Check {
    /// The settings of `file`; the default ones where it has none, or bad ones.
    pub fn of(file: &Dockerfile) -> Self {
        let line = file.directives.iter().find(|directive| directive.name.node == "check");
        line.and_then(|line| Self::parse(&line.value.node).ok()).unwrap_or_default()
    }

    /// What `check=…` in one of the comment lines directly above an instruction says. A bad one says nothing, and
    /// the first one counts.
    pub(crate) fn above<'a>(mut comments: impl Iterator<Item = &'a str>) -> Option<Self> {
        let value = comments.find_map(|line| {
            let (name, value) = line.trim_start_matches('#').trim().split_once('=')?;
            name.trim().eq_ignore_ascii_case("check").then(|| value.trim())
        })?;
        Self::parse(value).ok()
    }

    /// Reads `skip=A,B;error=true;experimental=all`. What follows a blank is ignored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(value: &str) -> Result<Self, String> {
        let mut check = Self::default();
        for part in value.split(' ').next().unwrap_or_default().split(';') {
            let (key, value) =
                part.split_once('=').ok_or_else(|| format!("invalid check option `{part}`"))?;
            let (key, value) = (key.trim(), value.trim());
            let names = || value.split(',').map(|name| name.trim().to_owned()).collect();
            match (key, value) {
                ("skip", "all") => check.skip_all = true,
                ("skip", _) => check.skip = names(),
                ("experimental", _) => check.experimental = names(),
                ("error", "1" | "t" | "T" | "true" | "TRUE" | "True") => check.error = true,
                ("error", "0" | "f" | "F" | "false" | "FALSE" | "False") => check.error = false,
                ("error", _) => return Err(format!("`error` is `true` or `false`, not `{value}`")),
                _ => return Err(format!("invalid check option `{key}`")),
            }
        }
        Ok(check)
    }

    /// Whether a finding is to be left out. Errors never are.
    pub fn skips(&self, found: &Diagnostic) -> bool {
        if found.rule.level == Level::Error {
            return false;
        }
        let after = self.local.partition_point(|(span, _)| span.start <= found.at.start);
        let above = self.local[..after].last().filter(|(span, _)| found.at.start <= span.end);
        let above = above.map(|(_, check)| check).filter(|_| !WHOLE_FILE.contains(&found.rule.name));
        let all = [Some(self), above];
        let mut all = all.iter().flatten();
        if rules::is_experimental(found.rule) {
            return !all
                .any(|check| check.experimental.iter().any(|name| name == "all" || name == found.rule.name));
        }
        all.any(|check| check.skip_all || check.skip.iter().any(|name| name == found.rule.name))
    }

    /// Drops what is to be skipped, and adds the error that `error=true` asks for if a warning is left.
    pub fn apply(&self, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.retain(|diagnostic| !self.skips(diagnostic));
        let violated = |diagnostic: &&Diagnostic| diagnostic.rule.level == Level::Warning;
        if !self.error {
            return;
        }
        if diagnostics.iter().any(|found| std::ptr::eq(found.rule, &rules::CHECK_FAILED)) {
            return;
        }
        let Some(first) = diagnostics.iter().find(violated) else { return };
        let at = first.at.clone();
        let mut names: Vec<_> = diagnostics.iter().filter(violated).map(|found| found.rule.name).collect();
        names.sort_unstable();
        names.dedup();
        let message = format!("lint violation found for rules: {}", names.join(", "));
        let problem = Diagnostic::new(&rules::CHECK_FAILED, at, message);
        diagnostics.push(problem.help("Mend them, skip them by `# check=skip=…`, or drop `error=true`"));
    }
}
