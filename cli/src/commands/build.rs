//! `build`

mod export;

pub(super) use export::write_file;

use super::{Call, Place, check};
use crate::args::BuildArgs;
use crate::diagnostics::Source;
use crate::error::{CliError, FAILED, OWN_FAULT, USAGE};
use crate::progress::{self, Form, View};
use crate::request::{self, Build};
use crate::signals::Watch;
use crate::{log, output};
use engine::build::{BuildError, BuildOutcome, NamedContext, StepFailure};
use engine::contexts::ContextDir;
use engine::progress::Event;
use engine::store::Store;
use std::collections::BTreeMap;
use std::path::Path;

/// Builds, and writes the outputs.
///
/// # Errors
/// Wrong flags, a Dockerfile with errors, a failed step, an output that cannot be written, an interruption.
pub(super) fn build(args: &BuildArgs, place: &Place<'_>) -> Result<(), CliError> {
    run(args, place, &Watch::start()?, &Extra::default()).map(drop)
}

/// What flags do not say.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// Images of the store, by the name of the context that each is.
    pub(super) images: BTreeMap<String, String>,
    /// What messages call the Dockerfile, if not by the name of its file.
    pub(super) dockerfile_name: Option<String>,
}

/// What was built.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// The id of the image, if any output holds one.
    pub(super) image: Option<String>,
    /// What `--metadata-file` says.
    pub(super) metadata: serde_json::Value,
}

/// As [`build`], as one of several.
///
/// # Errors
/// As [`build`].
pub(super) fn run(
    args: &BuildArgs,
    place: &Place<'_>,
    watch: &Watch,
    extra: &Extra,
) -> Result<Built, CliError> {
    let terminal = progress::on_terminal();
    let color = terminal && !place.env.no_color();
    console::set_colors_enabled_stderr(color);
    let form = Form::choose(args.progress, args.quiet, place.env.progress(), terminal)?;
    let mut build = request::build(args, place.env)?;
    let images = extra.images.iter().map(|(name, id)| (name.clone(), NamedContext::Image(id.clone())));
    build.request.named_contexts.extend(images);
    if let Some(name) = &extra.dockerfile_name {
        build.request.dockerfile_name.clone_from(name);
    }
    let store = place.store()?;
    let fetched = request::fetch(&mut build, args, &store, watch.cancel());
    let fetched = fetched.map_err(|error| watch.or_interrupted(error))?;
    let call = if args.check { Some(Call::CHECK) } else { args.call };
    if let Some(call) = call.filter(|call| !call.builds()) {
        return check::run(&call, &build.request, &store, watch, color).map(|()| Built::default());
    }
    // One of an earlier build would be taken for this one's.
    args.iidfile.iter().try_for_each(|file| remove_old(file))?;
    let work = empty_context(&store, &mut build)?;
    let view = View::start(form);
    let result = carry_out(&store, &build, &view, watch);
    view.finish();
    drop((work, fetched));
    let (outcome, exported) = result.map_err(|failure| {
        watch.interrupted().unwrap_or_else(|| match failure {
            Failure::Build(error) => build_error(error, &build, color),
            Failure::Export(error) => error,
        })
    })?;
    if !matches!(form, Form::Quiet | Form::RawJson) {
        log::say(&source(&build, color).render(&outcome.warnings));
    }
    if let Some(file) = &args.iidfile {
        let id = exported.image.as_ref().map(|image| image.id.to_string()).unwrap_or_default();
        export::write_file(file, id.as_bytes(), watch.cancel())?;
    }
    if let Some(file) = &args.metadata_file {
        let metadata = format!("{:#}\n", export::metadata(&exported)?);
        export::write_file(file, metadata.as_bytes(), watch.cancel())?;
    }
    if let Some(image) = exported.image.as_ref().filter(|_| args.quiet) {
        output::line(&image.id.to_string())?;
    }
    // The user has the result; now it is made to last. Nothing was written where nothing was built.
    store.sync()?;
    let image = exported.image.as_ref().map(|image| image.id.to_string());
    Ok(Built { image, metadata: export::metadata(&exported)? })
}

enum Failure {
    Build(BuildError),
    Export(CliError),
}

fn carry_out(
    store: &Store,
    build: &Build,
    view: &View,
    watch: &Watch,
) -> Result<(BuildOutcome, export::Exports), Failure> {
    let progress = view.progress();
    let outcome =
        engine::build::build(store, &build.request, progress, watch.cancel()).map_err(Failure::Build)?;
    for warning in &outcome.warnings {
        // The other forms show it with its place, at the end.
        if view.form() == Form::RawJson {
            progress.event(Event::Warning { text: warning.message.clone() });
        }
    }
    let exported =
        export::export(store, build, &outcome, &**progress, watch.cancel()).map_err(Failure::Export)?;
    Ok((outcome, exported))
}

fn remove_old(file: &Path) -> Result<(), CliError> {
    match file.symlink_metadata() {
        Ok(meta) if meta.is_file() => {
            std::fs::remove_file(file).map_err(|error| CliError::file("remove", file, &error))
        }
        _ => Ok(()),
    }
}

/// A Dockerfile alone has an empty directory for its context. The result holds it.
fn empty_context(store: &Store, build: &mut Build) -> Result<Option<impl Sized + use<>>, CliError> {
    if build.request.context.is_some() {
        return Ok(None);
    }
    let work = store.work()?;
    build.request.context = Some(ContextDir { path: work.scratch()?, ignore: None });
    Ok(Some(work))
}

fn source(build: &Build, color: bool) -> Source<'_> {
    Source { name: &build.request.dockerfile_name, text: &build.request.dockerfile, color }
}

fn build_error(error: BuildError, build: &Build, color: bool) -> CliError {
    let source = source(build, color);
    match error {
        BuildError::Dockerfile(findings) => {
            log::say(&source.render(&findings));
            CliError::Ended(USAGE)
        }
        BuildError::IgnoreFile { file, text, findings } => {
            log::say(&Source { name: &file, text: &text, color }.render(&findings));
            CliError::Ended(USAGE)
        }
        BuildError::Step(error) => {
            log::say(&source.step(&error));
            CliError::Ended(if matches!(error.failure, StepFailure::Lost) { OWN_FAULT } else { FAILED })
        }
        other => CliError::failed(&other),
    }
}
