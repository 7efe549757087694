//! Any word expands or gives an error, in every mode.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parser::words;

fuzz_target!(|text: &str| {
    let env = |name: &str| (name.len() % 2 == 1).then(|| format!("{name} *v/"));
    for escape in ['\\', '`'] {
        if let Ok(found) = words::expand(text, escape, &env) {
            assert!(found.unset.is_subset(&found.used));
        }
        let _unused = words::expand_display(text, escape, &env);
    }
    let _unused = words::expand_heredoc(text, &env);
});
