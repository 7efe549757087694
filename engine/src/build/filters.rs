//! `--exclude` and `--parents` of COPY: patterns of the parser's for trees of the snapshotter's.

use oci::RootPath;
use parser::ignorefile::{self, Ignore};
use snapshotter::context::{IgnoreFilter, Verdict};
use snapshotter::copy::{CopyError, Filter, SourceSpec};

struct Patterns(Ignore);

impl IgnoreFilter for Patterns {
    fn verdict(&self, path: &[u8], is_dir: bool) -> Verdict {
        match self.0.verdict(path, is_dir) {
            ignorefile::Verdict::Keep => Verdict::Keep,
            ignorefile::Verdict::Drop => Verdict::Drop,
            ignorefile::Verdict::DropButDescend => Verdict::DropButDescend,
        }
    }
}

/// The filter of `--exclude`, if there are any patterns.
pub(super) fn exclude(patterns: &[String]) -> Result<Option<Filter>, CopyError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let ignore = Ignore::of_patterns(patterns.iter().map(String::as_str));
    let ignore = ignore.map_err(|bad| CopyError::BadPattern(bad.0))?;
    Ok((!ignore.is_empty()).then(|| Filter::new(Patterns(ignore))))
}

/// A source of `COPY --parents`: what is behind `/./` is wanted, with its directories, of what is before.
pub(super) fn parents(written: &str) -> Result<SourceSpec, CopyError> {
    let (pivot, path) = written.split_once("/./").unwrap_or(("/", written));
    let path = RootPath::new(path);
    let wanted = Ignore::all_but(&String::from_utf8_lossy(path.relative()));
    let wanted = wanted.map_err(|_| CopyError::BadPattern(written.to_owned()))?;
    let is_pattern = |text: &[u8]| text.iter().any(|byte| b"*?[".contains(byte));
    let literal = !is_pattern(written.as_bytes());
    if literal && path.is_root() {
        let at = RootPath::new(pivot);
        return Err(CopyError::NotFound { path: written.to_owned(), at, similar: Vec::new() });
    }
    let required = RootPath::new(pivot).join(path.relative());
    Ok(SourceSpec::Parents {
        written: written.to_owned(),
        pivot: if pivot.is_empty() { "/".to_owned() } else { pivot.to_owned() },
        wanted: Filter::new(Patterns(wanted)),
        required: literal.then(|| String::from_utf8_lossy(required.relative()).into_owned()),
    })
}
