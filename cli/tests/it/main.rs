//! The real binary, end to end. Each test has its own store, working directory and environment.
//!
//! Needs root, overlayfs and Debian's busybox-static: without them the tests fail and say so.

mod badinput;
mod bake;
mod binary;
mod build;
mod cases;
mod check;
mod copy;
mod debug;
mod diagnostics;
mod exports;
mod flags;
mod images;
mod mounts;
mod platforms;
mod projects;
mod reference;
mod run;
mod signals;
mod sources;
mod tarball;
mod terminal;
mod testenv;

use std::path::Path;

#[test]
fn no_test_file_is_forgotten() {
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(module) = name.strip_suffix(".rs") else { continue };
        assert!(
            module == "main" || main.contains(&format!("\nmod {module};\n")),
            "main.rs does not name {name}"
        );
    }
}
