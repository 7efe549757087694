//! Replays `fuzz/corpus` on stable Rust: what a fuzzer once found stays found.

use super::properties;
use std::path::Path;

fn each(target: &str, mut check: impl FnMut(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&dir).expect("the corpus is there") {
        check(&std::fs::read(entry.expect("readable").path()).expect("readable"));
        count += 1;
    }
    assert!(count > 3, "{} holds the corpus", dir.display());
}

#[test]
fn parse() {
    each("parse", |bytes| properties::holds(&String::from_utf8_lossy(bytes)));
}

#[test]
fn expand() {
    each("expand", |bytes| properties::expands(&String::from_utf8_lossy(bytes)));
}

#[test]
fn ignorefile() {
    each("ignorefile", |bytes| properties::ignores(&String::from_utf8_lossy(bytes), b"a/b/x.log"));
}
