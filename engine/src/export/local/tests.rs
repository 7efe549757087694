use super::*;
use crate::export::fixture::{dir as directory, file, result, rich, store, tar_of};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

fn export(tars: &[Vec<u8>], dest: &Path) -> Result<(), ExportError> {
    let (_dir, store) = store();
    write(&store, &result(&store, tars, None), dest, &Cancel::default())
}

#[test]
fn a_new_directory_holds_the_merged_root() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("out");
    export(&rich(), &at).unwrap();
    let meta = |name: &str| fs::symlink_metadata(at.join(name)).unwrap();
    assert!(!at.join("gone").exists());
    assert_eq!(fs::read_to_string(at.join("replaced")).unwrap(), "new");
    assert_eq!(fs::read_link(at.join("usr/lib64")).unwrap().as_os_str(), "lib/./x//y/");
    assert_eq!((meta("usr/bin").mode() & 0o7777, meta("usr/bin/ping").mode() & 0o7777), (0o750, 0o4755));
    assert_eq!(meta("tmp").mode() & 0o7777, 0o1777);
    assert_eq!(meta("usr/bin/tool").ino(), meta("usr/bin/tool-too").ino());
    assert_eq!((meta("usr/bin/ping").mtime(), meta("usr/bin").mtime()), (1_700_000_000, 1_700_000_000));
    assert_eq!(meta("usr/bin/ping").uid(), rustix::process::geteuid().as_raw(), "files are the caller's");
    assert!(meta("run/fifo").file_type().is_fifo());
    let null = meta("dev/null");
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o777), (rustix::fs::makedev(1, 3), 0o666));
    let mut note = [0; 32];
    if let Ok(len) = rustix::fs::getxattr(at.join("usr/bin/ping"), "user.note", &mut note) {
        assert_eq!(&note[..len], b"\x00\xffbinary");
    }
    assert_eq!(meta(".").mode() & 0o777, 0o755);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary directory is left");
}

#[test]
fn an_existing_directory_is_merged_into() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("out");
    fs::create_dir_all(at.join("usr/bin/tool")).unwrap();
    fs::write(at.join("usr/bin/tool/inner"), "in the way").unwrap();
    fs::create_dir_all(at.join("usr/kept")).unwrap();
    fs::write(at.join("replaced"), "before").unwrap();
    fs::write(at.join("tmp"), "a file where a directory goes").unwrap();
    export(&rich(), &at).unwrap();
    assert!(at.join("usr/kept").is_dir());
    assert_eq!(fs::read_to_string(at.join("usr/bin/tool")).unwrap(), "tool");
    assert_eq!(fs::read_to_string(at.join("replaced")).unwrap(), "new");
    assert!(at.join("tmp").is_dir());
    let before = fs::metadata(at.join("usr/bin/tool")).unwrap().ino();
    export(&rich(), &at).unwrap();
    let again = fs::metadata(at.join("usr/bin/tool")).unwrap();
    assert_ne!(again.ino(), before, "files are replaced, not written into");
    assert_eq!(again.ino(), fs::metadata(at.join("usr/bin/tool-too")).unwrap().ino());
    let mut left = Vec::new();
    list(&at, &mut left);
    assert!(!left.iter().any(|name| name.contains(".lapstrake")), "{left:?}");
}

fn list(dir: &Path, out: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        out.push(path.display().to_string());
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            list(&path, out);
        }
    }
}

#[test]
fn planted_links_are_replaced_and_never_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (at, outside) = (dir.path().join("out"), dir.path().join("outside"));
    fs::create_dir_all(&at).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("victim"), "precious").unwrap();
    symlink(&outside, at.join("usr")).unwrap();
    symlink(outside.join("victim"), at.join("replaced")).unwrap();
    symlink(outside.join("new"), at.join("hello")).unwrap();
    symlink(outside.join("victim"), at.join(TEMPORARY)).unwrap();
    export(&rich(), &at).unwrap();
    assert_eq!(fs::read_to_string(outside.join("victim")).unwrap(), "precious");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    assert!(!fs::symlink_metadata(at.join("usr")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(at.join("replaced")).unwrap(), "new");
}

#[test]
fn the_destination_itself_may_be_a_link() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    symlink("real", dir.path().join("link")).unwrap();
    export(&[tar_of(&[directory("d/", 0o700), file("d/f", b"1")])], &dir.path().join("link")).unwrap();
    assert!(fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(dir.path().join("real/d/f")).unwrap(), "1");
    assert_eq!(fs::metadata(dir.path().join("real/d")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn cancelled_means_nothing_new() {
    let dir = tempfile::tempdir().unwrap();
    let (_dir, store) = store();
    let cancel = Cancel::default();
    cancel.cancel();
    let done = write(&store, &result(&store, &rich(), None), &dir.path().join("out"), &cancel);
    assert!(matches!(done, Err(ExportError::Canceled)));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
