//! What a build step leaves in the upper directory besides its own work.

use crate::Case;
use crate::support::{Store, assert_nothing_left, output, says, tree, upper};
use runner::spec::Exit;
use std::fs;
use std::os::unix::fs::symlink;

pub(crate) const CASES: &[Case] = &[
    ("stubs::a_step_leaves_only_its_work", a_step_leaves_only_its_work),
    ("stubs::etc_of_the_image_is_not_touched", etc_of_the_image_is_not_touched),
    ("stubs::etc_cannot_be_removed", etc_cannot_be_removed),
    ("stubs::files_of_the_image_stay", files_of_the_image_stay),
    ("stubs::a_dangling_resolv_conf_is_followed_and_cleaned", a_dangling_resolv_conf_is_followed_and_cleaned),
    ("stubs::a_whiteout_of_etc_is_no_obstacle", a_whiteout_of_etc_is_no_obstacle),
    ("stubs::clean_up_spares_what_took_a_stubs_place", clean_up_spares_what_took_a_stubs_place),
];

fn a_step_leaves_only_its_work() {
    let store = Store::new();
    let spec = store.shell("test -s /etc/resolv.conf && test -s /etc/hosts && echo x > /made");
    says(&spec);
    assert_eq!(tree(&upper(&spec)), ["dev", "made", "proc", "sys"]);
    assert_nothing_left(&spec);
}

fn etc_of_the_image_is_not_touched() {
    let store = Store::new();
    fs::create_dir(store.layer().join("etc")).unwrap();
    fs::write(store.layer().join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
    for dir in ["proc", "sys", "dev"] {
        fs::create_dir(store.layer().join(dir)).unwrap();
    }
    let spec = store.shell("cat /etc/hosts > /dev/null && ls /etc");
    assert_eq!(says(&spec), "hosts\npasswd\nresolv.conf\n");
    assert!(tree(&upper(&spec)).is_empty(), "{:?}", tree(&upper(&spec)));
}

fn etc_cannot_be_removed() {
    let store = Store::new();
    let (text, exit) = output(&store.shell("rm -r /etc"));
    assert_eq!(exit, Exit::Code(1));
    assert!(text.contains("busy"), "{text}");
}

fn files_of_the_image_stay() {
    let store = Store::new();
    fs::create_dir(store.layer().join("etc")).unwrap();
    fs::write(store.layer().join("etc/hosts"), "1.2.3.4 mine\n").unwrap();
    let spec = store.shell("cat /etc/hosts; echo 5.6.7.8 new >> /etc/hosts");
    let (text, exit) = output(&spec);
    assert!(!text.contains("mine"), "the bound file covers it");
    assert!(text.contains("Read-only") && exit != Exit::Code(0), "what is lost cannot be written: {text}");
    assert_eq!(tree(&upper(&spec)), ["dev", "proc", "sys"]);
}

fn a_dangling_resolv_conf_is_followed_and_cleaned() {
    let store = Store::new();
    fs::create_dir(store.layer().join("etc")).unwrap();
    symlink("../run/resolve/stub.conf", store.layer().join("etc/resolv.conf")).unwrap();
    let spec = store.shell("cat /run/resolve/stub.conf | wc -c");
    assert_ne!(says(&spec).trim(), "0");
    assert_eq!(tree(&upper(&spec)), ["dev", "proc", "sys"], "the link's target was a stub");
}

fn a_whiteout_of_etc_is_no_obstacle() {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    let store = Store::new();
    let top = store.dir.path().join("top");
    fs::create_dir(&top).unwrap();
    mknodat(CWD, top.join("etc"), FileType::CharacterDevice, Mode::from(0o600), makedev(0, 0)).unwrap();
    let spec = store.spec_over(vec![store.layer(), top], &["ls", "/etc"]);
    assert_eq!(says(&spec), "hosts\nresolv.conf\n");
    assert_eq!(tree(&upper(&spec)), ["dev", "proc", "sys"]);
}

fn clean_up_spares_what_took_a_stubs_place() {
    let store = Store::new();
    fs::create_dir(store.layer().join("etc")).unwrap();
    symlink("/run/r/stub", store.layer().join("etc/resolv.conf")).unwrap();
    let precious = store.dir.path().join("precious");
    fs::create_dir_all(precious.join("r")).unwrap();
    fs::write(precious.join("r/stub"), "").unwrap();
    // The directory of the stub becomes a link to the host's.
    let spec =
        store.shell(&format!("mv /run /run2 && ln -s {} /run && ls / > /dev/null", precious.display()));
    let (text, exit) = output(&spec);
    assert_eq!(exit, Exit::Code(0), "{text}");
    assert!(precious.join("r/stub").exists(), "nothing outside the upper directory is removed");
    assert!(upper(&spec).join("run").is_symlink());
}
