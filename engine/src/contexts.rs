//! The build contexts of one build: opened once, on first use, with their ignore rules.

use crate::clock;
use oci::RootPath;
use parser::diagnostic::Diagnostic;
use parser::ignorefile::{self, Ignore};
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use rustix::io::Errno;
use snapshotter::context::{Context, ContextError, IgnoreFilter, Verdict};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Name of the main context in [`solver::graph::CopyFrom::Context`].
pub const MAIN: &str = "context";

/// A directory to copy from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextDir {
    /// Where it is.
    pub path: PathBuf,
    /// The ignore file in force: its path for messages, and its text.
    pub ignore: Option<(String, String)>,
}

impl ContextDir {
    /// A directory with the `.dockerignore` (or `.containerignore`) in it, if there is one. For the main context,
    /// `<dockerfile>.dockerignore` comes first.
    ///
    /// # Errors
    /// An ignore file that exists and cannot be read.
    pub fn new(path: &Path, dockerfile: Option<&Path>) -> std::io::Result<Self> {
        let own = dockerfile.map(|file| {
            let mut name = file.as_os_str().to_owned();
            name.push(".dockerignore");
            PathBuf::from(name)
        });
        let candidates = own.into_iter().chain([path.join(".dockerignore"), path.join(".containerignore")]);
        for candidate in candidates {
            match read_file(path, &candidate) {
                Ok(bytes) => {
                    let name = candidate.strip_prefix(path).unwrap_or(&candidate).display().to_string();
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    return Ok(Self { path: path.to_owned(), ignore: Some((name, text)) });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { path: path.to_owned(), ignore: None })
    }
}

/// All contexts of one build.
#[derive(Debug)]
pub(crate) struct Contexts {
    by_name: BTreeMap<String, Slot>,
    index_dir: PathBuf,
}

#[derive(Debug)]
struct Slot {
    dir: ContextDir,
    ignore: Option<Ignore>,
    open: OnceLock<Result<Arc<Context>, Arc<ContextError>>>,
}

/// Which line of an ignore file hides a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExcludedBy {
    /// Ignore file, relative to the context where it lies in it.
    pub file: String,
    /// 1 is the first.
    pub line: usize,
    /// The pattern as written.
    pub pattern: String,
}

impl Contexts {
    pub(crate) fn new(dirs: BTreeMap<String, ContextDir>, index_dir: PathBuf) -> Self {
        let slot = |dir: ContextDir| {
            let ignore = dir.ignore.as_ref().map(|(_, text)| Ignore::parse(text));
            Slot { dir, ignore, open: OnceLock::new() }
        };
        Self { by_name: dirs.into_iter().map(|(name, dir)| (name, slot(dir))).collect(), index_dir }
    }

    /// The context `name`, walked on its first use.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Context>, Arc<ContextError>> {
        let slot = &self.by_name[name];
        slot.open.get_or_init(|| self.open(slot)).clone()
    }

    fn open(&self, slot: &Slot) -> Result<Arc<Context>, Arc<ContextError>> {
        let index = self.index_dir.join(index_name(&slot.dir.path));
        let filter = Filter(slot.ignore.as_ref());
        Context::open(&slot.dir.path, &filter, Some(&index), clock::now()).map(Arc::new).map_err(Arc::new)
    }

    /// Remembers what was hashed, for the next build. A failure costs time later, nothing else.
    pub(crate) fn save(&self) {
        for slot in self.by_name.values() {
            if let Some(Ok(context)) = slot.open.get()
                && let Err(error) = context.save_index()
            {
                tracing::warn!(%error, context = %slot.dir.path.display(), "save the context index");
            }
        }
    }

    /// The ignore rule that hides `path` in context `name`.
    pub(crate) fn excluded_by(&self, name: &str, path: &RootPath) -> Option<ExcludedBy> {
        let slot = self.by_name.get(name)?;
        let (line, pattern) = slot.ignore.as_ref()?.excluded_by(path.relative())?;
        let file = slot.dir.ignore.as_ref().map(|(file, _)| file.clone())?;
        Some(ExcludedBy { file, line, pattern })
    }

    /// What is wrong in an ignore file, of the first one that has anything: its name, its text, the findings.
    pub(crate) fn problems(&self) -> Option<(String, String, Vec<Diagnostic>)> {
        self.by_name.values().find_map(|slot| {
            let findings = slot.ignore.as_ref()?.problems();
            let (file, text) = slot.dir.ignore.clone()?;
            (!findings.is_empty()).then(|| (file, text, findings.to_vec()))
        })
    }

    /// Where the context `name` is.
    pub(crate) fn path(&self, name: &str) -> Option<&Path> {
        self.by_name.get(name).map(|slot| slot.dir.path.as_path())
    }
}

/// An ignore file or a Dockerfile of the directory `dir`: a regular file of at most 16 MiB, and no link that leaves the
/// directory. One that was named itself may be elsewhere.
///
/// # Errors
/// What is wrong with it, or why it cannot be read.
pub fn read_file(dir: &Path, file: &Path) -> std::io::Result<Vec<u8>> {
    const MOST: u64 = 16 << 20;
    // A pipe is not waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let below = file.strip_prefix(dir).ok();
    let below = below.filter(|name| name.components().all(|part| matches!(part, Component::Normal(_))));
    let mut opened = match below {
        Some(name) => {
            let dir = File::open(dir)?;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
            let fd = openat2(&dir, name, flags, Mode::empty(), resolve).map_err(|error| match error {
                Errno::XDEV => Error::other("it is a link that leaves the directory"),
                other => other.into(),
            })?;
            File::from(fd)
        }
        None => File::from(open(file, flags, Mode::empty())?),
    };
    if !opened.metadata()?.is_file() {
        return Err(Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    opened.by_ref().take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(Error::other("it is larger than 16 MiB"));
    }
    Ok(bytes)
}

/// One stat index per context directory.
fn index_name(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    format!("{}.idx", &blake3::hash(real.as_os_str().as_bytes()).to_hex()[..32])
}

struct Filter<'a>(Option<&'a Ignore>);

impl IgnoreFilter for Filter<'_> {
    fn verdict(&self, rel: &[u8], is_dir: bool) -> Verdict {
        match self.0.map(|ignore| ignore.verdict(rel, is_dir)) {
            None | Some(ignorefile::Verdict::Keep) => Verdict::Keep,
            Some(ignorefile::Verdict::Drop) => Verdict::Drop,
            Some(ignorefile::Verdict::DropButDescend) => Verdict::DropButDescend,
        }
    }
}

#[cfg(test)]
mod tests;
