//! `load`

use super::Place;
use crate::args::LoadArgs;
use crate::error::CliError;
use crate::signals::Watch;
use crate::{output, request};
use engine::cancel::Cancel;
use engine::images::{self, Input};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, IsTerminal, Read};

/// Loads images, and prints their names.
///
/// # Errors
/// If the archive is damaged, hostile or none.
pub(super) fn load(args: &LoadArgs, place: &Place<'_>) -> Result<(), CliError> {
    let platform = request::platform(args.platform.as_deref(), place.env)?;
    let watch = Watch::start()?;
    let input = match &args.input {
        Some(path) => Input::Path(path.clone()),
        None => stdin(&watch)?,
    };
    let store = place.store()?;
    let loaded = images::load(&store, input, platform.as_ref(), watch.cancel());
    for image in loaded.map_err(|error| watch.or_interrupted(error.into()))? {
        if image.names.is_empty() {
            output::line(&format!("Loaded image ID: {}", image.id))?;
        }
        for name in image.names {
            output::line(&format!("Loaded image: {}", name.familiar()))?;
        }
    }
    Ok(store.sync()?)
}

/// Standard input, unless somebody would have to type it.
///
/// # Errors
/// If it is a terminal.
pub(super) fn stdin(watch: &Watch) -> Result<Input, CliError> {
    if io::stdin().is_terminal() {
        return Err(CliError::usage_help(
            "an archive is not read from a terminal",
            "name a file, or redirect standard input",
        ));
    }
    Ok(Input::Stream(Box::new(Stdin(watch.cancel().clone())), "standard input".to_owned()))
}

/// Standard input that wakes up for an interruption, though nobody writes.
struct Stdin(Cancel);

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let mut input = io::stdin();
        loop {
            if self.0.is_canceled() {
                return Err(io::Error::other("canceled"));
            }
            let mut fds = [PollFd::new(&input, PollFlags::IN)];
            match poll(&mut fds, Some(&WAIT)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return input.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
