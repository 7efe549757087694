//! From source words to paths of the source tree.

use super::filter::{Fate, Filters};
use super::{CopyError, CopyRequest, Ownership, SourceSpec, glob};
use crate::tree::{Tree, TreeError, resolve};
use oci::{Entry, Kind, RootPath};

/// How many names an error carries, and how alike they are at least (0 to 1).
const MOST_SIMILAR: usize = 3;
const SIMILAR: f64 = 0.6;

/// The sources of a copy.
#[derive(Debug, Clone)]
pub struct Selection {
    pub(super) items: Vec<Selected>,
    /// Whether the owners that the source tree tells reach the layer.
    pub(super) keeps_owners: bool,
}

/// One source.
#[derive(Debug, Clone)]
pub(super) enum Selected {
    /// A path of the source tree: `path` with links followed; `name` is the last component as found; of a directory,
    /// what `filters` let through; of a file, whether it is unpacked if it is an archive.
    Path { path: RootPath, name: Vec<u8>, entry: Entry, filters: Filters, unpack: bool },
    /// An in-line file.
    Inline { name: Vec<u8>, data: Vec<u8> },
}

impl Selection {
    /// Whether nothing was selected: every pattern matched nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The selected paths of the source tree, in order.
    pub fn paths(&self) -> impl Iterator<Item = &RootPath> {
        self.items.iter().filter_map(|item| match item {
            Selected::Path { path, .. } => Some(path),
            Selected::Inline { .. } => None,
        })
    }
}

pub(super) fn select(src: &dyn Tree, req: &CopyRequest) -> Result<Selection, CopyError> {
    let all = Filters { exclude: req.exclude.clone(), wanted: None };
    let mut items = Vec::new();
    for source in &req.sources {
        let before = items.len();
        match source {
            SourceSpec::Path(pattern) => paths(src, pattern, pattern, &all, &mut items)?,
            SourceSpec::Parents { written, pivot, wanted, required } => {
                if let Some(required) = required {
                    let path = RootPath::new(required);
                    let above = RootPath::new(pivot).components().count();
                    let below = path.components().skip(above).collect::<Vec<_>>().join(&b'/');
                    src.lookup(&path)?
                        .filter(|entry| all.fate(&below, entry.is_dir()) != Fate::Left)
                        .ok_or_else(|| not_found(src, written, &path))?;
                }
                let filters = Filters { wanted: Some(wanted.clone()), ..all.clone() };
                paths(src, written, pivot, &filters, &mut items)?;
            }
            SourceSpec::Fetched { path, .. } => {
                let place = RootPath::new(path);
                items.push(found(src, path, &place, &all)?.ok_or_else(|| not_found(src, path, &place))?);
            }
            SourceSpec::Inline(name, data) => {
                if name.is_empty() || name == "." || name == ".." || name.contains('/') {
                    return Err(CopyError::InlineName(name.clone()));
                }
                items.push(Selected::Inline { name: name.clone().into_bytes(), data: data.clone() });
            }
        }
        let unpacked = if let SourceSpec::Fetched { unpack, .. } = source { *unpack } else { req.unpack };
        for item in &mut items[before..] {
            if let Selected::Path { unpack, .. } = item {
                *unpack = unpacked;
            }
        }
    }
    // In-line files come after the others, as in BuildKit: they win where both have the same name.
    items.sort_by_key(|item| matches!(item, Selected::Inline { .. }));
    Ok(Selection { items, keeps_owners: req.owner == Ownership::Source })
}

/// What `pattern` finds. The user wrote it as, or in, `written`.
fn paths(
    src: &dyn Tree,
    written: &str,
    pattern: &str,
    filters: &Filters,
    items: &mut Vec<Selected>,
) -> Result<(), CopyError> {
    let found =
        |path: &RootPath| found(src, written, path, filters)?.ok_or_else(|| not_found(src, written, path));
    let whole = RootPath::new(pattern);
    let components: Vec<&[u8]> = whole.components().collect();
    let Some(first) = components.iter().position(|part| glob::is_pattern(part)) else {
        items.push(found(&whole)?);
        return Ok(());
    };
    let rest = components[first..].join(&b'/');
    if glob::matches(&rest, b"").is_none() {
        return Err(CopyError::BadPattern(written.to_owned()));
    }
    let base = components[..first].iter().fold(RootPath::root(), |path, part| path.child(part));
    let base = resolve(src, &base, true)?;
    if !src.lookup(&base)?.is_some_and(|entry| entry.is_dir()) {
        return Ok(());
    }
    let mut matched = Vec::new();
    expand(src, &base, b"", &rest, &mut matched)?;
    for path in matched {
        items.push(found(&path)?);
    }
    Ok(())
}

/// Finds what is below `dir` and matches, in path order; what is below a match is none of its own. Links are not
/// followed. `above` is `dir` relative to where the pattern starts.
fn expand(
    src: &dyn Tree,
    dir: &RootPath,
    above: &[u8],
    pattern: &[u8],
    out: &mut Vec<RootPath>,
) -> Result<(), CopyError> {
    let slashes = |bytes: &[u8]| bytes.iter().filter(|b| **b == b'/').count();
    for (name, entry) in src.children(dir)? {
        let relative = if above.is_empty() { name.clone() } else { [above, &name].join(&b'/') };
        let path = dir.child(&name);
        if glob::matches(pattern, &relative).unwrap_or(false) {
            out.push(path);
        } else if entry.is_dir() && slashes(&relative) < slashes(pattern) {
            expand(src, &path, &relative, pattern, out)?;
        }
    }
    Ok(())
}

/// The source `path`, links followed. `None` if there is nothing of this name.
fn found(
    src: &dyn Tree,
    pattern: &str,
    path: &RootPath,
    filters: &Filters,
) -> Result<Option<Selected>, CopyError> {
    let name = path.name().unwrap_or_default().to_vec();
    let end = resolve(src, path, true);
    let entry = match &end {
        Ok(end) => src.lookup(end)?,
        Err(TreeError::TooManyLinks(_)) => None,
        Err(_) => return Err(end.map_or_else(CopyError::from, |_| CopyError::Changed(path.clone()))),
    };
    if let (Ok(path), Some(entry)) = (end, entry) {
        return Ok(Some(Selected::Path { path, name, entry, filters: filters.clone(), unpack: false }));
    }
    match dangling(src, path)? {
        None => Ok(None),
        Some((path, target)) => Err(CopyError::Dangling { pattern: pattern.to_owned(), path, target }),
    }
}

/// The first link on the way of `path`, if there is one.
fn dangling(src: &dyn Tree, path: &RootPath) -> Result<Option<(RootPath, String)>, CopyError> {
    let mut at = RootPath::root();
    for part in path.components() {
        at = at.child(part);
        if let Some(Kind::Symlink(target)) = src.lookup(&at)?.map(|entry| entry.kind) {
            return Ok(Some((at, String::from_utf8_lossy(&target).into_owned())));
        }
    }
    Ok(None)
}

fn not_found(src: &dyn Tree, pattern: &str, path: &RootPath) -> CopyError {
    let mut similar = Vec::new();
    if let (Some(dir), Some(name)) = (path.parent(), path.name()) {
        let wanted = String::from_utf8_lossy(name);
        for (name, _) in src.children(&dir).unwrap_or_default() {
            let likeness = likeness(&wanted, &String::from_utf8_lossy(&name));
            if likeness >= SIMILAR {
                similar.push((likeness, String::from_utf8_lossy(dir.child(&name).relative()).into_owned()));
            }
        }
    }
    similar.sort_by(|a, b| b.0.total_cmp(&a.0));
    let similar = similar.into_iter().take(MOST_SIMILAR).map(|(_, path)| path).collect();
    CopyError::NotFound { path: pattern.to_owned(), at: path.clone(), similar }
}

fn likeness(wanted: &str, name: &str) -> f64 {
    strsim::normalized_damerau_levenshtein(&wanted.to_lowercase(), &name.to_lowercase())
}
