use super::*;
use oci::ContentDigest;
use oci::entry::Mtime;
use proptest::prelude::*;

fn file(content: &[u8]) -> Entry {
    let kind =
        Kind::File { size: content.len() as u64, digest: Some(ContentDigest::of(content)), link_to: None };
    Entry { kind, ..Entry::dir(0o644, 1, 2) }
}

fn link(to: &str) -> Entry {
    Entry {
        kind: Kind::File { size: 0, digest: None, link_to: Some(RootPath::new(to)) },
        ..Entry::dir(0, 0, 0)
    }
}

fn sample() -> Vec<(RootPath, Entry)> {
    let with = |kind| Entry { kind, ..Entry::dir(0o700, 5, 6) };
    let xattrs = vec![(b"user.b".to_vec(), vec![0, 1]), (b"user.a".to_vec(), Vec::new())];
    [
        ("/z", file(b"z")),
        ("/a", Entry::dir(0o755, 0, 0)),
        ("/a-b", with(Kind::Dir { opaque: true })),
        ("/a/link", link("/z")),
        ("/a/s", with(Kind::Symlink(b"\xfftarget".to_vec()))),
        ("/a/dev", with(Kind::CharDevice(1, 1 << 19))),
        ("/a/blk", with(Kind::BlockDevice(7, 0))),
        ("/a/fifo", Entry { xattrs, ..with(Kind::Fifo) }),
        ("/a/gone", with(Kind::Whiteout)),
        ("/\u{fc}", Entry { mtime: Mtime { secs: -3, nanos: 999_999_999 }, ..file(b"") }),
    ]
    .map(|(path, entry)| (RootPath::new(path), entry))
    .to_vec()
}

#[test]
fn entries_come_back_sorted_with_heads_first() {
    let index = LayerIndex::build(sample());
    let paths: Vec<String> = index.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(
        paths,
        ["/a", "/a/blk", "/a/dev", "/a/fifo", "/a/gone", "/a/link", "/a/s", "/a-b", "/z", "/\u{fc}"]
    );
    let get = |path: &str| index.get(&RootPath::new(path)).unwrap();
    assert_eq!(get("/a/link"), file(b"z"), "the first name of an inode is its head");
    let Kind::File { link_to, .. } = get("/z").kind else { panic!() };
    assert_eq!(link_to, Some(RootPath::new("/a/link")));
    assert_eq!(get("/a/s"), Entry { kind: Kind::Symlink(b"\xfftarget".to_vec()), ..Entry::dir(0o777, 5, 6) });
    assert_eq!(get("/a/gone"), Entry { kind: Kind::Whiteout, ..Entry::dir(0, 0, 0) });
    assert_eq!(get("/a/dev").kind, Kind::CharDevice(1, 1 << 19));
    assert_eq!(get("/a/fifo").xattrs, [(b"user.a".to_vec(), vec![]), (b"user.b".to_vec(), vec![0, 1])]);
    assert_eq!(get("/\u{fc}").mtime, Mtime { secs: -3, nanos: 999_999_999 });
    assert_eq!((index.get(&RootPath::new("/b")), index.size()), (None, 1));
    let names: Vec<Vec<u8>> = index.children(&RootPath::root()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [b"a".as_slice(), b"a-b", b"z", "\u{fc}".as_bytes()]);
    assert_eq!(index.children(&RootPath::new("/a")).len(), 6);
    assert!(index.children(&RootPath::new("/z")).is_empty());
}

#[test]
fn of_equal_paths_the_last_counts() {
    let path = RootPath::new("/f");
    let index = LayerIndex::build(vec![
        (path.clone(), file(b"1")),
        (path.clone(), file(b"2")),
        (path.clone(), file(b"3")),
    ]);
    assert_eq!((index.len(), index.get(&path)), (1, Some(file(b"3"))));
}

#[test]
fn links_to_nothing_and_circles_are_files_of_their_own() {
    let index = LayerIndex::build(vec![
        (RootPath::new("/a"), link("/b")),
        (RootPath::new("/b"), link("/a")),
        (RootPath::new("/c"), link("/none")),
    ]);
    assert!(index.iter().all(|(_, entry)| matches!(entry.kind, Kind::File { link_to: None, .. })));
}

#[test]
fn the_identity_covers_everything_but_mtimes() {
    let id = |change: &dyn Fn(&mut Entry)| {
        let mut entries = vec![(RootPath::new("/f"), file(b"x")), (RootPath::new("/g"), file(b"x"))];
        change(&mut entries[1].1);
        LayerIndex::build(entries).id()
    };
    let same = id(&|_| {});
    assert_eq!(same, id(&|e| e.mtime = Mtime { secs: 9, nanos: 9 }));
    let changes: [&dyn Fn(&mut Entry); 9] = [
        &|e| e.mode = 0o600,
        &|e| e.uid = 9,
        &|e| e.gid = 9,
        &|e| e.xattrs = vec![(b"user.a".to_vec(), b"b".to_vec())],
        &|e| e.xattrs = vec![(b"user.ab".to_vec(), b"".to_vec())],
        &|e| *e = Entry { mode: 0o644, ..file(b"y") },
        &|e| e.kind = link("/f").kind,
        &|e| e.kind = Kind::Symlink(b"x".to_vec()),
        &|e| e.kind = Kind::Dir { opaque: true },
    ];
    let mut seen = std::collections::HashSet::from([same]);
    assert!(changes.iter().all(|change| seen.insert(id(change))));
    // Stores outlive versions of this program: these two never change while the format is 1.
    let empty = LayerIndex::build(Vec::new()).id().to_string();
    assert_eq!(empty, "blake3:94c0827555c5c4478cd676056e09674059bc6193ab502bfa45ec4420c1d2186f");
    assert_eq!(same.to_string(), "blake3:027429f8c64fb846a6393aecabafba3342bd889a14d5ec532b6b8a13a5e969b2");
}

#[test]
fn a_changed_or_shortened_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let index = LayerIndex::build(sample());
    index.write_to(&path).unwrap();
    assert_eq!(LayerIndex::read_from(&path).unwrap(), index);
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(LayerIndex::from_bytes(changed).is_err(), "byte {at}");
        assert!(LayerIndex::from_bytes(bytes[..at].to_vec()).is_err(), "cut at {at}");
    }
    let mut newer = bytes;
    newer[8] = 2;
    std::fs::write(&path, newer).unwrap();
    assert!(matches!(LayerIndex::read_from(&path), Err(IndexError::Version { found: 2, .. })));
}

proptest! {
    #[test]
    fn the_order_is_that_of_paths(a in "[ab/.-]{0,24}", b in "[ab/.-]{0,24}") {
        let (a, b) = (RootPath::new(&a), RootPath::new(&b));
        prop_assert_eq!(compare(a.as_bytes(), b.as_bytes()), a.cmp(&b));
        prop_assert_eq!(is_below(a.as_bytes(), b.as_bytes()), a != b && a.starts_with(&b));
    }

    #[test]
    fn children_are_those_that_have_this_parent(paths in prop::collection::btree_set("/[ab]{1,2}(/[ab.]{1,2}){0,3}", 0..40)) {
        let entries: Vec<_> = paths.iter().map(|path| (RootPath::new(path), Entry::dir(0, 0, 0))).collect();
        let index = LayerIndex::build(entries);
        for (dir, _) in index.iter().chain([(RootPath::root(), Entry::dir(0, 0, 0))]) {
            let expected: Vec<_> = index.iter().filter(|(path, _)| path.parent().as_ref() == Some(&dir)).collect();
            let found: Vec<_> = index.children(&dir).into_iter().map(|(name, entry)| (dir.child(&name), entry)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
