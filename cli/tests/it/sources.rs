//! ADD of URLs and repositories, and contexts that are no directories.

use crate::testenv::TestEnv;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;

/// Serves the files below `dir`, with their contents as ETags, until the test's process ends.
fn serve(dir: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while reader.read_line(&mut head).unwrap_or(0) > 2 {}
            let path = head.split([' ', '?']).nth(1).unwrap_or("/").to_owned();
            let (status, body) = match std::fs::read(dir.join(path.trim_start_matches('/'))) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            // The other end may have gone.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    url
}

fn git(env: &TestEnv, args: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"]).args(args);
    let out = command.current_dir(env.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
}

/// A repository `web/r.git` that any web server can serve.
fn repository(env: &TestEnv) {
    env.write("r/Dockerfile", "FROM scratch\nCOPY sub /\n");
    env.write("r/sub/g", "from git");
    git(env, &["init", "-q", "r"]);
    git(env, &["-C", "r", "add", "."]);
    git(env, &["-C", "r", "commit", "-qm", "m"]);
    git(env, &["clone", "-q", "--bare", "r", "web/r.git"]);
    git(env, &["-C", "web/r.git", "update-server-info"]);
}

#[test]
fn fetched_files_are_keyed_by_their_content() {
    let env = TestEnv::empty();
    env.write("web/f", "one");
    let url = serve(env.path().join("web"));
    let dockerfile = |query: &str| format!("FROM scratch\nADD {url}/f{query} /d/\n");
    env.context(&dockerfile(""), &[]);
    env.build("-o out").ok();
    assert_eq!(env.read("out/d/f"), "one");
    assert_eq!(env.build("-o out").ok().cached(), 1);
    // Another address with the same content is the same step.
    env.context(&dockerfile("?x"), &[]);
    assert_eq!(env.build("-o out").ok().cached(), 1);
    env.write("web/f", "two");
    assert_eq!(env.build("-o out2").ok().cached(), 0);
    assert_eq!(env.read("out2/d/f"), "two");
}

#[test]
fn a_file_that_is_not_there_is_told_at_its_place() {
    let env = TestEnv::empty();
    env.write("web/f", "one");
    let url = serve(env.path().join("web"));
    env.context(&format!("FROM scratch\nADD {url}/f {url}/none /d/\n"), &[]);
    env.build("").code(1).says("/none: the server answered 404 Not Found").says(":2:");
    env.context(&format!("FROM scratch\nADD --checksum=sha256:{} {url}/f /d/\n", "0".repeat(64)), &[]);
    env.build("").code(1).says("f does not match its checksum");
}

#[test]
fn repositories_are_sources_and_contexts() {
    let env = TestEnv::empty();
    repository(&env);
    let url = serve(env.path().join("web"));
    env.context(&format!("FROM scratch\nADD {url}/r.git#main:sub /d/\n"), &[]);
    env.build("-o out").ok();
    assert_eq!(env.read("out/d/g"), "from git");
    env.line(&format!("build -o out2 {url}/r.git")).ok();
    assert_eq!(env.read("out2/g"), "from git");
    env.context("FROM scratch\nCOPY --from=lib sub/g /x\n", &[]);
    env.build(&format!("--build-context lib={url}/r.git -o out3")).ok();
    assert_eq!(env.read("out3/x"), "from git");
}

#[test]
fn archives_are_contexts() {
    let env = TestEnv::empty();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, text) in [("Dockerfile", "FROM scratch\nCOPY f /\n"), ("f", "in a tar")] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    let archive = builder.into_inner().unwrap();
    env.feed(&mut env.command(["build", "-o", "out", "-"]), &archive).ok();
    assert_eq!(env.read("out/f"), "in a tar");
    env.write("web/c", &archive);
    let url = serve(env.path().join("web"));
    env.line(&format!("build -o out2 {url}/c")).ok();
    assert_eq!(env.read("out2/f"), "in a tar");
    env.assert_clean();
}

#[test]
fn a_mounted_tree_is_part_of_the_key() {
    let env = TestEnv::new();
    let dockerfile =
        "FROM busybox AS a\nCOPY f /f\nFROM busybox\nRUN --mount=from=a,target=/m cat /m/f > /out\n";
    env.context(dockerfile, &[("f", "one")]);
    env.build("-o out").ok();
    assert_eq!(env.read("out/out"), "one");
    env.context(dockerfile, &[("f", "two")]);
    env.build("-o out2").ok();
    assert_eq!(env.read("out2/out"), "two");
}
