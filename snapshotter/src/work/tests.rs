use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

fn works(dir: &TempDir) -> Works {
    Works::new(dir.path().to_owned())
}

fn names(dir: &TempDir) -> Vec<String> {
    fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_dropped_directory_is_gone_with_all_in_it() {
    let dir = TempDir::new().unwrap();
    let works = works(&dir);
    let work = works.create().unwrap();
    assert_eq!(works.live(), 1);
    fs::write(work.diff().unwrap().join("file"), "x").unwrap();
    work.overlay_work().unwrap();
    work.scratch().unwrap();
    assert_eq!(work.upper().unwrap(), work.diff().unwrap());
    drop(work);
    assert_eq!((names(&dir), works.live()), (vec![], 0));
}

#[test]
fn the_umask_does_not_reach_the_layer() {
    let dir = TempDir::new().unwrap();
    let work = works(&dir).create().unwrap();
    let diff = work.diff().unwrap();
    assert_eq!(diff.metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    fs::set_permissions(&diff, fs::Permissions::from_mode(0o700)).unwrap();
    work.diff().unwrap();
    assert_eq!(diff.metadata().unwrap().permissions().mode() & 0o7777, 0o700, "made once, then left alone");
}

#[test]
fn a_sweep_takes_the_dead_and_leaves_the_living() {
    let dir = TempDir::new().unwrap();
    let works = works(&dir);
    let alive = works.create().unwrap();
    fs::create_dir_all(dir.path().join("dead/diff/sub")).unwrap();
    fs::write(dir.path().join("stray"), "x").unwrap();
    symlink("/", dir.path().join("link")).unwrap();
    assert_eq!(works.sweep().unwrap(), 3);
    assert_eq!(names(&dir), [alive.path().file_name().unwrap().to_str().unwrap()]);
}

#[test]
fn removal_follows_no_link() {
    let dir = TempDir::new().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("kept"), "x").unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    symlink(&outside, tree.join("link")).unwrap();
    symlink(outside.join("kept"), tree.join("file-link")).unwrap();
    remove_tree(&tree).unwrap();
    remove_tree(&tree).unwrap();
    assert!(!tree.exists() && outside.join("kept").exists());
    symlink(&outside, &tree).unwrap();
    remove_tree(&tree).unwrap();
    assert!(tree.symlink_metadata().is_err() && outside.join("kept").exists());
}

#[test]
fn removal_goes_as_deep_as_the_tree() {
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    let mut at = rustix::fs::open(&tree, OFlags::PATH, Mode::empty()).unwrap();
    for depth in 0..3000 {
        rustix::fs::mkdirat(&at, "directory", Mode::RWXU).unwrap();
        rustix::fs::mkdirat(&at, format!("sibling-{depth}"), Mode::empty()).unwrap();
        at = rustix::fs::openat(&at, "directory", OFlags::PATH, Mode::empty()).unwrap();
    }
    // A name that the removal itself would like to use.
    fs::create_dir_all(tree.join(".lapstrake-removed-0/full")).unwrap();
    remove_tree(&tree).unwrap();
    assert!(!tree.exists());
}

#[test]
fn no_mode_is_in_the_way() {
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("a/b")).unwrap();
    fs::write(tree.join("a/b/file"), "x").unwrap();
    for path in ["a/b/file", "a/b", "a"] {
        fs::set_permissions(tree.join(path), fs::Permissions::from_mode(0o000)).unwrap();
    }
    rustix::fs::mknodat(rustix::fs::CWD, tree.join("fifo"), rustix::fs::FileType::Fifo, Mode::empty(), 0)
        .unwrap();
    remove_tree(&tree).unwrap();
    assert!(!tree.exists());
}
