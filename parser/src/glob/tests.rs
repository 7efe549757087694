use super::*;

#[track_caller]
fn check(pattern: &str, hits: &[&str], misses: &[&str]) {
    for (names, expect) in [(hits, true), (misses, false)] {
        for name in names {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), Ok(expect), "{pattern} {name}");
        }
    }
}

#[track_caller]
fn check_path(pattern: &str, hits: &[&str], misses: &[&str]) {
    let pattern_ = PathPattern::new(pattern.as_bytes()).expect(pattern);
    for (paths, expect) in [(hits, true), (misses, false)] {
        for path in paths {
            assert_eq!(pattern_.matches(path.as_bytes()), expect, "{pattern} {path}");
        }
    }
}

#[test]
fn one_component() {
    check("abc", &["abc"], &["ab", "abcd", ""]);
    check("*", &["", "a", ".a", "é"], &["a/b", "/"]);
    check("a*b*c", &["abc", "aXbYc", "abbcc", "abcbc"], &["ab", "abcd", "a/bc"]);
    check("a?c", &["abc", "aéc"], &["ac", "a/c", "abbc"]);
    check("*.txt", &["a.txt", ".txt"], &["a.txtx", "d/a.txt"]);
    check("d*/x", &["d/x", "dir/x"], &["d/y/x", "x"]);
    check("**", &["ab"], &["a/b"]);
    check("d/**/x", &["d/a/x"], &["d/x", "d/a/b/x"]);
}

#[test]
fn classes_and_escapes() {
    check("[abc]", &["a", "c"], &["d", "ab", ""]);
    check("[a-c]x", &["ax", "cx"], &["dx"]);
    check("[^a-c]", &["d", "é"], &["a"]);
    check("[é-ü]", &["ö"], &["z"]);
    check(r"[\]\-]", &["]", "-"], &["\\"]);
    check("[!a]", &["!", "a"], &["b"]);
    check(r"a\*b\\", &[r"a*b\"], &["axb\\"]);
    check("br[[]1]", &["br[1]"], &["br1"]);
    for bad in ["[", "[a", "[]", "[]a]", "[a-]", "[-a]", "[^]", r"[\", r"a\", "[a-", "*[", "x[y"] {
        assert_eq!(matches(bad.as_bytes(), b"zzz"), Err(BadPattern(bad.to_owned())), "{bad}");
    }
}

#[test]
fn other_bytes_than_utf8() {
    assert_eq!(matches(b"a?c", b"a\xffc"), Ok(true));
    assert_eq!(matches(b"a\xff", b"a\xff"), Ok(true));
    assert_eq!(matches(b"[^a]", b"\xff"), Ok(true));
    assert_eq!(matches(b"*c", b"\xff\xfec"), Ok(true));
}

#[test]
fn any_depth() {
    check_path("**/x", &["x", "a/x", "a/b/x"], &["ax", "a/bx", "x/a"]);
    check_path("**/*.log", &["x.log", "a/b/x.log"], &["x.log/y"]);
    check_path("a/**", &["a/b", "a/b/c", "a/"], &["a", "ab"]);
    check_path("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb", "x/a/b"]);
    check_path("a/**/*.c/**/d", &["a/x.c/d", "a/p/q/x.c/r/d"], &["a/d", "a/x.c/e"]);
    check_path("**", &["a", "a/b"], &[]);
    check_path("**/**", &["a", "a/b"], &[]);
    check_path("a**b", &["ab", "ax/b"], &["axb"]);
    check_path("**a", &["a", "xa", "x/ya"], &["ab"]);
    check_path("*?**[ab]", &["a-a", "x/b", "xy/z/a"], &["a", "x/c"]);
    check_path("a[^x]*b", &["a/b", "aycb"], &["axb", "a/c/b"]);
    check_path("*/x*y/z", &["a/xy/z", "a/xxyy/z"], &["a/b/xy/z", "a/x/y/z"]);
    check_path("a.b+(c)|{d}$^", &["a.b+(c)|{d}$^"], &["aXb"]);
}

#[test]
fn parents_and_descendants() {
    let pattern = |text: &str| PathPattern::new(text.as_bytes()).expect(text);
    for (text, path) in [("a", "a/b/c"), ("**/b", "a/b/c"), ("a/*", "a/b/c"), ("a/**", "a/b")] {
        assert!(pattern(text).matches_or_parent(path.as_bytes()), "{text} {path}");
    }
    for (text, path) in [("a", "ab"), ("a/b", "a"), ("*.log", "a/x.log"), ("a/**", "a")] {
        assert!(!pattern(text).matches_or_parent(path.as_bytes()), "{text} {path}");
    }
    for (text, dir) in
        [("a/b", "a"), ("**/b", "a"), ("a/*", "a"), ("*/b", "a"), ("a/**", "a/b/c"), ("a*/b", "ab")]
    {
        assert!(pattern(text).may_match_below(dir.as_bytes()), "{text} {dir}");
    }
    for (text, dir) in [("a", "a"), ("a/b", "b"), ("ab/c", "a"), ("*.md", "a"), ("a/*", "a/b"), ("b*/x", "a")]
    {
        assert!(!pattern(text).may_match_below(dir.as_bytes()), "{text} {dir}");
    }
}

/// Backtracking stays in bounds where many stars almost match.
#[test]
fn hostile_patterns_end() {
    let pattern = "*a".repeat(30) + "b";
    assert_eq!(matches(pattern.as_bytes(), "a".repeat(5_000).as_bytes()), Ok(false));
    let deep = PathPattern::new(("**/a*".repeat(15) + "b").as_bytes()).expect("a pattern");
    assert!(!deep.matches("a/".repeat(2_000).as_bytes()));
}
