//! docs/cli.md is the help of the binary.

use crate::testenv::TestEnv;
use std::fmt::Write;
use std::path::Path;

/// Set, the page is written instead of compared.
const BLESS: &str = "LAPSTRAKE_BLESS";

fn commands(help: &str) -> Vec<String> {
    let listed = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn page(env: &TestEnv, path: &[String], out: &mut String) {
    let mut words = path.to_vec();
    words.push("--help".to_owned());
    let help = env.run(&words).ok().stdout;
    let title = ["lapstrake".to_owned()].iter().chain(path).cloned().collect::<Vec<_>>().join(" ");
    let level = if path.is_empty() { "#" } else { "##" };
    write!(out, "{level} {title}\n\n```\n{}\n```\n\n", help.trim_end()).unwrap();
    // `image build` and the like have the flags of `build`.
    if path.is_empty() {
        for name in commands(&help) {
            page(env, &[name], out);
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how")]
fn the_page_is_the_help() {
    let env = TestEnv::empty();
    let mut text = String::new();
    page(&env, &[], &mut text);
    let text = text.trim_end().to_owned() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/cli.md is not the help: run the test with {BLESS}=1\n{text}");
}

#[test]
fn a_first_word_that_helps() {
    let env = TestEnv::empty();
    env.line("version").ok();
    assert!(env.line("--version").ok().stdout.starts_with("lapstrake "));
    env.run::<&str>([]).code(2).says("Usage: lapstrake");
    for shell in ["bash", "zsh", "fish"] {
        assert!(env.line(&format!("completion {shell}")).ok().stdout.contains("lapstrake"));
    }
}
