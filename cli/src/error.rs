//! What goes wrong in a command: its words, its hint, its exit code.

use crate::visible;
use engine::container::ContainerError;
use engine::export::ExportError;
use engine::images::ImageError;
use engine::store::StoreError;
use std::error::Error;
use std::fmt::Write;
use std::io;
use std::path::Path;

/// Exit code of a command line, or a Dockerfile, that means nothing.
pub(crate) const USAGE: i32 = 2;
/// Exit code of what was understood and did not work.
pub(crate) const FAILED: i32 = 1;
/// Exit code of a bug here (sysexits.h, EX_SOFTWARE).
pub(crate) const OWN_FAULT: i32 = 70;

const SIGPIPE: i32 = 13;

/// Why a command ended without its result.
#[derive(Debug)]
pub(crate) enum CliError {
    /// The command line means nothing, or asks for what there is not.
    Usage {
        /// What, in one line.
        message: String,
        /// What the user can do.
        help: Option<String>,
    },
    /// It was understood and did not work.
    Failed {
        /// What, with its causes, in one line.
        message: String,
        /// What the user can do.
        help: Option<String>,
    },
    /// A container did not run: the exit code is docker's.
    Container {
        /// What, with its causes, in one line.
        message: String,
        /// 125, 126 or 127.
        code: u8,
    },
    /// All is said: only the exit code is left.
    Ended(i32),
    /// A signal asked for the end.
    Interrupted(i32),
    /// Nobody reads standard output any more.
    BrokenPipe,
}

impl CliError {
    /// A usage error without a hint.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        CliError::Usage { message: message.into(), help: None }
    }

    /// A usage error with a hint.
    pub(crate) fn usage_help(message: impl Into<String>, help: impl Into<String>) -> Self {
        CliError::Usage { message: message.into(), help: Some(help.into()) }
    }

    /// A failure in a library's words.
    pub(crate) fn failed(error: &(dyn Error + 'static)) -> Self {
        CliError::Failed { message: chain(error), help: hint(error) }
    }

    /// A failure to do `action` to the file at `path`.
    pub(crate) fn file(action: &str, path: &Path, error: &io::Error) -> Self {
        let message = format!("{action} {}: {error}", path.display());
        CliError::Failed { message, help: hint(error) }
    }

    /// A failure to write standard output.
    pub(crate) fn stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => CliError::BrokenPipe,
            _ => CliError::Failed { message: format!("write standard output: {error}"), help: None },
        }
    }

    /// A failure of work that writes standard output: that nobody reads it is no news.
    pub(crate) fn writing_stdout(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(cause) = next {
            if cause.downcast_ref::<io::Error>().is_some_and(|io| io.kind() == io::ErrorKind::BrokenPipe) {
                return CliError::BrokenPipe;
            }
            next = cause.source();
        }
        CliError::failed(error)
    }

    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> i32 {
        match self {
            CliError::Usage { .. } => USAGE,
            CliError::Failed { .. } => FAILED,
            CliError::Container { code, .. } => i32::from(*code),
            CliError::Ended(code) => *code,
            CliError::Interrupted(signal) => 128 + signal,
            CliError::BrokenPipe => 128 + SIGPIPE,
        }
    }

    /// What standard error is told; empty if nothing is left to say.
    pub(crate) fn text(&self) -> String {
        let (message, help) = match self {
            CliError::Usage { message, help } | CliError::Failed { message, help } => {
                (message, help.as_ref())
            }
            CliError::Container { message, .. } => (message, None),
            CliError::Interrupted(_) => return "canceled\n".to_owned(),
            CliError::Ended(_) | CliError::BrokenPipe => return String::new(),
        };
        let help = help.map(|help| format!("help: {help}\n")).unwrap_or_default();
        visible::text(&format!("error: {message}\n{help}")).into_owned()
    }
}

/// An error and its causes in one line. A cause that its effect repeats is left out.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            // Writing to a string does not fail.
            write!(text, ": {words}").unwrap_or_default();
        }
        next = cause.source();
    }
    text
}

/// What the user can do about it, by the kind of the innermost cause.
fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return io_hint(io.kind()).map(str::to_owned);
        }
        next = cause.source();
    }
    None
}

fn io_hint(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::StorageFull => Some("the disk is full: free some space, and try again"),
        io::ErrorKind::QuotaExceeded => Some("the disk quota is used up: free some space, and try again"),
        io::ErrorKind::PermissionDenied => Some("lapstrake needs root today: run it as root"),
        _ => None,
    }
}

impl From<ImageError> for CliError {
    fn from(error: ImageError) -> Self {
        match &error {
            ImageError::Reference(_)
            | ImageError::Filter(_)
            | ImageError::Change { .. }
            | ImageError::Pinned(_) => CliError::usage(chain(&error)),
            _ => CliError::failed(&error),
        }
    }
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> Self {
        CliError::failed(&error)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        CliError::failed(&error)
    }
}

impl From<ContainerError> for CliError {
    fn from(error: ContainerError) -> Self {
        CliError::failed(&error)
    }
}

#[cfg(test)]
mod tests;
