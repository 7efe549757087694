//! One instruction taken apart: keyword, flags, arguments; not yet understood.

use crate::ast::Spanned;
use crate::diagnostic::Diagnostic;
use crate::from_pairs::{self, Flag, Json};
use crate::rules;
use crate::source::Logical;
use std::ops::Range;

/// An instruction's parts. All ranges are of the logical line's text.
#[derive(Debug)]
pub(crate) struct Statement<'a, 's> {
    pub(crate) line: &'a Logical<'s>,
    pub(crate) name: Range<usize>,
    /// The name in capitals, where it is an instruction's.
    pub(crate) keyword: &'static str,
    pub(crate) flags: Vec<Flag>,
    /// Trimmed.
    pub(crate) args: Range<usize>,
    pub(crate) escape: char,
}

/// The instructions.
pub(crate) const KEYWORDS: &[&str] = &[
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

impl<'a, 's> Statement<'a, 's> {
    /// Takes apart the part `within` of a line.
    pub(crate) fn new(line: &'a Logical<'s>, within: Range<usize>, escape: char) -> Self {
        let within = trim(line.text(), within);
        let head = from_pairs::head(&line.text()[within.clone()], escape);
        let shift = |range: Range<usize>| range.start + within.start..range.end + within.start;
        let flags = head.flags.into_iter().map(|flag| Flag {
            whole: shift(flag.whole),
            name: shift(flag.name),
            value: flag.value.map(shift),
        });
        let name = shift(head.name);
        let written = &line.text()[name.clone()];
        let keyword = KEYWORDS.iter().find(|keyword| keyword.eq_ignore_ascii_case(written));
        Self {
            line,
            keyword: keyword.copied().unwrap_or(""),
            flags: flags.collect(),
            args: trim(line.text(), head.rest + within.start..within.end),
            name,
            escape,
        }
    }

    /// The text of a range.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &str {
        &self.line.text()[range.clone()]
    }

    /// Where a range lies in the source.
    pub(crate) fn span(&self, range: &Range<usize>) -> Range<usize> {
        self.line.span(range.clone())
    }

    /// A range with its text.
    pub(crate) fn spanned(&self, range: &Range<usize>) -> Spanned<String> {
        Spanned { node: self.slice(range).to_owned(), span: self.span(range) }
    }

    /// From the keyword to the end of the arguments, in the source.
    pub(crate) fn whole(&self) -> Range<usize> {
        let flags_end = self.flags.last().map_or(self.name.end, |flag| flag.whole.end);
        let end = if self.args.is_empty() { flags_end } else { self.args.end };
        self.span(&(self.name.start..end))
    }

    /// The arguments as a JSON array. An array with other things than strings is reported, and is `Err`.
    pub(crate) fn json(
        &self,
        args: &Range<usize>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<Option<Vec<Spanned<String>>>, ()> {
        let shift = |range: Range<usize>| range.start + args.start..range.end + args.start;
        match from_pairs::json(self.slice(args)) {
            Json::No => Ok(None),
            Json::Strings(strings) => {
                let spanned = |(node, at)| Spanned { node, span: self.span(&shift(at)) };
                Ok(Some(strings.into_iter().map(spanned).collect()))
            }
            Json::Other(at) => {
                let at = self.span(&shift(at));
                let problem = Diagnostic::new(
                    &rules::JSON_STRINGS,
                    at,
                    "when using JSON array syntax, arrays must be comprised of strings only",
                );
                diagnostics.push(problem.label("no string").help("Put it in double quotes"));
                Err(())
            }
        }
    }

    /// The arguments as a JSON array of strings, or else as words between blanks.
    pub(crate) fn list(&self, diagnostics: &mut Vec<Diagnostic>) -> Option<Vec<Spanned<String>>> {
        Some(self.json(&self.args, diagnostics).ok()?.unwrap_or_else(|| self.words()))
    }

    /// The arguments as words between blanks.
    pub(crate) fn words(&self) -> Vec<Spanned<String>> {
        let base = self.args.start;
        let words = from_pairs::words(self.slice(&self.args)).into_iter();
        words.map(|word| self.spanned(&(word.start + base..word.end + base))).collect()
    }

    /// The arguments as one word that goes to their end.
    pub(crate) fn single(&self, diagnostics: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
        if self.args.is_empty() {
            diagnostics.push(self.arguments("requires exactly one argument"));
            return None;
        }
        Some(self.spanned(&self.args))
    }

    /// A wrong number of arguments.
    pub(crate) fn arguments(&self, what: &str) -> Diagnostic {
        Diagnostic::new(&rules::ARGUMENTS, self.whole(), format!("{} {what}", self.keyword))
    }
}

/// Shortens a range by the blanks at both its ends.
pub(crate) fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let slice = &text[range.clone()];
    let start = range.end - slice.trim_start().len();
    start..start + slice.trim().len()
}
