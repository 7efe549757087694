//! Flags to overrides, and targets to the flags of `build`.

use crate::args::{BakeArgs, BuildArgs};
use crate::env::Env;
use crate::error::CliError;
use bake::{Error, Resolved, Target, clean};
use clap::{Args, FromArgMatches};
use engine::sources::is_remote;
use std::path::Path;

/// What flags override, as `--set` says it.
pub(super) fn sets(args: &BakeArgs) -> Vec<String> {
    let mut sets = args.sets.clone();
    if args.load {
        sets.push("*.load=true".to_owned());
    }
    let call = if args.check { Some("check") } else { args.call.as_deref() };
    match call.and_then(|call| call.split(',').next()).unwrap_or("build") {
        "build" => {}
        "check" => sets.push("*.call=lint".to_owned()),
        call => sets.push(format!("*.call={call}")),
    }
    if args.no_cache {
        sets.push("*.no-cache=true".to_owned());
    }
    for (kind, value) in [("sbom", &args.sbom), ("provenance", &args.provenance)] {
        match value.as_deref() {
            None | Some("") => {}
            Some("true" | "1") => sets.push(format!("*.attest=type={kind}")),
            Some("false" | "0") => sets.push(format!("*.attest=type={kind},disabled=true")),
            Some(value) => sets.push(format!("*.attest=type={kind},{value}")),
        }
    }
    sets
}

/// Says what the environment and the kinds of paths mean, in the targets.
pub(super) fn complete(resolved: &mut Resolved, env: &Env) {
    for target in resolved.targets.values_mut() {
        if let Some(epoch) = env.source_date_epoch() {
            target.args.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| epoch.to_owned());
        }
        if let Some(context) = &mut target.context {
            if let Some(path) = context.strip_prefix("cwd://") {
                *context = clean(path);
            } else if !is_remote(context) {
                *context = clean(context);
            }
        }
    }
}

/// Refuses what `build` has no flag for, where it is said.
pub(super) fn supported(target: &Target) -> Result<(), Error> {
    let refuse = |field: &str, what: String, help: &str| {
        let error = Error::new(format!("target `{}`: {what} is not supported yet", target.name)).help(help);
        Err(error.at(target.places.get(field)))
    };
    let clear = |field: &str| format!("the local store is the cache: leave it out, or `--set '*.{field}='`");
    if !target.cache_from.is_empty() {
        return refuse("cache-from", "`cache-from`".into(), &clear("cache-from"));
    }
    if target.cache_to.as_ref().is_some_and(|to| !to.is_empty()) {
        return refuse("cache-to", "`cache-to`".into(), &clear("cache-to"));
    }
    if target.resources.is_some() {
        return refuse("resources", "`resources`".into(), "leave it out");
    }
    if !target.policy.is_empty() {
        return refuse("policy", "`policy`".into(), "leave it out");
    }
    if target.pull == Some(true) {
        let help = "images are not pulled from registries: use `lapstrake load` or `lapstrake import`";
        return refuse("pull", "`pull`".into(), help);
    }
    if let Some(one) = target.attest.iter().find(|one| one.0.get("disabled") != Some(&true.into())) {
        let help = "leave it out: no attestations are made";
        return refuse("attest", format!("the attestation `{}`", one.text()), help);
    }
    for one in target.output.iter().flatten() {
        if one.kind() == "registry" || one.get("push") == Some("true") {
            let help = "images are not pushed to registries: use `type=oci,dest=FILE` and skopeo";
            return refuse("output", format!("the output `{}`", one.text()), help);
        }
    }
    if target.context.as_deref() == Some("-") || target.dockerfile.as_deref() == Some("-") {
        let help = "name a directory and a file";
        return refuse("context", "standard input as the context or the Dockerfile".into(), help);
    }
    if target.dockerfile_inline.is_some() && target.context.as_deref().is_some_and(is_remote) {
        let help = "put the Dockerfile into the context";
        return refuse(
            "dockerfile-inline",
            "`dockerfile-inline` with a context that is fetched".into(),
            help,
        );
    }
    Ok(())
}

/// The flags of the build of `target`.
///
/// # Errors
/// A value that no flag takes.
pub(super) fn build(target: &Target, args: &BakeArgs, inline: Option<&Path>) -> Result<BuildArgs, CliError> {
    let mut words = vec!["build".to_owned()];
    let context = target.context.as_deref().unwrap_or(".");
    let mut flag = |name: &str, value: &str| words.push(format!("--{name}={value}"));
    if let Some(file) = inline {
        flag("file", &file.display().to_string());
    } else if let Some(file) = dockerfile(target, context) {
        flag("file", &file);
    }
    target.args.iter().for_each(|(name, value)| flag("build-arg", &format!("{name}={value}")));
    target.labels.iter().for_each(|(name, value)| flag("label", &format!("{name}={value}")));
    target.tags.iter().flatten().for_each(|tag| flag("tag", tag));
    target.target.iter().for_each(|stage| flag("target", stage));
    target.secret.iter().for_each(|secret| flag("secret", &secret.text()));
    target.ssh.iter().for_each(|ssh| flag("ssh", &ssh.text()));
    target.platforms.iter().flatten().for_each(|platform| flag("platform", platform));
    target.no_cache_filter.iter().for_each(|stage| flag("no-cache-filter", stage));
    target.network.iter().for_each(|network| flag("network", network));
    target.shm_size.iter().for_each(|size| flag("shm-size", size));
    target.ulimits.iter().for_each(|limit| flag("ulimit", limit));
    target.entitlements.iter().for_each(|one| flag("allow", one));
    target.annotations.iter().for_each(|one| flag("annotation", one));
    target.extra_hosts.iter().for_each(|(name, address)| flag("add-host", &format!("{name}={address}")));
    for (name, source) in target.contexts.iter().filter(|(_, source)| !source.starts_with("target:")) {
        flag("build-context", &format!("{name}={}", source.strip_prefix("cwd://").unwrap_or(source)));
    }
    // What only others need is an image without a name.
    let outputs = target.output.iter().flatten().filter(|_| !target.linked);
    outputs.filter(|one| one.kind() != "cacheonly").for_each(|one| flag("output", &one.text()));
    if let Some(call) = target.call.as_deref().filter(|call| *call != "build") {
        // How to print it is said by the command line.
        let form = args.call.as_deref().and_then(|call| call.split_once(','));
        flag("call", &form.map_or_else(|| call.to_owned(), |(_, form)| format!("{call},{form}")));
    }
    if target.no_cache == Some(true) {
        words.push("--no-cache".to_owned());
    }
    words.extend(["--".to_owned(), context.to_owned()]);
    let command = BuildArgs::augment_args(clap::Command::new("build"));
    let matches = command.try_get_matches_from(words);
    let parsed = matches.and_then(|matches| BuildArgs::from_arg_matches(&matches));
    let mut parsed = parsed.map_err(|error| {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        CliError::usage(line.strip_prefix("error: ").unwrap_or(line).to_owned())
    })?;
    parsed.progress = args.progress;
    Ok(parsed)
}

/// The Dockerfile, unless it is the one that is looked for anyway.
fn dockerfile(target: &Target, context: &str) -> Option<String> {
    let file = target.dockerfile.as_deref().filter(|file| *file != "Dockerfile")?;
    if let Some(path) = file.strip_prefix("cwd://") {
        return Some(clean(path));
    }
    let below = !is_remote(context) && !file.starts_with('/') && !is_remote(file);
    Some(if below { clean(&format!("{context}/{file}")) } else { file.to_owned() })
}
