//! What `fixtures/bake` holds: definitions, and what buildx makes of them.

use bake::{Definition, Facts, File, Resolved};
use std::fs;
use std::path::{Path, PathBuf};

const USUAL: [&str; 8] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// Overrides, variables, targets and files that `args` names, as the command line reads them.
#[derive(Default)]
struct Args {
    sets: Vec<String>,
    vars: Vec<(String, String)>,
    targets: Vec<String>,
    files: Vec<String>,
}

fn args(dir: &Path) -> Args {
    let text = fs::read_to_string(dir.join("args")).unwrap_or_default();
    let mut out = Args::default();
    let mut words = text.lines();
    while let Some(word) = words.next() {
        match word {
            "--set" => out.sets.extend(words.next().map(str::to_owned)),
            "--var" => {
                let (name, value) = words.next().unwrap().split_once('=').unwrap();
                out.vars.push((name.to_owned(), value.to_owned()));
            }
            "-f" => out.files.extend(words.next().map(str::to_owned)),
            "--load" => out.sets.push("*.load=true".into()),
            "--push" => out.sets.push("*.push=true".into()),
            "--no-cache" => out.sets.push("*.no-cache=true".into()),
            "--provenance=false" => out.sets.push("*.attest=type=provenance,disabled=true".into()),
            "--call=check" => out.sets.push("*.call=lint".into()),
            target => out.targets.push(target.to_owned()),
        }
    }
    out
}

fn resolve(dir: &Path) -> Result<Resolved, bake::Error> {
    let args = args(dir);
    let usual: Vec<String> = USUAL.iter().map(|name| (*name).to_owned()).collect();
    let names = if args.files.is_empty() { &usual } else { &args.files };
    let read = |name: &String| {
        let text = fs::read_to_string(dir.join(name)).ok()?;
        Some(File { name: name.clone(), text })
    };
    let files: Vec<File> = names.iter().filter_map(read).collect();
    let lookup = |name: &str| args.vars.iter().find(|(of, _)| of == name).map(|(_, value)| value.clone());
    let dotenv = fs::read_to_string(dir.join(".env")).unwrap_or_default();
    let given = args.vars.iter().map(|(name, _)| name.clone()).collect();
    let facts = Facts { now: 0, home: "/root".into(), platform: "linux/amd64".into(), dotenv, given };
    let definition = Definition::load(&files, &lookup, &facts)?;
    let mut resolved = definition.resolve(&args.targets, &args.sets, &|_| None)?;
    for context in resolved.targets.values_mut().filter_map(|target| target.context.as_mut()) {
        *context = bake::clean(context);
    }
    Ok(resolved)
}

#[test]
fn definitions_mean_what_buildx_takes_them_for() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bake");
    let mut dirs: Vec<PathBuf> = fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.retain(|dir| dir.is_dir());
    dirs.sort();
    assert!(dirs.len() >= 60, "{}", dirs.len());
    let wrong: Vec<String> = dirs.iter().filter_map(|dir| difference(dir)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), dirs.len(), wrong.join("\n"));
}

fn difference(dir: &Path) -> Option<String> {
    let name = dir.file_name().unwrap().to_string_lossy();
    let got = resolve(dir).map(|resolved| bake::html_safe(&serde_json::to_string_pretty(&resolved).unwrap()));
    match (got, fs::read_to_string(dir.join("expected.json"))) {
        (Ok(got), Ok(expected)) if got.trim() == expected.trim() => None,
        (Err(_), Err(_)) => None,
        (Ok(got), Ok(expected)) => {
            let lines = got.lines().zip(expected.lines()).find(|(got, expected)| got != expected);
            Some(format!("{name}: {lines:?}"))
        }
        (Err(error), Ok(_)) => Some(format!("{name}: {error}")),
        (Ok(_), Err(_)) => Some(format!("{name}: buildx refuses it")),
    }
}
