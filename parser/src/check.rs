//! `# check=`: which warnings a file does not want, and whether the rest fail the build.

use crate::ast::Dockerfile;
use crate::diagnostic::{Diagnostic, Level, Rule};
use crate::rules;
use std::collections::BTreeSet;
use std::ops::Range;

/// The settings of a file's `# check=` line.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// No warnings at all.
    pub skip_all: bool,
    /// Names of rules that give no warning.
    pub skip: BTreeSet<String>,
    /// Warnings of Docker's own checks that are left fail the build.
    pub error: bool,
    /// Names of experimental rules that are wanted; `all` for all of them.
    pub experimental: BTreeSet<String>,
    /// What comments `# check=skip=…` directly above instructions say about these, in the order of the file.
    pub local: Vec<(Range<usize>, Check)>,
    /// Docker's checks of which parsing left findings.
    pub found: BTreeSet<&'static str>,
    /// Where the first of them is.
    pub first: Option<Range<usize>>,
}

/// Rules that look at the whole file: a comment above one instruction does not change them.
const WHOLE_FILE: [&str; 7] = [
    "NoEmptyContinuation",
    "ConsistentInstructionCasing",
    "DuplicateStageName",
    "ReservedStageName",
    "InvalidDefaultArgInFrom",
    "InvalidBaseImagePlatform",
    // Its place is not the instruction that decides: see `skips_above`.
    "MultipleInstructionsDisallowed",
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

    /// Whether the comment above the instruction that holds `place` leaves out `rule`.
    pub fn skips_above(&self, place: usize, rule: &Rule) -> bool {
        self.above_place(place).is_some_and(|check| check.skip_all || check.skip.contains(rule.name))
    }

    fn above_place(&self, place: usize) -> Option<&Self> {
        let after = self.local.partition_point(|(span, _)| span.start <= place);
        self.local[..after].last().filter(|(span, _)| place <= span.end).map(|(_, check)| check)
    }

    /// Whether a finding is to be left out. Errors never are.
    pub fn skips(&self, found: &Diagnostic) -> bool {
        if found.rule.level == Level::Error {
            return false;
        }
        let above = self.above_place(found.at.start).filter(|_| !WHOLE_FILE.contains(&found.rule.name));
        let all = [Some(self), above];
        let mut all = all.iter().flatten();
        if rules::is_experimental(found.rule) {
            let named =
                |check: &Self| ["all", found.rule.name].iter().any(|name| check.experimental.contains(*name));
            return !all.any(|check| named(check));
        }
        all.any(|check| check.skip_all || check.skip.contains(found.rule.name))
    }

    /// Drops what is to be skipped, and remembers which of Docker's checks are left.
    pub(crate) fn begin(&mut self, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.retain(|diagnostic| !self.skips(diagnostic));
        let warnings = diagnostics.iter().filter(|found| rules::is_docker(found.rule));
        self.first = warnings.clone().next().map(|found| found.at.clone());
        self.found = warnings.map(|found| found.rule.name).collect();
    }

    /// Drops what is to be skipped of the findings that come after parsing, and adds the error that `error=true` asks
    /// for if one of Docker's checks is left, of these or of those that parsing gave. Further rules fail nothing
    /// that Docker builds.
    pub fn finish(&self, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.retain(|diagnostic| !self.skips(diagnostic));
        if !self.error {
            return;
        }
        let of_a_check = |found: &&Diagnostic| rules::is_docker(found.rule);
        let warnings = diagnostics.iter().filter(of_a_check);
        let mut names = self.found.clone();
        names.extend(warnings.clone().map(|found| found.rule.name));
        let first = warnings.map(|found| &found.at).chain(&self.first).min_by_key(|at| at.start);
        let Some(first) = first.cloned() else { return };
        let names: Vec<&str> = names.into_iter().collect();
        let message = format!("lint violation found for rules: {}", names.join(", "));
        let problem = Diagnostic::new(&rules::CHECK_FAILED, first, message);
        diagnostics.push(problem.help("Mend them, skip them by `# check=skip=…`, or drop `error=true`"));
    }
}
