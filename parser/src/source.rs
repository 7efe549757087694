//! Physical lines, and the logical lines that continuations join. Every byte of a logical line knows where it came
//! from, so spans of it are spans of the source.

use crate::rules;
use std::borrow::Cow;
use std::ops::Range;

use crate::diagnostic::Diagnostic;

/// One instruction's text, joined.
#[derive(Debug)]
pub(crate) struct Logical<'s> {
    text: Cow<'s, str>,
    /// (offset in `text`, offset in the source), ascending, from where the two run in step. Never empty.
    pieces: Vec<(usize, usize)>,
    source: &'s str,
}

impl<'s> Logical<'s> {
    fn new(source: &'s str, first: Range<usize>) -> Self {
        Self { text: Cow::Borrowed(&source[first.clone()]), pieces: vec![(0, first.start)], source }
    }

    fn push(&mut self, piece: Range<usize>) {
        if piece.is_empty() {
            return;
        }
        let text = self.text.to_mut();
        self.pieces.push((text.len(), piece.start));
        text.push_str(&self.source[piece]);
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The text that spans point into.
    pub(crate) fn source(&self) -> &'s str {
        self.source
    }

    /// Where a range of the text lies in the source. Continuation marks inside are in the range, those around it not.
    pub(crate) fn span(&self, range: Range<usize>) -> Range<usize> {
        // The end belongs to the piece of the last byte.
        let last = if range.is_empty() { range.start } else { range.end - 1 };
        let start = self.at(range.start, range.start);
        if range.is_empty() { start..start } else { start..self.at(last, range.end) }
    }

    fn at(&self, inside: usize, offset: usize) -> usize {
        let piece = self.pieces.partition_point(|(text, _)| *text <= inside).saturating_sub(1);
        let (text, source) = self.pieces[piece];
        source + (offset - text)
    }
}

/// Reads a source line by line.
#[derive(Debug)]
pub(crate) struct Lines<'s> {
    source: &'s str,
    pos: usize,
    escape: char,
}

impl<'s> Lines<'s> {
    /// A byte order mark at the start is skipped.
    pub(crate) fn new(source: &'s str, escape: char) -> Self {
        let pos = if source.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { source, pos, escape }
    }

    pub(crate) fn source(&self) -> &'s str {
        self.source
    }

    pub(crate) fn position(&self) -> usize {
        self.pos
    }

    pub(crate) fn escape(&self) -> char {
        self.escape
    }

    pub(crate) fn set_escape(&mut self, escape: char) {
        self.escape = escape;
    }

    /// The next physical line with its line break.
    pub(crate) fn next_raw(&mut self) -> Option<Range<usize>> {
        let rest = &self.source[self.pos..];
        if rest.is_empty() {
            return None;
        }
        let len = rest.find('\n').map_or(rest.len(), |at| at + 1);
        let line = self.pos..self.pos + len;
        self.pos = line.end;
        Some(line)
    }

    /// The next physical line, without blanks before and line break after.
    pub(crate) fn next_line(&mut self) -> Option<Range<usize>> {
        let raw = self.next_raw()?;
        let text = self.trim_break(&raw);
        let start = text.end - self.source[text.clone()].trim_start().len();
        Some(start..text.end)
    }

    fn trim_break(&self, raw: &Range<usize>) -> Range<usize> {
        raw.start..raw.start + self.source[raw.clone()].trim_end_matches(['\r', '\n']).len()
    }

    /// Joins the lines that continue `first`, a line of [`Self::next_line`]. `None` if `first` is empty.
    ///
    /// Comment lines inside are dropped; empty ones too, with a warning.
    pub(crate) fn logical(
        &mut self,
        first: Range<usize>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Logical<'s>> {
        let (text, mut continues) = self.cut_continuation(first);
        if text.is_empty() && !continues {
            return None;
        }
        let mut logical = Logical::new(self.source, text);
        let mut empty_line: Option<Range<usize>> = None;
        while continues {
            let Some(raw) = self.next_raw() else { break };
            let line = self.trim_break(&raw);
            let trimmed = self.source[line.clone()].trim_start();
            if trimmed.starts_with('#') {
                continue;
            }
            if trimmed.is_empty() {
                empty_line.get_or_insert(raw);
                continue;
            }
            let (text, more) = self.cut_continuation(line);
            continues = more;
            logical.push(text);
        }
        if let Some(at) = empty_line {
            let warning = Diagnostic::new(&rules::NO_EMPTY_CONTINUATION, at, "Empty continuation line");
            diagnostics.push(warning.help("Remove the line, or put a `#` on it"));
        }
        Some(logical)
    }

    /// Cuts an escape character at the line's end, unless another stands before it.
    fn cut_continuation(&self, line: Range<usize>) -> (Range<usize>, bool) {
        let text = self.source[line.clone()].trim_end_matches([' ', '\t']);
        match text.strip_suffix(self.escape) {
            Some(kept) if !kept.ends_with(self.escape) => (line.start..line.start + kept.len(), true),
            _ => (line, false),
        }
    }
}
