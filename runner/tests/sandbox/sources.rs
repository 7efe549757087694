//! Mounts of other trees, of memory and of secrets, and what they leave.

use crate::Case;
use crate::support::{Store, assert_nothing_left, output, says, tree, try_output, upper};
use runner::Step;
use runner::spec::{Changes, Contents, Exit, Mount, Spec};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

pub(crate) const CASES: &[Case] = &[
    (
        "sources::an_overlay_shows_its_layers_merged_and_read_only",
        an_overlay_shows_its_layers_merged_and_read_only,
    ),
    ("sources::writes_to_a_writable_overlay_are_thrown_away", writes_to_a_writable_overlay_are_thrown_away),
    ("sources::a_link_in_a_source_stays_in_its_tree", a_link_in_a_source_stays_in_its_tree),
    ("sources::a_file_of_an_overlay_covers_a_file", a_file_of_an_overlay_covers_a_file),
    ("sources::an_empty_overlay_is_an_empty_directory", an_empty_overlay_is_an_empty_directory),
    ("sources::a_missing_path_of_an_overlay_is_named", a_missing_path_of_an_overlay_is_named),
    ("sources::a_tmpfs_has_the_mode_of_what_it_covers", a_tmpfs_has_the_mode_of_what_it_covers),
    ("sources::mounts_lie_in_one_another", mounts_lie_in_one_another),
    ("sources::a_target_through_a_link_stays_inside", a_target_through_a_link_stays_inside),
    ("sources::a_secret_touches_no_disk", a_secret_touches_no_disk),
    ("sources::a_parent_of_a_target_with_new_files_stays", a_parent_of_a_target_with_new_files_stays),
    ("sources::an_opaque_parent_is_no_obstacle", an_opaque_parent_is_no_obstacle),
];

/// Two layers: `/d/one`, `/d/gone`, then `/d/two`, and `/d/gone` removed.
fn two_layers(store: &Store) -> Vec<PathBuf> {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    let [low, high] = ["low", "high"].map(|name| store.dir.path().join(name).join("d"));
    for dir in [&low, &high] {
        fs::create_dir_all(dir).unwrap();
    }
    fs::write(low.join("one"), "1\n").unwrap();
    fs::write(low.join("gone"), "").unwrap();
    fs::write(high.join("two"), "2\n").unwrap();
    let mode = Mode::from(0o600);
    mknodat(CWD, high.join("gone"), FileType::CharacterDevice, mode, makedev(0, 0)).unwrap();
    [low, high].map(|dir| dir.parent().unwrap().to_owned()).into()
}

/// One mount of each kind.
pub(crate) fn of_every_kind(store: &Store, number: u64) -> Vec<Mount> {
    let dir = |name: &str| {
        let dir = store.dir.path().join(format!("{name}-of-{number}"));
        fs::create_dir(&dir).unwrap();
        dir
    };
    let changes = Some(Changes { upper: dir("changes"), work: dir("overlay") });
    let lower = vec![store.layer()];
    let data = Contents(b"secret".to_vec());
    vec![
        overlay(lower.clone(), "bin", "/a/b"),
        Mount::Overlay { lower, source: String::new(), target: "/rw".to_owned(), changes },
        Mount::Tmpfs { target: "/tmp".to_owned(), size: None, mode: None },
        Mount::File { target: "/run/s".to_owned(), data, mode: 0o400, uid: 0, gid: 0 },
        Mount::Bind {
            source: dir("host"),
            target: "/host".to_owned(),
            read_only: true,
            below: String::new(),
        },
    ]
}

fn overlay(lower: Vec<PathBuf>, source: &str, target: &str) -> Mount {
    Mount::Overlay { lower, source: source.to_owned(), target: target.to_owned(), changes: None }
}

fn clean(spec: &Spec) {
    assert_eq!(tree(&upper(spec)), ["dev", "proc", "sys"]);
    assert_nothing_left(spec);
}

fn an_overlay_shows_its_layers_merged_and_read_only() {
    let store = Store::new();
    let mut spec = store.shell("ls /all/d; ls /in/ner; touch /in/ner/x || touch /all/x");
    let lower = two_layers(&store);
    spec.mounts = vec![overlay(lower.clone(), "", "/all"), overlay(lower, "/d", "/in/ner")];
    let (text, exit) = output(&spec);
    assert!(text.starts_with("one\ntwo\none\ntwo\n"), "{text}");
    assert_eq!((exit, text.matches("Read-only file system").count()), (Exit::Code(1), 2));
    clean(&spec);
    let single = store.dir.path().join("low");
    let mut spec = store.shell("ls /all/d");
    spec.mounts = vec![overlay(vec![single], "", "/all")];
    assert_eq!(says(&spec), "gone\none\n");
}

fn writes_to_a_writable_overlay_are_thrown_away() {
    let store = Store::new();
    let lower = two_layers(&store);
    let changes = ["upper", "work"].map(|name| store.dir.path().join("rw").join(name));
    for dir in &changes {
        fs::create_dir_all(dir).unwrap();
    }
    let [up, work] = changes;
    let mut spec = store.shell("echo new > /w/one && rm /w/two && touch /w/made && ls /w && cat /w/one");
    let changes = Some(Changes { upper: up, work });
    let target = "/w".to_owned();
    spec.mounts = vec![Mount::Overlay { lower, source: "d".to_owned(), target, changes }];
    assert_eq!(says(&spec), "made\none\nnew\n");
    assert_eq!(fs::read_to_string(store.dir.path().join("low/d/one")).unwrap(), "1\n");
    clean(&spec);
}

fn a_link_in_a_source_stays_in_its_tree() {
    let store = Store::new();
    let lower = two_layers(&store);
    symlink("/d", lower[1].join("abs")).unwrap();
    symlink("../../../../d/two", lower[1].join("up")).unwrap();
    symlink("/etc", lower[1].join("etc-of-host")).unwrap();
    let mut spec = store.shell("ls /a; cat /b");
    spec.mounts = vec![overlay(lower.clone(), "abs", "/a"), overlay(lower.clone(), "up", "/b")];
    assert_eq!(says(&spec), "one\ntwo\n2\n");
    let mut spec = store.shell("true");
    spec.mounts = vec![overlay(lower, "etc-of-host", "/a")];
    assert_eq!(try_output(&spec).unwrap_err().step(), Some(Step::SourcePath), "the tree has no /etc");
}

fn a_file_of_an_overlay_covers_a_file() {
    let store = Store::new();
    fs::write(store.layer().join("file"), "the image's\n").unwrap();
    let mut spec = store.shell("cat /file /new/file");
    let lower = two_layers(&store);
    spec.mounts = vec![overlay(lower.clone(), "d/one", "/file"), overlay(lower, "d/two", "/new/file")];
    assert_eq!(says(&spec), "1\n2\n");
    clean(&spec);
}

fn an_empty_overlay_is_an_empty_directory() {
    let store = Store::new();
    let mut spec = store.shell("ls -A /e; test -d /e");
    spec.mounts = vec![overlay(vec![], "", "/e")];
    assert_eq!(says(&spec), "");
}

fn a_missing_path_of_an_overlay_is_named() {
    let store = Store::new();
    let mut spec = store.shell("true");
    spec.mounts = vec![overlay(two_layers(&store), "d/gone", "/e")];
    let error = try_output(&spec).unwrap_err();
    assert_eq!(error.step(), Some(Step::SourcePath));
    assert_eq!(error.to_string(), "find in the mount's source: d/gone");
    assert_nothing_left(&spec);
}

fn a_tmpfs_has_the_mode_of_what_it_covers() {
    let store = Store::new();
    for (name, mode) in [("tmp", 0o1777), ("private", 0o750)] {
        fs::create_dir(store.layer().join(name)).unwrap();
        fs::write(store.layer().join(name).join("old"), "").unwrap();
        fs::set_permissions(store.layer().join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let tmpfs = |target: &str, size, mode| Mount::Tmpfs { target: target.to_owned(), size, mode };
    let mut spec = store.shell(
        "stat -c %a /tmp /private /new /own; ls -A /tmp /private | grep old; \
         dd if=/dev/zero of=/new/x bs=1k count=100 2>&1 | grep -o 'No space'",
    );
    spec.mounts = vec![
        tmpfs("/tmp", None, None),
        tmpfs("/private", None, None),
        tmpfs("/new", Some(65536), None),
        tmpfs("/own", None, Some(0o700)),
    ];
    assert_eq!(says(&spec), "1777\n750\n1777\n700\nNo space\n");
    clean(&spec);
}

fn mounts_lie_in_one_another() {
    let store = Store::new();
    let lower = two_layers(&store);
    let tmpfs = |target: &str| Mount::Tmpfs { target: target.to_owned(), size: None, mode: None };
    let mut spec = store.shell("ls /tmp /tmp/deep/er; cat /tmp/one");
    spec.mounts =
        vec![tmpfs("/tmp"), overlay(lower.clone(), "d", "/tmp/deep/er"), overlay(lower, "d/one", "/tmp/one")];
    assert_eq!(says(&spec), "/tmp:\ndeep\none\n\n/tmp/deep/er:\none\ntwo\n1\n");
    clean(&spec);
}

fn a_target_through_a_link_stays_inside() {
    let store = Store::new();
    let outside = store.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, store.layer().join("link")).unwrap();
    symlink("../../../..", store.layer().join("up")).unwrap();
    let mut spec = store.shell("ls /link/x; ls /y");
    let lower = two_layers(&store);
    spec.mounts = vec![overlay(lower.clone(), "d", "/link/x"), overlay(lower, "d", "/up/y")];
    assert_eq!(says(&spec), "one\ntwo\none\ntwo\n");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    clean(&spec);
}

fn a_secret_touches_no_disk() {
    let store = Store::new();
    let mut spec = store.shell(
        "stat -c '%a %u %g' /run/secrets/s; cat /run/secrets/s; echo; grep ' /run/secrets/s ' /proc/mounts; sleep 9",
    );
    spec.mounts = vec![Mount::File {
        target: "/run/secrets/s".to_owned(),
        data: Contents(b"hushhush".to_vec()),
        mode: 0o440,
        uid: 5,
        gid: 6,
    }];
    let (running, text) = crate::support::spawn_reading(&spec, "tmpfs");
    assert!(text.starts_with("440 5 6\nhushhush\ntmpfs /run/secrets/s tmpfs ro,"), "{text}");
    for path in tree(store.dir.path()) {
        let path = store.dir.path().join(path);
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(8).any(|part| part == b"hushhush"), "{}", path.display());
        }
    }
    drop(running);
    clean(&spec);
}

fn a_parent_of_a_target_with_new_files_stays() {
    let store = Store::new();
    let mut spec = store.shell("echo x > /root/made && touch /cache/dir/y");
    let host = store.dir.path().join("host");
    fs::create_dir(&host).unwrap();
    let bind = |target: &str| Mount::Bind {
        source: host.clone(),
        target: target.to_owned(),
        read_only: false,
        below: String::new(),
    };
    spec.mounts = vec![bind("/root/.cache/tool"), bind("/cache/dir")];
    says(&spec);
    assert_eq!(tree(&upper(&spec)), ["dev", "proc", "root", "root/made", "sys"]);
    let root = fs::metadata(upper(&spec).join("root")).unwrap();
    assert_eq!(root.permissions().mode() & 0o7777, 0o755);
    assert!(host.join("y").exists());
}

fn an_opaque_parent_is_no_obstacle() {
    let store = Store::new();
    let top = store.dir.path().join("top");
    fs::create_dir_all(top.join("app/kept")).unwrap();
    rustix::fs::setxattr(top.join("app"), "trusted.overlay.opaque", b"y", rustix::fs::XattrFlags::empty())
        .unwrap();
    let mut spec = store.spec_over(vec![store.layer(), top], &["sh", "-c", "ls /app/new/dir /app"]);
    spec.mounts = vec![overlay(two_layers(&store), "d", "/app/new/dir")];
    assert_eq!(says(&spec), "/app:\nkept\nnew\n\n/app/new/dir:\none\ntwo\n");
    let left = tree(&upper(&spec));
    assert!(!left.iter().any(|path| path.starts_with("app/")), "{left:?}");
}
