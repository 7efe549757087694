//! docker's switches take a value, too: `--rm=true` is `--rm`, and `--rm=false` is nothing.

use clap::{ArgAction, Command};
use std::ffi::OsString;

/// Spells switches with a value as clap knows them. What follows the image of `run` is not ours and stays.
pub(crate) fn plain(root: &Command, args: &[OsString]) -> Vec<OsString> {
    let mut command = root;
    let mut out = Vec::with_capacity(args.len());
    let mut rest = args.iter();
    out.extend(rest.next().cloned());
    while let Some(arg) = rest.next() {
        let text = arg.to_str().unwrap_or_default();
        let next = match step(command, text) {
            Step::Keep => None,
            Step::KeepNext => rest.next(),
            Step::Switch(on) => {
                out.extend(on.map(OsString::from));
                continue;
            }
            Step::Enter(inner) => {
                command = inner;
                None
            }
            Step::End => {
                out.push(arg.clone());
                out.extend(rest.cloned());
                break;
            }
        };
        out.push(arg.clone());
        out.extend(next.cloned());
    }
    out
}

enum Step<'a> {
    Keep,
    /// The next word is its value.
    KeepNext,
    /// A switch with a value, in place of which this stands.
    Switch(Option<String>),
    Enter(&'a Command),
    End,
}

fn step<'a>(command: &'a Command, text: &str) -> Step<'a> {
    if let Some(long) = text.strip_prefix("--") {
        return match long.split_once('=') {
            _ if long.is_empty() => Step::End,
            Some((name, value)) if is_switch(command, name) => match value {
                "true" | "1" | "t" | "T" | "TRUE" | "True" => Step::Switch(Some(format!("--{name}"))),
                "false" | "0" | "f" | "F" | "FALSE" | "False" => Step::Switch(None),
                // clap says what is wrong with it.
                _ => Step::Keep,
            },
            Some(_) => Step::Keep,
            None if takes_value(command, |arg| is_long(arg, long)) => Step::KeepNext,
            None => Step::Keep,
        };
    }
    if let Some(letters) = text.strip_prefix('-').filter(|letters| !letters.is_empty()) {
        let value =
            letters.char_indices().find(|(_, c)| takes_value(command, |arg| arg.get_short() == Some(*c)));
        // What follows such a letter in the same word is its value.
        let open = value.is_some_and(|(at, c)| at + c.len_utf8() == letters.len());
        return if open { Step::KeepNext } else { Step::Keep };
    }
    if command.has_subcommands() {
        return command.find_subcommand(text).map_or(Step::End, Step::Enter);
    }
    if command.get_positionals().any(clap::Arg::is_trailing_var_arg_set) { Step::End } else { Step::Keep }
}

fn is_long(arg: &clap::Arg, name: &str) -> bool {
    arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
}

fn is_switch(command: &Command, name: &str) -> bool {
    let mut args = command.get_arguments();
    args.any(|arg| is_long(arg, name) && matches!(arg.get_action(), ArgAction::SetTrue))
}

/// Global flags belong to the root alone until clap has parsed: `--root` is the only one with a value.
fn takes_value(command: &Command, is: impl Fn(&clap::Arg) -> bool) -> bool {
    let root = clap::Arg::new("root").long("root");
    command
        .get_arguments()
        .chain([&root])
        .any(|arg| is(arg) && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append))
}
