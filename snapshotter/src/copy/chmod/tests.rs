use super::*;

fn apply(text: &str, mode: u32, is_dir: bool) -> u32 {
    Change::new(&Mode::Symbolic(text.into())).unwrap().apply(mode, is_dir)
}

#[test]
fn symbolic_modes_are_those_of_chmod() {
    let table = [
        ("u=rwX,go=rX", 0o600, false, 0o644),
        ("u=rwX,go=rX", 0o700, false, 0o755),
        ("u=rwX,go=rX", 0o700, true, 0o755),
        ("u=rwX,go=rX", 0o600, true, 0o755),
        ("a=r", 0o755, false, 0o444),
        ("+x", 0o644, false, 0o755),
        ("go-rwx", 0o755, false, 0o700),
        ("g=u", 0o640, false, 0o660),
        ("u+s", 0o755, false, 0o4755),
        ("g+s", 0o755, true, 0o2755),
        ("+t", 0o777, true, 0o1777),
        ("u+s,u-x", 0o755, false, 0o4655),
        ("u+w-x", 0o555, false, 0o655),
        ("=", 0o777, false, 0),
        ("u=rw", 0o4755, false, 0o655),
    ];
    for (text, mode, is_dir, expected) in table {
        assert_eq!(apply(text, mode, is_dir), expected, "{text} on {mode:o}");
    }
}

#[test]
fn refuses_what_is_no_mode() {
    for text in ["", "u", "rwx", "u+q", "z+r", "u=rw,", "8"] {
        assert!(Change::new(&Mode::Symbolic(text.into())).is_err(), "{text}");
    }
    assert!(Change::new(&Mode::Octal(0o10000)).is_err());
}

#[test]
fn octal_reaches_made_directories_without_special_bits() {
    assert_eq!(Change::new(&Mode::Octal(0o1777)).unwrap().made_dir(), Some(0o777));
    assert_eq!(Change::new(&Mode::Symbolic("a=r".into())).unwrap().made_dir(), None);
}
