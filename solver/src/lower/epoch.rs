//! `SOURCE_DATE_EPOCH`: a number, or where to take the time from.

use super::args::Globals;
use super::expand::{Env, Expander};
use super::remote::{self, Remote};
use super::{LowerRequest, MAIN_CONTEXT, rules};
use crate::graph::{GitSource, HttpSource};
use parser::ast::{self, Dockerfile, Instruction, Source, Stage};
use parser::diagnostic::Diagnostic;
use std::collections::BTreeMap;
use std::ops::Range;

/// The variable that fixes the times of an image.
pub(super) const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// Whose time an image gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EpochSource {
    /// The commit or download that a build context was made from; a directory has none.
    Context(String),
    /// A file's `Last-Modified`, or the latest file in the archive that it is.
    Http(HttpSource),
    /// A commit.
    Git(GitSource),
}

/// What the variable says.
#[derive(Debug)]
pub(super) enum Epoch {
    Unset,
    At(i64),
    Of(EpochSource),
}

/// Reads the variable: a build argument, or the default of a global ARG. Empty means none.
pub(super) fn read(file: &Dockerfile, req: &LowerRequest, env: &Env) -> Result<Epoch, Diagnostic> {
    let Some(text) = req.build_args.get(EPOCH).or_else(|| env.get(EPOCH)) else { return Ok(Epoch::Unset) };
    if text.is_empty() {
        return Ok(Epoch::Unset);
    }
    if let Ok(seconds) = text.parse() {
        return Ok(Epoch::At(seconds));
    }
    if text == MAIN_CONTEXT || req.contexts.contains_key(text) {
        return Ok(Epoch::Of(EpochSource::Context(text.clone())));
    }
    let named = |stage: &&Stage| {
        stage.from.node.name.as_ref().is_some_and(|name| name.node.eq_ignore_ascii_case(text))
    };
    if let Some(stage) = file.stages.iter().find(named) {
        return of_stage(file, stage, req, env).map(Epoch::Of);
    }
    let arg = file.global_args.iter().flat_map(|line| &line.node.args).find(|arg| arg.name.node == EPOCH);
    let at = arg.map_or(0..0, |arg| arg.name.span.clone());
    let message = format!("{EPOCH} is `{text}`, not a number of seconds since 1970");
    let help = "besides a number it can be `context`, or the name of a stage that is one ADD of a URL";
    Err(Diagnostic::new(&rules::BAD_EPOCH, at, message).help(help))
}

/// The one source that a stage from scratch fetches.
fn of_stage(
    file: &Dockerfile,
    stage: &Stage,
    req: &LowerRequest,
    globals: &Env,
) -> Result<EpochSource, Diagnostic> {
    let bad = |at: &Range<usize>, what: &str| {
        let message = format!("the stage that {EPOCH} names {what}");
        let help = "it has to be `FROM scratch` with one ADD of a URL or git address, and ARGs at most";
        Diagnostic::new(&rules::BAD_EPOCH, at.clone(), message).help(help)
    };
    let mut env = globals.clone();
    env.remove(EPOCH);
    let from = &stage.from.node.image;
    if Expander::new(file.escape, &env).word(from, &mut Vec::new())? != "scratch" {
        return Err(bad(&from.span, "is not from scratch"));
    }
    let mut found = None;
    for instruction in &stage.instructions {
        match &instruction.node {
            Instruction::Arg(line) => {
                for arg in &line.args {
                    let value = match (req.build_args.get(&arg.name.node), &arg.default) {
                        (Some(value), _) => value.clone(),
                        (None, None) => continue,
                        (None, Some(default)) => {
                            Expander::new(file.escape, &env).word(default, &mut Vec::new())?
                        }
                    };
                    env.insert(arg.name.node.clone(), value);
                }
            }
            Instruction::Add(add) if found.is_none() => {
                let source = of_add(file, add, &env)?;
                found = Some(source.ok_or_else(|| bad(&instruction.span, "adds no single fetched source"))?);
            }
            _ => return Err(bad(&instruction.span, "has other instructions than one ADD")),
        }
    }
    found.ok_or_else(|| bad(&stage.from.span, "has no ADD"))
}

fn of_add(file: &Dockerfile, add: &ast::Copy, env: &Env) -> Result<Option<EpochSource>, Diagnostic> {
    let [Source::Path(word)] = add.sources.as_slice() else { return Ok(None) };
    let expander = Expander::new(file.escape, env);
    let path = expander.word(word, &mut Vec::new())?;
    let checksum = add.checksum.as_ref().map(|word| expander.word(word, &mut Vec::new())).transpose()?;
    let checksum = checksum.filter(|checksum| !checksum.is_empty());
    let wrong = |message: String| Diagnostic::new(&rules::BAD_REMOTE, word.span.clone(), message);
    Ok(match remote::classify(&path).map_err(wrong)? {
        Remote::Local => None,
        Remote::Http(source) => {
            checksum.as_deref().map_or(Ok(()), remote::check_digest).map_err(wrong)?;
            Some(EpochSource::Http(HttpSource { checksum, ..source }))
        }
        Remote::Git(source, keep) => {
            let keep = keep.or(add.keep_git_dir.as_ref().map(|flag| flag.node)).unwrap_or(false);
            let checksum = checksum.or_else(|| source.checksum.clone());
            Some(EpochSource::Git(GitSource { checksum, keep_git_dir: keep, ..source }))
        }
    })
}

/// Puts the time in place of what named it, for the ARGs that take it up.
pub(super) fn settle(epoch: Option<i64>, globals: &mut Globals) {
    let put = |values: &mut BTreeMap<String, String>| match epoch {
        Some(seconds) => {
            if let Some(value) = values.get_mut(EPOCH) {
                *value = seconds.to_string();
            }
        }
        None => drop(values.remove(EPOCH)),
    };
    put(&mut globals.env);
    put(&mut globals.build_args);
    globals.epoch = epoch;
}
