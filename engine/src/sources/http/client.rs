//! One question to a web server, and its answer in a file.

use super::store::Meta;
use super::{hex, redact};
use crate::sources::{FetchError, Fetcher};
use reqwest::header::{
    AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest, Sha256};
use snapshotter::work::WorkDir;
use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Redirects that are followed, as BuildKit has it.
const REDIRECTS: usize = 10;
/// Bytes of the disk that a download leaves free.
const RESERVE: u64 = 256 << 20;
/// Between two lines of progress.
const STEP: u64 = 16 << 20;

/// What to ask.
pub(super) struct Request<'a> {
    pub(super) url: Url,
    pub(super) shown: String,
    pub(super) authorization: Option<String>,
    /// The copy that is here.
    pub(super) known: Option<&'a Meta>,
}

/// What came.
pub(super) enum Answer {
    /// The copy is good.
    Unchanged,
    /// A new file.
    Body(Body),
}

/// A file in a work directory, which goes when this is dropped.
pub(super) struct Body {
    pub(super) file: PathBuf,
    pub(super) meta: Meta,
    _work: WorkDir,
}

/// Asks.
pub(super) fn get(fetcher: &Fetcher, request: Request<'_>) -> Result<Answer, FetchError> {
    fetcher.check()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| FetchError::Client(format!("start an event loop: {error}")))?;
    let answer = runtime.block_on(async {
        tokio::select! {
            answer = ask(fetcher, request) => answer,
            () = fetcher.cancel.canceled() => Err(FetchError::Canceled),
        }
    });
    // A name look-up that hangs is not waited for.
    runtime.shutdown_background();
    answer
}

async fn ask(fetcher: &Fetcher, request: Request<'_>) -> Result<Answer, FetchError> {
    let shown = request.shown;
    let client = client(fetcher)?;
    let idle = fetcher.limits.idle;
    let sent = client.get(request.url).headers(headers(request.authorization, request.known)?).send();
    let stalled = || FetchError::Stalled { url: shown.clone(), seconds: idle.as_secs() };
    let sent = tokio::time::timeout(idle + fetcher.limits.connect, sent).await.map_err(|_| stalled())?;
    let mut response = sent.map_err(|error| transfer(&shown, &error))?;
    match response.status() {
        StatusCode::NOT_MODIFIED => return Ok(Answer::Unchanged),
        status if !status.is_success() => {
            return Err(FetchError::Status { url: shown, status: status.to_string() });
        }
        _ => {}
    }
    if let Some(known) = request.known
        && known.etag.is_some()
        && text(&response, &ETAG) == known.etag
    {
        return Ok(Answer::Unchanged);
    }
    let work = fetcher.store.work().map_err(FetchError::Store)?;
    let file = work.scratch().map_err(FetchError::Store)?.join("body");
    let mut sink = Sink::new(fetcher, &shown, &file, response.content_length())?;
    loop {
        let chunk = tokio::time::timeout(idle, response.chunk()).await.map_err(|_| stalled())?;
        match chunk.map_err(|error| transfer(&shown, &error))? {
            Some(chunk) => sink.put(&chunk)?,
            None => break,
        }
    }
    let last_modified = text(&response, &LAST_MODIFIED);
    let modified = last_modified.as_deref().and_then(seconds);
    let meta = Meta { sha256: sink.end(), etag: text(&response, &ETAG), last_modified, modified };
    Ok(Answer::Body(Body { file, meta, _work: work }))
}

fn client(fetcher: &Fetcher) -> Result<Client, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        // A machine without a bundle, such as a small container.
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let tls = tls.map_err(|error| FetchError::Client(format!("set TLS up: {error}")))?;
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("lapstrake/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(fetcher.limits.connect)
        .redirect(redirect::Policy::limited(REDIRECTS))
        .referer(false)
        .build()
        .map_err(|error| FetchError::Client(format!("set the web client up: {}", causes(&error))))
}

fn headers(authorization: Option<String>, known: Option<&Meta>) -> Result<HeaderMap, FetchError> {
    let mut headers = HeaderMap::new();
    if let Some(text) = authorization {
        let mut value = HeaderValue::from_str(&text)
            .map_err(|_| FetchError::Client("the secret for the server is no header's value".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    let (etag, modified) =
        known.map_or((None, None), |known| (known.etag.as_ref(), known.last_modified.as_ref()));
    let value = |text: &String| HeaderValue::from_str(text).ok();
    if let Some(value) = etag.and_then(value) {
        headers.insert(IF_NONE_MATCH, value);
    } else if let Some(value) = modified.and_then(value) {
        headers.insert(IF_MODIFIED_SINCE, value);
    }
    Ok(headers)
}

fn text(response: &Response, name: &reqwest::header::HeaderName) -> Option<String> {
    response.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// An HTTP date as Unix seconds.
fn seconds(date: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date).ok().map(|time| time.timestamp().as_second())
}

fn transfer(shown: &str, error: &reqwest::Error) -> FetchError {
    let why = if error.is_redirect() {
        format!("it was redirected more than {REDIRECTS} times")
    } else {
        causes(error)
    };
    FetchError::Transfer { url: shown.to_owned(), why }
}

/// The causes below the client's own words, which repeat the address with all that is in it.
fn causes(error: &reqwest::Error) -> String {
    let mut all: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !all.iter().any(|known| known.contains(&text)) {
            all.push(text);
        }
        next = cause.source();
    }
    if all.is_empty() { redact(&error.to_string()) } else { all.join(": ") }
}

/// Where a body goes.
struct Sink<'a> {
    fetcher: &'a Fetcher,
    shown: &'a str,
    path: &'a Path,
    file: File,
    digest: Sha256,
    total: Option<u64>,
    written: u64,
    limit: u64,
    told: u64,
}

impl<'a> Sink<'a> {
    fn new(
        fetcher: &'a Fetcher,
        shown: &'a str,
        path: &'a Path,
        total: Option<u64>,
    ) -> Result<Self, FetchError> {
        let file = File::create(path).map_err(FetchError::io("make", path))?;
        let disk = rustix::fs::fstatvfs(&file).map_err(|e| FetchError::io("inspect", path)(e.into()))?;
        let room = (disk.f_bavail * disk.f_frsize).saturating_sub(RESERVE);
        let limit = fetcher.limits.bytes.min(room);
        let sink =
            Self { fetcher, shown, path, file, digest: Sha256::new(), total, written: 0, limit, told: 0 };
        sink.check(total.unwrap_or(0))?;
        Ok(sink)
    }

    fn check(&self, bytes: u64) -> Result<(), FetchError> {
        if bytes > self.limit {
            return Err(FetchError::TooLarge { url: self.shown.to_owned(), limit: self.limit });
        }
        Ok(())
    }

    fn put(&mut self, chunk: &[u8]) -> Result<(), FetchError> {
        self.written += chunk.len() as u64;
        self.check(self.written)?;
        self.digest.update(chunk);
        self.file.write_all(chunk).map_err(FetchError::io("write", self.path))?;
        if self.written - self.told >= STEP {
            self.told = self.written;
            let of = self.total.map(|total| format!(" of {}", total >> 20)).unwrap_or_default();
            self.fetcher.say(&format!("{}: {}{of} MiB", self.shown, self.written >> 20));
        }
        Ok(())
    }

    fn end(self) -> String {
        hex(&self.digest.finalize())
    }
}
