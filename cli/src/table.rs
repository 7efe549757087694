//! Tables as docker prints them: columns padded to the widest cell, three blanks between them.

use crate::visible;
use std::fmt::Write;

/// Rows under a heading, ready to print. The last column is not padded.
pub(crate) fn render(heading: &[&str], rows: &[Vec<String>]) -> String {
    let shown = |row: &Vec<String>| row.iter().map(|cell| visible::text(cell).into_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(shown).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| console::measure_text_width(&row[column]));
        cells.chain([heading[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    let heading: Vec<String> = heading.iter().map(|title| (*title).to_owned()).collect();
    for row in std::iter::once(&heading).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let pad = width - console::measure_text_width(cell);
            // Writing to a string does not fail.
            write!(line, "{cell}{:pad$}   ", "").unwrap_or_default();
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["busybox".into(), "1B".into()], vec!["é".into(), "12B".into()]];
        assert_eq!(super::render(&["NAME", "SIZE"], &rows), "NAME      SIZE\nbusybox   1B\né         12B\n");
    }
}
