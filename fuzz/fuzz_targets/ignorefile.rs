//! Any ignore file reads; a directory that is dropped for good holds nothing that is kept.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parser::ignorefile::{Ignore, Verdict};

fuzz_target!(|input: (&str, &[u8])| {
    let (text, path) = input;
    let ignore = Ignore::parse(text);
    assert_eq!(ignore.verdict(path, false) == Verdict::Keep, ignore.excluded_by(path).is_none());
    if ignore.verdict(path, true) == Verdict::Drop {
        for below in [&b"/a"[..], b"/.x/keep.log"] {
            assert_ne!(ignore.verdict(&[path, below].concat(), false), Verdict::Keep);
        }
    }
});
