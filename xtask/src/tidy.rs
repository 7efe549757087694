//! Invariants of ARCHITECTURE.md that a compiler does not hold: crate edges, where `unsafe` and I/O may stand, sizes.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of a source file without its tests.
const MAX_LINES: usize = 600;

/// What an I/O-free crate may not name.
const IO: [&str; 6] =
    ["std::fs", "std::process", "std::net", "std::env::var", "SystemTime::now", "Instant::now"];

/// All findings, each one line: file, place, fact.
pub(crate) fn findings(root: &Path) -> Result<Vec<String>> {
    let mut found = edges(root)?;
    for file in sources(root)? {
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        let text = std::fs::read_to_string(&file).with_context(|| format!("read {name}"))?;
        found.extend(check_source(&name, &text));
    }
    Ok(found)
}

/// Compares the edges between our crates with the block `crate edges` of ARCHITECTURE.md.
fn edges(root: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).context("read ARCHITECTURE.md")?;
    let block = text.split("```crate-edges").nth(1).and_then(|rest| rest.split("```").next());
    let block = block.context("find the block crate-edges in ARCHITECTURE.md")?;
    let allowed: BTreeSet<(String, String)> = block.lines().filter_map(parse_edges).flatten().collect();
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version=1", "--locked"])
        .current_dir(root)
        .output()
        .context("run cargo metadata")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("parse cargo metadata")?;
    let actual = actual_edges(&metadata);
    let mut found = Vec::new();
    for (from, to) in actual.difference(&allowed) {
        found.push(format!("{from}/Cargo.toml: the edge {from} -> {to} is not in ARCHITECTURE.md"));
    }
    for (from, to) in allowed.difference(&actual) {
        found.push(format!("ARCHITECTURE.md: the edge {from} -> {to} is listed, but no crate has it"));
    }
    Ok(found)
}

/// `a -> b c` gives (a, b) and (a, c).
fn parse_edges(line: &str) -> Option<Vec<(String, String)>> {
    let (from, to) = line.split_once("->")?;
    Some(to.split_whitespace().map(|to| (from.trim().to_owned(), to.to_owned())).collect())
}

fn actual_edges(metadata: &serde_json::Value) -> BTreeSet<(String, String)> {
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let packages = list(&metadata["packages"]);
    let ours: BTreeSet<String> = packages.iter().map(|package| text(&package["name"])).collect();
    let mut edges = BTreeSet::new();
    for package in &packages {
        for dependency in list(&package["dependencies"]) {
            let to = text(&dependency["name"]);
            if dependency["path"].is_string() && ours.contains(&to) && !dependency["kind"].is_string() {
                edges.insert((text(&package["name"]), to));
            }
        }
    }
    edges
}

fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git").args(["ls-files", "-z", "*.rs"]).current_dir(root).output();
    let output = output.context("run git ls-files")?;
    let names = String::from_utf8(output.stdout).context("read file names")?;
    Ok(names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(|name| root.join(name))
        .filter(|p| p.exists())
        .collect())
}

fn check_source(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let test = name.ends_with("tests.rs") || name.contains("/tests/") || name.contains("/benches/");
    let lines = text.lines().count();
    if lines > MAX_LINES && !test {
        found.push(format!(
            "{name}: {lines} lines; split it along a seam that has a name (at most {MAX_LINES})"
        ));
    }
    let code = |line: &&str| !line.trim_start().starts_with("//");
    let pure = ["oci/src/", "parser/src/", "solver/src/"].iter().any(|dir| name.starts_with(dir));
    for (number, line) in text.lines().enumerate().filter(|(_, line)| code(line)) {
        let at = format!("{name}:{}", number + 1);
        if pure && !test && IO.iter().any(|word| line.contains(word)) {
            found.push(format!("{at}: a crate without I/O names {}", line.trim()));
        }
        let allows = line.contains("allow(unsafe_code") || line.contains("expect(unsafe_code");
        if allows && name != "runner/src/sys/mod.rs" && name != "xtask/src/tidy.rs" {
            found.push(format!("{at}: only runner/src/sys/mod.rs may allow unsafe code"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_tidy() {
        let found = findings(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
        assert!(found.is_empty(), "{}", found.join("\n"));
    }

    #[test]
    fn a_pure_crate_that_opens_a_file_is_found() {
        assert_eq!(check_source("solver/src/key.rs", "use std::fs;\n").len(), 1);
        assert!(check_source("engine/src/build.rs", "use std::fs;\n").is_empty());
        assert!(check_source("solver/src/key.rs", "// std::fs\n").is_empty());
    }

    #[test]
    fn unsafe_outside_its_module_is_found() {
        assert_eq!(check_source("engine/src/build.rs", "#![allow(unsafe_code)]\n").len(), 1);
        assert!(check_source("runner/src/sys/mod.rs", "#![allow(unsafe_code)]\n").is_empty());
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(check_source("cli/src/args.rs", &"x\n".repeat(MAX_LINES + 1)).len(), 1);
    }

    #[test]
    fn edges_are_read_from_their_block() {
        let edge = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(parse_edges("cli -> engine oci"), Some(vec![edge("cli", "engine"), edge("cli", "oci")]));
        assert_eq!(parse_edges(""), None);
    }
}
