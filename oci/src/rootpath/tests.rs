use super::*;

fn path(text: &str) -> RootPath {
    RootPath::new(text)
}

#[test]
fn paths_are_normalised_and_never_leave_the_root() {
    let cases = [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        (".", "/"),
        ("..", "/"),
        ("/../..", "/"),
        ("a", "/a"),
        ("/a/", "/a"),
        ("/a//b/./c", "/a/b/c"),
        ("/a/../b", "/b"),
        ("a/b/../..", "/"),
        ("../../etc/passwd", "/etc/passwd"),
        ("/a/b/../../../c", "/c"),
        ("/...", "/..."),
        ("/a/..b", "/a/..b"),
        ("/ a", "/ a"),
    ];
    for (text, expected) in cases {
        assert_eq!(path(text).as_bytes(), expected.as_bytes(), "{text}");
        assert_eq!(RootPath::new(path(text).as_bytes()), path(text), "{text}: normal paths stay");
    }
    assert_eq!(RootPath::new(b"/\xff/x").as_bytes(), b"/\xff/x");
}

#[test]
fn joining_follows_the_rules_of_a_shell() {
    let cases = [
        ("/", "a", "/a"),
        ("/a", "b/c", "/a/b/c"),
        ("/a", "/b", "/b"),
        ("/a", "", "/a"),
        ("/a", ".", "/a"),
        ("/a", "..", "/"),
        ("/a/b", "../c", "/a/c"),
        ("/a/b", "../../../c", "/c"),
        ("/", "..", "/"),
        ("/a", "/", "/"),
    ];
    for (base, joined, expected) in cases {
        assert_eq!(path(base).join(joined), path(expected), "{base} and {joined}");
    }
    assert_eq!(RootPath::root().child(b"a").child(b"b"), path("/a/b"));
}

#[test]
fn parts_of_a_path() {
    assert_eq!(path("/a/b").parent(), Some(path("/a")));
    assert_eq!(path("/a").parent(), Some(RootPath::root()));
    assert_eq!(RootPath::root().parent(), None);
    assert_eq!((path("/a/b").name(), RootPath::root().name()), (Some(&b"b"[..]), None));
    assert_eq!((path("/a/b").relative(), RootPath::root().relative()), (&b"a/b"[..], &b""[..]));
    assert_eq!(path("/a/b").components().collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(RootPath::root().components().count(), 0);
    assert!(RootPath::root().is_root() && !path("/a").is_root());
}

#[test]
fn below_is_by_component() {
    for (one, other, expected) in [
        ("/a/b", "/a", true),
        ("/a", "/a", true),
        ("/a", "/", true),
        ("/", "/", true),
        ("/ab", "/a", false),
        ("/a", "/a/b", false),
        ("/", "/a", false),
    ] {
        assert_eq!(path(one).starts_with(&path(other)), expected, "{one} below {other}");
    }
}

#[test]
fn a_directory_comes_directly_before_what_it_holds() {
    let sorted = [
        "/", "/\u{1}", "/a", "/a/\u{1}", "/a/b", "/a/b/c", "/a/b-c", "/a!", "/a-b", "/a.d", "/a0", "/aa",
        "/b",
    ];
    let mut paths: Vec<RootPath> = sorted.iter().rev().map(|text| path(text)).collect();
    paths.sort();
    assert_eq!(paths, sorted.map(path));
    for window in paths.windows(2) {
        assert_eq!(window[0].cmp(&window[1]), std::cmp::Ordering::Less);
    }
    let high = RootPath::new(b"/a\xff");
    assert!(path("/a/z") < high && high < path("/b"));
}

#[test]
fn bytes_survive_json() {
    for bytes in [&b"/"[..], b"/a b/\xc3\x28", b"/\xff\x01"] {
        let path = RootPath::new(bytes);
        let text = serde_json::to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<RootPath>(&text).unwrap(), path);
    }
    let tricky = serde_json::to_string(&b"/a/../../b".to_vec()).unwrap();
    assert_eq!(serde_json::from_str::<RootPath>(&tricky).unwrap(), path("/b"), "what is read is normalised");
}
