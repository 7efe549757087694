//! Image references: `[registry/]repository[:tag][@digest]`, normalised as Docker does
//! (`busybox` is `docker.io/library/busybox:latest`).

use crate::BlobDigest;
use std::fmt;
use std::str::FromStr;

/// A normalised reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// Host with optional port.
    pub registry: String,
    /// Path below the host.
    pub repository: String,
    /// `latest` where neither a tag nor a digest was given.
    pub tag: Option<String>,
    /// Pinned manifest.
    pub digest: Option<BlobDigest>,
}

/// Why a string is no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {why}")]
pub struct ParseReferenceError {
    text: String,
    why: &'static str,
}

const DOCKER_HUB: &str = "docker.io";

impl Reference {
    /// As Docker shows it: without `docker.io/`, `library/`; with the tag, and the digest if there is one.
    pub fn familiar(&self) -> String {
        let name = self.familiar_name();
        let tag = self.tag.as_ref().map(|t| format!(":{t}")).unwrap_or_default();
        let digest = self.digest.map(|d| format!("@{d}")).unwrap_or_default();
        format!("{name}{tag}{digest}")
    }

    /// The familiar form without tag and digest. It parses back to the same name.
    pub fn familiar_name(&self) -> String {
        let full = || format!("{}/{}", self.registry, self.repository);
        if self.registry != DOCKER_HUB {
            return full();
        }
        match self.repository.strip_prefix("library/") {
            Some(name) if !name.contains('/') => name.to_owned(),
            // Without `docker.io/`, its first component would be taken for a registry.
            _ if has_registry(&self.repository) => full(),
            _ => self.repository.clone(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        self.tag.iter().try_for_each(|t| write!(f, ":{t}"))?;
        self.digest.iter().try_for_each(|d| write!(f, "@{d}"))
    }
}

impl FromStr for Reference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        let bad = |why| ParseReferenceError { text: text.to_owned(), why };
        if text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad("64 hexadecimal digits are an image id, not a name"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest = digest
                    .parse()
                    .map_err(|_| bad("the digest must be sha256: and 64 hexadecimal digits"))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if name.is_empty() {
            return Err(bad("the name is empty"));
        }
        if name.bytes().any(|b| b.is_ascii_uppercase()) && !has_registry(name) {
            return Err(bad("the repository name must be lower case"));
        }
        let (registry, repository) = match name.split_once('/') {
            Some((host, path)) if has_registry(name) => (host, path.to_owned()),
            Some(_) => (DOCKER_HUB, name.to_owned()),
            None => (DOCKER_HUB, format!("library/{name}")),
        };
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        let repository = match registry {
            DOCKER_HUB if !repository.contains('/') => format!("library/{repository}"),
            _ => repository,
        };
        if !valid_host(registry) {
            return Err(bad("the registry is not a host name with an optional port"));
        }
        if !repository.split('/').all(valid_component) {
            let why =
                "repository components are lower-case letters and digits, separated by `.`, `_`, `__` or `-`";
            return Err(bad(why));
        }
        if repository.len() > 255 {
            return Err(bad("the repository name is longer than 255 characters"));
        }
        if tag.is_some_and(|t| !valid_tag(t)) {
            return Err(bad(
                "a tag is up to 128 letters, digits, `_`, `.` and `-`, and starts with none of `.` and `-`",
            ));
        }
        let tag = tag.map(str::to_owned).or_else(|| digest.is_none().then(|| "latest".to_owned()));
        Ok(Self { registry: registry.to_owned(), repository, tag, digest })
    }
}

/// Docker's rule: the part before the first slash is a host if it has a dot or colon, is `localhost`, or has capitals.
fn has_registry(name: &str) -> bool {
    name.split_once('/').is_some_and(|(host, _)| {
        host.contains(['.', ':']) || host == "localhost" || host.bytes().any(|b| b.is_ascii_uppercase())
    })
}

fn valid_host(host: &str) -> bool {
    let valid_port = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit());
    if let Some((address, rest)) = host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        let hex = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        return hex && (rest.is_empty() || rest.strip_prefix(':').is_some_and(valid_port));
    }
    let (name, port) = host.rsplit_once(':').map_or((host, None), |(n, p)| (n, Some(p)));
    let label = |l: &str| {
        !l.is_empty()
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.split('.').all(label) && port.is_none_or(valid_port)
}

fn valid_component(part: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let ends = bytes.first().copied().is_some_and(alnum) && bytes.last().copied().is_some_and(alnum);
    let mut run = Vec::new();
    ends && bytes.iter().all(|b| {
        if alnum(*b) {
            run.clear();
            return true;
        }
        run.push(*b);
        matches!(run.as_slice(), b"." | b"_" | b"__") || run.iter().all(|b| *b == b'-')
    })
}

fn valid_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests;
