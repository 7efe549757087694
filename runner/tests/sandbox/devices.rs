//! What may be opened, and what the system call filter denies.

use crate::Case;
use crate::support::{Store, output, says};
use runner::spec::Exit;
use std::fs;

pub(crate) const CASES: &[Case] = &[
    ("devices::dev_has_dockers_nodes", dev_has_dockers_nodes),
    ("devices::nodes_can_be_made_but_not_opened", nodes_can_be_made_but_not_opened),
    ("devices::a_node_from_a_layer_cannot_be_opened", a_node_from_a_layer_cannot_be_opened),
    ("devices::the_filter_is_loaded", the_filter_is_loaded),
    ("devices::the_filter_looks_at_calls_and_arguments", the_filter_looks_at_calls_and_arguments),
    ("devices::namespaces_and_mounts_are_denied", namespaces_and_mounts_are_denied),
    ("devices::without_the_filter_capabilities_still_deny", without_the_filter_capabilities_still_deny),
];

fn dev_has_dockers_nodes() {
    let store = Store::new();
    let text = says(&store.shell("ls /dev"));
    let names: Vec<&str> = text.lines().collect();
    let expected = [
        "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
        "urandom", "zero",
    ];
    assert_eq!(names, expected);
    let text = says(
        &store.shell("stat -c '%a %t:%T %n' /dev/null /dev/urandom; readlink /dev/ptmx; readlink /dev/fd"),
    );
    assert_eq!(text, "666 1:3 /dev/null\n666 1:9 /dev/urandom\npts/ptmx\n/proc/self/fd\n");
    assert_eq!(
        says(&store.shell("head -c 16 /dev/urandom | wc -c; head -c 4 /dev/zero > /dev/null")).trim(),
        "16"
    );
}

fn nodes_can_be_made_but_not_opened() {
    let store = Store::new();
    for (kind, major, minor) in [("b", 254, 0), ("b", 8, 0), ("c", 1, 1), ("c", 10, 229)] {
        let (text, exit) = output(&store.shell(&format!("mknod /n {kind} {major} {minor} && cat /n")));
        assert_eq!(exit, Exit::Code(1), "{kind} {major}:{minor}: {text}");
        assert!(text.contains("Operation not permitted") && text.starts_with("cat:"), "{text}");
    }
    assert_eq!(says(&store.shell("mknod /n c 1 5 && head -c 3 /n | wc -c")).trim(), "3");
}

fn a_node_from_a_layer_cannot_be_opened() {
    let store = Store::new();
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    // The host's memory; the kernel would say ENXIO for a number without a driver, so take one that has.
    mknodat(CWD, store.layer().join("mem"), FileType::CharacterDevice, Mode::from(0o666), makedev(1, 1))
        .unwrap();
    let (text, exit) = output(&store.shell("head -c 1 /mem"));
    assert_eq!(exit, Exit::Code(1));
    assert!(text.contains("Operation not permitted"), "{text}");
}

fn the_filter_is_loaded() {
    let store = Store::new();
    let script = "grep '^Seccomp:' /proc/self/status | cut -f2";
    assert_eq!(says(&store.shell(script)).trim(), "2");
    let mut spec = store.shell(script);
    spec.seccomp = false;
    assert_eq!(says(&spec).trim(), "0");
}

/// This executable inside: what calls get, one a line.
pub(crate) fn probe_if_helper() {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    if std::env::args().nth(1).as_deref() != Some("--probe-calls") {
        return;
    }
    let family = |family, kind| socket(family, kind, SockFlag::empty(), None).err().map_or(0, |e| e as i32);
    let flags = rustix::mount::FsOpenFlags::empty();
    let clone = rustix::mount::OpenTreeFlags::OPEN_TREE_CLONE;
    for (name, errno) in [
        ("inet", family(AddressFamily::Inet, SockType::Stream)),
        ("alg", family(AddressFamily::Alg, SockType::SeqPacket)),
        ("vsock", family(AddressFamily::Vsock, SockType::Stream)),
        ("fsopen", rustix::mount::fsopen("tmpfs", flags).err().map_or(0, rustix::io::Errno::raw_os_error)),
        (
            "open_tree",
            rustix::mount::open_tree(rustix::fs::CWD, "/", clone)
                .err()
                .map_or(0, rustix::io::Errno::raw_os_error),
        ),
        ("thread", std::thread::spawn(|| 0).join().unwrap()),
    ] {
        println!("{name} {errno}");
    }
    std::process::exit(0);
}

fn the_filter_looks_at_calls_and_arguments() {
    let store = Store::new();
    let mut spec = store.spec(&["/probe", "--probe-calls"]);
    let this = std::env::current_exe().unwrap();
    let target = "/probe".to_owned();
    spec.mounts =
        vec![runner::spec::Mount::Bind { source: this, target, read_only: true, below: String::new() }];
    // A thread is made by clone, once clone3 has said that it does not exist.
    assert_eq!(says(&spec), "inet 0\nalg 1\nvsock 1\nfsopen 1\nopen_tree 1\nthread 0\n");
}

fn namespaces_and_mounts_are_denied() {
    let store = Store::new();
    for script in ["unshare -U true", "unshare -m true", "mount -t tmpfs none /bin", "umount /proc"] {
        let (text, exit) = output(&store.shell(script));
        assert_ne!(exit, Exit::Code(0), "{script}");
        assert!(text.contains("not permitted") || text.contains("permission denied"), "{script}: {text}");
    }
    assert!(fs::metadata("/proc/self/ns/user").is_ok());
}

fn without_the_filter_capabilities_still_deny() {
    let store = Store::new();
    let mut spec = store.shell("mount -t tmpfs none /bin");
    spec.seccomp = false;
    let (text, exit) = output(&spec);
    assert_ne!(exit, Exit::Code(0));
    assert!(text.contains("ermission denied") || text.contains("not permitted"), "{text}");
}
