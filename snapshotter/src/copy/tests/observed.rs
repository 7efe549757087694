//! What copies ask of their parent: that is what their cache key depends on.

use super::*;
use crate::view::Recording;
use oci::{Asked, ObservationSet};

/// The questions of one copy onto `base`.
fn asked(base: &str, words: &str, change: impl FnOnce(&mut CopyRequest)) -> Vec<(String, Asked)> {
    let (image, ctx, dir) =
        (Image::of(Source::new(base)), Source::new("f = f\nd/x = x\nd/in/y = y"), scratch());
    let (view, ctx, req) = (image.view(), ctx.open(), request(words, change));
    let recording = Recording::new(&view);
    let selection = select(&ctx, &req).unwrap();
    write(&ctx, &selection, &recording, &req, dir.path(), UNIX_EPOCH).unwrap();
    match recording.into_set() {
        ObservationSet::Everything => panic!("a copy never asks for everything"),
        ObservationSet::Paths(paths) => paths.into_iter().map(|o| (o.path.to_string(), o.asked)).collect(),
    }
}

fn metadata(paths: &[&str]) -> Vec<(String, Asked)> {
    paths.iter().map(|path| ((*path).to_owned(), Asked::Metadata)).collect()
}

#[test]
fn the_way_to_the_destination_and_nothing_else() {
    let base = "a/b/other = o\nunrelated/x = x";
    assert_eq!(asked(base, "f /a/b/f", |_| {}), metadata(&["/", "/a", "/a/b", "/a/b/f"]));
    assert_eq!(asked(base, "f /new/deep/", |_| {}), metadata(&["/", "/new", "/new/deep"]));
    assert_eq!(asked("a/\nl -> a", "f /l/f", |_| {}), metadata(&["/", "/a", "/a/f", "/l"]));
}

#[test]
fn below_existing_directories_the_copied_paths() {
    assert_eq!(asked("t/other = o", "d /t", |_| {}), metadata(&["/", "/t", "/t/in", "/t/x"]));
}

#[test]
fn names_bring_the_files_that_tell_them() {
    let base = "etc/passwd = app:x:5:6:::\netc/group = g:x:7:";
    let owner = |text: &'static str| move |req: &mut CopyRequest| req.owner = Ownership::Named(text.into());
    let content = |path: &str, all: &[(String, Asked)]| all.contains(&(path.to_owned(), Asked::Content));
    let by_user = asked(base, "f /f", owner("app"));
    assert!(content("/etc/passwd", &by_user) && !content("/etc/group", &by_user));
    assert!(content("/etc/group", &asked(base, "f /f", owner("app:g"))));
    assert_eq!(asked(base, "f /f", owner("5:6")), metadata(&["/", "/f"]));
}

#[test]
fn a_link_copy_asks_nothing() {
    assert_eq!(asked("a/b/c = c", "d /a/b", |req| req.link = true), []);
}
