//! `save`

use super::Place;
use crate::args::{SaveArgs, SaveFormatArg};
use crate::error::CliError;
use crate::signals::Watch;
use engine::export::Dest;
use engine::images::{self, SaveFormat};
use std::io::{self, IsTerminal};

/// Saves images.
///
/// # Errors
/// If one is not here, or the output cannot be written.
pub(super) fn save(args: &SaveArgs, place: &Place<'_>) -> Result<(), CliError> {
    let dest = match &args.output {
        Some(path) if path.as_os_str() != "-" => Dest::Path(path.clone()),
        _ => Dest::Stdout,
    };
    let format = match args.format {
        SaveFormatArg::DockerArchive => SaveFormat::Docker,
        SaveFormatArg::OciArchive => SaveFormat::Oci,
        SaveFormatArg::OciDir => SaveFormat::OciDir,
    };
    if dest == Dest::Stdout && format == SaveFormat::OciDir {
        return Err(CliError::usage_help(
            "a directory is not written to standard output",
            "name it with -o DIR",
        ));
    }
    if dest == Dest::Stdout && io::stdout().is_terminal() {
        return Err(CliError::usage_help(
            "an archive is not written to a terminal",
            "name a file with -o FILE, or redirect standard output",
        ));
    }
    let watch = Watch::start()?;
    let saved = images::save(&place.store()?, &args.images, format, &dest, &mut io::stdout(), watch.cancel());
    saved.map_err(|error| {
        watch.or_interrupted(match dest {
            Dest::Stdout => CliError::writing_stdout(&error),
            Dest::Path(_) => error.into(),
        })
    })
}
