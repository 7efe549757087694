//! `--exclude` and `--parents`: what is copied, and what the key depends on.

use super::*;
use crate::context::{IgnoreFilter, Verdict};

/// Keeps the paths in `keep` and what is below them, and says so of the directories above; all else is dropped.
struct Only(&'static [&'static str]);

impl IgnoreFilter for Only {
    fn verdict(&self, rel: &[u8], is_dir: bool) -> Verdict {
        let below = |path: &[u8], dir: &[u8]| {
            path.strip_prefix(dir).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        if self.0.iter().any(|keep| below(rel, keep.as_bytes())) {
            Verdict::Keep
        } else if is_dir && self.0.iter().any(|keep| below(keep.as_bytes(), rel)) {
            Verdict::DropButDescend
        } else {
            Verdict::Drop
        }
    }
}

/// Drops one path and what is below it.
struct Without(&'static str);

impl IgnoreFilter for Without {
    fn verdict(&self, rel: &[u8], _is_dir: bool) -> Verdict {
        if rel == self.0.as_bytes() { Verdict::Drop } else { Verdict::Keep }
    }
}

const TREE: &str = "a/b/c = c\na/b/d = d\na/x/y = y\nz = z";

fn without(path: &'static str) -> impl FnOnce(&mut CopyRequest) {
    move |req| req.exclude = Some(Filter::new(Without(path)))
}

/// `COPY --parents`: `wanted`, all literal.
fn parents(pivot: &str, wanted: &'static [&'static str]) -> impl FnOnce(&mut CopyRequest) {
    let pivot = pivot.to_owned();
    move |req| {
        let source = |path: &&str| SourceSpec::Parents {
            written: (*path).to_owned(),
            pivot: pivot.clone(),
            wanted: Filter::new(Only(wanted)),
            required: Some(format!("{pivot}/{path}")),
        };
        req.sources = wanted.iter().take(1).map(source).collect();
    }
}

fn digest(source: &Source, change: impl FnOnce(&mut CopyRequest)) -> KeyDigest {
    let (tree, req) = (source.open(), request(". /t/", change));
    select(&tree, &req).unwrap().digest(&tree).unwrap()
}

fn paths(image: &Image) -> Vec<String> {
    image.view().walk(&RootPath::root()).unwrap().into_iter().map(|(path, _)| path.to_string()).collect()
}

#[test]
fn what_is_excluded_is_not_copied() {
    let mut image = Image::scratch();
    image.copy_with(&Source::new(TREE), ". /t/", without("a/b"));
    assert_eq!(paths(&image), ["/", "/t", "/t/a", "/t/a/x", "/t/a/x/y", "/t/z"]);
    // A file that is a source itself always is.
    let mut image = Image::scratch();
    image.copy_with(&Source::new(TREE), "z /t/", without("z"));
    assert_eq!(paths(&image), ["/", "/t", "/t/z"]);
}

#[test]
fn directories_are_made_for_what_is_wanted_in_them() {
    let source = Source::new(TREE).chmod("a", 0o750).chmod("a/x", 0o700);
    let mut image = Image::scratch();
    image.copy_with(&source, "z /t/", parents("/", &["a/b/c"]));
    assert_eq!(paths(&image), ["/", "/t", "/t/a", "/t/a/b", "/t/a/b/c"]);
    let view = image.view();
    let a = view.lookup(&RootPath::new("/t/a")).unwrap().unwrap();
    assert_eq!((a.mode, a.mtime.secs), (0o750, NOW.cast_signed()), "made for what is in it");
    let mut image = Image::scratch();
    image.copy_with(&source, "z /t/", parents("/a", &["x"]));
    let x = image.view().lookup(&RootPath::new("/t/x")).unwrap().unwrap();
    assert_eq!((x.mode, x.mtime.secs), (0o700, time_of("a/x")), "wanted itself");
    assert_eq!(paths(&image), ["/", "/t", "/t/x", "/t/x/y"]);
}

#[test]
fn a_directory_that_is_there_gets_the_mode_and_keeps_the_owner() {
    let mut image = Image::of(Source::new("t/a/old = o").chmod("t/a", 0o700).chown("t/a", 5, 6));
    image.copy_with(&Source::new(TREE).chmod("a", 0o711), "z /t/", parents("/", &["a/b/c"]));
    let a = image.view().lookup(&RootPath::new("/t/a")).unwrap().unwrap();
    assert_eq!((a.mode, a.uid, a.gid), (0o711, 5, 6));
    assert!(paths(&image).contains(&"/t/a/old".to_owned()));
}

#[test]
fn what_is_wanted_has_to_be_there_and_is_no_link_away() {
    let source = Source::new("a/f = f\nl -> a");
    for path in [&["no"], &["l/f"]] {
        let error = Image::scratch().try_copy(&source.open(), &request("a /t/", parents("/", path)));
        assert!(matches!(error, Err(CopyError::NotFound { .. })), "{path:?}: {error:?}");
    }
}

#[test]
fn keys_depend_on_what_is_copied_alone() {
    let base = || Source::new(TREE);
    let other = |path: &str| {
        let source = base();
        std::fs::write(source.path(path), "changed").unwrap();
        source
    };
    let excluded = digest(&base(), without("a/b"));
    assert_eq!(excluded, digest(&other("a/b/c"), without("a/b")), "a needless miss");
    assert_ne!(excluded, digest(&other("a/x/y"), without("a/b")), "a stale hit");
    let wanted = || parents("/", &["a/b/c"]);
    assert_eq!(digest(&base(), wanted()), digest(&other("a/b/d"), wanted()), "a needless miss");
    assert_ne!(digest(&base(), wanted()), digest(&other("a/b/c"), wanted()), "a stale hit");
    let moded = base().chmod("a", 0o700);
    assert_ne!(digest(&base(), wanted()), digest(&moded, wanted()), "the mode of a directory that is made");
}
