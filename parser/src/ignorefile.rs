//! `.dockerignore`: which paths of a context a build sees.
//!
//! One pattern a line, each anchored at the context's root: `*.log` matches no `dir/x.log`, `**/*.log` does. `!` at
//! the start brings paths back. A pattern that matches a directory holds for all below it. The last pattern that
//! matches decides. Lines that start with `#` are comments.

#[cfg(test)]
mod tests;

use crate::diagnostic::Diagnostic;
use crate::glob::{BadPattern, PathPattern, ends};
use crate::rules;

/// What a build does with a path of the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is part of the context.
    Keep,
    /// It is not, and nothing below it is.
    Drop,
    /// It is not, but a `!` pattern may bring back something below it.
    DropButDescend,
}

/// The patterns of one ignore file.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    patterns: Vec<Line>,
    exceptions: bool,
    problems: Vec<Diagnostic>,
}

#[derive(Debug, Clone)]
struct Line {
    pattern: PathPattern,
    /// `!`
    keep: bool,
    /// 1 is the first.
    number: usize,
    written: String,
}

impl Ignore {
    /// Reads the text of an ignore file. Lines that are no patterns are left out and are in [`Self::problems`].
    pub fn parse(text: &str) -> Self {
        let mut ignore = Self::default();
        let mut start = 0;
        for (index, raw) in text.split_inclusive('\n').enumerate() {
            let bare = if index == 0 { raw.trim_start_matches('\u{feff}') } else { raw };
            if !bare.starts_with('#') {
                ignore.line(index + 1, bare.trim(), start + (raw.len() - bare.trim_start().len()));
            }
            start += raw.len();
        }
        ignore
    }

    /// Patterns as an option of a command gives them: none is a comment, and a `/` at the start stays, so that such a
    /// pattern matches nothing.
    ///
    /// # Errors
    /// The first pattern that is none.
    pub fn of_patterns<'p>(patterns: impl IntoIterator<Item = &'p str>) -> Result<Self, BadPattern> {
        let mut ignore = Self::default();
        for (index, written) in patterns.into_iter().enumerate() {
            let cleaned = clean(written.trim());
            let (keep, pattern) = cleaned.strip_prefix('!').map_or((false, &*cleaned), |rest| (true, rest));
            if written.trim().is_empty() {
                continue;
            }
            if pattern.is_empty() {
                return Err(BadPattern(written.to_owned()));
            }
            let pattern = PathPattern::new(pattern.as_bytes())?;
            ignore.exceptions |= keep;
            ignore.patterns.push(Line { pattern, keep, number: index + 1, written: written.to_owned() });
        }
        Ok(ignore)
    }

    /// The opposite of an ignore file: drops all but what `pattern` matches and what is below that.
    ///
    /// # Errors
    /// The pattern is none.
    pub fn all_but(pattern: &str) -> Result<Self, BadPattern> {
        Self::of_patterns(["*", &format!("!{}", clean(pattern.trim()))])
    }

    /// Lines that could not be understood, each an error; places are byte ranges of the text.
    pub fn problems(&self) -> &[Diagnostic] {
        &self.problems
    }

    /// Whether it drops nothing.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a `!` line brings back what others drop.
    pub fn has_exceptions(&self) -> bool {
        self.exceptions
    }

    /// What becomes of `path`: relative to the context, `/` between its parts, none at either end.
    pub fn verdict(&self, path: &[u8], is_dir: bool) -> Verdict {
        if self.decide(path).is_none() {
            return Verdict::Keep;
        }
        let may_return = |line: &Line| line.keep && line.pattern.may_match_below(path);
        if is_dir && self.exceptions && self.patterns.iter().any(may_return) {
            Verdict::DropButDescend
        } else {
            Verdict::Drop
        }
    }

    /// The line (1 is the first) and pattern that drop `path`; `None` where it is kept.
    pub fn excluded_by(&self, path: &[u8]) -> Option<(usize, String)> {
        let line = &self.patterns[self.decide(path)?];
        Some((line.number, line.written.clone()))
    }

    fn line(&mut self, number: usize, written: &str, at: usize) {
        if written.is_empty() {
            return;
        }
        let (keep, pattern) = written.strip_prefix('!').map_or((false, written), |rest| (true, rest.trim()));
        let place = at..at + written.len();
        let clean = clean(pattern);
        if pattern.is_empty() || keep && clean == "/" {
            let problem = Diagnostic::new(&rules::IGNORE_PATTERN, place, "`!` without a pattern");
            self.problems.push(problem.help("Write the pattern to keep after the `!`"));
            return;
        }
        let clean = if clean.len() > 1 { clean.strip_prefix('/').unwrap_or(&clean) } else { &clean };
        match PathPattern::new(clean.as_bytes()) {
            Ok(pattern) => {
                self.exceptions |= keep;
                self.patterns.push(Line { pattern, keep, number, written: written.to_owned() });
            }
            Err(error) => {
                let problem = Diagnostic::new(&rules::IGNORE_PATTERN, place, error.to_string());
                self.problems.push(problem.help("Close every `[` with a `]`, and put no `\\` at the end"));
            }
        }
    }

    /// The index of the line that drops `path`.
    fn decide(&self, path: &[u8]) -> Option<usize> {
        if self.exceptions {
            return self.decide_downwards(path);
        }
        self.patterns.iter().position(|line| line.pattern.matches_or_parent(path))
    }

    /// Walks down from the root, as the reference implementation does: a line once matched by a directory holds below
    /// it; a line that could not change the state is not looked at, and so does not hold below.
    fn decide_downwards(&self, path: &[u8]) -> Option<usize> {
        let mut held = vec![false; self.patterns.len()];
        let mut dropped = None;
        for end in ends(path) {
            dropped = None;
            for (index, line) in self.patterns.iter().enumerate() {
                if !held[index] {
                    if line.keep != dropped.is_some() {
                        continue;
                    }
                    held[index] = line.pattern.matches(&path[..end]);
                }
                if held[index] {
                    dropped = if line.keep { None } else { Some(index) };
                }
            }
        }
        dropped
    }
}

/// Go's `filepath.Clean`: no `.`, no doubled or trailing `/`, `x/..` resolved.
fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}
