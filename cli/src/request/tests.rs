use super::*;
use crate::args::{Cli, Command};
use clap::Parser;
use engine::build::NamedContext;
use engine::export::OutputKind;
use std::path::Path;

fn context() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    dir
}

fn try_build(flags: &[&str], env: &Env, dir: &Path) -> Result<Build, String> {
    let words = ["lapstrake", "build"].iter().chain(flags).copied().chain([dir.to_str().unwrap()]);
    let Command::Build(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
    super::build(&args, env).map_err(|error| error.text())
}

fn refused(flags: &[&str]) -> String {
    try_build(flags, &Env::default(), context().path()).unwrap_err()
}

#[test]
fn arguments_come_from_flags_and_environment() {
    let env = Env::of(&[
        ("FROM_ENV", "yes"),
        ("HTTPS_PROXY", "http://upper"),
        ("http_proxy", "http://small"),
        ("NO_PROXY", "env"),
        ("SOURCE_DATE_EPOCH", "7"),
    ]);
    let flags =
        ["--build-arg", "A=1=2", "--build-arg=FROM_ENV", "--build-arg=UNSET", "--build-arg=no_proxy=flag"];
    let build = try_build(&flags, &env, context().path()).unwrap();
    let args: Vec<String> =
        build.request.build_args.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        args,
        [
            "A=1=2",
            "FROM_ENV=yes",
            "HTTPS_PROXY=http://upper",
            "HTTP_PROXY=http://small",
            "SOURCE_DATE_EPOCH=7",
            "no_proxy=flag"
        ]
    );
}

#[test]
fn a_name_always_lands_in_the_store() {
    let kinds = |flags: &[&str]| {
        let build = try_build(flags, &Env::default(), context().path()).unwrap();
        build.outputs.iter().map(|output| output.kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[]), [OutputKind::Image]);
    assert_eq!(kinds(&["-o", "out"]), [OutputKind::Local]);
    assert_eq!(kinds(&["-o", "out", "-t", "x"]), [OutputKind::Image, OutputKind::Local]);
    assert_eq!(kinds(&["-o", "type=oci,dest=x.tar"]), [OutputKind::Oci]);
    assert_eq!(kinds(&["--load"]), [OutputKind::Docker]);
}

#[test]
fn contexts_have_their_ignore_files() {
    let dir = context();
    std::fs::write(dir.path().join(".dockerignore"), "*.md\n").unwrap();
    let named = format!("lib={}", dir.path().display());
    let flags = ["--build-context", &named, "--build-context", "base=oci-layout:///x:1"];
    let request = try_build(&flags, &Env::default(), dir.path()).unwrap().request;
    let ignore = Some((".dockerignore".to_owned(), "*.md\n".to_owned()));
    assert_eq!(request.context.unwrap().ignore, ignore);
    assert_eq!(request.named_contexts["base"], NamedContext::Image("oci-layout:///x:1".into()));
    let NamedContext::Dir(lib) = &request.named_contexts["lib"] else { panic!("lib is a directory") };
    assert_eq!(lib.ignore, ignore);
}

#[test]
fn the_small_dockerfile_is_found_and_other_names_are_hinted_at() {
    let dir = tempfile::tempdir().unwrap();
    let missing = try_build(&[], &Env::default(), dir.path()).unwrap_err();
    assert!(missing.starts_with("error: there is no Dockerfile /"), "{missing}");
    std::fs::write(dir.path().join("Containerfile"), "FROM scratch\n").unwrap();
    let hinted = try_build(&[], &Env::default(), dir.path()).unwrap_err();
    assert!(hinted.contains("help: name it with `-f /"), "{hinted}");
    std::fs::write(dir.path().join("dockerfile"), "FROM scratch\n# small\n").unwrap();
    assert!(try_build(&[], &Env::default(), dir.path()).unwrap().request.dockerfile.contains("small"));
}

#[test]
fn wrong_flags_are_named() {
    assert!(refused(&["-t", "Upper"]).contains("must be lower case"));
    assert!(refused(&["-t", &format!("x@sha256:{}", "a".repeat(64))]).contains("has a digest"));
    assert!(refused(&["--network", "bridge"]).contains("network `bridge` is not supported"));
    assert!(refused(&["--platform", "a/b/c/d"]).contains("is not a platform"));
    assert!(refused(&["--build-arg", "=x"]).contains("the name is empty"));
    assert!(refused(&["--label", "=x"]).contains("the name is empty"));
    assert!(refused(&["--build-context", "x"]).contains("NAME=SOURCE"));
    assert!(refused(&["--build-context", "x=target:y"]).contains("not supported yet"));
    assert!(refused(&["--build-context", "x=/no/such"]).contains("the build context `x` does not exist"));
    assert!(refused(&["--add-host", "x:y"]).contains("no IP address"));
    assert!(refused(&["--provenance=true"]).contains("`--provenance=true`"));
    assert!(refused(&["-o", "type=registry"]).contains("registry"));
    assert!(refused(&["-q", "-o", "-"]).contains("--quiet"));
    assert!(refused(&["-o", "-", "-o", "type=oci,dest=-"]).contains("only one output"));
    assert!(refused(&["-f", "/no/such"]).contains("there is no Dockerfile /no/such"));
}

#[test]
fn what_is_on_by_default_may_be_said() {
    let flags =
        ["--provenance=false", "--sbom=false", "--rm", "--force-rm", "--network=default", "--add-host=a=::1"];
    let request = try_build(&flags, &Env::default(), context().path()).unwrap().request;
    assert_eq!(request.extra_hosts, [("a".to_owned(), "::1".to_owned())]);
}

fn try_run(words: &[&str], env: &Env) -> Result<engine::container::RunRequest, String> {
    let words = ["lapstrake", "run"].iter().chain(words).copied();
    let Command::Run(args) = Cli::try_parse_from(words).unwrap().command else { unreachable!() };
    super::run(&args, env).map_err(|error| error.text())
}

#[test]
fn what_follows_the_image_is_the_containers() {
    let request =
        try_run(&["-it", "-h", "box", "--rm", "img", "--rm", "-x", "--", "y"], &Env::default()).unwrap();
    assert_eq!(request.image, "img");
    assert_eq!(request.command, ["--rm", "-x", "--", "y"]);
    assert!(request.remove && request.terminal);
    assert_eq!(request.hostname.as_deref(), Some("box"));
}

#[test]
fn variables_come_from_files_then_flags() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("env");
    std::fs::write(&file, "\u{feff}# comment\n  A=1 \nB\nMISSING\n\nC=x#y\n").unwrap();
    let file = file.to_str().unwrap();
    let env = Env::of(&[("B", "from env"), ("D", "4")]);
    let request = try_run(&["-e", "A=2", "-e", "D", "-e", "GONE", "--env-file", file, "img"], &env).unwrap();
    assert_eq!(request.env, ["A=1 ", "B=from env", "C=x#y", "A=2", "D=4", "GONE"]);
    std::fs::write(file, "ok=1\nno name=2\n").unwrap();
    assert!(try_run(&["--env-file", file, "img"], &env).unwrap_err().contains("env:2: `no name`"));
}

#[test]
fn volumes_are_relative_to_the_working_directory() {
    let request = try_run(&["-v", "./data:/data:ro", "img"], &Env::of(&[])).unwrap();
    let expected = engine::container::Volume::parse("/work/data:/data:ro", Path::new("/")).unwrap();
    assert_eq!(request.volumes[0].target, expected.target);
    assert!(request.volumes[0].read_only);
    assert!(try_run(&["-v", "a:b:c:d", "img"], &Env::of(&[])).unwrap_err().contains("a:b:c:d"));
}

#[test]
fn a_dockerfile_that_nobody_named_is_a_file_of_the_context() {
    let dir = context();
    let path = dir.path().join("Dockerfile");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
    assert!(
        try_build(&[], &Env::default(), dir.path())
            .unwrap_err()
            .contains("it is a link that leaves the directory")
    );
    std::fs::remove_file(&path).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(try_build(&[], &Env::default(), dir.path()).unwrap_err().contains("it is no regular file"));
}

#[test]
fn buildxs_flags_become_the_request() {
    let flags = [
        "--platform=linux/amd64,local",
        "--platform=linux/arm64",
        "--no-cache-filter=a,b",
        "--no-cache-filter=c",
        "--allow=security.insecure",
        "--network=host",
        "--shm-size=1m",
        "--ulimit=core=0",
        "--cgroup-parent=/x",
        "--jobs=3",
        "--source-date-epoch=7",
        "--unsetenv=A",
        "--inherit-labels=false",
        "--attest=type=sbom,disabled=true",
        "--annotation=index,manifest[linux/arm64]:k=v",
        "--build-context=i=docker-image://img",
    ];
    let env = Env::of(&[("SOURCE_DATE_EPOCH", "1")]);
    let build = try_build(&flags, &env, context().path()).unwrap();
    let request = build.request;
    assert_eq!(request.platforms.len(), 2);
    assert!(request.is_multi_platform() && request.keep_failed);
    assert_eq!(request.no_cache_filter.len(), 3);
    assert_eq!(request.allow.iter().collect::<Vec<_>>(), ["network.host", "security.insecure"]);
    assert_eq!((request.shm_size, request.ulimits.len(), request.parallel), (Some(1 << 20), 1, 3));
    assert_eq!(request.build_args["SOURCE_DATE_EPOCH"], "7", "the flag goes before the environment");
    assert_eq!(request.edits.unset_env, ["A"]);
    assert!(!request.edits.inherit_labels);
    assert_eq!(build.outputs[0].annotations.len(), 2);
    assert_eq!(request.named_contexts["i"], engine::build::NamedContext::Image("img".into()));
}
