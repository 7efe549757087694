//! Credentials: which secrets belong to a host, and how addresses are shown without any.

use super::{FetchError, Fetcher};
use crate::build::Secret;
use reqwest::Url;

/// The address as it may be shown: without user and password.
pub(super) fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        // A name alone (git@) is no secret.
        Some(at) if !rest[..at].contains(':') && scheme == "ssh" => url.to_owned(),
        Some(at) => format!("{scheme}://xxxxx@{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// The value of `Authorization` for the file `url`, from `HTTP_AUTH_TOKEN_<host>` or `HTTP_AUTH_HEADER_<host>`.
pub(super) fn for_http(fetcher: &Fetcher, url: &Url) -> Result<Option<String>, FetchError> {
    let Some(host) = url.host_str() else { return Ok(None) };
    // The token wins, as in BuildKit.
    if let Some(token) = secret(fetcher, &format!("HTTP_AUTH_TOKEN_{host}"))? {
        return Ok(Some(format!("Bearer {token}")));
    }
    secret(fetcher, &format!("HTTP_AUTH_HEADER_{host}"))
}

/// What goes with requests to a git server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorization {
    /// Beginning of the addresses that it is for.
    pub(super) scope: String,
    /// `Authorization: …`
    pub(super) header: String,
}

/// A git address without its password, and the header that stands for it: git would write it to its files.
pub(super) fn without_password(remote: &str) -> Result<(String, Option<Authorization>), FetchError> {
    use base64::Engine;
    let plain = |url: Option<Url>| url.map_or_else(|| remote.to_owned(), |url| url.to_string());
    let Ok(mut url) = Url::parse(remote) else { return Ok((remote.to_owned(), None)) };
    if !matches!(url.scheme(), "http" | "https") {
        // The user is a part of such an address, and a password in it is of no use.
        let cut = url.password().is_some() && url.set_password(None).is_ok();
        return Ok((plain(cut.then_some(url)), None));
    }
    if url.username().is_empty() && url.password().is_none() {
        return Ok((remote.to_owned(), None));
    }
    let mut pair = decoded(url.username());
    pair.push(b':');
    pair.extend(decoded(url.password().unwrap_or_default()));
    let cut = url.set_password(None).is_ok() && url.set_username("").is_ok();
    let header = format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    // Submodules may be named relative to the repository.
    let scope =
        url.join("/").map_err(|error| FetchError::Address { url: redact(remote), why: error.to_string() })?;
    Ok((plain(cut.then_some(url)), Some(Authorization { scope: scope.to_string(), header })))
}

/// `%40` becomes `@`.
fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// The header for the repository `remote`: `GIT_AUTH_HEADER` or `GIT_AUTH_TOKEN`, those with `.<host>` first.
pub(super) fn for_git(fetcher: &Fetcher, remote: &str) -> Result<Option<Authorization>, FetchError> {
    use base64::Engine;
    let Ok(url) = Url::parse(remote) else { return Ok(None) };
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => return Ok(None),
    };
    let of = |header| Authorization { scope: scope(remote).to_owned(), header };
    for suffix in [format!(".{host}"), String::new()] {
        if let Some(header) = secret(fetcher, &format!("GIT_AUTH_HEADER{suffix}"))? {
            return Ok(Some(of(format!("Authorization: {header}"))));
        }
        if let Some(token) = secret(fetcher, &format!("GIT_AUTH_TOKEN{suffix}"))? {
            let coded = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{token}"));
            return Ok(Some(of(format!("Authorization: basic {coded}"))));
        }
    }
    Ok(None)
}

/// Whose requests a token goes with: all of GitHub's, for submodules; otherwise the repository's own.
fn scope(remote: &str) -> &str {
    let github = ["https://github.com/", "https://www.github.com/"];
    github.into_iter().find(|prefix| remote.starts_with(prefix)).unwrap_or(remote)
}

fn secret(fetcher: &Fetcher, id: &str) -> Result<Option<String>, FetchError> {
    let bytes = match fetcher.secrets.get(id) {
        None => return Ok(None),
        Some(Secret::Value(value)) => value.clone(),
        Some(Secret::File(path)) => {
            std::fs::read(path).map_err(|source| FetchError::Secret { id: id.to_owned(), source })?
        }
    };
    let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned();
    if text.contains(['\r', '\n', '\0']) {
        let source = std::io::Error::other("it has more than one line");
        return Err(FetchError::Secret { id: id.to_owned(), source });
    }
    Ok(Some(text))
}
