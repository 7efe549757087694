//! `history`

use super::Place;
use crate::args::HistoryArgs;
use crate::error::CliError;
use crate::template::Template;
use crate::{format, output, table};
use engine::clock;
use engine::images::{self, HistoryRow};
use serde_json::{Value, json};

/// docker cuts instructions here.
const WIDTH: usize = 45;

/// Prints how an image came about.
///
/// # Errors
/// If there is no such image.
pub(super) fn history(args: &HistoryArgs, place: &Place<'_>) -> Result<(), CliError> {
    let template = args.format.as_deref().map(Template::parse).transpose()?;
    let rows = images::history(&place.store()?, &args.image)?;
    let now = clock::unix_seconds(clock::now());
    let all: Vec<Vec<String>> = rows.iter().map(|row| cells(row, args, now)).collect();
    if let Some(template) = template {
        let mut pairs = all.iter().zip(&rows);
        return pairs.try_for_each(|(cells, row)| output::line(&template.render(&object(cells, row))?));
    }
    if args.quiet {
        return all.iter().try_for_each(|cells| output::line(&cells[0]));
    }
    let created = if args.human { "CREATED" } else { "CREATED AT" };
    output::print(&table::render(&["IMAGE", created, "CREATED BY", "SIZE", "COMMENT"], &all))
}

fn cells(row: &HistoryRow, args: &HistoryArgs, now: i64) -> Vec<String> {
    let id = row.id.map_or_else(|| "<missing>".to_owned(), |id| id.to_string());
    let created = match row.created {
        None => "N/A".to_owned(),
        Some(time) if args.human => format::ago(now, time),
        Some(time) => clock::rfc3339(time),
    };
    let by = row.created_by.replace(['\n', '\t'], " ");
    vec![
        if args.no_trunc || row.id.is_none() { id } else { format::short_id(&id) },
        created,
        if args.no_trunc { by } else { format::shorten(&by, WIDTH) },
        if args.human { format::size(row.size) } else { row.size.to_string() },
        row.comment.clone(),
    ]
}

/// docker's field names.
fn object(cells: &[String], row: &HistoryRow) -> Value {
    json!({
        "ID": cells[0],
        "CreatedSince": cells[1],
        "CreatedAt": row.created.map(clock::rfc3339),
        "CreatedBy": cells[2],
        "Size": cells[3],
        "Comment": cells[4],
    })
}
