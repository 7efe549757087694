//! One folder a case in `fixtures/parse` and `fixtures/parse-err`. `INSTA_UPDATE=always` writes what is new.

use super::render;
use parser::diagnostic::Diagnostic;
use std::path::{Path, PathBuf};

fn cases(kind: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(kind);
    let entries = std::fs::read_dir(&dir).expect("fixtures are there");
    let mut cases: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    cases.sort();
    assert!(cases.len() > 10, "{} holds the cases", dir.display());
    cases
}

fn check(case: &Path, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(case);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn parse(case: &Path) -> (String, parser::Parsed) {
    let bytes = std::fs::read(case.join("Dockerfile")).expect("a case has a Dockerfile");
    let text = String::from_utf8(bytes).expect("cases are UTF-8");
    let parsed = parser::parse(&text);
    (text, parsed)
}

#[test]
fn trees() {
    for case in cases("parse") {
        let (text, parsed) = parse(&case);
        let findings = render::findings(&text, &parsed.diagnostics);
        assert!(!parsed.diagnostics.iter().any(Diagnostic::is_error), "{}\n{findings}", case.display());
        check(&case, "ast", &(render::tree(&parsed) + &findings));
    }
}

#[test]
fn errors() {
    for case in cases("parse-err") {
        let (text, parsed) = parse(&case);
        assert!(parsed.diagnostics.iter().any(Diagnostic::is_error), "{}", case.display());
        check(&case, "stderr", &render::findings(&text, &parsed.diagnostics));
    }
}
