//! What holds for any text.

use parser::ast::{Command, Dockerfile, Instruction, Source};
use parser::diagnostic::Diagnostic;
use parser::ignorefile::{Ignore, Verdict};
use parser::words;
use proptest::prelude::*;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Parses `text` and checks every place; then takes it for a trigger.
pub(crate) fn holds(text: &str) {
    let parsed = parser::parse(text);
    let found = parsed.diagnostics.iter().map(|found| found.at.clone());
    for span in spans(&parsed.file).into_iter().chain(found) {
        assert!(text.get(span.clone()).is_some(), "{span:?} is no range of {text:?}");
    }
    let says_so = !parsed.file.stages.is_empty() || parsed.diagnostics.iter().any(Diagnostic::is_error);
    assert!(says_so, "no stage and no error: {text:?}");
    parser::parse_trigger(text);
}

/// Expands `text` in every way; the plain ways agree.
pub(crate) fn expands(text: &str) {
    let env = |name: &str| (name.len() % 2 == 1).then(|| format!("{name} *v/"));
    for escape in ['\\', '`'] {
        let full = words::expand(text, escape, &env);
        let (whole, split) = match full.clone() {
            Ok(found) => (Ok(found.text), Ok(found.words)),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        assert_eq!(words::expand_word(text, escape, &env), whole);
        assert_eq!(words::expand_words(text, escape, &env), split);
        assert!(full.is_ok_and(|found| found.unset.is_subset(&found.used)) || whole.is_err());
        words::expand_display(text, escape, &env).ok();
    }
    words::expand_heredoc(text, &env).ok();
}

/// Reads `text` as an ignore file: a path is dropped if and only if some line drops it, and a directory that is
/// dropped for good holds nothing that is kept.
pub(crate) fn ignores(text: &str, path: &[u8]) {
    let ignore = Ignore::parse(text);
    for is_dir in [false, true] {
        let kept = ignore.verdict(path, is_dir) == Verdict::Keep;
        assert_eq!(kept, ignore.excluded_by(path).is_none());
    }
    if ignore.verdict(path, true) == Verdict::Drop {
        for below in ["/a", "/.x/keep.log", "/\u{e9}/b/c"] {
            let below = [path, below.as_bytes()].concat();
            assert_ne!(ignore.verdict(&below, false), Verdict::Keep, "{text:?} {below:?}");
        }
    }
}

fn spans(file: &Dockerfile) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for directive in &file.directives {
        spans.extend([directive.name.span.clone(), directive.value.span.clone()]);
    }
    for arg in &file.global_args {
        spans.push(arg.span.clone());
        spans.extend(arg.node.args.iter().map(|arg| arg.name.span.clone()));
    }
    for stage in &file.stages {
        let from = &stage.from.node;
        spans.extend([stage.from.span.clone(), from.image.span.clone()]);
        spans.extend(from.platform.iter().chain(&from.name).map(|name| name.span.clone()));
        for instruction in &stage.instructions {
            spans.push(instruction.span.clone());
            instruction_spans(&instruction.node, &mut spans);
        }
    }
    spans
}

fn instruction_spans(instruction: &Instruction, spans: &mut Vec<Range<usize>>) {
    match instruction {
        Instruction::Add(copy) | Instruction::Copy(copy) => {
            spans.push(copy.destination.span.clone());
            spans.extend(copy.sources.iter().map(|source| match source {
                Source::Path(path) => path.span.clone(),
                Source::Heredoc(heredoc) => heredoc.body.span.clone(),
            }));
        }
        Instruction::Env(pairs) | Instruction::Label(pairs) => {
            spans.extend(pairs.iter().flat_map(|pair| [pair.key.span.clone(), pair.value.span.clone()]));
        }
        Instruction::Run(run) => {
            spans.extend(run.mounts.iter().map(|mount| mount.span.clone()));
            spans.extend(run.heredocs.iter().map(|heredoc| heredoc.body.span.clone()));
            if let Command::Shell(text) = &run.command {
                spans.push(text.span.clone());
            }
        }
        Instruction::Expose(words) | Instruction::Volume(words) => {
            spans.extend(words.iter().map(|word| word.span.clone()));
        }
        _ => {}
    }
}

/// Text that looks like a Dockerfile now and then.
fn dockerfile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("FROM a\n".to_owned()),
        "(RUN|COPY|ENV|ONBUILD RUN|HEALTHCHECK CMD|ADD|ARG|label) ",
        "(<<-?[\"']?EOF[\"']?|\nEOF\n|\\\\\n|`\n|# |# escape=`\n|--[a-z]{1,5}=|\\[\"|\"\\]|\\$\\{)",
        "[ \t\r\n\"'\\\\=\\[\\]{}<$a-z0-9é🐢\u{a0}]{0,12}",
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_keeps_places_in_the_text(text in dockerfile()) {
        holds(&text);
    }

    #[test]
    fn expanding_never_panics(text in "[ a-z$:{}+?%#/*\\\\\"'<`é-]{0,40}") {
        expands(&text);
    }

    #[test]
    fn a_word_without_signs_stays(text in "[a-zA-Z0-9_./:=é -]{0,40}") {
        prop_assert_eq!(words::expand_word(&text, '\\', &|_| None), Ok(text));
    }

    #[test]
    fn ignore_files_agree_with_themselves(
        text in "([!#]?[ab.*?/\\\\-]{0,8}\n){0,6}",
        path in "[ab.]{1,3}(/[ab.]{1,3}){0,3}",
    ) {
        ignores(&text, path.as_bytes());
    }
}

/// Ten times the text takes nowhere near a hundred times as long.
#[test]
fn time_grows_with_the_text() {
    type Shape = fn(usize) -> String;
    let shapes: [(&str, Shape); 13] = [
        ("lines", |n| "RUN echo one two three\n".repeat(n)),
        ("one continued line", |n| format!("FROM a\nRUN x {}", "\\\n y".repeat(n))),
        ("one long line", |n| format!("FROM a\nRUN {}", "x ".repeat(n))),
        ("words", |n| format!("FROM a\nCOPY {}", "x\\\n y ".repeat(n))),
        ("pairs", |n| format!("FROM a\nENV {}", "a=\"b c\" ".repeat(n))),
        ("unclosed quote", |n| format!("FROM a\nENV {}", "a='b\" ".repeat(n))),
        ("json", |n| format!("FROM a\nCMD [{}]", "\"a\",".repeat(n))),
        ("deep json", |n| format!("FROM a\nCMD {}", "[".repeat(n))),
        ("heredocs", |n| format!("FROM a\nCOPY {} /x\n{}", "<<E ".repeat(n), "E\n".repeat(n))),
        ("substitutions", |n| format!("FROM a\nRUN {} <<E\nE\n", "${x-\\a} ".repeat(n))),
        ("garbage", |n| "\u{0} x\n".repeat(n)),
        ("skipped findings", |n| {
            format!("# check=skip={}\nFROM a\n{}", "A,".repeat(n), "MAINTAINER x\n".repeat(n))
        }),
        ("stages", |n| (0..n).map(|i| format!("FROM a AS s{i}\n")).collect()),
    ];
    let time = |text: &str| {
        let start = Instant::now();
        std::hint::black_box(parser::parse(text));
        start.elapsed()
    };
    for (name, shape) in shapes {
        let small = shape(2_000);
        let base = (0..3).map(|_| time(&small)).min().unwrap_or_default().max(Duration::from_millis(2));
        let large = shape(20_000);
        // Other processes may be in the way once.
        let large = (0..2).map(|_| time(&large)).min().unwrap_or_default();
        assert!(large < base * 50, "{name}: {base:?} became {large:?}");
    }
}
