use super::*;

#[track_caller]
fn check(text: &str, dropped: &[&str], kept: &[&str]) {
    let ignore = Ignore::parse(text);
    for path in dropped {
        assert!(ignore.excluded_by(path.as_bytes()).is_some(), "{path} is dropped by {text:?}");
    }
    for path in kept {
        assert_eq!(ignore.excluded_by(path.as_bytes()), None, "{path} is kept by {text:?}");
    }
}

#[test]
fn patterns_start_at_the_root() {
    check("*.log", &["x.log", ".log", "x.log/below"], &["a/x.log"]);
    check("**/*.log", &["x.log", "a/x.log", "a/b/x.log"], &["x.logs"]);
    check("a", &["a", "a/b", "a/b/c"], &["ab", "x/a"]);
    check("/a/./x/..//b/", &["a/b", "a/b/c"], &["a", "a/x"]);
    check("../a\n.\n/\n", &[], &["a", "b"]);
}

#[test]
fn lines_are_trimmed_and_commented() {
    check("\u{feff}# a\n  b  \r\n#c\n\n \\#d\n", &["b", "#d"], &["a", "c", "#c", "d"]);
    check(" # e", &["# e"], &["e"]);
    assert!(Ignore::parse("# nothing\n\n").is_empty());
}

#[test]
fn the_last_match_decides() {
    check("*\n!a\n!b/c\nb/c/d", &["x", "b", "b/x", "b/c/d"], &["a", "a/x", "b/c", "b/c/e"]);
    check("!a\na", &["a"], &["b"]);
    check("**/x\n! x/y", &["x", "a/x", "x/z"], &["x/y", "x/y/z"]);
}

/// The reference implementation does not look at the third line for `a`, so it does not hold below `a` either.
#[test]
fn a_line_that_changes_nothing_does_not_hold_below() {
    check("a\n!a/b\na", &["a", "a/c"], &["a/b"]);
}

#[test]
fn directories_are_walked_only_if_something_may_return() {
    let verdict = |text: &str, path: &str| Ignore::parse(text).verdict(path.as_bytes(), true);
    assert_eq!(verdict("a", "a"), Verdict::Drop);
    assert_eq!(verdict("a\n!a/b", "a"), Verdict::DropButDescend);
    assert_eq!(verdict("a\n!b/c", "a"), Verdict::Drop);
    assert_eq!(verdict("*\n!**/keep", "a/b"), Verdict::DropButDescend);
    assert_eq!(verdict("*\n!*.md", "a"), Verdict::Drop);
    assert_eq!(verdict("a/**", "a"), Verdict::Keep);
    assert_eq!(Ignore::parse("a\n!a/b").verdict(b"a", false), Verdict::Drop);
}

#[test]
fn the_line_is_named() {
    let ignore = Ignore::parse("# c\nx\n\n **/y \n!z\n");
    assert_eq!(ignore.excluded_by(b"a/y/b"), Some((4, "**/y".to_owned())));
    assert_eq!(ignore.excluded_by(b"x"), Some((2, "x".to_owned())));
}

#[test]
fn bad_lines_are_reported_with_their_place() {
    let text = "ok\n  [a\n!\n\\\n";
    let ignore = Ignore::parse(text);
    let found: Vec<_> = ignore
        .problems()
        .iter()
        .map(|problem| (&text[problem.at.clone()], problem.message.as_str()))
        .collect();
    let expect = [
        ("[a", "syntax error in the pattern `[a`"),
        ("!", "`!` without a pattern"),
        ("\\", "syntax error in the pattern `\\`"),
    ];
    assert_eq!(found, expect);
    assert!(ignore.problems().iter().all(Diagnostic::is_error));
    assert!(ignore.excluded_by(b"ok").is_some());
}
