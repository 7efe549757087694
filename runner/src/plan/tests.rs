use super::*;
use crate::facts::Cgroups;
use crate::spec::{Changes, Contents, Mount, Ulimit, User};

fn host(cgroups: Cgroups) -> HostFacts {
    HostFacts {
        bounding: 0x1ff_feff_ffff,
        hard_limits: (0..16)
            .map(|number| if number == libc::RLIMIT_NOFILE { 20000 } else { u64::MAX })
            .collect(),
        cgroups,
        sensitive: ["/proc/kcore", "/proc/sys", "/sys/firmware"].map(str::to_owned).into(),
        resolv_conf: "# local\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch lan".to_owned(),
        hosts: "127.0.0.1 localhost\n10.0.0.7 yard".to_owned(),
        loops_in_use: 0,
    }
}

fn unified() -> HostFacts {
    host(Cgroups { unified: Some("/sys/fs/cgroup".into()), version1: vec![] })
}

fn hybrid() -> HostFacts {
    let version1 =
        ["memory", "cpu,cpuacct"].map(|name| (name.to_owned(), format!("/sys/fs/cgroup/{name}").into()));
    host(Cgroups { unified: Some("/sys/fs/cgroup/unified".into()), version1: version1.into() })
}

fn step() -> Spec {
    Spec {
        id: "build-1".into(),
        root: RootMount::Overlay {
            lower: vec!["/s/layers/a/diff".into(), "/s/layers/b/diff".into()],
            upper: "/s/work/1/diff".into(),
            work: "/s/work/1/overlay".into(),
        },
        scratch: "/s/work/1/scratch".into(),
        read_only_root: false,
        argv: ["/bin/sh", "-c", "make"].map(str::to_owned).into(),
        env: vec!["A=1".into()],
        cwd: "/src".into(),
        user: User { uid: 0, gid: 0, groups: vec![0], home: "/root".into() },
        hostname: "buildkitsandbox".into(),
        network: Network::Host,
        mounts: vec![],
        capabilities: caps::default_names(),
        seccomp: true,
        no_new_privileges: false,
        remove_stubs: true,
        terminal: false,
        extra_hosts: vec![],
        privileged: false,
        shm_size: None,
        ulimits: vec![],
        cgroup_parent: None,
    }
}

fn container() -> Spec {
    Spec {
        hostname: "0123456789ab".into(),
        network: Network::None,
        mounts: vec![
            Mount::Bind {
                source: "/host".into(),
                below: String::new(),
                target: "/data".into(),
                read_only: true,
            },
            Mount::File {
                target: "/run/secrets/key".into(),
                data: Contents(b"k".to_vec()),
                mode: 0o400,
                uid: 1,
                gid: 2,
            },
        ],
        user: User { uid: 1000, gid: 1001, groups: vec![1001], home: "/".into() },
        read_only_root: true,
        no_new_privileges: true,
        remove_stubs: false,
        terminal: true,
        extra_hosts: vec![("db".into(), "10.0.0.9".into())],
        ..step()
    }
}

/// One line a step; contents of generated files as text.
fn listing(ops: &[SetupOp]) -> String {
    let line = |op: &SetupOp| match op {
        SetupOp::FileSource { path, data, mode } => {
            format!("FileSource {} {mode:o} {:?}", path.display(), String::from_utf8_lossy(&data.0))
        }
        other => format!("{other:?}"),
    };
    ops.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_build_step_on_a_unified_host() {
    insta::assert_snapshot!(listing(&plan(&step(), &unified())));
}

#[test]
fn a_container_on_a_hybrid_host() {
    insta::assert_snapshot!(listing(&plan(&container(), &hybrid())));
}

#[test]
fn the_host_is_let_go_before_anything_of_the_image_is_resolved() {
    let ops = plan(&container(), &hybrid());
    let at = |wanted: fn(&SetupOp) -> bool| ops.iter().position(wanted).unwrap();
    let last = |wanted: fn(&SetupOp) -> bool| ops.iter().rposition(wanted).unwrap();
    let pivot = at(|op| matches!(op, SetupOp::PivotRoot { .. }));
    assert!(
        at(|op| matches!(op, SetupOp::PrivatePropagation))
            < at(|op| matches!(op, SetupOp::HostSource { .. }))
    );
    assert!(last(|op| matches!(op, SetupOp::HostSource { .. } | SetupOp::FileSource { .. })) < pivot);
    assert!(pivot < at(|op| matches!(op, SetupOp::Mount { .. } | SetupOp::Attach { .. })));
    // Masks come over whatever the user mounted.
    let attached = last(|op| matches!(op, SetupOp::Attach { .. }));
    assert!(attached < at(|op| matches!(op, SetupOp::Mask(_) | SetupOp::ReadOnly(_))));
    // The filter is loaded while that is still allowed, and nothing but the identity comes after it.
    let filter = at(|op| *op == SetupOp::Seccomp);
    assert!(filter < at(|op| matches!(op, SetupOp::Ids { .. })));
    assert!(matches!(ops[ops.len() - 2..], [SetupOp::DeathSignal, SetupOp::Exec { .. }]));
}

#[test]
fn nothing_is_granted_that_the_host_does_not_have() {
    let mut facts = unified();
    facts.bounding = 1;
    let ops = plan(&step(), &facts);
    assert!(ops.contains(&SetupOp::Bounding(1)) && ops.contains(&SetupOp::Capabilities(1)));
    let limit = SetupOp::Limit { resource: libc::RLIMIT_NOFILE, soft: 20000, hard: 20000 };
    assert!(ops.contains(&limit));
}

/// `RUN --mount` in all its forms, `--security=insecure`, and the options of the build.
fn mounted() -> Spec {
    let changes =
        Changes { upper: "/s/work/1/mounts/1/upper".into(), work: "/s/work/1/mounts/1/work".into() };
    let overlay = |target: &str, changes| Mount::Overlay {
        lower: vec!["/s/layers/c/diff".into()],
        source: "src".into(),
        target: target.into(),
        changes,
    };
    Spec {
        mounts: vec![
            overlay("/ro", None),
            overlay("/rw", Some(changes)),
            Mount::Tmpfs { target: "/tmp".into(), size: Some(4096), mode: None },
        ],
        privileged: true,
        shm_size: Some(1 << 20),
        ulimits: vec![Ulimit { name: "nofile".into(), soft: 10, hard: -1 }],
        cgroup_parent: Some("builds-slow.slice".into()),
        extra_hosts: vec![("host".into(), "host-gateway".into())],
        user: User { uid: 7, ..User::default() },
        ..step()
    }
}

#[test]
fn a_privileged_step_with_mounts() {
    let mut facts = hybrid();
    facts.loops_in_use = 1;
    insta::assert_snapshot!(listing(&plan(&mounted(), &facts)));
}

#[test]
fn contents_do_not_show() {
    assert!(!format!("{:?}", container()).contains("107"), "the byte of the key");
    assert!(!format!("{:?}", plan(&container(), &unified())).contains("107"));
}

#[test]
fn the_parent_of_a_cgroup_is_a_path_or_a_slice() {
    for (text, path) in [
        ("/", Some("")),
        ("/builds/slow/", Some("builds/slow")),
        ("builds", Some("builds")),
        ("a-b-c.slice", Some("a.slice/a-b.slice/a-b-c.slice")),
        ("/x/a-b.slice", Some("x/a-b.slice")),
        ("a--b.slice", None),
        ("../up", None),
        ("system.slice:docker:x", None),
    ] {
        assert_eq!(crate::cgroup::parent_path(text).as_deref(), path, "{text}");
    }
}

#[test]
fn the_users_shared_memory_takes_the_place_of_dockers() {
    let mut spec = step();
    let count = |spec: &Spec| listing(&plan(spec, &unified())).matches("\"/dev/shm\"").count();
    assert_eq!(count(&spec), 1);
    spec.mounts = vec![Mount::Tmpfs { target: "/dev/shm".into(), size: Some(1 << 20), mode: None }];
    assert_eq!(count(&spec), 1);
}
