//! Any text parses; every place is a range of it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let parsed = parser::parse(&text);
    let file = &parsed.file;
    let steps = file.stages.iter().flat_map(|stage| &stage.instructions).map(|step| &step.span);
    let stages = file.stages.iter().map(|stage| &stage.from.span);
    for span in steps.chain(stages).chain(parsed.diagnostics.iter().map(|found| &found.at)) {
        assert!(text.get(span.clone()).is_some(), "{span:?}");
    }
    assert!(!file.stages.is_empty() || parsed.diagnostics.iter().any(|found| found.is_error()));
    parser::parse_trigger(&text);
});
