//! Values of build flags that are more than a word: secrets, agents, limits, hosts, entitlements.

use crate::env::Env;
use crate::error::CliError;
use engine::build::{Secret, SshAgent};
use solver::graph::Ulimit;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// As BuildKit.
const MAX_SECRET: u64 = 500 << 10;

/// What docker knows; the kernel has no others.
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// All `--secret`s: `[id=]ID[,src=PATH|,env=NAME][,type=file|env]`. One whose variable is not set is left out, as if it
/// had not been given.
///
/// # Errors
/// A field that is none, a file that cannot be one.
pub(crate) fn secrets(texts: &[String], env: &Env) -> Result<BTreeMap<String, Secret>, CliError> {
    let mut all = BTreeMap::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let bad = |why: String| CliError::usage(format!("`--secret {text}`: {why}"));
        let (id, secret) = secret(text, env).map_err(bad)?;
        match secret {
            Some(secret) => drop(all.insert(id, secret)),
            None => drop(all.remove(&id)),
        }
    }
    Ok(all)
}

fn secret(text: &str, env: &Env) -> Result<(String, Option<Secret>), String> {
    let (mut id, mut source, mut variable, mut kind) = (String::new(), String::new(), String::new(), "");
    let fields = engine::export::fields(text)?;
    for field in &fields {
        let Some((key, value)) = field.split_once('=') else {
            return Err(format!("`{field}` is not of the form key=value; write `id={field}`"));
        };
        match key.to_ascii_lowercase().as_str() {
            "id" => value.clone_into(&mut id),
            "src" | "source" => value.clone_into(&mut source),
            "env" => value.clone_into(&mut variable),
            "type" if matches!(value, "file" | "env") => kind = value,
            "type" => return Err(format!("type `{value}` is none of file and env")),
            key => return Err(format!("`{key}` is none of id, src, source, env and type")),
        }
    }
    if id.is_empty() {
        return Err("it has no id".into());
    }
    if kind == "env" && variable.is_empty() {
        variable = std::mem::take(&mut source);
    }
    if variable.is_empty() && source.is_empty() {
        if env.bytes(&id).is_some() { variable.clone_from(&id) } else { source.clone_from(&id) }
    }
    if !variable.is_empty() {
        return Ok((id, env.bytes(&variable).map(|value| Secret::Value(value.to_owned()))));
    }
    let path = PathBuf::from(source);
    match path.metadata() {
        Ok(meta) if meta.is_dir() => Err(format!("{} is a directory", path.display())),
        Ok(meta) if meta.len() > MAX_SECRET => {
            Err(format!("{} has more than {MAX_SECRET} bytes", path.display()))
        }
        Ok(_) => Ok((id, Some(Secret::File(path)))),
        Err(error) => Err(format!("read {}: {error}", path.display())),
    }
}

/// All `--ssh`s: `ID`, or `ID=SOCKET|KEY[,KEY…]`. Without a path it is the agent of `SSH_AUTH_SOCK`.
///
/// # Errors
/// What is neither there nor a socket nor a key.
pub(crate) fn ssh(texts: &[String], env: &Env) -> Result<BTreeMap<String, SshAgent>, CliError> {
    let mut all = BTreeMap::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let bad = |why: String| CliError::usage(format!("`--ssh {text}`: {why}"));
        let (id, paths) = text.split_once('=').map_or((text.as_str(), ""), |(id, paths)| (id, paths));
        let id = if id.is_empty() { "default" } else { id };
        let paths: Vec<&Path> = paths.split(',').filter(|path| !path.is_empty()).map(Path::new).collect();
        let agent = match paths.as_slice() {
            [] => {
                let socket = env.var("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
                let none = || {
                    let help = "start one, or name a key: `--ssh default=$HOME/.ssh/id_ed25519`";
                    CliError::usage_help(
                        format!("`--ssh {text}`: no agent runs: SSH_AUTH_SOCK is not set"),
                        help,
                    )
                };
                SshAgent::Socket(socket.ok_or_else(none)?.into())
            }
            paths => agent(paths).map_err(bad)?,
        };
        if all.insert(id.to_owned(), agent).is_some() {
            return Err(bad(format!("`{id}` is given twice")));
        }
    }
    Ok(all)
}

fn agent(paths: &[&Path]) -> Result<SshAgent, String> {
    let mut keys = Vec::new();
    for path in paths {
        let meta = path.metadata().map_err(|error| format!("read {}: {error}", path.display()))?;
        if meta.file_type().is_socket() {
            return match paths {
                [socket] => Ok(SshAgent::Socket((*socket).to_owned())),
                _ => Err(format!("{} is a socket: it has to be alone", path.display())),
            };
        }
        if meta.is_dir() {
            return Err(format!("{} is a directory", path.display()));
        }
        keys.push((*path).to_owned());
    }
    Ok(SshAgent::Keys(keys))
}

/// All `--allow`s.
///
/// # Errors
/// An entitlement that is none, or is not supported.
pub(crate) fn allow(texts: &[String]) -> Result<BTreeSet<String>, CliError> {
    let mut all = BTreeSet::new();
    for text in texts.iter().filter(|text| !text.is_empty()) {
        match text.as_str() {
            "network.host" | "security.insecure" => drop(all.insert(text.clone())),
            "device" | "buildx.local.delete" => {
                return Err(CliError::usage(format!("the entitlement `{text}` is not supported yet")));
            }
            other if other.starts_with("device=") => {
                return Err(CliError::usage(format!("the entitlement `{other}` is not supported yet")));
            }
            other => {
                return Err(CliError::usage_help(
                    format!("`--allow {other}`: there is no such entitlement"),
                    "network.host and security.insecure are known",
                ));
            }
        }
    }
    Ok(all)
}

/// `NAME=SOFT[:HARD]`
///
/// # Errors
/// What is no limit.
pub(crate) fn ulimit(text: &str) -> Result<Ulimit, CliError> {
    let bad = |why: &str| CliError::usage(format!("`--ulimit {text}`: {why}"));
    let (name, value) = text.split_once('=').ok_or_else(|| bad("it is not of the form NAME=SOFT[:HARD]"))?;
    if !ULIMITS.contains(&name) {
        return Err(bad(&format!("`{name}` is none of {}", ULIMITS.join(", "))));
    }
    let number = |text: &str| match text.parse::<i64>() {
        Ok(number) if number >= -1 => Ok(number),
        _ => Err(bad(&format!("`{text}` is no limit"))),
    };
    let (soft, hard) = match value.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(value)?, number(value)?),
    };
    if hard != -1 && (soft > hard || soft == -1) {
        return Err(bad("the soft limit is above the hard one"));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

/// A number of bytes as docker reads it: `64m`, `1.5 GiB`.
///
/// # Errors
/// What is none.
pub(crate) fn bytes(flag: &str, text: &str) -> Result<u64, CliError> {
    let bad = || CliError::usage(format!("`{flag} {text}`: it is no number of bytes, such as 64m"));
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number: f64 = text[..end].parse().map_err(|_| bad())?;
    let unit = text[end..].trim_start().to_ascii_lowercase();
    let unit = unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit);
    let power = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return Err(bad()),
    };
    let bytes = number * f64::from(1_u32 << (power % 30)) * f64::from(1_u32 << (power / 30 * 30));
    let whole = format!("{bytes:.0}");
    whole.parse().map_err(|_| bad())
}

/// `NAME=ADDRESS[,ADDRESS]`, also with a colon; `host-gateway` is an address.
///
/// # Errors
/// What is none.
pub(crate) fn extra_hosts(text: &str) -> Result<Vec<(String, String)>, CliError> {
    let bad = |why: &str| CliError::usage(format!("`--add-host {text}`: {why}"));
    let pair = text.split_once('=').or_else(|| text.split_once(':'));
    let (name, addresses) = pair.ok_or_else(|| bad("it is not of the form NAME=ADDRESS"))?;
    if name.is_empty() {
        return Err(bad("the name is empty"));
    }
    let one = |address: &str| {
        let bare = address.strip_prefix('[').and_then(|a| a.strip_suffix(']')).unwrap_or(address);
        if addresses == "host-gateway" || bare.parse::<IpAddr>().is_ok() {
            Ok((name.to_owned(), bare.to_owned()))
        } else {
            Err(bad("the address is no IP address"))
        }
    };
    addresses.split(',').map(one).collect()
}

/// Whether a switch of buildah's is on: `true` and `false` in Go's spellings.
///
/// # Errors
/// What is neither.
pub(crate) fn boolean(flag: &str, text: &str) -> Result<bool, CliError> {
    match text {
        "true" | "True" | "TRUE" | "1" | "t" | "T" => Ok(true),
        "false" | "False" | "FALSE" | "0" | "f" | "F" => Ok(false),
        _ => Err(CliError::usage(format!("`{flag}={text}`: true and false are known"))),
    }
}

#[cfg(test)]
mod tests;
