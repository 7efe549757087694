//! A terminal in the sandbox.

use crate::Case;
use crate::support::Store;
use runner::spec::{Exit, User};
use runner::{Io, Sandbox};
use std::fs::File;
use std::io::{Read, Write};

pub(crate) const CASES: &[Case] = &[
    ("terminal::it_is_the_controlling_terminal", it_is_the_controlling_terminal),
    ("terminal::ctrl_c_interrupts_inside", ctrl_c_interrupts_inside),
    ("terminal::a_user_owns_it", a_user_owns_it),
];

/// Everything until the other side is closed (a terminal says so by EIO). `keys` are typed once "ready" is read:
/// the first process would ignore a signal that it has no handler for yet.
fn converse(mut master: File, keys: &[u8]) -> String {
    let (mut text, mut buffer, mut typed) = (Vec::new(), [0; 4096], keys.is_empty());
    while let Ok(length @ 1..) = master.read(&mut buffer) {
        text.extend_from_slice(&buffer[..length]);
        if !typed && text.windows(5).any(|window| window == b"ready") {
            master.write_all(keys).unwrap();
            typed = true;
        }
    }
    String::from_utf8(text).unwrap().replace("\r\n", "\n")
}

fn run(script: &str, user: User, keys: &[u8]) -> (String, Exit) {
    let store = Store::new();
    let mut spec = store.shell(script);
    spec.terminal = true;
    spec.user = user;
    let mut running = Sandbox::spawn(&spec, Io { window: Some((101, 33)), ..Io::default() }).unwrap();
    let text = converse(File::from(running.terminal.take().unwrap()), keys);
    (text, running.wait().unwrap())
}

fn it_is_the_controlling_terminal() {
    let script = "tty; stty size; test -c /dev/console && echo console; echo to-tty > /dev/tty; ls /dev/pts";
    let (text, exit) = run(script, User::default(), b"");
    assert_eq!(text, "/dev/pts/0\n33 101\nconsole\nto-tty\n0     ptmx\n");
    assert_eq!(exit, Exit::Code(0));
}

fn ctrl_c_interrupts_inside() {
    let script = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 1; done";
    let (text, exit) = run(script, User::default(), b"\x03");
    assert!(text.ends_with("caught\n"), "{text:?}");
    assert_eq!(exit, Exit::Code(3));
}

fn a_user_owns_it() {
    let user = User { uid: 1000, gid: 1000, groups: vec![], home: "/".to_owned() };
    let (text, exit) = run("stat -c '%u:%g %a' /dev/pts/0; echo x > /dev/pts/0", user, b"");
    assert_eq!((text.as_str(), exit), ("1000:5 620\nx\n", Exit::Code(0)));
}
