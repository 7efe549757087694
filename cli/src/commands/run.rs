//! `run`

use super::{Place, RUN_USAGE};
use crate::args::RunArgs;
use crate::error::{CliError, chain};
use crate::request;
use engine::container::{self, Attach, ContainerError};
use engine::images::{self, ImageError};
use engine::store::Store;
use oci::Platform;
use std::io;
use std::os::fd::AsFd;

/// Runs a container to its end.
///
/// # Errors
/// Always, but for a command that ends with 0: the error carries the exit code.
pub(super) fn run(args: &RunArgs, place: &Place<'_>) -> Result<(), CliError> {
    match start(args, place) {
        Ok(0) => Ok(()),
        Ok(code) => Err(CliError::Ended(i32::from(code))),
        Err(error @ CliError::Container { .. }) => Err(error),
        // Whatever kept the container from being made.
        Err(error) => {
            crate::log::say(&error.text());
            Err(CliError::Ended(RUN_USAGE))
        }
    }
}

fn start(args: &RunArgs, place: &Place<'_>) -> Result<u8, CliError> {
    let request = request::run(args, place.env)?;
    let platform = request::platform(args.platform.as_deref(), place.env)?;
    let attach = attach(args.interactive).map_err(|error| CliError::failed(&error))?;
    let store = place.store()?;
    if let Some(platform) = platform {
        check(&store, &request.image, &platform)?;
    }
    container::run(&store, &request, attach).map_err(|failure| error(&failure))
}

/// This process's streams.
///
/// # Errors
/// If they cannot be copied.
pub(super) fn attach(interactive: bool) -> io::Result<Attach> {
    let stdin = interactive.then(|| io::stdin().as_fd().try_clone_to_owned()).transpose()?;
    let (stdout, stderr) =
        (io::stdout().as_fd().try_clone_to_owned()?, io::stderr().as_fd().try_clone_to_owned()?);
    Ok(Attach { stdin, stdout, stderr })
}

fn check(store: &Store, image: &str, wanted: &Platform) -> Result<(), CliError> {
    let found = images::inspect(store, image)?;
    let field = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    let has = [field("Os"), field("Architecture"), field("Variant")].join("/");
    let has: Platform = has.trim_end_matches('/').parse().map_err(|error| CliError::failed(&error))?;
    if has != *wanted {
        return Err(CliError::usage(format!("image `{image}` is for {has}, not for {wanted}")));
    }
    Ok(())
}

fn error(error: &ContainerError) -> CliError {
    let help = match error {
        ContainerError::Image(ImageError::NotFound(name)) => {
            format!(
                "\nhelp: images are not pulled: make it with `lapstrake build -t {name}`, `load` or `import`"
            )
        }
        _ => String::new(),
    };
    CliError::Container { message: format!("{}{help}", chain(error)), code: error.exit_code() }
}
