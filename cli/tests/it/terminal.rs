//! What a terminal shows.

use crate::testenv::TestEnv;
use nix::pty::{Winsize, openpty};
use std::fs::File;
use std::io::Read;
use std::process::Stdio;

/// Runs a build whose standard error is a terminal of 20 rows and 60 columns. Returns what is written to it.
fn build(env: &TestEnv, flags: &[&str], code: i32) -> String {
    let size = Winsize { ws_row: 20, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let mut command = env.command(["build"].iter().chain(flags).chain(&["ctx"]));
    let child = command.env("TERM", "xterm").stderr(Stdio::from(pty.slave)).spawn().unwrap();
    // The command holds the terminal's other end: the end of the child would not be seen.
    drop(command);
    let mut shown = Vec::new();
    let mut master = File::from(pty.master);
    let mut buffer = [0; 4096];
    // The end of a terminal is an error.
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..length]);
    }
    drop(env.wait(child, "build".into()).code(code));
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn a_build_is_shown_live() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN echo talk; sleep 0.7\nRUN echo done\n", &[]);
    let shown = build(&env, &[], 0);
    assert!(shown.contains(" => => # talk"), "the last lines of what runs: {shown}");
    assert!(shown.contains(" => [2/3] RUN echo talk; sleep 0.7"), "{shown}");
    assert!(shown.contains("(4/4) FINISHED"), "{shown}");
    let again = build(&env, &[], 0);
    assert_eq!(again.matches("CACHED [2/3]").count(), 1, "{again}");
    assert!(again.contains("\u{1b}[36m"), "colours");
    let plain = build(&env, &["--progress=plain"], 0);
    assert!(plain.contains("#2 CACHED") && !plain.contains("[+]"), "{plain}");
}

#[test]
fn a_failure_stays_on_the_screen() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN echo last words; exit 3\n", &[]);
    let shown = build(&env, &[], 1);
    let end = shown.split("FAILED").nth(1).unwrap();
    assert!(
        shown.contains("ERROR [2/2] RUN") && end.contains("last words") && end.contains("exit code: 3"),
        "{shown}"
    );
}
