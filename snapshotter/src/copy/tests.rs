//! Copies against real directories: a small harness, and one file per topic.

mod archives;
mod filtered;
mod links;
mod observed;
mod owners;
mod places;
mod random;
mod refusals;

use super::*;
use crate::context::{Context, KeepAll};
use crate::layer::scan;
use crate::layer::testing::scratch;
use crate::tree::Tree;
use crate::view::ChainView;
use oci::{Entry, Kind};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The clock of all copies here; sources are never as new.
const NOW: u64 = 1_900_000_000;

/// A directory to copy from. Each path's mtime is [`time_of`] its name.
struct Source(TempDir);

/// The mtime of a source path.
fn time_of(path: &str) -> i64 {
    1_000_000_000
        + i64::from(u16::from_le_bytes(blake3::hash(path.as_bytes()).as_bytes()[..2].try_into().unwrap()))
}

impl Source {
    /// One line per path: `path = content`, `path/`, `path -> target`, or `path == other` for a hard link. Parent
    /// directories are made.
    fn new(lines: &str) -> Source {
        let dir = scratch();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            plant(dir.path(), line);
        }
        let source = Source(dir);
        source.date("");
        source
    }

    fn date(&self, relative: &str) {
        let path = self.0.path().join(relative);
        if path.symlink_metadata().unwrap().is_dir() {
            let mut names: Vec<_> =
                std::fs::read_dir(&path).unwrap().map(|child| child.unwrap().file_name()).collect();
            names.sort();
            for name in names {
                let name = name.into_string().unwrap();
                self.date(&if relative.is_empty() { name } else { format!("{relative}/{name}") });
            }
        }
        set_mtime(&path, time_of(relative));
    }

    fn path(&self, relative: &str) -> std::path::PathBuf {
        self.0.path().join(relative)
    }

    fn chmod(self, relative: &str, mode: u32) -> Self {
        std::fs::set_permissions(self.path(relative), PermissionsExt::from_mode(mode)).unwrap();
        self
    }

    fn chown(self, relative: &str, uid: u32, gid: u32) -> Self {
        std::os::unix::fs::lchown(self.path(relative), Some(uid), Some(gid)).unwrap();
        self
    }

    fn open(&self) -> Context {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        Context::open(self.0.path(), &KeepAll, None, now).unwrap()
    }
}

fn plant(dir: &Path, line: &str) {
    let split = |by: &str| line.split_once(by).map(|(a, b)| (a.trim(), b.trim()));
    let at = |path: &str| {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    if let Some((path, target)) = split(" -> ") {
        std::os::unix::fs::symlink(target, at(path)).unwrap();
    } else if let Some((path, other)) = split(" == ") {
        std::fs::hard_link(dir.join(other), at(path)).unwrap();
    } else if let Some((path, content)) = split(" = ") {
        std::fs::write(at(path), content).unwrap();
    } else {
        std::fs::create_dir_all(at(line)).unwrap();
    }
}

fn set_mtime(path: &Path, secs: i64) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: secs, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// An image in the making.
struct Image {
    layers: Vec<(Arc<LayerIndex>, TempDir)>,
    warnings: Vec<Warning>,
}

impl Image {
    fn scratch() -> Image {
        Image { layers: Vec::new(), warnings: Vec::new() }
    }

    /// An image of one layer: a source's paths.
    fn of(source: Source) -> Image {
        let index = Arc::new(scan(source.0.path()).unwrap());
        Image { layers: vec![(index, source.0)], warnings: Vec::new() }
    }

    fn view(&self) -> ChainView {
        ChainView::from_parts(self.layers.iter().map(|(index, dir)| (index.clone(), dir.path().to_owned())))
    }

    /// A copy whose index must be what a scan of the written layer finds.
    fn try_copy(&mut self, src: &dyn Tree, req: &CopyRequest) -> Result<(), CopyError> {
        let (parent, dir) = (self.view(), scratch());
        let selection = select(src, req)?;
        selection.digest(src)?;
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let written = write(src, &selection, &parent, req, dir.path(), now)?;
        self.push(written, dir);
        Ok(())
    }

    fn push(&mut self, written: Written, dir: TempDir) {
        assert_eq!(
            listing(written.index.iter()),
            listing(scan(dir.path()).unwrap().iter()),
            "index and layer differ"
        );
        assert!(written.index == scan(dir.path()).unwrap(), "index and layer differ in a detail");
        self.warnings.extend(written.warnings);
        self.layers.push((Arc::new(written.index), dir));
    }

    /// `COPY words… dest` from a context, on top of this.
    fn copy(&mut self, src: &Source, words: &str) -> &mut Self {
        self.copy_with(src, words, |_| {})
    }

    fn copy_with(&mut self, src: &Source, words: &str, change: impl FnOnce(&mut CopyRequest)) -> &mut Self {
        self.try_copy(&src.open(), &request(words, change))
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        self
    }

    /// `COPY --from=…`
    fn copy_from(&mut self, src: &Image, words: &str) -> &mut Self {
        let req = request(words, |req| req.owner = Ownership::Source);
        self.try_copy(&src.view(), &req).unwrap_or_else(|error| panic!("{words}: {error}"));
        self
    }

    fn workdir(&mut self, path: &str, user: &str) -> &mut Self {
        let (parent, dir) = (self.view(), scratch());
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let written = mkdir(&parent, path, user, dir.path(), now).unwrap();
        self.push(written, dir);
        self
    }

    /// All paths but the root, one line each.
    fn list(&self) -> String {
        listing(self.view().walk(&RootPath::root()).unwrap().into_iter())
    }

    fn entry(&self, path: &str) -> Entry {
        self.view().lookup(&RootPath::new(path)).unwrap().unwrap_or_else(|| panic!("{path} is missing"))
    }

    fn content(&self, path: &str) -> String {
        std::io::read_to_string(self.view().open(&RootPath::new(path)).unwrap()).unwrap()
    }
}

/// The last word is the destination.
fn request(words: &str, change: impl FnOnce(&mut CopyRequest)) -> CopyRequest {
    let mut words: Vec<&str> = words.split(' ').collect();
    let dest = words.pop().unwrap().to_owned();
    let sources = words.into_iter().map(|word| SourceSpec::Path(word.to_owned())).collect();
    let mut req = CopyRequest { sources, dest, ..CopyRequest::default() };
    change(&mut req);
    req
}

/// `dir 0755 0:0 /a @1234`: the time only where it is not the clock's; a link's target, a file's first name if it
/// has several.
fn listing(entries: impl Iterator<Item = (RootPath, Entry)>) -> String {
    let mut out = String::new();
    for (path, entry) in entries.filter(|(path, _)| !path.is_root()) {
        let kind = match &entry.kind {
            Kind::File { .. } => "file",
            Kind::Dir { opaque: false } => "dir",
            Kind::Dir { opaque: true } => "opaque",
            Kind::Symlink(_) => "link",
            Kind::CharDevice(..) => "char",
            Kind::BlockDevice(..) => "block",
            Kind::Fifo => "fifo",
            Kind::Socket => "socket",
            Kind::Whiteout => "whiteout",
        };
        out += &format!("{kind} {:04o} {}:{} {path}", entry.mode, entry.uid, entry.gid);
        match &entry.kind {
            Kind::Symlink(target) => out += &format!(" -> {}", String::from_utf8_lossy(target)),
            Kind::File { link_to: Some(head), .. } => out += &format!(" == {head}"),
            _ => {}
        }
        if entry.mtime.secs != i64::try_from(NOW).unwrap() {
            out += &format!(" @{}", entry.mtime.secs);
        }
        out.push('\n');
    }
    out
}

/// Compares with lines that have `@path` for the mtime of a source's path.
#[track_caller]
fn expect(found: &str, expected: &str) {
    let line = |line: &str| match line.trim().rsplit_once(" @") {
        Some((rest, path)) if path.parse::<i64>().is_err() => format!("{rest} @{}\n", time_of(path)),
        _ => format!("{}\n", line.trim()),
    };
    let expected: String = expected.lines().filter(|line| !line.trim().is_empty()).map(line).collect();
    assert!(found == expected, "found:\n{found}\nexpected:\n{expected}");
}
