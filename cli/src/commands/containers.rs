//! `ps` and `rm`

use super::Place;
use crate::args::{PsArgs, RmArgs};
use crate::error::{CliError, FAILED};
use crate::template::Template;
use crate::{format, log, output, table};
use engine::clock;
use engine::container::{self, Row, Status};
use serde_json::{Value, json};

/// docker cuts commands here.
const COMMAND_WIDTH: usize = 20;

/// Lists containers.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn ps(args: &PsArgs, place: &Place<'_>) -> Result<(), CliError> {
    let template = args.format.as_deref().map(Template::parse).transpose()?;
    let rows = container::list(&place.store()?)?;
    let shown: Vec<&Row> =
        rows.iter().filter(|row| args.all || matches!(row.status, Status::Running)).collect();
    let now = clock::unix_seconds(clock::now());
    let cells = |row: &Row| cells(row, args.no_trunc, now);
    if let Some(template) = template {
        return shown.iter().try_for_each(|row| output::line(&template.render(&object(&cells(row), row))?));
    }
    if args.quiet {
        return shown.iter().try_for_each(|row| output::line(&cells(row)[0]));
    }
    let rows: Vec<Vec<String>> = shown.into_iter().map(cells).collect();
    output::print(&table::render(&["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"], &rows))
}

fn cells(row: &Row, whole: bool, now: i64) -> Vec<String> {
    let command = row.command.join(" ");
    let status = match row.status {
        Status::Running => format!("Up {}", format::span(now - row.created)),
        Status::Exited(code, at) => format!("Exited ({code}) {}", format::ago(now, at)),
        Status::Dead => "Dead".to_owned(),
    };
    vec![
        if whole { row.id.clone() } else { format::short_id(&row.id) },
        row.image.clone(),
        format!("\"{}\"", if whole { command } else { format::shorten(&command, COMMAND_WIDTH) }),
        format::ago(now, row.created),
        status,
        row.name.clone(),
    ]
}

/// docker's field names.
fn object(cells: &[String], row: &Row) -> Value {
    let state = match row.status {
        Status::Running => "running",
        Status::Exited(..) => "exited",
        Status::Dead => "dead",
    };
    json!({
        "ID": cells[0],
        "Image": cells[1],
        "Command": cells[2],
        "CreatedAt": format::time(row.created),
        "RunningFor": cells[3],
        "Status": cells[4],
        "State": state,
        "Names": cells[5],
    })
}

/// Removes containers. One that cannot be removed does not keep the others.
///
/// # Errors
/// If any could not be removed.
pub(super) fn rm(args: &RmArgs, place: &Place<'_>) -> Result<(), CliError> {
    let store = place.store()?;
    let mut failed = false;
    for name in &args.containers {
        match container::remove(&store, name, args.force, args.volumes) {
            Ok(_) => output::line(name)?,
            Err(error) => {
                failed = true;
                log::say(&CliError::from(error).text());
            }
        }
    }
    if failed { Err(CliError::Ended(FAILED)) } else { Ok(()) }
}
