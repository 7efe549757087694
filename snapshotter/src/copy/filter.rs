//! What of a directory is copied: `--exclude`, and the paths that `--parents` wants.

use super::Filter;
use crate::context::Verdict;

/// The filters of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct Filters {
    /// `--exclude`
    pub(super) exclude: Option<Filter>,
    /// `--parents`
    pub(super) wanted: Option<Filter>,
}

/// What becomes of one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is copied.
    Copied,
    /// A directory that is made if something in it is copied.
    Passed,
    /// Neither it nor anything in it is copied.
    Left,
}

impl Filters {
    /// Whether everything is copied.
    pub(super) fn is_empty(&self) -> bool {
        self.exclude.is_none() && self.wanted.is_none()
    }

    /// What becomes of `path`, relative to the source's directory.
    pub(super) fn fate(&self, path: &[u8], is_dir: bool) -> Fate {
        let ask = |filter: &Option<Filter>| {
            filter.as_ref().map_or(Verdict::Keep, |filter| filter.0.verdict(path, is_dir))
        };
        match (ask(&self.exclude), ask(&self.wanted)) {
            (Verdict::Drop, _) | (_, Verdict::Drop) => Fate::Left,
            (Verdict::Keep, Verdict::Keep) => Fate::Copied,
            _ if is_dir => Fate::Passed,
            _ => Fate::Left,
        }
    }
}

/// `below/name`
pub(super) fn join(below: &[u8], name: &[u8]) -> Vec<u8> {
    if below.is_empty() { name.to_vec() } else { [below, name].join(&b'/') }
}
