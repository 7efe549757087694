//! Downloads in the store: `sources/files/<digest>-<time>-<name>/<name>` for good, and for each address the one that
//! it gave last.

use super::client::Body;
use super::hash;
use crate::sources::{FetchError, Fetcher, settle, short_hash};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What an address gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// Of the file, hexadecimal.
    pub(super) sha256: String,
    /// As the server sent it.
    pub(super) etag: Option<String>,
    /// As the server sent it.
    pub(super) last_modified: Option<String>,
    /// The same, Unix seconds.
    pub(super) modified: Option<i64>,
}

/// A download that is here.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) dir: PathBuf,
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) meta: Meta,
}

impl Meta {
    fn place(&self, fetcher: &Fetcher, name: &str) -> Result<Known, FetchError> {
        let time = self.modified.unwrap_or(0);
        let dir = fetcher.dir("files")?.join(format!("{}-{time}-{}", self.sha256, short_hash(name)));
        Ok(Known { file: dir.join(name), dir, name: name.to_owned(), meta: self.clone() })
    }
}

/// What the address with this key gave last, if it is undamaged.
pub(super) fn find(fetcher: &Fetcher, key: &str, name: &str) -> Result<Option<Known>, FetchError> {
    let note = fetcher.dir("http")?.join(format!("{key}.json"));
    let Ok(bytes) = std::fs::read(note) else { return Ok(None) };
    let Ok(meta) = serde_json::from_slice::<Meta>(&bytes) else { return Ok(None) };
    let known = meta.place(fetcher, name)?;
    // A power loss may have cut it off.
    if hash::<Sha256>(&known.file).is_ok_and(|digest| digest == meta.sha256) {
        return Ok(Some(known));
    }
    match std::fs::remove_dir_all(&known.dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FetchError::io("remove", &known.dir)(error))
        }
        _ => Ok(None),
    }
}

/// Keeps a download.
pub(super) fn keep(fetcher: &Fetcher, key: &str, name: &str, body: &Body) -> Result<Known, FetchError> {
    let known = body.meta.place(fetcher, name)?;
    let made = body.file.parent().unwrap_or(&body.file).join("dir");
    finish(body, &made, name)?;
    settle(&made, &known.dir)?;
    let note = fetcher.dir("http")?.join(format!("{key}.json"));
    let part = made.with_file_name("note");
    let text = serde_json::to_vec(&known.meta).map_err(|error| FetchError::Client(error.to_string()))?;
    std::fs::write(&part, text).map_err(FetchError::io("write", &part))?;
    std::fs::rename(&part, &note).map_err(FetchError::io("write", &note))?;
    Ok(known)
}

fn finish(body: &Body, made: &Path, name: &str) -> Result<(), FetchError> {
    std::fs::create_dir(made).map_err(FetchError::io("make the directory", made))?;
    let file = made.join(name);
    std::fs::rename(&body.file, &file).map_err(FetchError::io("make", &file))?;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, mode).map_err(FetchError::io("set the mode of", &file))?;
    let time = Timespec { tv_sec: body.meta.modified.unwrap_or(0), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    let set = utimensat(CWD, &file, &times, AtFlags::SYMLINK_NOFOLLOW);
    set.map_err(|error| FetchError::io("set the times of", &file)(error.into()))
}
