//! Sizes, good and bad.

use super::parse;

#[test]
fn sizes_are_read_as_docker_does() {
    let good = [
        ("0", 0),
        ("100", 100),
        ("64m", 64 << 20),
        ("1.5MiB", 3 << 19),
        ("100 kb", 100 << 10),
        ("1. G", 1 << 30),
        (".5k", 512),
        ("2B", 2),
    ];
    for (text, bytes) in good {
        assert_eq!(parse(text), Some(bytes), "{text}");
    }
    for bad in ["", "m", "-1", "1x", "1kbit", "1bb", "lots", "1.2.3", "inf", ".", "999999999999999999p", "1é"]
    {
        assert_eq!(parse(bad), None, "{bad}");
    }
}
