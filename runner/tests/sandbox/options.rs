//! Privileged sandboxes, and the options of a build: /dev/shm, limits, the cgroup above.

use crate::Case;
use crate::support::{Store, cgroup_of, output, says, spawn, try_output};
use runner::spec::{Exit, Ulimit, User};
use std::fs;

pub(crate) const CASES: &[Case] = &[
    ("options::privileged_has_what_lapstrake_has", privileged_has_what_lapstrake_has),
    ("options::privileged_users_keep_their_capabilities", privileged_users_keep_their_capabilities),
    ("options::privileged_has_devices_and_a_writable_sys", privileged_has_devices_and_a_writable_sys),
    ("options::the_size_of_shm_and_limits_are_obeyed", the_size_of_shm_and_limits_are_obeyed),
    ("options::wrong_options_are_refused_by_name", wrong_options_are_refused_by_name),
    ("options::the_cgroup_lies_below_its_parent", the_cgroup_lies_below_its_parent),
    ("options::the_gateway_is_the_host", the_gateway_is_the_host),
];

fn own_capabilities() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap().to_owned()
}

fn privileged_has_what_lapstrake_has() {
    let store = Store::new();
    let mut spec = store.shell("grep -E 'CapEff|CapBnd|Seccomp:' /proc/self/status; mount -t tmpfs x /mnt");
    fs::create_dir(store.layer().join("mnt")).unwrap();
    let (_, exit) = output(&spec);
    assert_ne!(exit, Exit::Code(0), "a plain step mounts nothing");
    spec = crate::support::Store::spec(&store, &["sh", "-c", &spec.argv[2]]);
    spec.privileged = true;
    let own = own_capabilities();
    assert_eq!(says(&spec), format!("CapEff:\t{own}\nCapBnd:\t{own}\nSeccomp:\t0\n"));
}

fn privileged_users_keep_their_capabilities() {
    let store = Store::new();
    let mut spec = store.shell("grep -E 'CapEff|CapAmb|Uid' /proc/self/status");
    spec.privileged = true;
    spec.user = User { uid: 7, gid: 7, ..User::default() };
    let own = own_capabilities();
    assert_eq!(says(&spec), format!("Uid:\t7\t7\t7\t7\nCapEff:\t{own}\nCapAmb:\t{own}\n"));
}

fn privileged_has_devices_and_a_writable_sys() {
    let store = Store::new();
    let mut spec = store.shell(
        "stat -c '%n %a %t %T' /dev/kmsg /dev/fuse /dev/net/tun /dev/loop-control /dev/loop0 /dev/loop7; \
         head -c 1 /dev/kmsg > /dev/null && echo opened; grep ' /sys ' /proc/mounts | cut -d, -f1; \
         test -w /proc/sys/kernel/hostname && ls -A /sys/firmware | wc -l",
    );
    spec.privileged = true;
    let text = says(&spec);
    let devices = "/dev/kmsg 666 1 b\n/dev/fuse 666 a e5\n/dev/net/tun 666 a c8\n/dev/loop-control 666 a ed\n\
                   /dev/loop0 666 7 0\n/dev/loop7 666 7 7\nopened\nsysfs /sys sysfs rw\n";
    assert!(text.starts_with(devices), "{text}");
    assert_eq!(crate::support::tree(&crate::support::upper(&spec)), ["dev", "proc", "sys"]);
}

fn limit(name: &str, soft: i64, hard: i64) -> Ulimit {
    Ulimit { name: name.to_owned(), soft, hard }
}

fn the_size_of_shm_and_limits_are_obeyed() {
    let store = Store::new();
    let mut spec = store.shell(
        "grep -o 'shm.*size=[0-9]*k' /proc/mounts | grep -o 'size.*'; ulimit -Sn; ulimit -Hn; ulimit -Sc",
    );
    spec.shm_size = Some(1 << 20);
    spec.ulimits = vec![limit("nofile", 100, 200), limit("core", 0, -1)];
    assert_eq!(says(&spec), "size=1024k\n100\n200\n0\n");
    let mut spec = store.shell("ulimit -Sc");
    spec.ulimits = vec![limit("core", -1, -1)];
    assert_eq!(says(&spec), "unlimited\n");
}

fn wrong_options_are_refused_by_name() {
    let store = Store::new();
    let refused = |change: fn(&mut runner::spec::Spec), what: &str| {
        let mut spec = store.shell("true");
        change(&mut spec);
        let error = try_output(&spec).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(|spec| spec.ulimits = vec![limit("files", 1, 1)], "no resource limit is named \"files\"");
    refused(|spec| spec.ulimits = vec![limit("nofile", 2, 1)], "soft limit of nofile is above the hard one");
    refused(|spec| spec.cgroup_parent = Some("../x".to_owned()), "is no name of a cgroup");
    refused(|spec| spec.ulimits = vec![limit("nofile", 1, i64::MAX)], "set resource limit nofile");
}

fn the_cgroup_lies_below_its_parent() {
    let store = Store::new();
    let mut spec = store.spec(&["sleep", "9"]);
    let parent = format!("lapstrake-test-{}", std::process::id());
    spec.cgroup_parent = Some(format!("/{parent}/inner"));
    let running = spawn(&spec);
    let plain = cgroup_of(&spec);
    let top = plain.ancestors().nth(2).unwrap();
    let own = top.join(&parent).join("inner/lapstrake").join(&spec.id);
    assert!(!fs::read_to_string(own.join("cgroup.procs")).unwrap().is_empty());
    assert!(!plain.exists());
    let pid = fs::read_to_string(own.join("cgroup.procs")).unwrap();
    let joined = fs::read_to_string(format!("/proc/{}/cgroup", pid.trim())).unwrap();
    for line in joined.lines() {
        assert!(line.contains(&format!("{parent}/inner")), "{line}");
    }
    drop(running);
    assert!(!own.exists() && !own.parent().unwrap().exists());
    // The parents are the user's: they stay, in every hierarchy.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let hierarchies = mounts.lines().filter(|line| line.contains(" - cgroup"));
    for hierarchy in hierarchies.filter_map(|line| line.split(' ').nth(4)) {
        let dir = std::path::Path::new(hierarchy).join(&parent);
        for dir in [dir.join("inner"), dir] {
            if dir.exists() {
                fs::remove_dir(&dir).unwrap();
            }
        }
    }
}

fn the_gateway_is_the_host() {
    let store = Store::new();
    let mut spec = store.shell("grep -w gate /etc/hosts");
    spec.extra_hosts = vec![("gate".to_owned(), "host-gateway".to_owned())];
    assert_eq!(says(&spec), "127.0.0.1\tgate\n");
}
