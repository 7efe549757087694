//! Ends that nobody chose: Ctrl-C, SIGTERM, kill -9.

use crate::testenv::TestEnv;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::Read;
use std::process::Child;
use std::time::{Duration, Instant};

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Reads standard error until `text` comes.
fn read_until(child: &mut Child, text: &str) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(text) {
        child.stderr.as_mut().unwrap().read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
}

#[test]
fn a_build_that_is_asked_to_stop_stops() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let env = TestEnv::new();
        env.context("FROM busybox\nRUN echo made > /x\nRUN echo running; sleep 600\n", &[]);
        let mut child = env
            .command(["build", "--progress=plain", "-t", "x", "-o", "type=oci,dest=x.tar", "ctx"])
            .spawn()
            .unwrap();
        read_until(&mut child, " running\n");
        let start = Instant::now();
        send(&child, signal);
        let output = env.wait(child, signal.to_string()).code(code);
        assert!(start.elapsed() < Duration::from_secs(5), "{signal} took {:?}", start.elapsed());
        assert!(
            output.stderr.contains("CANCELED") && output.stderr.ends_with("canceled\n"),
            "{}",
            output.stderr
        );
        assert!(!env.path().join("x.tar").exists());
        env.assert_clean();
        env.context("FROM busybox\nRUN echo made > /x\n", &[]);
        assert_eq!(env.build("-t x").ok().cached(), 1, "what was done before is known");
    }
}

#[test]
fn the_second_signal_does_not_wait() {
    let env = TestEnv::new();
    env.write("pipe/x", "");
    let mut child = env.command(["import", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    // Nobody writes: an orderly end has to come without input.
    let _stdin = child.stdin.take();
    std::thread::sleep(Duration::from_millis(300));
    send(&child, Signal::SIGINT);
    env.wait(child, "import".into()).code(130);
    env.assert_clean();
}

#[test]
fn signals_at_any_moment_leave_nothing() {
    let env = TestEnv::new();
    env.context(
        "FROM busybox\nCOPY . /src\nRUN cat /src/* > /all\nRUN sleep 0.05; echo x > /x\n",
        &[("a", "a"), ("b", "b")],
    );
    for round in 0..12_u64 {
        let flags = [
            "build",
            "--no-cache",
            "--progress=plain",
            "-t",
            "x",
            "-o",
            "type=docker,dest=x.tar",
            "-o",
            "type=image",
            "ctx",
        ];
        let child = env.command(flags).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 17));
        send(&child, if round % 2 == 0 { Signal::SIGINT } else { Signal::SIGTERM });
        let output = env.wait(child, format!("round {round}"));
        // Before its handlers are in place, the signal itself ends it.
        assert!(matches!(output.exit, None | Some(0 | 130 | 143)), "{:?} {}", output.exit, output.stderr);
        env.assert_clean();
    }
    env.build("-t x").ok();
    assert_eq!(env.line("run --rm x cat /x").ok().stdout, "x\n");
}

/// Numbers that differ from run to run.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

/// One of several equal texts, so that the layers of a build differ in their contents and not in their sizes.
const FILE: &str = "FROM busybox AS a\nCOPY . /src/\nRUN cat /src/f* > /all; rm /src/f3; ln /all /hard; mkfifo /p\n\
                    FROM busybox AS b\nRUN seq 1 20000 > /seq; chown 5:6 /seq\nWORKDIR /w\n\
                    FROM busybox\nCOPY --from=a /all /src /x/\nCOPY --from=b /seq /y\nRUN sort /y > /z; mkdir /d; chmod 700 /d\n\
                    ENV A=b\n";

#[test]
fn kill_at_any_moment_never_spoils_the_store() {
    let env = TestEnv::new();
    let files: Vec<(String, String)> =
        (0..40).map(|n| (format!("f{n}"), format!("{n}\n").repeat(2000))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    env.context(FILE, &files);
    let build = |flags: &str| env.build(&format!("-t x --build-arg SOURCE_DATE_EPOCH=1700000000 {flags}"));
    let start = Instant::now();
    build("").ok();
    let long = u64::try_from(start.elapsed().as_micros()).unwrap();
    let expected = env.id("x");
    for round in 0..30 {
        env.write("ctx/f0", format!("round {round}\n"));
        let flags = [
            "build",
            "-q",
            "-t",
            "x",
            "--build-arg=SOURCE_DATE_EPOCH=1700000000",
            "-o",
            "type=oci,dest=o.tar",
            "-o",
            "type=image",
            "ctx",
        ];
        let mut child = env.command(flags).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random() % (long * 3 / 2)));
        child.kill().unwrap();
        child.wait().unwrap();
        let after = build("").ok();
        let id = env.id("x");
        wait_until("processes are left", || env.processes().is_empty());
        wait_until("mounts are left", || env.mounts().is_empty());
        assert_eq!(env.work(), Vec::<String>::new());
        if round % 5 == 4 {
            build("--no-cache").ok();
            assert_eq!(env.id("x"), id, "round {round}: the cache gave something else\n{}", after.stderr);
        }
    }
    env.write("ctx/f0", "0\n".repeat(2000));
    build("").ok();
    assert_eq!(env.id("x"), expected);
    assert!(env.line("run --rm x cat /x/all").ok().stdout.starts_with("0\n0\n"));
}
