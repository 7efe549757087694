//! What a source of COPY or ADD is: a path, a URL, or a git address in one of the forms that BuildKit takes.

use crate::graph::{GitSource, HttpSource};
use query::Query;

mod query;
#[cfg(test)]
mod tests;

/// A source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remote {
    /// A path.
    Local,
    /// A file on a web server; its checksum is not known yet.
    Http(HttpSource),
    /// A repository. `keep_git_dir` is of the address alone, as far as it says it.
    Git(GitSource, Option<bool>),
}

/// Name of a fetched file whose URL has no path.
const UNNAMED: &str = "__unnamed__";

/// Tells sources apart. The error says what is wrong with a git address.
pub(super) fn classify(source: &str) -> Result<Remote, String> {
    let address = match scheme(source) {
        Some(scheme) => Address::of_url(source, scheme),
        None if source.starts_with("./") || source.starts_with("../") => None,
        None => Address::of_scp(source),
    };
    if let Some(address) = address.filter(Address::is_git) {
        let (git, keep) = address.git()?;
        return Ok(Remote::Git(git, keep));
    }
    if source.starts_with("http://") || source.starts_with("https://") {
        return Ok(Remote::Http(http(source)));
    }
    Ok(Remote::Local)
}

fn http(url: &str) -> HttpSource {
    let parsed = scheme(url).and_then(|scheme| Address::of_url(url, scheme));
    let path = parsed.map(|address| address.path).unwrap_or_default();
    let base = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let name = if base.is_empty() || base == "." { UNNAMED } else { base };
    HttpSource { url: url.to_owned(), name: name.to_owned(), checksum: None }
}

/// `https` of `HTTPS://…`, in lower case.
fn scheme(source: &str) -> Option<String> {
    let (scheme, _) = source.split_once("://")?;
    let known = !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric());
    known.then(|| scheme.to_ascii_lowercase())
}

/// An address in its parts.
struct Address {
    scheme: String,
    /// Without query and fragment.
    remote: String,
    /// Decoded.
    path: String,
    query: String,
    /// Decoded.
    fragment: String,
}

impl Address {
    /// `None` for what Go's `net/url` does not take.
    fn of_url(source: &str, scheme: String) -> Option<Self> {
        if source.bytes().any(|b| b < b' ' || b == 0x7f) {
            return None;
        }
        let (rest, fragment) = source.split_once('#').unwrap_or((source, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let after = &rest[scheme.len() + 3..];
        let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let port = match host.rsplit_once(']') {
            Some((_, port)) => port,
            None => host.find(':').map_or("", |colon| &host[colon..]),
        };
        let good = (port.is_empty() || port.starts_with(':'))
            && port.bytes().skip(1).all(|b| b.is_ascii_digit())
            && !host.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}']);
        let path = query::decode(path, false).filter(|_| good)?;
        let remote = format!("{scheme}://{after}");
        Some(Self {
            scheme,
            remote,
            path,
            query: query.to_owned(),
            fragment: query::decode(fragment, false)?,
        })
    }

    /// `user@host:path`.
    fn of_scp(source: &str) -> Option<Self> {
        let (user, rest) = source.split_once('@')?;
        let (host, rest) = rest.split_once(':')?;
        let word = |text: &str, more: char| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == more)
        };
        if !word(user, '_') || !word(host, '.') || rest.contains('\n') {
            return None;
        }
        let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Some(Self {
            scheme: "ssh".to_owned(),
            remote: format!("{user}@{host}:{path}"),
            path: path.to_owned(),
            query: query.to_owned(),
            fragment: fragment.to_owned(),
        })
    }

    /// A web address is one of a repository if its path says so.
    fn is_git(&self) -> bool {
        match self.scheme.as_str() {
            "git" | "ssh" => true,
            "http" | "https" => self.path.ends_with(".git"),
            _ => false,
        }
    }

    fn git(self) -> Result<(GitSource, Option<bool>), String> {
        let (reference, subdir) = self.fragment.split_once(':').unwrap_or((&self.fragment, ""));
        let mut query = Query {
            reference: reference.to_owned(),
            subdir: super::names::clean(subdir)[1..].to_owned(),
            ..Query::default()
        };
        query.read(&self.query)?;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let git = GitSource {
            remote: self.remote,
            reference: some(query.reference),
            subdir: some(super::names::clean(&query.subdir)[1..].to_owned()),
            checksum: some(query.checksum),
            keep_git_dir: query.keep_git_dir.unwrap_or(false),
            skip_submodules: query.submodules == Some(false),
            commit_mtime: query.commit_mtime,
            fetch_by_commit: query.fetch_by_commit,
        };
        Ok((git, query.keep_git_dir))
    }
}

/// Checks `--checksum` of a file: an algorithm and as many hexadecimal digits as it has.
pub(super) fn check_digest(text: &str) -> Result<(), String> {
    let Some((algorithm, digits)) = text.split_once(':') else {
        return Err(format!("`{text}` is no checksum of a file"));
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(format!("the checksum's algorithm `{algorithm}` is not known")),
    };
    if digits.len() != length || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(format!("the checksum `{text}` does not have {length} hexadecimal digits"));
    }
    Ok(())
}
