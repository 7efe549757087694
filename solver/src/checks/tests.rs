//! One folder a case in `fixtures/checks`: a Dockerfile, perhaps its ignore file and a request; what BuildKit's linter
//! said of it, and what is said here.

use super::*;
use crate::graph::BaseImage;
use oci::{ImageConfig, LayerId, Platform};
use parser::diagnostic::Level;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a case may ask for.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    args: BTreeMap<String, String>,
    platform: Option<String>,
    target: Option<String>,
}

/// What BuildKit said.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    /// Its version.
    buildkit: String,
    findings: Vec<Finding>,
    error: Option<Failure>,
    exit: i32,
}

#[derive(Debug, serde::Deserialize)]
struct Finding {
    line: usize,
    rule: String,
}

#[derive(Debug, serde::Deserialize)]
struct Failure {
    line: Option<usize>,
}

/// Images like those of the registry that the cases were recorded with.
fn image(reference: &str) -> Option<BaseImage> {
    let name = reference.strip_prefix("localhost:5000/")?.split(':').next()?;
    let platform: Platform = if name == "arm64" { "linux/arm64" } else { "linux/amd64" }.parse().ok()?;
    let mut config = ImageConfig::scratch(&platform);
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match name {
        "busybox" | "arm64" => {}
        "shelled" => config.config.shell = list(&["/bin/bash", "-c"]),
        "triggers" => {
            config.config.working_dir = "/w".into();
            config.config.env = list(&["PATH=/bin", "FROM_IMAGE=1"]);
            config.config.on_build = list(&["ARG v=image", "RUN echo $v"]);
        }
        "shouts" => config.config.on_build = list(&["CMD run it", "ENV SOME_TOKEN x", "WORKDIR here"]),
        _ => return None,
    }
    Some(BaseImage { config, layers: vec![LayerId::from_bytes([1; 32])] })
}

fn request(dir: &Path) -> LowerRequest {
    let asked: Asked = match fs::read_to_string(dir.join("request.json")) {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(_) => Asked::default(),
    };
    LowerRequest {
        build_args: asked.args,
        platform: asked.platform.map(|platform| platform.parse().unwrap()),
        target: asked.target,
        host: "linux/amd64".parse().unwrap(),
        ignore: fs::read_to_string(dir.join(".dockerignore")).ok().map(|text| (".dockerignore".into(), text)),
        ..LowerRequest::default()
    }
}

fn checked(source: &str, mut req: LowerRequest) -> Vec<Diagnostic> {
    let mut bases = BaseImages::new();
    loop {
        match check(source, &req, &bases) {
            Checked::Done(found) => return found,
            Checked::NeedImages(needed) => {
                assert!(!needed.is_empty());
                for need in needed {
                    match image(&need.reference) {
                        Some(image) => drop(bases.insert((need.reference, need.platform), image)),
                        None => assert!(req.absent.insert(need.reference), "an image is asked for once"),
                    }
                }
            }
        }
    }
}

fn render(source: &str, found: &[Diagnostic]) -> String {
    let mut text = String::new();
    for finding in found {
        let before = source.get(..finding.at.start).unwrap();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let place = source.get(finding.at.clone()).unwrap();
        text.push_str(&format!("{} {line}:{column} {place:?}\n", finding.rule.name));
        text.push_str(&format!("  {}\n", finding.message));
        text.extend(finding.help.iter().map(|help| format!("  help: {help}\n")));
    }
    if text.is_empty() { "nothing found\n".into() } else { text }
}

/// Rule and first line of what BuildKit checks, too.
fn common(source: &str, found: &[Diagnostic]) -> BTreeSet<(usize, String)> {
    let file = parser::parse(source).file;
    let docker = found.iter().filter(|finding| rules::is_docker(finding.rule));
    docker.map(|finding| (*lines(&file, source, finding).start(), finding.rule.name.to_owned())).collect()
}

/// Whether pages and findings are written instead of compared.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says how")]
fn bless() -> bool {
    std::env::var_os("LAPSTRAKE_BLESS").is_some()
}

fn cases() -> Vec<PathBuf> {
    folders("checks")
}

fn folders(of: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(of);
    let mut dirs: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    assert!(dirs.len() > 40);
    dirs
}

/// docs/rules.md, from the tables of rules.
fn rules_page() -> String {
    let all = || rules::ALL.iter().chain(crate::lower::rules::ALL).copied();
    let mut names: Vec<_> = all().map(|rule| (rule.level, rule.name, rule.summary)).collect();
    names.sort();
    names.dedup();
    let rows = |level: Level, docker: bool| {
        let wanted = names.iter().filter(|(of, ..)| *of == level);
        let rows = wanted.filter_map(|(_, name, summary)| {
            let rule = all().find(|rule| rule.name == *name).unwrap();
            let link =
                rules::page(name).map_or_else(|| format!("`{name}`"), |page| format!("[`{name}`]({page})"));
            let off = if rules::is_experimental(rule) { " Off unless `experimental=` names it." } else { "" };
            let summary = summary.trim_end_matches(" (experimental)");
            (rules::is_docker(rule) == docker).then(|| format!("| {link} | {summary}.{off} |\n"))
        });
        format!("| rule | finds |\n|---|---|\n{}", rows.collect::<String>())
    };
    format!(
        "{PREFACE}\n## Docker's build checks\n\n{}\n## Further warnings\n\n{FURTHER}\n\n{}\n## Errors\n\n{}",
        rows(Level::Warning, true),
        rows(Level::Warning, false),
        rows(Level::Error, false),
    )
}

const PREFACE: &str = "\
# Findings

Written by `LAPSTRAKE_BLESS=1 cargo test -p solver rules_are_documented` from the tables of rules.

A build prints warnings and goes on; errors stop it before anything runs. `lapstrake build --check` prints both without
building, and ends with exit code 1 if there are any.

A comment at the top of a Dockerfile, or the build argument `BUILDKIT_DOCKERFILE_CHECK`, chooses among the warnings:

```
# check=skip=RULE,RULE;error=true;experimental=RULE
```

- `skip=all` leaves all of them out, `skip=RULE` one; above an instruction such a comment is about that instruction.
- `error=true` makes a build fail if one of Docker's checks finds something. Further warnings fail nothing that Docker
  builds.
- `experimental=all`, or a rule's name, switches on what is off otherwise.

`--check` looks at all stages, or at those that `--target` needs. Base images are looked up in the store and in the
layouts that are named; of an image that is not there nothing is assumed, and what depends on it is not said.
";

const FURTHER: &str = "Docker does not have these. `skip=` takes their names, too.";

#[test]
fn rules_are_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    let text = rules_page();
    if bless() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/rules.md is not what the rules say: run the test with LAPSTRAKE_BLESS=1");
}

#[test]
fn every_check_has_cases_in_which_it_fires() {
    let all: String =
        cases().iter().filter_map(|dir| fs::read_to_string(dir.join("expected.txt")).ok()).collect();
    let warnings =
        rules::ALL.iter().chain(crate::lower::rules::ALL).filter(|rule| rule.level == Level::Warning);
    for rule in
        warnings.filter(|rule| !["UnusedBuildArg", "UnusedCacheFilter", "not-utf8"].contains(&rule.name))
    {
        assert!(all.contains(&format!("{} ", rule.name)), "{} has no case", rule.name);
    }
}

#[test]
fn findings_are_those_of_buildkit() {
    let mut wrong = Vec::new();
    for dir in cases() {
        let Ok(reference) = fs::read_to_string(dir.join("reference.json")) else { continue };
        let reference: Reference = serde_json::from_str(&reference).unwrap();
        assert!(!reference.buildkit.is_empty());
        let source = fs::read_to_string(dir.join("Dockerfile")).unwrap();
        let found = checked(&source, request(&dir));
        let wanted: BTreeSet<_> = reference.findings.into_iter().map(|one| (one.line, one.rule)).collect();
        let ours = common(&source, &found);
        let failed = found.iter().find(|finding| finding.is_error());
        // After an error BuildKit looks no further.
        let same = if reference.error.is_some() { wanted.is_subset(&ours) } else { wanted == ours };
        let line = failed.map(|finding| *lines(&parser::parse(&source).file, &source, finding).start());
        let place = reference.error.as_ref().is_none_or(|error| error.line.is_none() || error.line == line);
        if !same
            || !place
            || reference.error.is_some() != failed.is_some()
            || (reference.exit == 0) != wanted.is_empty() && failed.is_none()
        {
            wrong.push(format!(
                "{}\n  wanted {wanted:?} {:?}\n  found  {ours:?} {failed:?}",
                dir.display(),
                reference.error
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn as_recorded(dir: &Path) -> Vec<Diagnostic> {
    let source = fs::read_to_string(dir.join("Dockerfile")).unwrap();
    let found = checked(&source, request(dir));
    let text = render(&source, &found);
    let file = dir.join("expected.txt");
    if bless() {
        fs::write(&file, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap_or_default(), text, "{}", dir.display());
    found
}

#[test]
fn findings_are_as_recorded() {
    for dir in cases() {
        as_recorded(&dir);
    }
}

#[test]
fn errors_have_a_place_a_cause_and_a_remedy() {
    let mut without = Vec::new();
    for dir in folders("errors") {
        let found = as_recorded(&dir);
        let errors: Vec<&Diagnostic> = found.iter().filter(|finding| finding.is_error()).collect();
        if errors.is_empty() {
            without.push(format!("{} has no error", dir.display()));
        }
        without.extend(
            errors
                .iter()
                .filter(|error| error.help.is_none())
                .map(|error| format!("{}: {}", dir.file_name().unwrap_or_default().display(), error.message)),
        );
    }
    assert!(without.is_empty(), "without a remedy:\n{}", without.join("\n"));
}
