//! Files from web servers.

mod client;
mod store;

use super::auth::{for_http, redact};
use super::{FetchError, Fetched, Fetcher};
use client::Answer;
use sha2::{Digest, Sha256, Sha384, Sha512};
use solver::graph::HttpSource;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use store::Known;

/// [`Fetcher::http`].
pub(super) fn fetch(fetcher: &Fetcher, source: &HttpSource) -> Result<Fetched, FetchError> {
    let shown = redact(&source.url);
    let bad = |why: String| FetchError::Address { url: shown.clone(), why };
    let url = reqwest::Url::parse(&source.url).map_err(|error| bad(error.to_string()))?;
    let authorization = for_http(fetcher, &url)?;
    let key = super::short_hash(&format!("{}\0{}", source.url, authorization.as_deref().unwrap_or_default()));
    let _lock = fetcher.lock(&format!("http {key}"))?;
    let known = store::find(fetcher, &key, &source.name)?;
    let matches = match (&known, &source.checksum) {
        (Some(known), Some(wanted)) => digest_of(&known.file, wanted)? == *wanted,
        _ => false,
    };
    if let Some(known) = known.as_ref().filter(|_| matches) {
        return Ok(known.fetched());
    }
    // Asked for unconditionally where the checksum says that the copy is not what is wanted.
    let asked = known.as_ref().filter(|_| source.checksum.is_none());
    let request = client::Request { url, shown: shown.clone(), authorization, known: asked.map(|k| &k.meta) };
    let fetched = match client::get(fetcher, request)? {
        Answer::Unchanged => known.map(|known| known.fetched()).ok_or_else(|| FetchError::Status {
            url: shown.clone(),
            status: "304 Not Modified to a question without conditions".to_owned(),
        })?,
        Answer::Body(body) => {
            if let Some(wanted) = &source.checksum {
                let found = digest_of(&body.file, wanted)?;
                if found != *wanted {
                    return Err(FetchError::Checksum { url: shown, found, expected: wanted.clone() });
                }
            }
            store::keep(fetcher, &key, &source.name, &body)?.fetched()
        }
    };
    Ok(fetched)
}

impl Known {
    fn fetched(&self) -> Fetched {
        Fetched {
            dir: self.dir.clone(),
            path: self.name.clone(),
            digest: format!("sha256:{}", self.meta.sha256),
            time: self.meta.modified,
        }
    }
}

/// The digest of a file by the algorithm of `like`.
fn digest_of(path: &Path, like: &str) -> Result<String, FetchError> {
    let (algorithm, _) = like.split_once(':').unwrap_or(("sha256", ""));
    let hex = match algorithm {
        "sha512" => hash::<Sha512>(path),
        "sha384" => hash::<Sha384>(path),
        _ => hash::<Sha256>(path),
    };
    Ok(format!("{algorithm}:{}", hex.map_err(FetchError::io("read", path))?))
}

fn hash<D: Digest>(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&digest.finalize())),
            len => digest.update(&buffer[..len]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
