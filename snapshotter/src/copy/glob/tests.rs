use super::*;

#[test]
fn matches_as_go_does() {
    let table: &[(&str, &str, bool)] = &[
        ("abc", "abc", true),
        ("*", "abc", true),
        ("*", ".hidden", true),
        ("*c", "abc", true),
        ("a*", "a", true),
        ("a*", "ab/c", false),
        ("a*/b", "a/c/b", false),
        ("a*/b", "abc/b", true),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("ab[c]", "abc", true),
        ("ab[b-d]", "abc", true),
        ("ab[^c]", "abc", false),
        ("ab[^e-g]", "abc", true),
        ("a\\*b", "a*b", true),
        ("a\\*b", "ab", false),
        ("a?b", "a☺b", true),
        ("a[^a]b", "a☺b", true),
        ("a???b", "a☺b", false),
        ("a?b", "a/b", false),
        ("[\\]a]", "]", true),
        ("[\\-x]", "-", true),
        ("br[[]1].txt", "br[1].txt", true),
        ("d1/**/deep", "d1/s1/deep", true),
        ("d1/**/deep", "d1/deep", false),
        ("*x", "xxx", true),
        ("", "", true),
        ("", "a", false),
    ];
    for (pattern, name, expected) in table {
        assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), Some(*expected), "{pattern} on {name}");
    }
}

#[test]
fn refuses_what_go_refuses() {
    for pattern in ["[]a]", "[-]", "[x-]", "[-x]", "[a-b-c]", "[", "[^", "[^bc", "a[", "a\\", "[\\"] {
        assert_eq!(matches(pattern.as_bytes(), b"a"), None, "{pattern}");
    }
}

#[test]
fn bytes_that_are_no_text_match_as_one_character() {
    assert_eq!(matches(b"a?b", b"a\xffb"), Some(true));
    assert_eq!(matches(b"*\xff", b"x\xff"), Some(true));
    assert_eq!(matches(b"[\xff]", b"\xfe"), Some(false));
}

#[test]
fn finds_patterns() {
    assert!(is_pattern(b"a*") && is_pattern(b"[a]") && is_pattern(b"?"));
    assert!(!is_pattern(b"a") && !is_pattern(b"a\\*") && !is_pattern(b"back\\slash"));
}
