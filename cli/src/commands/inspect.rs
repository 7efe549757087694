//! `inspect`

use super::Place;
use crate::args::InspectArgs;
use crate::error::{CliError, FAILED};
use crate::template::Template;
use crate::{log, output};
use engine::images;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{PrettyFormatter, Serializer};

/// Prints all that is known about images.
///
/// # Errors
/// If any of them is not here; the others are printed.
pub(super) fn inspect(args: &InspectArgs, place: &Place<'_>) -> Result<(), CliError> {
    let template = args.format.as_deref().map(Template::parse).transpose()?;
    let store = place.store()?;
    let mut found = Vec::new();
    let mut failed = false;
    for name in &args.images {
        match images::inspect(&store, name) {
            Ok(value) => found.push(value),
            Err(error) => {
                failed = true;
                log::say(&CliError::from(error).text());
            }
        }
    }
    match template {
        Some(template) => found.iter().try_for_each(|value| output::line(&template.render(value)?))?,
        None => output::line(&pretty(&found)?)?,
    }
    if failed { Err(CliError::Ended(FAILED)) } else { Ok(()) }
}

/// Four blanks a level, as docker does.
fn pretty(values: &[Value]) -> Result<String, CliError> {
    let mut bytes = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut bytes, PrettyFormatter::with_indent(b"    "));
    values.serialize(&mut serializer).map_err(|error| CliError::failed(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
