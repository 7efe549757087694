//! Files and variables of the command line.

use crate::args::BakeArgs;
use crate::env::Env;
use crate::error::CliError;
use bake::File;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

/// Where a definition is where none is named, in the order in which later ones win.
const DEFAULTS: [&str; 8] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// A definition of more bytes is none.
const MAX: u64 = 16 << 20;

/// The files of `--file`, of `BUILDX_BAKE_FILE`, or those with the usual names.
pub(super) fn files(args: &BakeArgs, env: &Env) -> Result<Vec<File>, CliError> {
    let separator = env.var("BUILDX_BAKE_PATH_SEPARATOR").filter(|text| !text.is_empty()).unwrap_or(":");
    let from_env = env.var("BUILDX_BAKE_FILE").unwrap_or_default();
    let mut names: Vec<&str> = args.files.iter().map(String::as_str).collect();
    if names.is_empty() {
        names = from_env.split(separator).map(str::trim).filter(|name| !name.is_empty()).collect();
    }
    if names.iter().filter(|name| **name == "-").count() > 1 {
        return Err(CliError::usage("standard input is read once: `--file -` comes twice"));
    }
    let usual = names.is_empty();
    if usual {
        names = DEFAULTS.to_vec();
    }
    let mut files = Vec::new();
    for name in names {
        match read(name) {
            Ok(text) => files.push(File { name: name.to_owned(), text }),
            Err(error) if usual && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CliError::usage(format!("read the definition {name}: {error}"))),
        }
    }
    if files.is_empty() {
        return Err(CliError::usage_help(
            "there is no definition here",
            "write a docker-bake.hcl, or name a file with `-f`",
        ));
    }
    Ok(files)
}

/// The text of `.env`, if there is one.
pub(super) fn dotenv() -> Result<String, CliError> {
    match read(".env") {
        Ok(text) => Ok(text),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::IsADirectory) => {
            Ok(String::new())
        }
        Err(error) => Err(CliError::usage(format!("read .env: {error}"))),
    }
}

fn read(name: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    match name {
        "-" => io::stdin().lock().take(MAX + 1).read_to_end(&mut bytes)?,
        name => std::fs::File::open(Path::new(name))?.take(MAX + 1).read_to_end(&mut bytes)?,
    };
    if bytes.len() as u64 > MAX {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
}

/// `--var`
pub(super) fn variables(args: &BakeArgs) -> Result<BTreeMap<String, String>, CliError> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(CliError::usage(format!("`--var {text}` is not of the form NAME=VALUE"))),
    };
    args.vars.iter().map(pair).collect()
}
