use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn root(dir: &Path) -> OwnedFd {
    fs::File::open(dir).expect("the directory was just made").into()
}

fn ensure_in(dir: &Path, path: &str, want: Want) -> (io::Result<OwnedFd>, Vec<String>) {
    let mut made = Vec::new();
    let result = ensure(root(dir).as_fd(), path.as_bytes(), want, &mut made);
    (result, made.into_iter().map(|path| String::from_utf8(path).unwrap()).collect())
}

#[test]
fn missing_parts_are_made_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let (result, made) = ensure_in(dir.path(), "/etc/deep/../deep/file", Want::File);
    result.unwrap();
    assert_eq!(made, ["etc", "etc/deep", "etc/deep/file"]);
    assert!(dir.path().join("etc/deep/file").is_file());
    let (result, made) = ensure_in(dir.path(), "/etc/deep/file", Want::File);
    result.unwrap();
    assert!(made.is_empty(), "{made:?}");
}

#[test]
fn links_out_of_the_root_are_clamped() {
    let outside = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    symlink(outside.path(), dir.path().join("abs")).unwrap();
    symlink("../../../../up", dir.path().join("rel")).unwrap();
    ensure_in(dir.path(), "/abs/x", Want::Directory).0.unwrap();
    let (result, made) = ensure_in(dir.path(), "/rel", Want::File);
    result.unwrap();
    assert_eq!(made, ["up"]);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    let inside = dir.path().join(outside.path().strip_prefix("/").unwrap()).join("x");
    assert!(inside.is_dir());
}

#[test]
fn a_loop_of_links_ends() {
    let dir = tempfile::tempdir().unwrap();
    symlink("b", dir.path().join("a")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    let error = ensure_in(dir.path(), "/a/x", Want::File).0.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
}

#[test]
fn a_real_directory_is_not_a_link_to_one() {
    let dir = tempfile::tempdir().unwrap();
    symlink("/tmp", dir.path().join("dev")).unwrap();
    let error = real_directory(root(dir.path()).as_fd(), b"/dev").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
    real_directory(root(dir.path()).as_fd(), b"/proc").unwrap();
    assert!(dir.path().join("proc").is_dir());
}
