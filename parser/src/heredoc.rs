//! Here-documents: found on the command line, their bodies cut out of the lines below it.

use crate::ast::{Heredoc, Spanned};
use crate::diagnostic::Diagnostic;
use crate::rules;
use crate::source::Lines;
use crate::statement::Statement;
use crate::words::{self, ExpandError};
use std::ops::Range;

/// `[fd]<<[-]NAME` on a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) name: String,
    pub(crate) expand: bool,
    pub(crate) chomp: bool,
    pub(crate) fd: u32,
}

/// What `word` opens. `None` where it is another kind of word.
pub(crate) fn opening(word: &str) -> Result<Option<Opening>, ExpandError> {
    let after_fd = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(rest) = after_fd.strip_prefix("<<") else { return Ok(None) };
    let (chomp, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
    let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
    if rest.is_empty() || rest.contains('<') {
        return Ok(None);
    }
    let (plain, quoted) = words::split_both(rest)?;
    let ([name], [quoted]) = (plain.as_slice(), quoted.as_slice()) else { return Ok(None) };
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    let fd = word[..word.len() - after_fd.len()].parse().unwrap_or(0);
    Ok(Some(Opening { name: name.clone(), expand: quotes(name) == quotes(quoted), chomp, fd }))
}

/// Reads the bodies of all here-documents that `line` opens. A line whose quotes do not pair opens none.
pub(crate) fn read(
    statement: &Statement<'_, '_>,
    lines: &mut Lines<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Heredoc> {
    let line = statement.line;
    let text = line.text();
    if !text.contains("<<") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for word in words::split_raw(text).unwrap_or_default() {
        // Substitutions inside a word may have changed it: then the whole line is the place.
        let place = || {
            let at = text.find(&word).map(|at| at..at + word.len());
            line.span(at.unwrap_or(0..text.len()))
        };
        match opening(&word) {
            Ok(None) => {}
            Ok(Some(opening)) => match body(&opening, lines) {
                Ok(body) => found.push(heredoc(opening, body)),
                Err(near) => {
                    diagnostics.push(unterminated(&opening, place(), near));
                    break;
                }
            },
            Err(error) => {
                diagnostics.push(Diagnostic::new(&rules::HEREDOC, place(), error.to_string()));
                break;
            }
        }
    }
    found
}

fn heredoc(opening: Opening, body: Spanned<String>) -> Heredoc {
    let Opening { name, expand, chomp, fd } = opening;
    let body = if chomp { Spanned { node: without_tabs(&body.node), span: body.span } } else { body };
    Heredoc { name, expand, chomp, fd, body }
}

/// The lines up to the one that is the name alone. On error, whether some line nearly is.
fn body(opening: &Opening, lines: &mut Lines<'_>) -> Result<Spanned<String>, bool> {
    let start = lines.position();
    let source = lines.source();
    let mut near = false;
    while let Some(raw) = lines.next_raw() {
        let line = source[raw.clone()].trim_end_matches(['\r', '\n']);
        let line = if opening.chomp { line.trim_start_matches('\t') } else { line };
        if line == opening.name {
            let span = start..raw.start;
            return Ok(Spanned { node: source[span.clone()].to_owned(), span });
        }
        near |= line.trim() == opening.name;
    }
    Err(near)
}

fn unterminated(opening: &Opening, place: Range<usize>, near: bool) -> Diagnostic {
    let name = &opening.name;
    let found = Diagnostic::new(&rules::HEREDOC, place, format!("unterminated heredoc `{name}`"));
    let help = match near {
        true if !opening.chomp => format!(
            "A line holds `{name}` and blanks: it must hold nothing else (`<<-{name}` allows tabs before it)"
        ),
        true => format!("A line holds `{name}` and blanks: only tabs may stand before it"),
        false => format!("End it with a line that is `{name}` alone"),
    };
    found.label("starts here").help(help)
}

/// Cuts the tabs at the start of each line.
fn without_tabs(body: &str) -> String {
    body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}
