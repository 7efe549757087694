//! `fixtures/cases/GROUP/NAME`: a folder per behaviour. Beside the files of its context it has `case.json` (what it
//! shows, and a list of builds), perhaps `setup.sh` (run in the context first) and `www.sh` (run in a directory that is
//! served at `@@URL@@`), and `expected`: what `cargo xtask record` saw BuildKit make of it.

use super::{Bench, diff, failure, verdict};
use oracle::Case;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/cases")
}

fn folders(dir: &Path) -> BTreeSet<String> {
    let entries = dir.read_dir().unwrap().map(|entry| entry.unwrap());
    let dirs = entries.filter(|entry| entry.metadata().unwrap().is_dir());
    dirs.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn check(group: &str) {
    let bench = Bench::new();
    let mut found = Vec::new();
    for name in folders(&root().join(group)) {
        let full = format!("{group}/{name}");
        let case = Case::folder(&full, &root().join(&full)).unwrap();
        found.extend(check_case(&bench, &case));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    bench.env.assert_clean();
}

fn check_case(bench: &Bench, case: &Case) -> Vec<String> {
    let Some(expected) = &case.expected else {
        return vec![format!("{}: nothing is recorded, see `cargo xtask record`", case.name)];
    };
    let blocks: Vec<&str> = expected.split("== build ").skip(1).collect();
    if blocks.len() != case.builds.len() {
        return vec![format!("{}: {} builds are recorded", case.name, blocks.len())];
    }
    let laid = bench.lay_out(case);
    let mut found = Vec::new();
    for (number, (build, block)) in case.builds.iter().zip(blocks).enumerate() {
        let expected = block.split_once('\n').map_or("", |(_, rest)| rest);
        let (output, image) = bench.build(build);
        let findings = match (expected.strip_prefix("fails"), image) {
            (Some(place), _) => {
                let lines = place.trim().strip_prefix("at ").and_then(|lines| lines.split_once('-'));
                failure(&output, build, lines.map(|(a, b)| a.parse().unwrap()..=b.parse().unwrap()))
            }
            (None, None) => vec![format!("failed:\n{}", output.stderr)],
            (None, Some(image)) => {
                let differences = diff(expected, &oracle::render(&image, &bench.bases, &laid.url));
                let text = differences.join("\n");
                if text.is_empty() { Vec::new() } else { vec![format!("differs\n{text}")] }
            }
        };
        let label =
            if case.builds.len() == 1 { case.name.clone() } else { format!("{} {number}", case.name) };
        found.extend(verdict(&label, findings));
    }
    drop(laid.server);
    found
}

macro_rules! groups {
    ($($group:ident)*) => {
        $(#[test]
        fn $group() {
            check(stringify!($group));
        })*
        const GROUPS: &[&str] = &[$(stringify!($group)),*];
    };
}

groups! {
    add
    args
    config
    copy
    env
    errors
    expansion
    heredoc
    ignore
    lexing
    mounts
    onbuild
    run
    stages
}

#[test]
fn no_group_is_forgotten() {
    assert_eq!(folders(&root()), GROUPS.iter().map(|group| (*group).to_owned()).collect());
}
