//! One file a command; here, how a command line finds its own.

mod bake;
mod build;
mod check;
mod completion;
mod containers;
mod debug;
mod history;
mod images;
mod import;
mod inspect;
mod load;
mod rmi;
mod run;
mod save;

pub(crate) use check::Call;

use crate::args::{BuildxCommand, Cli, Command, ContainerCommand, ImageCommand};
use crate::env::Env;
use crate::error::{CliError, OWN_FAULT, USAGE};
use crate::{args, known, log, output};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, Parser};
use engine::store::{self, Store};
use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

/// docker's exit code for a `run` that did not come to the container.
const RUN_USAGE: i32 = 125;

/// Runs the command line. Returns the exit code.
pub(crate) fn main(env: &Env) -> i32 {
    catch_unwind(AssertUnwindSafe(|| run(env))).unwrap_or_else(|_| {
        log::say("error: this is lapstrake's own fault: please report it with the lines above\n");
        OWN_FAULT
    })
}

fn run(env: &Env) -> i32 {
    let words = args::plain(&Cli::command(), env.args());
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, env.args()),
    };
    log::start(cli.verbose);
    let place = Place { root: cli.root, env };
    match dispatch(cli.command, &place) {
        Ok(()) => 0,
        Err(error) => {
            log::say(&error.text());
            error.exit_code()
        }
    }
}

/// What every command stands on.
pub(crate) struct Place<'a> {
    root: Option<PathBuf>,
    pub(crate) env: &'a Env,
}

impl Place<'_> {
    /// Opens the store.
    ///
    /// # Errors
    /// If it cannot be used.
    pub(crate) fn store(&self) -> Result<Store, CliError> {
        let root = self.root.clone().unwrap_or_else(|| self.env.root());
        let store = store::open(&root)?;
        for notice in store.notices() {
            log::say(&format!("warning: {notice}\n"));
        }
        Ok(store)
    }
}

fn dispatch(command: Command, place: &Place<'_>) -> Result<(), CliError> {
    match command {
        Command::Build(args)
        | Command::Image(crate::args::ImageArgs { command: ImageCommand::Build(args) })
        | Command::Buildx(crate::args::BuildxArgs { command: BuildxCommand::Build(args) }) => {
            build::build(&args, place)
        }
        Command::Bake(args)
        | Command::Buildx(crate::args::BuildxArgs { command: BuildxCommand::Bake(args) }) => {
            bake::bake(&args, place)
        }
        Command::Debug(args) => debug::debug(&args, place),
        Command::Run(args) => run::run(&args, place),
        Command::Ps(args) => containers::ps(&args, place),
        Command::Rm(args) => containers::rm(&args, place),
        Command::Images(args) => images::images(&args, place),
        Command::Rmi(args) => rmi::rmi(&args, place),
        Command::Tag(args) => rmi::tag(&args, place),
        Command::Inspect(args) => inspect::inspect(&args, place),
        Command::History(args) => history::history(&args, place),
        Command::Load(args) => load::load(&args, place),
        Command::Save(args) => save::save(&args, place),
        Command::Import(args) => import::import(args, place),
        Command::Image(args) => dispatch(of_image(args.command), place),
        Command::Container(args) => dispatch(of_container(args.command), place),
        Command::Completion(args) => completion::completion(&args),
        Command::Version => output::line(concat!("lapstrake ", env!("CARGO_PKG_VERSION"))),
    }
}

fn of_image(command: ImageCommand) -> Command {
    match command {
        ImageCommand::Build(args) => Command::Build(args),
        ImageCommand::Ls(args) => Command::Images(args),
        ImageCommand::Rm(args) => Command::Rmi(args),
        ImageCommand::Tag(args) => Command::Tag(args),
        ImageCommand::Inspect(args) => Command::Inspect(args),
        ImageCommand::History(args) => Command::History(args),
        ImageCommand::Load(args) => Command::Load(args),
        ImageCommand::Save(args) => Command::Save(args),
        ImageCommand::Import(args) => Command::Import(args),
    }
}

fn of_container(command: ContainerCommand) -> Command {
    match command {
        ContainerCommand::Run(args) => Command::Run(args),
        ContainerCommand::Ls(args) => Command::Ps(args),
        ContainerCommand::Rm(args) => Command::Rm(args),
    }
}

/// Says what is wrong with the command line, or the help that it asks for.
fn usage(error: &clap::Error, args: &[OsString]) -> i32 {
    let command = canonical(args);
    let code = if command == Some("run") { RUN_USAGE } else { USAGE };
    let word = |kind| match error.get(kind) {
        Some(ContextValue::String(word)) => Some(word.as_str()),
        _ => None,
    };
    let refusal = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => return shown(error, 0),
        ErrorKind::UnknownArgument => {
            word(ContextKind::InvalidArg).zip(command).and_then(|(flag, command)| known::flag(command, flag))
        }
        ErrorKind::InvalidSubcommand => word(ContextKind::InvalidSubcommand).and_then(known::command),
        _ => None,
    };
    match refusal {
        Some(known::Refusal { message, help }) => {
            log::say(&CliError::Usage { message, help }.text());
            code
        }
        None => shown(error, code),
    }
}

/// Lets clap print; a stream that nobody reads is no new error.
fn shown(error: &clap::Error, code: i32) -> i32 {
    match error.print() {
        Ok(()) => code,
        Err(error) => CliError::stdout(&error).exit_code(),
    }
}

/// The command that `args` begin with, under its main name.
fn canonical(args: &[OsString]) -> Option<&'static str> {
    let mut words = args.iter().skip(1).filter_map(|arg| arg.to_str());
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--root" => drop(words.next()),
            word if word.starts_with('-') => {}
            word => found.push(word),
        }
        if found.len() == 2 {
            break;
        }
    }
    let second = found.get(1).copied().unwrap_or_default();
    let (first, second) = match *found.first()? {
        "image" => ("image", second),
        "container" => ("container", second),
        "buildx" | "builder" if matches!(second, "bake" | "f") => return Some("bake"),
        "buildx" | "builder" => return Some("build"),
        first => ("", first),
    };
    Some(match (first, second) {
        (_, "build" | "b") => "build",
        (_, "bake") => "bake",
        ("" | "container", "run") => "run",
        ("container", "ls" | "list") | (_, "ps") => "ps",
        ("image", "rm" | "remove") | ("", "rmi") => "rmi",
        (_, "rm" | "remove") => "rm",
        (_, "images" | "ls" | "list") => "images",
        (_, "inspect") => "inspect",
        (_, "history") => "history",
        (_, "save") => "save",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
