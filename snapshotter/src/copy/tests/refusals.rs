//! What ends with an error, and which.

use super::*;
use crate::layer::scan;

fn fails(base: &str, ctx: &str, words: &str) -> CopyError {
    Image::of(Source::new(base)).try_copy(&Source::new(ctx).open(), &request(words, |_| {})).unwrap_err()
}

#[test]
fn missing_sources() {
    let error = fails("", "src/main.c = x\nsrc/other = x", "src/mian.c /x");
    let CopyError::NotFound { path, at, similar } = &error else { panic!("{error}") };
    assert_eq!(
        (path.as_str(), at.as_bytes(), similar.join(" ").as_str()),
        ("src/mian.c", &b"/src/mian.c"[..], "src/main.c")
    );
    assert_eq!(error.to_string(), "`src/mian.c` does not exist");
    assert!(matches!(fails("", "f = f", "../x /x"), CopyError::NotFound { .. }));
    assert!(matches!(fails("", "f = f", "f/x /x"), CopyError::NotFound { .. }));
}

#[test]
fn links_that_end_nowhere() {
    for (ctx, words) in [
        ("l -> ../../../etc/passwd", "l /x"),
        ("l -> /etc/passwd", "l /x"),
        ("l -> gone", "l /x"),
        ("l -> l", "l /x"),
        ("d -> ../..\nf = f", "d/etc/passwd /x"),
    ] {
        let error = fails("", ctx, words);
        assert!(matches!(error, CopyError::Dangling { .. }), "{ctx}: {error}");
    }
}

#[test]
fn directories_and_files_do_not_replace_each_other() {
    assert!(
        matches!(fails("t/x/", "d/x = x", "d /t"), CopyError::FileOverDir(path) if path == RootPath::new("/t/x"))
    );
    assert!(matches!(fails("t/x = x", "d/x/y = y", "d /t"), CopyError::DirOverFile(_)));
    assert!(matches!(fails("t/real/\nt/x -> real", "d/x/y = y", "d /t"), CopyError::DirOverFile(_)));
    assert!(matches!(fails("t = t", "d/x = x", "d /t"), CopyError::DirOverFile(_)));
    assert!(matches!(fails("t = t", "f = f", "f /t/x"), CopyError::NotDirectory(_)));
    assert!(matches!(fails("", "a/x = x\nb/x/y = y", "a b /t"), CopyError::DirOverFile(_)));
    assert!(matches!(fails("l -> l", "f = f", "f /l/x"), CopyError::Tree(TreeError::TooManyLinks(_))));
}

#[test]
fn words_that_make_no_sense() {
    assert!(matches!(fails("", "f = f", "[ /x"), CopyError::BadPattern(_)));
    let inline = |name: &str| {
        let req = request("/x", |req| req.sources.push(SourceSpec::Inline(name.into(), Vec::new())));
        select(&Source::new("").open(), &req).unwrap_err()
    };
    assert!(matches!(inline("a/b"), CopyError::InlineName(_)));
    assert!(matches!(inline(".."), CopyError::InlineName(_)));
    let req = request("f /x", |req| req.chmod = Some(Mode::Symbolic("u=q".into())));
    let error = Image::scratch().try_copy(&Source::new("f = f").open(), &req).unwrap_err();
    assert!(matches!(error, CopyError::BadMode(_)));
}

/// Selects, changes the source, and writes.
fn changed(change: impl FnOnce(&Source)) -> CopyError {
    let source = Source::new("d/f = first\nd/g = g");
    let ctx = source.open();
    let req = request("d /d", |_| {});
    let selection = select(&ctx, &req).unwrap();
    selection.digest(&ctx).unwrap();
    change(&source);
    let dir = scratch();
    let parent = Image::scratch();
    write(&ctx, &selection, &parent.view(), &req, dir.path(), UNIX_EPOCH).unwrap_err()
}

#[test]
fn sources_that_change_meanwhile() {
    let f = RootPath::new("/d/f");
    let error = changed(|source| std::fs::write(source.path("d/f"), "other").unwrap());
    assert!(matches!(&error, CopyError::Changed(path) if *path == f), "{error}");
    let error = changed(|source| std::fs::remove_file(source.path("d/f")).unwrap());
    assert!(matches!(&error, CopyError::Changed(path) if *path == f), "{error}");
    let error = changed(|source| {
        std::fs::remove_file(source.path("d/f")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", source.path("d/f")).unwrap();
    });
    assert!(matches!(&error, CopyError::Changed(path) if *path == f), "{error}");
    let error = changed(|source| std::fs::remove_dir_all(source.0.path()).unwrap());
    assert!(matches!(error, CopyError::Changed(_)), "{error}");
}

#[test]
fn bytes_that_are_not_those_of_the_key() {
    // A layer's file whose bytes are not what its index says, as after a disk error.
    let stage = Image::of(Source::new("f = first"));
    let req = request("/f /f", |_| {});
    let selection = select(&stage.view(), &req).unwrap();
    std::fs::write(stage.layers[0].1.path().join("f"), "other").unwrap();
    let dir = scratch();
    let error =
        write(&stage.view(), &selection, &Image::scratch().view(), &req, dir.path(), UNIX_EPOCH).unwrap_err();
    assert!(matches!(error, CopyError::Changed(_)), "{error}");
    assert!(scan(dir.path()).is_ok());
}
