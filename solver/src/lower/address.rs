//! What the address of a build context is. The rules are those of ADD.

use super::remote::{self, Remote};
use crate::graph::{GitSource, HttpSource};

/// An address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A path of the machine.
    Local,
    /// A file on a web server.
    Http(HttpSource),
    /// A repository; and whether the address says to keep `.git`.
    Git(GitSource, Option<bool>),
}

/// Tells addresses apart.
///
/// # Errors
/// What is wrong with a git address.
pub fn of(text: &str) -> Result<Address, String> {
    // The oldest form of all.
    let whole = text.starts_with("github.com/").then(|| format!("https://{text}"));
    if let Some(whole) = whole {
        let (path, fragment) = whole.split_once('#').unwrap_or((&whole, ""));
        let git = if path.ends_with(".git") { path.to_owned() } else { format!("{path}.git") };
        return of(&if fragment.is_empty() { git } else { format!("{git}#{fragment}") });
    }
    Ok(match remote::classify(text)? {
        Remote::Local => Address::Local,
        Remote::Http(source) => Address::Http(source),
        Remote::Git(source, keep) => Address::Git(source, keep),
    })
}
