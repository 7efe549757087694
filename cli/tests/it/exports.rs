//! `build -o`: the same image in every form.

use crate::tarball;
use crate::testenv::TestEnv;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

fn project() -> TestEnv {
    let env = TestEnv::new();
    env.context(
        "FROM scratch\nCOPY --chown=7:8 --chmod=4755 a /dir/a\nADD b /\nCMD [\"x\"]\n",
        &[("a", "a\n"), ("b", "b\n")],
    );
    env
}

#[test]
fn files_go_to_a_directory_or_a_tar() {
    let env = project();
    env.build("-o out -o type=tar,dest=out.tar").ok();
    assert_eq!(env.read("out/dir/a"), "a\n");
    // As with buildx, they belong to who builds.
    let meta = env.path().join("out/dir/a").metadata().unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.permissions().mode() & 0o7777), (0, 0, 0o4755));
    let tar = tarball::read(&env.path().join("out.tar"));
    assert_eq!(tar.keys().filter(|path| *path != "/").collect::<Vec<_>>(), ["/b", "/dir", "/dir/a"]);
    assert_eq!((tar["/dir/a"].mode, tar["/dir/a"].uid), (0o4755, 7));
    let piped = env.run(["build", "-o", "-", "ctx"]).ok();
    assert_eq!(tarball::read_bytes(&piped.raw), tar);
    assert_eq!(env.line("images -q").ok().stdout.lines().count(), 1, "busybox alone: nothing was named");
}

#[test]
fn archives_load_elsewhere() {
    let env = project();
    env.build(
        "-t x -o type=oci,dest=oci.tar -o type=docker,dest=docker.tar -o type=oci,dest=layout,tar=false",
    )
    .ok();
    let id = env.id("x");
    for source in ["oci.tar", "docker.tar", "layout"] {
        let fresh = TestEnv::empty();
        fresh.run(["load", "-i", env.path().join(source).to_str().unwrap()]).ok();
        assert_eq!(fresh.id("x"), id, "{source}");
    }
}

#[test]
fn a_name_with_files_alone_still_names_the_image() {
    let env = project();
    env.build("-t x -o out").ok();
    assert_eq!(env.inspect("x")["Config"]["Cmd"][0], "x");
}

#[test]
fn an_output_that_cannot_be_written_is_an_error() {
    let env = project();
    env.write("file", "");
    env.build("-o type=oci,dest=file/x.tar").code(1).says("file/x.tar");
    env.build("-o type=oci,dest=/dev/full").code(1).says("No space left");
    env.build("-o type=oci").code(2).says("`dest` is required");
    env.assert_clean();
}
