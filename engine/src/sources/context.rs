//! Build contexts that are no directory of the machine.

use super::archive::{is_archive, unpack};
use super::auth::redact;
use super::{FetchError, Fetched, Fetcher};
use crate::contexts::ContextDir;
use snapshotter::work::WorkDir;
use solver::graph::{GitSource, HttpSource};
use solver::lower::address::{self, Address};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// What a context that came as one file is called.
const FILE: &str = "context";

/// The main context, fetched or unpacked. What it stands on lives as long as this: keep it until the build is over.
#[derive(Debug)]
pub struct MainContext {
    /// Where it is; `None` if a Dockerfile alone was given on standard input.
    pub dir: Option<PathBuf>,
    /// The Dockerfile, where the context is nothing else.
    pub dockerfile: Option<Vec<u8>>,
    /// For `SOURCE_DATE_EPOCH=context`: the commit's time, or the file's.
    pub time: Option<i64>,
    _held: Option<WorkDir>,
}

impl MainContext {
    /// As a context of a build. Ignore files do not count in it, as in BuildKit.
    pub fn context(&self) -> Option<ContextDir> {
        self.dir.clone().map(|path| ContextDir { path, ignore: None })
    }
}

/// How the main context is given, besides its address.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given {
    /// `BUILDKIT_CONTEXT_KEEP_GIT_DIR` is true.
    pub keep_git_dir: bool,
    /// `SOURCE_DATE_EPOCH` is given: files of a commit get its time.
    pub epoch: bool,
}

/// A `--build-context` that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedFetch {
    /// A tree, in the store; with the time for `SOURCE_DATE_EPOCH=<name>`.
    Dir(ContextDir, Option<i64>),
    /// An image: what follows `docker-image://`, or the whole `oci-layout://…`.
    Image(String),
    /// A directory of this machine: the caller's matter.
    Local(PathBuf),
}

/// Whether `text` is for [`main_context`]: `-`, a git address or a URL; not a directory.
pub fn is_remote(text: &str) -> bool {
    text == "-" || !matches!(address::of(text), Ok(Address::Local))
}

/// Reads or fetches the main context `text`: `-` is an archive or a Dockerfile on `stdin`; a git address gives a tree;
/// a URL, an archive or a Dockerfile. Which one it is shows in the bytes.
///
/// The Dockerfile of an archive or tree is a file of [`MainContext::dir`], to be read with
/// [`crate::contexts::read_file`]; links cannot lead out of it then.
///
/// # Errors
/// [`FetchError`]
pub fn main_context(
    fetcher: &Fetcher,
    text: &str,
    stdin: &mut dyn Read,
    given: Given,
) -> Result<MainContext, FetchError> {
    if text == "-" {
        return from_stdin(fetcher, stdin);
    }
    match of(text)? {
        Address::Git(git, keep) => {
            let git = GitSource {
                keep_git_dir: given.keep_git_dir || keep.unwrap_or(false),
                commit_mtime: given.epoch || git.commit_mtime,
                ..git
            };
            let fetched = fetcher.git(&git)?;
            Ok(MainContext { dir: Some(fetched.dir), dockerfile: None, time: fetched.time, _held: None })
        }
        Address::Http(source) => {
            let fetched = fetcher.http(&HttpSource { name: FILE.to_owned(), ..source })?;
            from_file(fetcher, fetched, text)
        }
        Address::Local => Err(FetchError::UnknownContext(text.to_owned())),
    }
}

/// Fetches what `--build-context NAME=text` names.
///
/// A git address gives its tree. A URL gives a tree with the one file `context`, never unpacked, as in BuildKit.
///
/// # Errors
/// [`FetchError`]; [`FetchError::UnknownContext`] for a scheme that there is not.
pub fn named_context(fetcher: &Fetcher, text: &str) -> Result<NamedFetch, FetchError> {
    if let Some(image) = text.strip_prefix("docker-image://") {
        return Ok(NamedFetch::Image(image.to_owned()));
    }
    if text.starts_with("oci-layout://") {
        return Ok(NamedFetch::Image(text.to_owned()));
    }
    let fetched = match of(text)? {
        Address::Git(git, keep) => fetcher.git(&GitSource { keep_git_dir: keep.unwrap_or(false), ..git })?,
        Address::Http(source) => fetcher.http(&HttpSource { name: FILE.to_owned(), ..source })?,
        Address::Local if text.contains("://") || text == "-" => {
            return Err(FetchError::UnknownContext(text.to_owned()));
        }
        Address::Local => return Ok(NamedFetch::Local(PathBuf::from(text))),
    };
    Ok(NamedFetch::Dir(ContextDir { path: fetched.dir, ignore: None }, fetched.time))
}

fn of(text: &str) -> Result<Address, FetchError> {
    address::of(text).map_err(|why| FetchError::Address { url: redact(text), why })
}

fn from_stdin(fetcher: &Fetcher, stdin: &mut dyn Read) -> Result<MainContext, FetchError> {
    let work = fetcher.store.work().map_err(FetchError::Store)?;
    let dir = work.scratch().map_err(FetchError::Store)?;
    let path = dir.join(FILE);
    let limit = fetcher.limits.bytes;
    let mut file = File::create(&path).map_err(FetchError::io("make", &path))?;
    let copied = io::copy(&mut stdin.take(limit + 1), &mut file);
    if copied.map_err(FetchError::io("read standard input into", &path))? > limit {
        return Err(FetchError::TooLarge { url: "-".to_owned(), limit });
    }
    let archive = is_archive(&path).map_err(FetchError::io("read", &path))?;
    if !archive {
        let text = std::fs::read(&path).map_err(FetchError::io("read", &path))?;
        return Ok(MainContext { dir: None, dockerfile: Some(text), time: None, _held: None });
    }
    let (held, root) = unpack(&fetcher.store, &dir, FILE, "on standard input")?;
    Ok(MainContext { dir: Some(root), dockerfile: None, time: None, _held: Some(held) })
}

fn from_file(fetcher: &Fetcher, fetched: Fetched, text: &str) -> Result<MainContext, FetchError> {
    let path = fetched.dir.join(&fetched.path);
    if is_archive(&path).map_err(FetchError::io("read", &path))? {
        let (held, root) = unpack(&fetcher.store, &fetched.dir, &fetched.path, &redact(text))?;
        return Ok(MainContext { dir: Some(root), dockerfile: None, time: fetched.time, _held: Some(held) });
    }
    let text = std::fs::read(&path).map_err(FetchError::io("read", &path))?;
    Ok(MainContext { dir: Some(fetched.dir), dockerfile: Some(text), time: fetched.time, _held: None })
}
