//! Contexts that come as one file: an archive, unpacked as ADD does, or a Dockerfile.

use super::FetchError;
use crate::clock;
use snapshotter::context::{Context, KeepAll};
use snapshotter::copy::{self, CopyRequest, SourceSpec};
use snapshotter::store::Store;
use snapshotter::work::WorkDir;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether a file that starts so is an archive: compressed, or a tar.
pub(super) fn is_archive(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(512).read_to_end(&mut start)?;
    let magics: [&[u8]; 4] =
        [&[0x1f, 0x8b, 0x08], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z', 0], &[0x28, 0xb5, 0x2f, 0xfd]];
    Ok(magics.iter().any(|magic| start.starts_with(magic)) || is_header(&start))
}

/// Whether a tar starts so: the header's sum is right.
fn is_header(block: &[u8]) -> bool {
    let Some(field) = block.get(148..156).filter(|_| block.len() == 512) else { return false };
    let digits: String = field.iter().map(|b| char::from(*b)).filter(|c| c.is_digit(8)).collect();
    let told = u64::from_str_radix(&digits, 8).ok();
    let blank = |at: usize| (148..156).contains(&at);
    let sum = |(at, byte): (usize, &u8)| if blank(at) { u64::from(b' ') } else { u64::from(*byte) };
    told == Some(block.iter().enumerate().map(sum).sum())
}

/// Unpacks `file`, which lies alone in `dir`, into a new directory.
pub(super) fn unpack(
    store: &Store,
    dir: &Path,
    name: &str,
    shown: &str,
) -> Result<(WorkDir, PathBuf), FetchError> {
    let failed = |source| FetchError::Unpack { what: shown.to_owned(), source };
    let opened = Context::open(dir, &KeepAll, None, clock::now());
    let tree = opened.map_err(|error| FetchError::Client(error.to_string()))?;
    let parent = store.layers().view(&[]).map_err(FetchError::Store)?;
    let work = store.work().map_err(FetchError::Store)?;
    let root = work.diff().map_err(FetchError::Store)?;
    let request = CopyRequest {
        sources: vec![SourceSpec::Path(name.to_owned())],
        dest: "/".to_owned(),
        unpack: true,
        ..CopyRequest::default()
    };
    let selection = copy::select(&tree, &request).map_err(failed)?;
    copy::write(&tree, &selection, &parent, &request, &root, clock::now()).map_err(failed)?;
    Ok((work, root))
}

/// The time of the newest file in an archive, Unix seconds. `None` for what is none, or holds no file.
pub(super) fn newest(store: &Store, dir: &Path, name: &str) -> Option<i64> {
    if !is_archive(&dir.join(name)).ok()? {
        return None;
    }
    // What cannot be unpacked has no time, as in BuildKit.
    let (_held, root) = unpack(store, dir, name, name).ok()?;
    newest_below(&root).ok()?
}

fn newest_below(dir: &Path) -> io::Result<Option<i64>> {
    let mut newest = None;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.is_dir() {
            newest = newest.max(newest_below(&entry.path())?);
        } else if meta.is_file() {
            newest = newest.max(Some(meta.mtime()));
        }
    }
    Ok(newest)
}
