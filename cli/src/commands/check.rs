//! `build --check` and `build --call`: what a Dockerfile says, without building it.

use crate::diagnostics::Source;
use crate::error::{CliError, FAILED};
use crate::output;
use crate::signals::Watch;
use engine::build::{BuildError, BuildRequest};
use engine::store::Store;
use parser::Parsed;
use parser::diagnostic::Diagnostic;
use std::str::FromStr;

mod json;
mod text;

#[cfg(test)]
mod tests;

/// What to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Build,
    Check,
    Outline,
    Targets,
}

/// `--call=METHOD[,format=json][,ignorestatus]`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    method: Method,
    json: bool,
    ignore_status: bool,
}

impl Call {
    /// `--check`
    pub(crate) const CHECK: Self = Self { method: Method::Check, json: false, ignore_status: false };

    /// Whether it asks for a build as ever.
    pub(crate) fn builds(&self) -> bool {
        self.method == Method::Build
    }
}

impl FromStr for Call {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let method = match parts.next().unwrap_or_default() {
            "build" => Method::Build,
            "check" | "lint" => Method::Check,
            "outline" => Method::Outline,
            "targets" => Method::Targets,
            known @ ("subrequests.describe" | "convertllb") => {
                return Err(format!("the method `{known}` is not supported: {METHODS}"));
            }
            other => {
                let close =
                    parser::suggest::closest(other, &NAMES).map(|name| format!(", did you mean `{name}`?"));
                return Err(format!("there is no method `{other}`{}: {METHODS}", close.unwrap_or_default()));
            }
        };
        let mut call = Self { method, ..Self::CHECK };
        for part in parts {
            match part.split_once('=').unwrap_or((part, "true")) {
                ("format", "json") => call.json = true,
                ("format", "text") => call.json = false,
                ("ignorestatus", "true" | "1") => call.ignore_status = true,
                ("ignorestatus", "false" | "0") => call.ignore_status = false,
                _ => return Err(format!("`{part}` is neither `format=json` nor `ignorestatus`")),
            }
        }
        Ok(call)
    }
}

const NAMES: [&str; 4] = ["build", "check", "outline", "targets"];
const METHODS: &str = "there are `check`, `outline` and `targets`";

/// Says on standard output what `call` asks for.
///
/// # Errors
/// As with buildx, ends with exit code 1 if there are findings, unless `ignorestatus` is given and none is an error; and
/// where an outline or the targets cannot be told.
pub(crate) fn run(
    call: &Call,
    request: &BuildRequest,
    store: &Store,
    watch: &Watch,
    color: bool,
) -> Result<(), CliError> {
    let source = Source { name: &request.dockerfile_name, text: &request.dockerfile, color };
    let Parsed { file, diagnostics } = parser::parse(&request.dockerfile);
    let failed = |error: &BuildError| watch.or_interrupted(CliError::failed(error));
    match call.method {
        Method::Targets => {
            refuse(&source, &diagnostics)?;
            match call.json {
                true => output::line(&json::targets(&file, &source)),
                false => output::print(&text::targets(&file)),
            }
        }
        Method::Outline => match engine::build::outline(store, request, watch.cancel()) {
            Ok(outline) if call.json => output::line(&json::outline(&outline, &file, &source)),
            Ok(outline) => output::print(&text::outline(&outline)),
            Err(BuildError::Dockerfile(found)) => refuse(&source, &found),
            Err(error) => Err(failed(&error)),
        },
        Method::Check | Method::Build => {
            let found =
                engine::build::check(store, request, watch.cancel()).map_err(|error| failed(&error))?;
            match call.json {
                true => output::line(&json::findings(&found, &file, &source))?,
                false => output::print(&text::findings(&found, &source))?,
            }
            let error = found.iter().any(Diagnostic::is_error);
            let fine = found.is_empty() || call.ignore_status && !error;
            if fine { Ok(()) } else { Err(CliError::Ended(FAILED)) }
        }
    }
}

/// Ends with the errors among `found`, if there are any.
fn refuse(source: &Source<'_>, found: &[Diagnostic]) -> Result<(), CliError> {
    if !found.iter().any(Diagnostic::is_error) {
        return Ok(());
    }
    crate::log::say(&source.render(found));
    Err(CliError::Ended(FAILED))
}
