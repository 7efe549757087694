//! `# check=`: which warnings a file does not want, and whether the rest fail the build.

use crate::ast::Dockerfile;
use crate::diagnostic::{Diagnostic, Level, Rule};
use crate::rules;

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
}

impl Check {
    /// The settings of `file`; the default ones where it has none, or bad ones.
    pub fn of(file: &Dockerfile) -> Self {
        let line = file.directives.iter().find(|directive| directive.name.node == "check");
        line.and_then(|line| Self::parse(&line.value.node).ok()).unwrap_or_default()
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

    /// Whether findings of `rule` are to be left out. Errors never are.
    pub fn skips(&self, rule: &Rule) -> bool {
        rule.level == Level::Warning && (self.skip_all || self.skip.iter().any(|name| name == rule.name))
    }

    /// Drops what is to be skipped, and adds the error that `error=true` asks for if a warning is left.
    pub fn apply(&self, diagnostics: &mut Vec<Diagnostic>) {
        diagnostics.retain(|diagnostic| !self.skips(diagnostic.rule));
        let violated = |diagnostic: &&Diagnostic| diagnostic.rule.level == Level::Warning;
        if !self.error {
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
