//! `debug`

use super::{Place, run};
use crate::args::DebugArgs;
use crate::error::CliError;
use crate::{format, log, output, request, table, visible};
use engine::build::debug::{self, DebugError, Row, Session};
use std::io::{self, IsTerminal};

/// Opens a failed step, lists what there is, or removes it.
///
/// # Errors
/// Always, but for a command that ends with 0: the error carries the exit code.
pub(super) fn debug(args: &DebugArgs, place: &Place<'_>) -> Result<(), CliError> {
    if args.list {
        return list(&debug::list(&place.store()?).map_err(|failure| error(&failure))?);
    }
    if args.rm {
        return remove(args, place);
    }
    let session = Session {
        id: args.id.clone(),
        command: args.command.clone(),
        script: args.script.clone(),
        terminal: args.script.is_none() && io::stdin().is_terminal() && io::stdout().is_terminal(),
        secrets: request::secrets(&args.secrets, place.env)?,
        ssh: request::ssh(&args.ssh, place.env)?,
        program_dirs: place.env.program_dirs(),
    };
    let attach = run::attach(true).map_err(|error| CliError::failed(&error))?;
    let store = place.store()?;
    let mut say = |text: String| log::say(&format!("note: {}\n", visible::text(&text)));
    match debug::run(&store, &session, attach, &mut say).map_err(|failure| error(&failure))? {
        0 => Ok(()),
        code => Err(CliError::Ended(i32::from(code))),
    }
}

fn remove(args: &DebugArgs, place: &Place<'_>) -> Result<(), CliError> {
    let store = place.store()?;
    let ids: Vec<String> = match &args.id {
        Some(id) => vec![id.clone()],
        None => {
            let all = debug::list(&store).map_err(|failure| error(&failure))?;
            all.into_iter().map(|row| row.id).collect()
        }
    };
    for id in ids {
        output::line(&debug::remove(&store, &id).map_err(|failure| error(&failure))?)?;
    }
    store.gc()?;
    Ok(())
}

fn list(rows: &[Row]) -> Result<(), CliError> {
    let now = engine::clock::unix_seconds(engine::clock::now());
    let cells = |row: &Row| {
        let ago = format::ago(now, row.time);
        vec![row.id.clone(), ago, format::size(row.size), row.dockerfile.clone(), row.name.clone()]
    };
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    output::print(&table::render(&["ID", "FAILED", "SIZE", "FILE", "STEP"], &rows))
}

fn error(error: &DebugError) -> CliError {
    let help = match error {
        DebugError::None => "the last steps that failed in `lapstrake build` are kept, each for a week",
        DebugError::Unknown { .. } => "`lapstrake debug --list` shows what is kept",
        _ => return CliError::failed(error),
    };
    CliError::Failed { message: error.to_string(), help: Some(help.to_owned()) }
}
