//! Wrong input of every kind: the exit code, one clear message with its place, and nothing left behind.

use crate::tarball;
use crate::testenv::{Output, TestEnv};
use std::path::Path;
use std::process::Command;
use tar::EntryType;

fn dockerfile(text: &str) -> (TestEnv, Output) {
    let env = TestEnv::new();
    env.context(text, &[]);
    let output = env.build("-t x");
    env.assert_clean();
    env.line("inspect x").code(1).says("no image `x`");
    (env, output)
}

#[test]
fn the_file_is_wrong() {
    let cases = [
        ("FROM busybox\nCOPYY a b\n", "error[unknown-instruction]", "Dockerfile:2:1"),
        ("FROM busybox\nCOPY --chwon=1 a b\n", "error[unknown-flag]", "Dockerfile:2:6"),
        ("FROM busybox\nRUN <<EOF\necho\n", "error[heredoc]", "Dockerfile:2:"),
        (
            "FROM busybox\nRUN true\nCOPY --from=nope /a /b\n",
            "no stage or image is named `nope`",
            "Dockerfile:3:13",
        ),
        (
            "FROM busybox AS a\nCOPY --from=b / /\nFROM busybox AS b\nCOPY --from=a / /\n",
            "error[",
            "Dockerfile:2:",
        ),
        ("FROM no-such-image\n", "error[image-not-found]", "Dockerfile:1:6"),
        ("FROM busybox\nRUN --device=nvidia true\n", "error[unsupported]", "Dockerfile:2:"),
        ("", "error[", "Dockerfile"),
        ("# nothing\n", "error[", "Dockerfile"),
    ];
    for (text, message, place) in cases {
        dockerfile(text).1.code(2).says(message).says(place);
    }
}

#[test]
fn the_file_is_not_text_or_not_there() {
    let env = TestEnv::new();
    env.write("ctx/Dockerfile", b"FROM busybox\n\xff\xfe\n");
    env.build("").code(2).says("unknown instruction").says("Dockerfile:2:1");
    env.write("ctx/Dockerfile", b"FROM busybox\n# f\xfcr\n");
    env.build("").ok().says("not-utf8").says("Dockerfile:2:4");
    env.build("-f nothing").code(2).says("there is no Dockerfile nothing");
    env.build("-f ctx").code(2).says("read ctx: Is a directory");
    env.line("build nowhere").code(2).says("the build context does not exist: nowhere");
    env.line("build ctx/Dockerfile").code(2).says("is no directory");
    env.build("--target nope").code(2);
}

#[test]
fn an_unknown_target_is_named_with_those_that_exist() {
    let env = TestEnv::new();
    env.context("FROM busybox AS build\nFROM busybox AS test\n", &[]);
    env.build("--target bulid").code(2).says("no stage is named `bulid`").says("did you mean `build`?");
}

#[test]
fn a_source_is_missing() {
    let env = TestEnv::new();
    env.context("FROM busybox\nCOPY README.md notes.txt /\n", &[("READ.md", ""), ("notes.txt", "")]);
    env.build("").code(1).says("README.md").says("Dockerfile:2:6").says("did you mean");
    env.write("ctx/README.md", "");
    env.write("ctx/.dockerignore", "# comment\n\n*.md\n");
    let excluded = env.build("").code(1);
    excluded.says("README.md").says("line 3 of .dockerignore excludes it: `*.md`");
    env.assert_clean();
}

#[test]
fn paths_do_not_leave_the_context() {
    let env = TestEnv::new();
    env.write("secret", "outside\n");
    env.context("FROM busybox\nCOPY ../secret /\n", &[]);
    env.build("").code(1).says("secret");
    std::os::unix::fs::symlink("/etc", env.path().join("ctx/abs")).unwrap();
    std::os::unix::fs::symlink("..", env.path().join("ctx/up")).unwrap();
    for source in ["abs/passwd", "up/secret"] {
        env.context(&format!("FROM busybox\nCOPY {source} /x\n"), &[]);
        env.build("").code(1).says(source);
    }
    env.assert_clean();
}

#[test]
fn hostile_layers_write_nothing_outside() {
    let file = EntryType::Regular;
    let cases: [&[(&str, EntryType, &str)]; 5] = [
        &[("../../../../../../tmp/lapstrake-escape", file, "x")],
        &[("/tmp/../../tmp/lapstrake-escape", file, "x")],
        &[("a", EntryType::Symlink, "/tmp"), ("a/lapstrake-escape", file, "x")],
        &[("a", EntryType::Symlink, "../../../../../../tmp"), ("a/lapstrake-escape", file, "x")],
        &[("a", EntryType::Link, "../../../../../../etc/passwd")],
    ];
    for entries in cases {
        let env = TestEnv::empty();
        env.write("evil.tar", tarball::raw(entries));
        let output = env.line("import evil.tar evil");
        assert!(!Path::new("/tmp/lapstrake-escape").exists(), "{entries:?}");
        if output.exit == Some(0) {
            // Taken as a path below the root, which is what docker makes of it.
            env.line("build -q -o out -").code(2);
            output.ok();
        } else {
            output.code(1).says("evil.tar");
            env.line("inspect evil").code(1);
        }
        env.assert_clean();
    }
}

#[test]
fn damaged_archives_are_refused_whole() {
    let env = TestEnv::new();
    env.line("save -o good.tar busybox").ok();
    let good = std::fs::read(env.path().join("good.tar")).unwrap();
    let fresh = TestEnv::empty();
    fresh.write("short.tar", &good[..good.len() / 2]);
    fresh.line("load -i short.tar").code(1).says("short.tar");
    let mut flipped = good.clone();
    // In the middle of the largest blob, which is the layer.
    flipped[good.len() / 2] ^= 1;
    fresh.write("flipped.tar", &flipped);
    fresh.line("load -i flipped.tar").code(1);
    fresh.write("none.tar", "this is no archive");
    fresh.line("load -i none.tar").code(1).says("none.tar");
    fresh.line("load -i nothing.tar").code(1).says("nothing.tar");
    fresh.feed(&mut fresh.command(["load"]), &good[..1000]).code(1).says("standard input");
    assert_eq!(fresh.line("images -q").ok().stdout, "");
    fresh.assert_clean();
    fresh.write("good.tar", &good);
    fresh.line("load -i good.tar").ok();
}

#[test]
fn a_failing_run_says_what_where_and_why() {
    let env = TestEnv::new();
    env.context(
        "FROM busybox\nRUN echo first && \\\n    echo last words >&2 && exit 7\nRUN echo never\n",
        &[],
    );
    let output = env.build("-t x").code(1);
    let output =
        output.says("did not complete successfully: exit code: 7").says("Dockerfile:2:1").says("last words");
    assert!(
        !output.stderr.contains("never\n#") && !output.stderr.contains("echo: never"),
        "{}",
        output.stderr
    );
    let log = output.stderr.split("the whole output is in $DIR/").nth(1).and_then(|rest| rest.lines().next());
    assert_eq!(env.read(log.unwrap()), "first\nlast words\n");
    env.assert_clean();
    env.context("FROM busybox\nRUN [\"/no/such\"]\n", &[]);
    env.build("").code(1).says("/no/such").says("Dockerfile:2:1");
    env.context("FROM busybox\nUSER nobodyatall\nRUN true\n", &[]);
    env.build("").code(1).says("nobodyatall").says("Dockerfile:3:1");
    env.assert_clean();
}

/// Mounts a small tmpfs on the store's place until dropped.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn on(path: &Path, options: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "none"]).arg(path).status();
        assert!(status.unwrap().success());
        Self(path.to_owned())
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().unwrap();
    }
}

#[test]
fn a_full_disk_is_said_and_survived() {
    let env = TestEnv::empty();
    let disk = SmallDisk::on(&env.root(), "size=12m");
    env.write("busybox.tar", tarball::busybox(&[]));
    env.line("import busybox.tar busybox").ok();
    env.context("FROM busybox\nRUN echo before > /before\nRUN dd if=/dev/zero of=/big bs=1M count=40\n", &[]);
    env.build("-t x").code(1).says("No space left on device");
    env.context("FROM busybox\nCOPY big /\n", &[]);
    std::fs::File::create(env.path().join("ctx/big")).unwrap().set_len(0).unwrap();
    env.write("ctx/big", vec![7; 40 << 20]);
    env.build("-t x").code(1).says("o space left");
    assert_eq!(env.work(), Vec::<String>::new());
    disk.remount("size=100m");
    env.build("-t x").ok();
    assert_eq!(env.line("run --rm x wc -c /big").ok().stdout, format!("{} /big\n", 40 << 20));
}

#[test]
fn a_store_from_the_future_is_left_alone() {
    let env = TestEnv::new();
    let version = env.root().join("version");
    std::fs::write(&version, "99\n").unwrap();
    env.line("images").code(1).says("newer lapstrake").says("99");
    assert_eq!(std::fs::read_to_string(&version).unwrap(), "99\n");
}

#[test]
fn a_store_that_cannot_be_written_is_said() {
    let env = TestEnv::empty();
    let disk = SmallDisk::on(&env.root(), "size=30m");
    env.line("images").ok();
    disk.remount("ro");
    env.line("images").code(1).says("cannot be written").says("--root");
    env.context("FROM scratch\nCOPY Dockerfile /\n", &[]);
    env.build("").code(1).says("cannot be written");
    drop(disk);
    env.write("notastore/file", "");
    env.line("--root notastore images").code(1).says("not a store of lapstrake");
}

#[test]
fn wrong_command_lines_are_refused_by_name() {
    let env = TestEnv::empty();
    let cases = [
        ("build --squash .", "`--squash` of `docker build` is not supported yet"),
        ("build --push .", "`--push` of `docker build` is not supported yet"),
        ("buildx build --cache-from=x .", "`--cache-from` of `docker build`"),
        ("image build -m 1g .", "`-m` of `docker build`"),
        ("build --no-such .", "unexpected argument '--no-such'"),
        ("build --tagg x .", "--tag"),
        ("build", "<PATH>"),
        ("pull busybox", "docker's command `pull` is not supported yet"),
        ("biuld .", "'build'"),
        ("images --tree", "`--tree` of `docker images`"),
        ("save --platform linux/amd64 x", "`--platform` of `docker save`"),
        ("tag a b@sha256:x", "`b@sha256:x` is not an image reference"),
        ("build -t UPPER .", "lower case"),
        ("import https://example.org/x.tar", "remote"),
    ];
    for (line, message) in cases {
        env.line(line).code(2).says(message);
    }
    assert!(!env.root().exists(), "a wrong command line makes no store");
}

#[test]
fn output_that_nobody_reads_ends_quietly() {
    let env = TestEnv::new();
    let mut child = env.command(["save", "busybox"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = env.wait(child, "save".into()).code(141);
    assert_eq!(output.stderr, "");
}
