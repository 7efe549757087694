//! ONBUILD triggers when they fire, and bytes before they are text.

use super::render;
use parser::{decode, parse, parse_trigger};

#[track_caller]
fn check(text: &str, expect: &str) {
    let trigger = parse_trigger(text);
    let tree = trigger.instruction.as_ref().map(render::compact).unwrap_or_default();
    assert_eq!(tree + &render::findings(text, &trigger.diagnostics), expect);
}

#[test]
fn a_trigger_is_one_instruction() {
    check("User a  ", r#"User("a"@5..6)@0..6"#);
    check(
        "COPY <<X /y\nbody\nX",
        r#"Copy(Copy { from: None, chown: None, chmod: None, link: None, parents: None, exclude: [], keep_git_dir: None, checksum: None, unpack: None, sources: [Heredoc(Heredoc { name: "X", expand: true, chomp: false, fd: 0, body: "body\n"@12..17 })], destination: "/y"@9..11 })@0..11"#,
    );
    check(
        "ARG a",
        r#"Arg(ArgInstruction { args: [ArgDecl { name: "a"@4..5, default: None }], doc: None })@0..5"#,
    );
}

#[test]
fn other_triggers_are_refused() {
    let refused = |text: &str| {
        let trigger = parse_trigger(text);
        assert_eq!(trigger.instruction, None, "{text}");
        trigger.diagnostics.into_iter().map(|found| found.message).collect::<Vec<_>>().join("; ")
    };
    assert_eq!(refused("FROM a"), "FROM isn't allowed as an ONBUILD trigger");
    assert_eq!(refused("maintainer a"), "MAINTAINER isn't allowed as an ONBUILD trigger");
    assert_eq!(refused("onbuild RUN a"), "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    assert_eq!(refused("RUM a"), "unknown instruction: RUM");
    assert_eq!(refused("USER a\nUSER b"), "an ONBUILD trigger is one instruction");
    assert_eq!(refused(""), "an ONBUILD trigger is one instruction");
    assert_eq!(refused("COPY --nosuch a b"), "unknown flag `--nosuch` of COPY");
}

#[test]
fn the_escape_of_a_trigger_is_a_backslash() {
    check(
        "# escape=`\nENV a=b`",
        r#"Env([KeyValue { key: "a"@15..16, value: "b`"@17..19, legacy: false }])@11..19"#,
    );
}

#[test]
fn bytes_become_text() {
    assert_eq!(decode(b"\xef\xbb\xbfFROM a"), "FROM a");
    assert_eq!(decode("ü".as_bytes()), "ü");
    let text = decode(b"\xef\xbb\xbfFROM a\n# \xc3\xa4\xff\xfe");
    assert_eq!(text, "FROM a\n# ä\u{fffd}\u{fffd}");
    let found = parse(&text).diagnostics;
    let [problem] = found.as_slice() else { panic!("{found:?}") };
    assert!(!problem.is_error());
    assert_eq!(&text[problem.at.clone()], "\u{fffd}");
}
