//! Shows a build's events on standard error, in one of four forms.

mod fancy;
mod plain;
mod quiet;
mod rawjson;

use crate::args::ProgressArg;
use crate::error::CliError;
use crate::log::{self, Diverted};
use engine::progress::Progress;
use std::io::{self, IsTerminal};
use std::sync::Arc;

/// A form of showing a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines.
    Plain,
    /// A live view of a terminal.
    Fancy,
    /// Nothing.
    Quiet,
    /// JSON.
    RawJson,
}

impl Form {
    /// The form that the flags ask for; `env` is `BUILDKIT_PROGRESS`.
    ///
    /// # Errors
    /// An unknown word in the environment, or `tty` without one.
    pub(crate) fn choose(
        flag: Option<ProgressArg>,
        quiet: bool,
        env: Option<&str>,
        terminal: bool,
    ) -> Result<Self, CliError> {
        if quiet {
            return Ok(Form::Quiet);
        }
        let asked = match (flag, env) {
            (Some(flag), _) => flag,
            (None, Some(word)) => word_of(word)?,
            (None, None) => ProgressArg::Auto,
        };
        match asked {
            ProgressArg::Plain => Ok(Form::Plain),
            ProgressArg::Quiet | ProgressArg::None => Ok(Form::Quiet),
            ProgressArg::Rawjson => Ok(Form::RawJson),
            ProgressArg::Auto if terminal => Ok(Form::Fancy),
            ProgressArg::Auto => Ok(Form::Plain),
            ProgressArg::Tty if terminal => Ok(Form::Fancy),
            ProgressArg::Tty => Err(CliError::usage_help(
                "`--progress=tty` needs a terminal on standard error",
                "`--progress=plain` works anywhere",
            )),
        }
    }
}

fn word_of(word: &str) -> Result<ProgressArg, CliError> {
    <ProgressArg as clap::ValueEnum>::from_str(word, true).map_err(|_| {
        CliError::usage(format!(
            "BUILDKIT_PROGRESS is `{word}`, which is none of auto, plain, tty, quiet and rawjson"
        ))
    })
}

/// A view of one build.
pub(crate) struct View {
    form: Form,
    progress: Arc<dyn Progress>,
    finish: Box<dyn Fn()>,
    diverted: Option<Diverted>,
}

impl View {
    /// Starts it.
    pub(crate) fn start(form: Form) -> Self {
        match form {
            Form::Quiet => {
                Self { form, progress: Arc::new(quiet::Quiet), finish: Box::new(|| {}), diverted: None }
            }
            Form::RawJson => {
                let progress = Arc::new(rawjson::RawJson::new(io::stderr()));
                Self { form, progress, finish: Box::new(|| {}), diverted: None }
            }
            Form::Plain => {
                let plain = Arc::new(plain::Plain::new(io::stderr()));
                let ended = Arc::clone(&plain);
                Self { form, progress: plain, finish: Box::new(move || ended.finish()), diverted: None }
            }
            Form::Fancy => {
                let fancy = Arc::new(fancy::Fancy::start());
                let (ended, lines) = (Arc::clone(&fancy), Arc::clone(&fancy));
                let diverted = Some(log::divert(move |line| lines.print(line)));
                Self { form, progress: fancy, finish: Box::new(move || ended.finish()), diverted }
            }
        }
    }

    /// In which form.
    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Where the events go.
    pub(crate) fn progress(&self) -> &Arc<dyn Progress> {
        &self.progress
    }

    /// The last state stays on the screen.
    pub(crate) fn finish(mut self) {
        (self.finish)();
        self.diverted.take();
    }
}

/// Whether standard error is a terminal.
pub(crate) fn on_terminal() -> bool {
    io::stderr().is_terminal()
}

#[cfg(test)]
mod tests;
