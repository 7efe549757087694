use super::*;
use crate::layer::testing::{Plan, What, plain, planted, scratch};
use rustix::fs::CWD;

fn kinds(dir: &Path) -> Vec<(String, Kind)> {
    scan(dir).unwrap().iter().map(|(path, entry)| (path.to_string(), entry.kind)).collect()
}

#[test]
fn overlays_own_attributes_become_meaning_or_vanish() {
    let dir = planted(&[
        plain("opaque", What::Dir { opaque: true }),
        plain("gone", What::Whiteout),
        Plan { xattr: Some(b"kept".to_vec()), ..plain("file", What::File(b"x".to_vec())) },
    ]);
    let set = |path: &str, name: &str, value: &[u8]| {
        let file = File::open(dir.path().join(path)).unwrap();
        xattr::set(Target::Fd(file.as_fd()), name.as_bytes(), value).unwrap();
    };
    set("opaque", "trusted.overlay.origin", b"\0\xfb");
    set("opaque", "trusted.overlay.impure", b"y");
    set("file", "trusted.overlay.origin", b"\0\xfb");
    set("file", "security.capability", b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let index = scan(dir.path()).unwrap();
    let xattrs = |path: &str| -> Vec<Vec<u8>> {
        index.get(&RootPath::new(path)).unwrap().xattrs.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(index.get(&RootPath::new("opaque")).unwrap().kind, Kind::Dir { opaque: true });
    assert_eq!(index.get(&RootPath::new("gone")).unwrap().kind, Kind::Whiteout);
    assert_eq!(xattrs("file"), [b"security.capability".to_vec(), b"user.test".to_vec()]);
    assert!(xattrs("opaque").is_empty());
    for bad in ["metacopy", "redirect"] {
        set("file", &format!("trusted.overlay.{bad}"), b"x");
        let error = scan(dir.path()).unwrap_err();
        assert!(
            matches!(&error, LayerError::Unsupported { path, .. } if path.to_string() == "/file"),
            "{error}"
        );
        rustix::fs::removexattr(dir.path().join("file"), format!("trusted.overlay.{bad}")).unwrap();
    }
}

#[test]
fn sockets_are_left_out_and_hard_links_are_joined() {
    let outside = scratch();
    std::fs::write(outside.path().join("elsewhere"), "out").unwrap();
    let dir = planted(&[
        plain("b/file", What::File(b"one".to_vec())),
        plain("a", What::Link(0)),
        plain("c", What::Link(0)),
        plain("single", What::File(b"one".to_vec())),
    ]);
    std::fs::hard_link(outside.path().join("elsewhere"), dir.path().join("half")).unwrap();
    drop(std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap());
    let file = |content: &[u8], head: Option<&str>| Kind::File {
        size: 3,
        digest: Some(ContentDigest::of(content)),
        link_to: head.map(RootPath::new),
    };
    let expected = [
        ("/a", file(b"one", None)),
        ("/b", Kind::Dir { opaque: false }),
        ("/b/file", file(b"one", Some("/a"))),
        ("/c", file(b"one", Some("/a"))),
        ("/half", file(b"out", None)),
        ("/single", file(b"one", None)),
    ];
    assert_eq!(kinds(dir.path()), expected.map(|(path, kind)| (path.to_owned(), kind)));
}

#[test]
fn the_root_counts_only_where_it_differs_from_its_parents() {
    let dir = scratch();
    assert!(scan(dir.path()).unwrap().is_empty());
    let chmod =
        |mode| rustix::fs::chmodat(CWD, dir.path(), Mode::from_raw_mode(mode), AtFlags::empty()).unwrap();
    chmod(0o1777);
    assert_eq!(scan(dir.path()).unwrap().get(&RootPath::root()).unwrap().mode, 0o1777);
    assert!(scan_on(dir.path(), &Entry::dir(0o1777, 0, 0)).unwrap().is_empty());
    chmod(0o755);
    let back = scan_on(dir.path(), &Entry::dir(0o1777, 0, 0)).unwrap();
    assert_eq!(back.get(&RootPath::root()).unwrap().mode, 0o755);
    assert!(verify(&back, dir.path()).unwrap());
    chmod(0o700);
    assert!(!verify(&back, dir.path()).unwrap());
}

#[test]
fn large_and_sparse_files_are_hashed_by_parts() {
    let dir = scratch();
    let len = 3 * LARGE + 12_345;
    let mut bytes = vec![0_u8; len];
    bytes[LARGE + 7] = 1;
    let file = File::create(dir.path().join("sparse")).unwrap();
    file.set_len(len as u64).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[1], LARGE as u64 + 7).unwrap();
    let entry = scan(dir.path()).unwrap().get(&RootPath::new("sparse")).unwrap();
    assert_eq!(
        entry.kind,
        Kind::File { size: len as u64, digest: Some(ContentDigest::of(&bytes)), link_to: None }
    );
}

#[test]
fn a_directory_of_many_files_is_split_between_threads() {
    let dir = scratch();
    for number in 0..BATCH * 3 + 5 {
        std::fs::write(dir.path().join(format!("{number:04}")), number.to_string()).unwrap();
    }
    let index = scan(dir.path()).unwrap();
    assert_eq!(index.len(), BATCH * 3 + 5);
    for (path, entry) in index.iter() {
        let number: usize = path.to_string()[1..].parse().unwrap();
        let Kind::File { digest, .. } = entry.kind else { panic!() };
        assert_eq!(digest, Some(ContentDigest::of(number.to_string().as_bytes())));
    }
}
