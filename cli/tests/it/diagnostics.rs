//! The words and the form of what is said about Dockerfiles.

use crate::testenv::TestEnv;
use insta::assert_snapshot;

#[test]
fn an_error_has_its_line_and_its_help() {
    let env = TestEnv::new();
    env.context("FROM busybox AS build\nFROM busybox\nCOPY --from=bulid /app /app\n", &[]);
    assert_snapshot!(env.build("").code(2).stderr, @r#"
    error[unknown-stage]: no stage or image is named `bulid`: it is not in the store, and images are not pulled from registries yet
     --> ctx/Dockerfile:3:13
      |
    3 | COPY --from=bulid /app /app
      |             ^^^^^
      |
      = help: did you mean the stage `build`?
    "#);
}

#[test]
fn several_errors_are_all_told() {
    let env = TestEnv::new();
    env.context("FROM busybox\nCOPYY a b\nRUN --mounts=x true\n", &[]);
    assert_snapshot!(env.build("").code(2).stderr, @r#"
    error[unknown-instruction]: unknown instruction: COPYY
     --> ctx/Dockerfile:2:1
      |
    2 | COPYY a b
      | ^^^^^
      |
      = help: did you mean `COPY`?
    error[unknown-flag]: unknown flag `--mounts` of RUN
     --> ctx/Dockerfile:3:5
      |
    3 | RUN --mounts=x true
      |     ^^^^^^^^
      |
      = help: did you mean `--mount`?
    "#);
}

#[test]
fn a_warning_stops_nothing() {
    let env = TestEnv::new();
    env.context("FROM busybox\nMAINTAINER me\nCMD true\n", &[]);
    let output = env.build("-q").ok();
    assert_eq!(output.stderr, "", "quiet is quiet");
    assert_snapshot!(env.build("--build-arg NOPE=1").ok().stderr, @r#"
    #1 [1/1] FROM docker.io/library/busybox:latest
    #1 DONE T

    #2 exporting image to the store
    #2 T image sha256:<hex>
    #2 DONE T

    warning[UnusedBuildArg]: no ARG takes up the build argument `NOPE`
    warning[MaintainerDeprecated]: Maintainer instruction is deprecated in favor of using label
     --> ctx/Dockerfile:2:1
      |
    2 | MAINTAINER me
      | ^^^^^^^^^^^^^
      |
      = help: LABEL org.opencontainers.image.authors="me"
    warning[JSONArgsRecommended]: CMD in shell form: a shell runs the program, which does not get signals
     --> ctx/Dockerfile:3:1
      |
    3 | CMD true
      | ^^^^^^^^
      |
      = help: write `CMD ["true"]`
    "#);
}

#[test]
fn a_trigger_that_fails_names_its_image() {
    let env = TestEnv::new();
    env.context("FROM busybox\nONBUILD RUN exit 9\n", &[]);
    env.build("-t parent").ok();
    env.context("FROM parent\n", &[]);
    env.build("").code(1).says("exit code: 9").says("ONBUILD of ");
}

#[test]
fn a_missing_image_says_how_to_get_it() {
    let env = TestEnv::empty();
    env.context("FROM debian:12\n", &[]);
    assert_snapshot!(env.build("").code(2).stderr, @r#"
    error[image-not-found]: image `debian:12` (linux/amd64): it is not in the store, and images are not pulled from registries yet
     --> ctx/Dockerfile:1:6
      |
    1 | FROM debian:12
      |      ^^^^^^^^^
      |
      = help: add it with `lapstrake load -i ARCHIVE` or `lapstrake import ROOTFS.tar debian:12`, or name a layout with `--build-context debian:12=oci-layout://DIR`
    "#);
}

#[test]
fn a_build_can_be_read_by_programs() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN echo hello\n", &[]);
    let output = env.line("build --progress=rawjson ctx").ok();
    let mut names = Vec::new();
    for line in output.stderr.lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect(line);
        names.extend(value["vertexes"][0]["name"].as_str().map(str::to_owned));
    }
    assert!(names.iter().any(|name| name == "[2/2] RUN echo hello"), "{names:?}");
    let mut quiet = env.command(["build", "ctx"]);
    assert_eq!(env.output(quiet.env("BUILDKIT_PROGRESS", "quiet")).ok().stderr, "");
    env.line("build --progress=tty ctx").code(2).says("needs a terminal");
}
