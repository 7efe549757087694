//! COPY and ADD through the whole of it; the cases of the reference are in `cases`.

use crate::tarball;
use crate::testenv::TestEnv;
use std::os::unix::fs::PermissionsExt;

#[test]
fn names_modes_and_kinds_come_through() {
    let env = TestEnv::new();
    env.context(
        "FROM busybox\nCOPY . /c/\nADD t.tar /u/\nCOPY --chown=www-data:5 --chmod=0710 plain /o/\n",
        &[("plain", "p")],
    );
    env.write("ctx/t.tar", tarball::raw(&[("in", tar::EntryType::Regular, "inside")]));
    let odd = env
        .path()
        .join("ctx")
        .join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"n\xff\n"));
    std::fs::write(&odd, "odd").unwrap();
    std::fs::set_permissions(&odd, std::fs::Permissions::from_mode(0o4751)).unwrap();
    std::os::unix::fs::symlink("nowhere", env.path().join("ctx/link")).unwrap();
    let long = "l".repeat(200) + "/" + &"m".repeat(200);
    env.write(&format!("ctx/{long}"), "long");
    env.build("-t x").ok();
    let script = format!("cat /c/n* /c/{long} /u/in; readlink /c/link; stat -c '%a %u:%g' /c/n* /o/plain");
    assert_eq!(
        env.run(["run", "--rm", "x", "sh", "-c", &script]).ok().stdout,
        "oddlonginsidenowhere\n4751 0:0\n710 33:5\n"
    );
}

#[test]
fn ignored_files_are_not_copied_and_do_not_count() {
    let env = TestEnv::new();
    env.context(
        "FROM busybox\nCOPY . /c/\n",
        &[("keep", ""), ("a.md", ""), ("sub/b.md", ""), ("README.md", "")],
    );
    env.write("ctx/.dockerignore", "**/*.md\n!README.md\nDockerfile\n.dockerignore\n");
    env.build("-t x").ok();
    let list = ["run", "--rm", "x", "find", "/c", "-type", "f"];
    let mut found: Vec<String> = env.run(list).ok().stdout.lines().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, ["/c/README.md", "/c/keep"]);
    env.write("ctx/a.md", "changed");
    assert_eq!(env.build("").ok().cached(), 1);
    env.write("ctx/Dockerfile.dockerignore", "keep\n");
    env.build("-t x").ok();
    assert!(!env.run(list).ok().stdout.contains("/c/keep"), "the file of the Dockerfile comes first");
}

#[test]
fn an_edit_that_keeps_size_and_time_is_seen() {
    let env = TestEnv::new();
    env.context("FROM busybox\nCOPY f /f\n", &[("f", "one\n")]);
    env.build("-t x").ok();
    let path = env.path().join("ctx/f");
    let before = path.metadata().unwrap().modified().unwrap();
    std::fs::write(&path, "two\n").unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(before).unwrap();
    env.build("-t x").ok();
    assert_eq!(env.line("run --rm x cat /f").ok().stdout, "two\n");
}

#[test]
fn a_touched_file_is_no_edit() {
    let env = TestEnv::new();
    env.context("FROM busybox\nCOPY f /f\n", &[("f", "one\n")]);
    env.build("").ok();
    let file = std::fs::File::options().write(true).open(env.path().join("ctx/f")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(env.build("").ok().cached(), 1);
}
