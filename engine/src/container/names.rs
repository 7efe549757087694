//! Container names: what is one, and made-up ones.

const FIRST: [&str; 32] = [
    "able", "amber", "ample", "bold", "brisk", "calm", "civil", "clear", "dapper", "deft", "eager", "early",
    "fair", "firm", "fleet", "fresh", "gentle", "grand", "hardy", "honest", "keen", "lively", "merry",
    "neat", "noble", "proud", "quick", "ready", "sound", "steady", "sturdy", "swift",
];

const SECOND: [&str; 32] = [
    "anchor", "ballast", "beam", "bilge", "boom", "bow", "bulwark", "cleat", "coaming", "deck", "fairlead",
    "frame", "garboard", "gunwale", "halyard", "hatch", "helm", "keel", "keelson", "mast", "oar", "plank",
    "rib", "rudder", "scupper", "sheer", "spar", "stem", "stern", "strake", "thwart", "tiller",
];

/// docker's rule: two characters or more.
pub(super) fn valid(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// A name that `taken` does not have, chosen by random bytes.
pub(super) fn make_up(random: [u8; 2], taken: impl Fn(&str) -> bool) -> String {
    let word = |words: [&'static str; 32], byte: u8| words[usize::from(byte) % 32];
    let name = format!("{}_{}", word(FIRST, random[0]), word(SECOND, random[1]));
    if !taken(&name) {
        return name;
    }
    (1..).map(|number: u32| format!("{name}{number}")).find(|name| !taken(name)).unwrap_or(name)
}
