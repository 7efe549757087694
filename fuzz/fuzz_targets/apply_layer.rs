//! Unpacks arbitrary bytes as a layer: nothing outside the directory changes, and what is unpacked is what the index
//! says. `snapshotter/tests/layers.rs` replays the corpus without the fuzzer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapshotter::layer::{ApplyLimits, apply, compress, scan, verify};

fuzz_target!(|bytes: &[u8]| {
    let outer = tempfile::tempdir().expect("make a directory");
    let diff = outer.path().join("diff");
    std::fs::create_dir(&diff).expect("make a directory");
    std::fs::write(outer.path().join("victim"), "safe").expect("write a file");
    let limits = ApplyLimits { max_bytes: 1 << 24, max_entries: 10_000, ..ApplyLimits::default() };
    let Ok(mut tar) = compress::reader(bytes) else { return };
    let result = apply(&mut tar, &diff, &limits);
    if let Ok(index) = &result {
        assert!(verify(index, &diff).expect("read the layer"));
    }
    std::fs::remove_dir_all(&diff).expect("remove the layer");
    let left = scan(outer.path()).expect("read what is beside the layer");
    let paths: Vec<String> = left.iter().map(|(path, _)| path.to_string()).filter(|path| path != "/").collect();
    assert_eq!(paths, ["/victim"]);
    assert_eq!(std::fs::read(outer.path().join("victim")).expect("read a file"), b"safe");
});
