//! Definitions of several builds: HCL, JSON and Compose files to targets. Pure: what files, the environment,
//! the clock and the machine say is given by the caller.

mod compose;
mod definition;
mod entry;
mod error;
mod eval;
mod file;
mod funcs;
mod load;
mod overrides;
mod target;
mod types;
mod value;

pub use definition::{Definition, Resolved, Variable};
pub use entry::{Entry, Secret, Ssh};
pub use error::{Error, Place};
pub use target::{Group, Resources, Strings, Target};

/// A file of a definition.
#[derive(Debug, Clone)]
pub struct File {
    /// What messages call it; its ending says what it is.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// What the clock and the machine say.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Now, in Unix seconds.
    pub now: i64,
    /// The user's home directory.
    pub home: String,
    /// The machine's platform.
    pub platform: String,
    /// The text of `.env`, which has variables for Compose files.
    pub dotenv: String,
    /// The names that the command line gives values to: `.env` does not see them.
    pub given: Vec<String>,
}

/// Looks up a variable of the command line or the environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `path` as Go's path.Clean leaves it.
pub fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// JSON with what Go's encoder escapes for HTML.
pub fn html_safe(json: &str) -> String {
    let json = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}
