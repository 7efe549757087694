//! `bake`: the builds of a definition, one after the other.

mod allow;
mod flags;
mod list;
mod read;

use super::Place;
use super::build::{self, Extra};
use crate::args::BakeArgs;
use crate::diagnostics::Source;
use crate::error::{CliError, USAGE};
use crate::progress::on_terminal;
use crate::signals::Watch;
use crate::{log, output};
use bake::{Definition, Error, Facts, File, Resolved, Target};
use engine::clock;
use parser::diagnostic::{Diagnostic, Level, Rule};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::UNIX_EPOCH;

/// What is wrong with a definition.
static RULE: Rule = Rule { name: "bake", level: Level::Error, summary: "The definition means nothing" };

/// Builds the targets of a definition, or says what they are.
///
/// # Errors
/// Wrong flags, a definition with errors, a build that failed.
pub(super) fn bake(args: &BakeArgs, place: &Place<'_>) -> Result<(), CliError> {
    let color = on_terminal() && !place.env.no_color();
    if let Some(address) = args.targets.first().filter(|target| target.contains("://")) {
        return Err(CliError::usage_help(
            format!("`{address}`: definitions are not fetched yet"),
            "clone it, and run `lapstrake bake` in its directory",
        ));
    }
    let files = read::files(args, place.env)?;
    let fail = |error: &Error| told(error, &files, color);
    let vars = read::variables(args)?;
    let from_env = |name: &str| place.env.var(name).map(str::to_owned);
    let lookup = |name: &str| vars.get(name).cloned().or_else(|| from_env(name));
    let facts = Facts { dotenv: read::dotenv()?, given: vars.keys().cloned().collect(), ..facts(&from_env) };
    let definition = Definition::load(&files, &lookup, &facts).map_err(|error| fail(&error))?;
    if let Some(what) = &args.list {
        return list::list(what, &definition);
    }
    let sets = flags::sets(args);
    let mut resolved = definition.resolve(&args.targets, &sets, &from_env).map_err(|error| fail(&error))?;
    flags::complete(&mut resolved, place.env);
    if args.print {
        let json = serde_json::to_string_pretty(&resolved).map_err(|error| CliError::failed(&error))?;
        return output::line(&bake::html_safe(&json));
    }
    for target in resolved.targets.values() {
        flags::supported(target).map_err(|error| fail(&error))?;
    }
    allow::check(&resolved, args, place.env).map_err(|error| fail(&error))?;
    build_all(&resolved, args, place)
}

fn facts(env: &dyn Fn(&str) -> Option<String>) -> Facts {
    let now = clock::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Facts {
        now: i64::try_from(now).unwrap_or_default(),
        home: env("HOME").unwrap_or_else(|| "/root".to_owned()),
        platform: oci::Platform::host().to_string(),
        ..Facts::default()
    }
}

/// Says what is wrong, with its place if there is one.
fn told(error: &Error, files: &[File], color: bool) -> CliError {
    let Some((place, file)) = error.place.as_ref().and_then(|place| Some((place, files.get(place.file)?)))
    else {
        return CliError::Usage { message: error.message.clone(), help: error.help.clone() };
    };
    let mut finding = Diagnostic::new(&RULE, place.at.clone(), error.message.clone());
    finding.help.clone_from(&error.help);
    log::say(&Source { name: &file.name, text: &file.text, color }.render(&[finding]));
    CliError::Ended(USAGE)
}

fn build_all(resolved: &Resolved, args: &BakeArgs, place: &Place<'_>) -> Result<(), CliError> {
    let watch = Watch::start()?;
    let calls =
        resolved.targets.values().any(|target| target.call.as_deref().is_some_and(|call| call != "build"));
    let mut done: BTreeMap<&str, Option<String>> = BTreeMap::new();
    let mut metadata = Map::new();
    let names: Vec<&str> = order(&resolved.targets);
    for name in &names {
        let Some(target) = resolved.targets.get(*name) else { continue };
        if calls && target.linked {
            continue;
        }
        if calls {
            output::line(name)?;
        } else if names.len() > 1 {
            log::say(&format!("target {name}\n"));
        }
        let built = one(target, &done, args, place, &watch).map_err(|error| named(error, name))?;
        done.insert(name, built.image);
        metadata.insert((*name).to_owned(), built.metadata);
    }
    match &args.metadata_file {
        Some(file) => {
            let text = format!("{:#}\n", Value::Object(metadata));
            build::write_file(file, text.as_bytes(), watch.cancel())
        }
        None => Ok(()),
    }
}

fn one(
    target: &Target,
    done: &BTreeMap<&str, Option<String>>,
    args: &BakeArgs,
    place: &Place<'_>,
    watch: &Watch,
) -> Result<build::Built, CliError> {
    let mut extra = Extra::default();
    for (context, source) in &target.contexts {
        if let Some(other) = source.strip_prefix("target:") {
            let image = done.get(other).cloned().flatten();
            let image = image.ok_or_else(|| {
                CliError::usage_help(
                    format!("the context `{context}` is the target `{other}`, whose result is no image"),
                    "give that target an output of `type=image` besides",
                )
            });
            if let Ok(image) = image {
                extra.images.insert(context.clone(), image);
            } else if target.call.as_deref().is_none_or(|call| call == "build") {
                image?;
            }
        }
    }
    let store = place.store()?;
    let work = store.work()?;
    let inline = match &target.dockerfile_inline {
        Some(text) => {
            let file = work.scratch()?.join("Dockerfile");
            std::fs::write(&file, text).map_err(|error| CliError::file("write", &file, &error))?;
            extra.dockerfile_name = Some(format!("dockerfile-inline of {}", target.name));
            Some(file)
        }
        None => None,
    };
    let flags = flags::build(target, args, inline.as_deref())?;
    build::run(&flags, place, watch, &extra)
}

/// `error`, with the target that it is of.
fn named(error: CliError, name: &str) -> CliError {
    let say = |message: &str| format!("target `{name}`: {message}");
    match error {
        CliError::Usage { message, help } => CliError::Usage { message: say(&message), help },
        CliError::Failed { message, help } => CliError::Failed { message: say(&message), help },
        CliError::Ended(code) => {
            log::say(&format!("error: {}\n", say("the build did not succeed")));
            CliError::Ended(code)
        }
        other => other,
    }
}

/// Names of targets, each behind those that it takes as contexts.
fn order(targets: &BTreeMap<String, Target>) -> Vec<&str> {
    fn visit<'a>(
        name: &'a str,
        targets: &'a BTreeMap<String, Target>,
        seen: &mut BTreeSet<&'a str>,
        out: &mut Vec<&'a str>,
    ) {
        if !seen.insert(name) {
            return;
        }
        let Some(target) = targets.get(name) else { return };
        for other in target.contexts.values().filter_map(|source| source.strip_prefix("target:")) {
            visit(other, targets, seen, out);
        }
        out.push(name);
    }
    let (mut seen, mut out) = (BTreeSet::new(), Vec::new());
    targets.keys().for_each(|name| visit(name, targets, &mut seen, &mut out));
    out
}
