//! Standard streams.

use crate::Case;
use crate::support::Store;
use runner::spec::{Exit, User};
use runner::{Io, Sandbox, Stream};
use std::io::{Read, Write};

pub(crate) const CASES: &[Case] = &[
    ("streams::pipes_carry_both_ways", pipes_carry_both_ways),
    ("streams::null_is_empty", null_is_empty),
    ("streams::a_user_can_reopen_its_pipes", a_user_can_reopen_its_pipes),
    ("streams::a_closed_reader_ends_the_writer", a_closed_reader_ends_the_writer),
];

fn pipes() -> Io {
    Io { stdin: Stream::Piped, stdout: Stream::Piped, stderr: Stream::Piped, window: None }
}

fn read(file: Option<std::fs::File>) -> String {
    let mut text = String::new();
    file.unwrap().read_to_string(&mut text).unwrap();
    text
}

fn pipes_carry_both_ways() {
    let store = Store::new();
    let mut running = Sandbox::spawn(&store.shell("cat; echo error >&2"), pipes()).unwrap();
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(b"there and back").unwrap();
    drop(stdin);
    assert_eq!(read(running.stdout.take()), "there and back");
    assert_eq!(read(running.stderr.take()), "error\n");
    assert_eq!(running.wait().unwrap(), Exit::Code(0));
}

fn null_is_empty() {
    let store = Store::new();
    let io = Io { stdout: Stream::Piped, ..Io::default() };
    let mut running = Sandbox::spawn(&store.shell("wc -c"), io).unwrap();
    assert_eq!(read(running.stdout.take()).trim(), "0");
    running.wait().unwrap();
}

fn a_user_can_reopen_its_pipes() {
    let store = Store::new();
    let mut spec = store.shell("echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin");
    spec.user = User { uid: 1000, gid: 1000, groups: vec![], home: "/".to_owned() };
    let mut running = Sandbox::spawn(&spec, pipes()).unwrap();
    drop(running.stdin.take());
    assert_eq!(read(running.stdout.take()), "out\n");
    assert_eq!(read(running.stderr.take()), "err\n");
    assert_eq!(running.wait().unwrap(), Exit::Code(0));
}

fn a_closed_reader_ends_the_writer() {
    let store = Store::new();
    let mut running =
        Sandbox::spawn(&store.shell("while echo x; do :; done 2>/dev/null; exit 9"), pipes()).unwrap();
    drop(running.stdout.take());
    // The shell as first process ignores SIGPIPE's default action and sees the error.
    let exit = running.wait().unwrap();
    assert!(matches!(exit, Exit::Code(9) | Exit::Signal(13)), "{exit:?}");
}
