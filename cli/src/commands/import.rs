//! `import`

use super::Place;
use crate::args::ImportArgs;
use crate::error::CliError;
use crate::signals::Watch;
use crate::{output, request};
use engine::clock;
use engine::images::{self, ImportRequest, Input};
use oci::Platform;

/// Makes an image of a root file system's tar, and prints its id.
///
/// # Errors
/// Wrong flags, or a tar that is damaged or hostile.
pub(super) fn import(args: ImportArgs, place: &Place<'_>) -> Result<(), CliError> {
    let name = args.name.as_deref().map(request::new_name).transpose()?;
    let platform = request::platform(args.platform.as_deref(), place.env)?.unwrap_or_else(Platform::host);
    let epoch = match place.env.source_date_epoch() {
        Some(text) => Some(text.parse::<i64>().map_err(|_| {
            CliError::usage(format!("SOURCE_DATE_EPOCH is `{text}`, which is no number of seconds"))
        })?),
        None => None,
    };
    if args.file.contains("://") {
        return Err(CliError::usage_help(
            format!("`{}` is remote, which is not supported yet", args.file),
            "fetch it, and name the file",
        ));
    }
    let watch = Watch::start()?;
    let input = match args.file.as_str() {
        "-" => super::load::stdin(&watch)?,
        file => Input::Path(file.into()),
    };
    let import = ImportRequest {
        input,
        changes: args.changes,
        message: args.message.unwrap_or_default(),
        platform,
        name,
        created: epoch.unwrap_or_else(|| clock::unix_seconds(clock::now())),
        epoch,
    };
    let store = place.store()?;
    let id = images::import(&store, import, watch.cancel());
    output::line(&id.map_err(|error| watch.or_interrupted(error.into()))?.to_string())?;
    Ok(store.sync()?)
}
