//! `RUN --mount` and `--security` from the command line: what steps see, what is kept, and what is never kept.

use crate::testenv::TestEnv;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

const SECRET: &str = "Zahlenschloss-4711";

/// Files below `dir` that have `needle` in them.
fn holding(dir: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            if kind.is_dir() {
                todo.push(path);
            } else if kind.is_file() {
                let bytes = std::fs::read(&path).unwrap();
                if bytes.windows(needle.len()).any(|part| part == needle) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    found
}

#[test]
fn a_secret_is_in_no_store_image_log_history_or_message() {
    let env = TestEnv::new();
    env.write("outside/secret", SECRET);
    let use_it = "RUN --mount=type=secret,id=file --mount=type=secret,id=var,env=TOKEN ";
    env.context(
        &format!(
            "FROM busybox\n{use_it}test \"$(cat /run/secrets/file)\" = \"$TOKEN\" && echo ${{#TOKEN}} | tee /n\n"
        ),
        &[],
    );
    let mut command =
        env.command(["build", "--progress=plain", "-t", "t", "-o", "type=docker,dest=image.tar"]);
    command.args(["--secret", "id=file,src=outside/secret", "--secret", "id=var,env=HIDDEN", "ctx"]);
    let output = env.output(command.env("HIDDEN", SECRET)).ok();
    assert!(output.stderr.contains("18"), "{}", output.stderr);
    assert!(!output.stderr.contains(SECRET));
    std::fs::remove_dir_all(env.path().join("outside")).unwrap();
    assert_eq!(holding(env.path(), SECRET.as_bytes()), Vec::<String>::new());
    // Neither when the step fails.
    env.context(&format!("FROM busybox\n{use_it}false\n"), &[]);
    let mut command = env.command(["build", "--progress=plain", "ctx"]);
    command.args(["--secret", "id=file,env=HIDDEN", "--secret", "id=var,env=HIDDEN"]);
    let output = env.output(command.env("HIDDEN", SECRET)).code(1);
    assert!(!output.stderr.contains(SECRET), "{}", output.stderr);
    assert_eq!(holding(env.path(), SECRET.as_bytes()), Vec::<String>::new());
}

#[test]
fn a_missing_secret_or_agent_has_place_cause_and_remedy() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN --mount=type=secret,id=token,required true\n", &[]);
    env.build("")
        .code(1)
        .says("the secret `token` is not given")
        .says("Dockerfile:2:")
        .says("--secret id=token,src=FILE");
    env.context("FROM busybox\nRUN --mount=type=ssh,required true\n", &[]);
    env.build("").code(1).says("the SSH agent `default` is not given").says("--ssh default");
    env.context("FROM busybox\nRUN --mount=type=ssh env | grep SSH_AUTH; test ! -e /run/buildkit\n", &[]);
    env.build("").ok().says("SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0");
}

#[test]
fn a_mounted_context_counts_by_what_is_mounted() {
    let env = TestEnv::new();
    let text = "FROM busybox\nRUN --mount=source=src,target=/src cat /src/f > /out\n";
    env.context(
        text,
        &[("src/f", "1"), ("src/ignored", "1"), ("other", "1"), (".dockerignore", "**/ignored")],
    );
    assert_eq!(env.build("").ok().cached(), 0);
    env.write("ctx/other", "2");
    env.write("ctx/src/ignored", "2");
    assert_eq!(env.build("").ok().cached(), 2, "no needless miss");
    env.write("ctx/src/f", "2");
    assert_eq!(env.build("-o type=local,dest=out").ok().cached(), 0, "no stale hit");
    assert_eq!(env.read("out/out"), "2");
    env.context(&text.replace("source=src,", "source=nowhere,"), &[]);
    env.build("").code(1).says("nowhere").says("Dockerfile:2:");
}

#[test]
fn a_cache_stays_between_builds_and_gc_leaves_it_alone() {
    let env = TestEnv::new();
    let text = |n: u32| {
        format!("FROM busybox\nARG X={n}\nRUN --mount=type=cache,target=/c echo {n} >> /c/f; cp /c/f /out\n")
    };
    for n in [1, 2] {
        env.context(&text(n), &[]);
        env.build("-o type=local,dest=out").ok();
    }
    assert_eq!(env.read("out/out"), "1\n2\n");
    assert!(!env.path().join("out/c").exists(), "the mount point is not in the image");
    env.line("rmi busybox").ok();
    env.context(&text(3), &[]);
    let mut import = env.command(["import", "-c", "CMD [\"sh\"]", "busybox.tar", "busybox"]);
    env.output(&mut import).ok();
    env.build("-o type=local,dest=out").ok();
    assert_eq!(env.read("out/out"), "1\n2\n3\n");
}

#[test]
fn a_part_of_a_cache_is_mounted_and_no_link_leads_out_of_it() {
    let env = TestEnv::new();
    let part = |source: &str| {
        env.context(
            &format!(
                "FROM busybox\nRUN --mount=type=cache,id=k,target=/c mkdir -p /c/d; echo x >/c/d/f; ln -sfn /etc /c/out\n\
                 RUN --mount=type=cache,id=k,source={source},target=/p cat /p/f >/got\n"
            ),
            &[],
        );
        env.build("--no-cache -o type=local,dest=out")
    };
    part("d").ok();
    assert_eq!(env.read("out/got"), "x\n");
    part("out").code(1);
    part("none").code(1);
}

#[test]
fn an_interrupted_wait_for_a_locked_cache_ends_at_once() {
    let env = TestEnv::new();
    let step = |name: &str, script: &str| {
        env.write(
            &format!("{name}/Dockerfile"),
            format!("FROM busybox\nRUN --mount=type=cache,id=l,sharing=locked,target=/c {script}\n"),
        );
        env.command(["build", "--progress=plain", name]).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut holder = step("holder", "echo have it; sleep 60");
    let mut text = String::new();
    let mut stderr = std::io::BufReader::new(holder.stderr.take().unwrap());
    while !text.ends_with("have it\n") {
        text.clear();
        assert_ne!(std::io::BufRead::read_line(&mut stderr, &mut text).unwrap(), 0);
    }
    let mut waiting = step("waiting", "true");
    std::thread::sleep(Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none(), "it waits for the holder");
    let began = Instant::now();
    for child in [&waiting, &holder] {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    }
    assert!(!waiting.wait().unwrap().success() && !holder.wait().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(10));
    // The lock went with its holder.
    assert!(step("next", "true").wait().unwrap().success());
}

#[test]
fn an_agent_is_reached_through_the_steps_own_socket() {
    let env = TestEnv::new();
    let path = env.path().join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap_or(0) == 1 {
                stream.write_all(&byte).unwrap();
            }
        }
    });
    env.context(
        "FROM busybox\nRUN --mount=type=ssh,uid=7,gid=8,mode=0640 stat -c '%F %a %u %g' $SSH_AUTH_SOCK > /out\n",
        &[],
    );
    env.build(&format!("--ssh default={} -o type=local,dest=out", path.display())).ok();
    assert_eq!(env.read("out/out"), "socket 640 7 8\n");
    assert!(!env.path().join("out/run").exists(), "no socket and no directory for it is in the image");
}

#[test]
fn insecure_steps_need_to_be_allowed() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN --security=insecure mkdir /m && mount -t tmpfs x /m\n", &[]);
    let refused = env.build("");
    assert_ne!(refused.exit, Some(0));
    refused.says("--allow security.insecure");
    env.build("--allow security.insecure").ok();
}
