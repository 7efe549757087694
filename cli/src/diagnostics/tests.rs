use super::*;
use engine::contexts::ExcludedBy;
use insta::assert_snapshot;

const FILE: &str = "FROM busybox AS build\nRUN make\nCOPY --from=bulid /app /äpp\n";

fn source() -> Source<'static> {
    Source { name: "Dockerfile", text: FILE, color: false }
}

fn span(of: &str) -> Range<usize> {
    let start = FILE.find(of).unwrap();
    start..start + of.len()
}

fn step(failure: StepFailure, at: &str, tail: &str) -> String {
    source().step(&StepError {
        name: "[build 2/3] RUN make".into(),
        span: span(at),
        text: SourceText::Dockerfile,
        tail: tail.into(),
        log: (!tail.is_empty()).then(|| "/store/logs/7.log".into()),
        kept: None,
        failure,
    })
}

#[test]
fn a_finding_shows_its_place_and_its_help() {
    let finding =
        Diagnostic::new(&solver::lower::rules::UNKNOWN_STAGE, span("bulid"), "no stage is named `bulid`")
            .help("did you mean `build`?");
    assert_snapshot!(source().render(&[finding]), @r#"
    error[unknown-stage]: no stage is named `bulid`
     --> Dockerfile:3:13
      |
    3 | COPY --from=bulid /app /äpp
      |             ^^^^^
      |
      = help: did you mean `build`?
    "#);
}

#[test]
fn findings_stand_in_the_order_of_the_file() {
    let late = Diagnostic::new(&parser::rules::UNKNOWN_FLAG, span("äpp"), "late").label("here");
    let early = Diagnostic::new(&parser::rules::FROM_AS_CASING, span("FROM"), "early");
    let text = source().render(&[late, early]);
    assert!(text.find("early").unwrap() < text.find("late").unwrap(), "{text}");
    assert!(text.contains("^^^ here"), "{text}");
}

#[test]
fn a_failed_run_shows_its_output_its_line_and_its_log() {
    let failure = StepFailure::Exit { command: "/bin/sh -c make".into(), code: 2 };
    assert_snapshot!(step(failure, "RUN make\n", "cc: no such file\nmake: *** [all] Error 2\n"), @r#"
    ------
     > [build 2/3] RUN make:
    cc: no such file
    make: *** [all] Error 2
    ------
    error: process "/bin/sh -c make" did not complete successfully: exit code: 2
     --> Dockerfile:2:1
      |
    2 | RUN make
      | ^^^^^^^^
      |
      = note: the whole output is in /store/logs/7.log
    "#);
}

#[test]
fn a_missing_source_says_which_rule_excludes_it() {
    let failure = StepFailure::NotFound {
        path: "/app".into(),
        place: "the build context /src".into(),
        excluded: Some(ExcludedBy { file: ".dockerignore".into(), line: 3, pattern: "a*".into() }),
        similar: vec!["apple".into(), "apply".into()],
        word: span("/app"),
    };
    assert_snapshot!(step(failure, "COPY --from=bulid /app /äpp", ""), @r#"
    error: /app is not in the build context /src
     --> Dockerfile:3:1
      |
    3 | COPY --from=bulid /app /äpp
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: line 3 of .dockerignore excludes it: `a*`
      = help: did you mean `apple`, `apply`?
    "#);
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "that is what is odd")]
fn places_outside_the_text_do_no_harm() {
    let odd = [5000..6000, FILE.len()..FILE.len(), span("äpp").start + 1..span("äpp").end, 9..3];
    for at in odd {
        let finding = Diagnostic::new(&parser::rules::ARGUMENTS, at, "odd");
        assert!(source().render(&[finding]).contains("odd"));
    }
    let empty = Source { text: "", ..source() };
    let finding = Diagnostic::new(&parser::rules::EMPTY_FILE, 0..0, "the file is empty");
    assert!(empty.render(&[finding]).contains("the file is empty"));
}
