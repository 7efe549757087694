//! Images made to break out.

use crate::Case;
use crate::support::{Store, assert_nothing_left, says, try_output};
use runner::Step;
use runner::spec::Mount;
use std::fs;
use std::os::unix::fs::symlink;

pub(crate) const CASES: &[Case] = &[
    ("roots::linked_kernel_mount_points_are_refused", linked_kernel_mount_points_are_refused),
    ("roots::a_file_as_mount_point_is_refused", a_file_as_mount_point_is_refused),
    ("roots::links_of_etc_stay_inside", links_of_etc_stay_inside),
    ("roots::bind_targets_through_links_stay_inside", bind_targets_through_links_stay_inside),
    ("roots::a_working_directory_through_links_stays_inside", a_working_directory_through_links_stays_inside),
    ("roots::a_working_directory_in_proc_is_no_way_out", a_working_directory_in_proc_is_no_way_out),
    ("roots::a_fifo_as_passwd_hangs_nobody", a_fifo_as_passwd_hangs_nobody),
];

fn linked_kernel_mount_points_are_refused() {
    for name in ["proc", "sys", "dev"] {
        let store = Store::new();
        let outside = store.dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        symlink(&outside, store.layer().join(name)).unwrap();
        let spec = store.spec(&["true"]);
        let error = try_output(&spec).unwrap_err();
        assert_eq!(error.step(), Some(Step::MountPoint), "{error}");
        assert_eq!(error.to_string(), format!("prepare mount point /{name}"));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert_nothing_left(&spec);
    }
}

fn a_file_as_mount_point_is_refused() {
    let store = Store::new();
    fs::write(store.layer().join("proc"), "").unwrap();
    assert_eq!(try_output(&store.spec(&["true"])).unwrap_err().step(), Some(Step::MountPoint));
}

fn links_of_etc_stay_inside() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("hosts"), "host\n").unwrap();
    symlink(&outside, store.layer().join("etc")).unwrap();
    let spec = store.shell("cat /etc/hosts");
    assert!(says(&spec).contains("localhost"));
    assert_eq!(fs::read_to_string(outside.join("hosts")).unwrap(), "host\n");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

fn bind_targets_through_links_stay_inside() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    let host = store.dir.path().join("host");
    fs::create_dir(&outside).unwrap();
    fs::create_dir(&host).unwrap();
    fs::write(host.join("file"), "").unwrap();
    symlink(&outside, store.layer().join("link")).unwrap();
    let mut spec = store.shell("ls /link/sub");
    spec.mounts = vec![Mount::Bind {
        source: host,
        target: "/link/sub".into(),
        read_only: false,
        below: String::new(),
    }];
    assert_eq!(says(&spec), "file\n");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

fn a_working_directory_through_links_stays_inside() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, store.layer().join("link")).unwrap();
    let mut spec = store.spec(&["true"]);
    spec.cwd = "/link/made".to_owned();
    says(&spec);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// A leaked descriptor of the host would be reachable there. The text of such a link may be followed, the link not.
fn a_working_directory_in_proc_is_no_way_out() {
    let store = Store::new();
    for number in 0..20 {
        let mut spec = store.shell("pwd; ls -d bin dev proc");
        spec.cwd = format!("/proc/self/fd/{number}");
        match try_output(&spec) {
            Ok((text, _)) => assert_eq!(text, "/\nbin\ndev\nproc\n", "{number}"),
            Err(error) => assert_eq!(error.step(), Some(Step::WorkingDirectory), "{number}: {error}"),
        }
    }
}

fn a_fifo_as_passwd_hangs_nobody() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let store = Store::new();
    fs::create_dir(store.layer().join("etc")).unwrap();
    for name in ["passwd", "group", "hosts", "resolv.conf"] {
        mknodat(CWD, store.layer().join("etc").join(name), FileType::Fifo, Mode::from(0o644), 0).unwrap();
    }
    assert!(says(&store.shell("cat /etc/hosts")).contains("localhost"));
}
