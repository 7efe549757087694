//! The answers for people.

use crate::diagnostics::Source;
use parser::ast::Dockerfile;
use parser::diagnostic::Diagnostic;
use solver::lower::outline::{Given, Outline, description};

/// The findings, with the pages that explain them.
pub(super) fn findings(found: &[Diagnostic], source: &Source<'_>) -> String {
    let errors = found.iter().filter(|finding| finding.is_error()).count();
    let count = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what} has been found")),
        count => Some(format!("{count} {what}s have been found")),
    };
    let counts: Vec<String> =
        [count(found.len() - errors, "warning"), count(errors, "error")].into_iter().flatten().collect();
    if counts.is_empty() {
        return "Check complete, no warnings found.\n".to_owned();
    }
    format!("Check complete, {}!\n{}", counts.join(", "), source.render_with_pages(found))
}

/// All stages.
pub(super) fn targets(file: &Dockerfile) -> String {
    let mut rows = vec![vec!["TARGET".to_owned(), "DESCRIPTION".to_owned()]];
    for (index, stage) in file.stages.iter().enumerate() {
        let from = &stage.from.node;
        let mut name = from.name.as_ref().map(|name| name.node.to_lowercase()).unwrap_or_default();
        let about = description(from.doc.as_deref(), &name);
        if index + 1 == file.stages.len() {
            name = if name.is_empty() { "(default)".into() } else { format!("{name} (default)") };
        }
        rows.push(vec![name, about]);
    }
    table(&rows, 1)
}

/// What a target takes: a table for each kind that there is.
pub(super) fn outline(outline: &Outline) -> String {
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let mut text = String::new();
    let mut section = |rows: &[Vec<String>], gap| {
        text.push_str(&table(rows, gap));
        text.push('\n');
    };
    if !outline.name.is_empty() {
        let mut rows = vec![row(&["TARGET:", &outline.name])];
        if !outline.description.is_empty() {
            rows.push(row(&["DESCRIPTION:", &outline.description]));
        }
        section(&rows, 1);
    }
    if !outline.args.is_empty() {
        let mut rows = vec![row(&["BUILD ARG", "VALUE", "DESCRIPTION"])];
        rows.extend(outline.args.iter().map(|arg| row(&[&arg.name, &arg.value, &arg.description])));
        section(&rows, 3);
    }
    let given = |title: &str, list: &[Given]| {
        let mut rows = vec![row(&[title, "REQUIRED"])];
        rows.extend(list.iter().map(|one| row(&[&one.name, if one.required { "true" } else { "" }])));
        rows
    };
    for (title, list) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if !list.is_empty() {
            section(&given(title, list), 3);
        }
    }
    text
}

/// Columns as wide as their widest cell and `gap` blanks; the last one is not filled up.
fn table(rows: &[Vec<String>], gap: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default() + gap
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let fill = if column + 1 == row.len() { 0 } else { widths[column] - cell.chars().count() };
            text.push_str(cell);
            text.push_str(&" ".repeat(fill));
        }
        text.push('\n');
    }
    text
}
