use super::*;
use std::os::unix::fs::symlink;

fn context() -> (tempfile::TempDir, PathBuf) {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("ctx");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(outer.path().join("outside"), "secret").unwrap();
    std::fs::write(dir.join("inside"), "*.o").unwrap();
    (outer, dir)
}

#[test]
fn an_ignore_file_is_not_followed_out_of_its_directory() {
    let (outer, dir) = context();
    for target in ["../outside", outer.path().join("outside").to_str().unwrap()] {
        symlink(target, dir.join(".dockerignore")).unwrap();
        let error = ContextDir::new(&dir, None).unwrap_err();
        assert_eq!(error.to_string(), "it is a link that leaves the directory", "{target}");
        std::fs::remove_file(dir.join(".dockerignore")).unwrap();
    }
    symlink("inside", dir.join(".dockerignore")).unwrap();
    assert_eq!(ContextDir::new(&dir, None).unwrap().ignore.unwrap().1, "*.o");
}

#[test]
fn a_pipe_is_no_ignore_file_and_is_not_waited_for() {
    let (_outer, dir) = context();
    let path = dir.join(".dockerignore");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
    let error = ContextDir::new(&dir, None).unwrap_err();
    assert_eq!(error.to_string(), "it is no regular file");
}

#[test]
fn the_ignore_file_of_a_dockerfile_elsewhere_is_found() {
    let (outer, dir) = context();
    std::fs::write(outer.path().join("df.dockerignore"), "own").unwrap();
    for dockerfile in [outer.path().join("df"), dir.join("../df")] {
        assert_eq!(ContextDir::new(&dir, Some(&dockerfile)).unwrap().ignore.unwrap().1, "own");
    }
    std::fs::write(outer.path().join("df.dockerignore"), vec![b'a'; (16 << 20) + 1]).unwrap();
    assert!(ContextDir::new(&dir, Some(&outer.path().join("df"))).is_err());
}
