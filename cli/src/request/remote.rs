//! Contexts that are no directory: fetched, or read from standard input, once there is a store to put them into.

use super::build::{Build, from_stdin};
use crate::args::BuildArgs;
use crate::error::CliError;
use engine::build::NamedContext;
use engine::cancel::Cancel;
use engine::contexts::{ContextDir, MAIN, read_file};
use engine::sources::{Fetcher, Given, MainContext, NamedFetch, main_context, named_context};
use engine::store::Store;
use std::io;

/// What [`super::build()`] left to be fetched.
#[derive(Debug, Default)]
pub(crate) struct Remote {
    /// The main context.
    pub(super) main: Option<String>,
    /// Those of `--build-context`: name and source.
    pub(super) named: Vec<(String, String)>,
}

/// Fetches all of `build.remote` into `build.request`. The result has to live as long as the build.
///
/// # Errors
/// What cannot be fetched, or has no Dockerfile.
pub(crate) fn fetch(
    build: &mut Build,
    args: &BuildArgs,
    store: &Store,
    cancel: &Cancel,
) -> Result<Option<MainContext>, CliError> {
    let remote = std::mem::take(&mut build.remote);
    let request = &mut build.request;
    let fetcher = Fetcher::new(store, cancel).with_credentials(&request.secrets, &request.ssh);
    for (name, source) in remote.named {
        let fetched = named_context(&fetcher, &source).map_err(|error| CliError::failed(&error))?;
        let context = match fetched {
            NamedFetch::Dir(dir, time) => {
                request.context_times.extend(time.map(|time| (name.clone(), time)));
                NamedContext::Dir(dir)
            }
            NamedFetch::Image(reference) => NamedContext::Image(reference),
            NamedFetch::Local(path) => {
                let context = ContextDir::new(&path, None);
                let context =
                    context.map_err(|error| CliError::file("read the ignore file of", &path, &error))?;
                NamedContext::Dir(context)
            }
        };
        request.named_contexts.insert(name, context);
    }
    let Some(text) = remote.main else { return Ok(None) };
    let given = Given {
        keep_git_dir: request
            .build_args
            .get("BUILDKIT_CONTEXT_KEEP_GIT_DIR")
            .is_some_and(|value| matches!(value.as_str(), "1" | "true")),
        epoch: request.build_args.contains_key("SOURCE_DATE_EPOCH"),
    };
    let main = main_context(&fetcher, &text, &mut io::stdin().lock(), given);
    let main = main.map_err(|error| CliError::failed(&error))?;
    let (name, dockerfile) = dockerfile(args, &main, &text)?;
    (request.dockerfile_name, request.dockerfile) = (name, dockerfile);
    request.context = main.context();
    request.context_times.extend(main.time.map(|time| (MAIN.to_owned(), time)));
    Ok(Some(main))
}

/// Name and text of the Dockerfile: a file of the context, unless it is all that came.
fn dockerfile(args: &BuildArgs, main: &MainContext, text: &str) -> Result<(String, String), CliError> {
    if args.file.as_deref() == Some("-") {
        return from_stdin();
    }
    if let Some(bytes) = &main.dockerfile {
        return Ok(("Dockerfile".to_owned(), parser::decode(bytes)));
    }
    let dir = main.dir.as_deref().unwrap_or_else(|| std::path::Path::new("/"));
    let names = match &args.file {
        Some(file) => vec![file.as_str()],
        None => vec!["Dockerfile", "dockerfile"],
    };
    for name in &names {
        match read_file(dir, &dir.join(name)) {
            Ok(bytes) => return Ok(((*name).to_owned(), parser::decode(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CliError::usage(format!("read {name} of the build context: {error}"))),
        }
    }
    let what = if text == "-" { "on standard input" } else { "that was fetched" };
    let message = format!("there is no {} in the build context {what}", names[0]);
    Err(CliError::usage_help(message, "name it with `-f`: its path in the context"))
}
