use super::*;

#[test]
fn commands_are_found_behind_flags_and_under_other_names() {
    let canonical = |line: &str| {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        super::canonical(&words)
    };
    assert_eq!(canonical("lapstrake --root build -v run -d x"), Some("run"));
    assert_eq!(canonical("lapstrake buildx build --secret x ."), Some("build"));
    assert_eq!(canonical("lapstrake image rm --no-prune x"), Some("rmi"));
    assert_eq!(canonical("lapstrake container rm -l x"), Some("rm"));
    assert_eq!(canonical("lapstrake container ls"), Some("ps"));
    assert_eq!(canonical("lapstrake image ls"), Some("images"));
    assert_eq!(canonical("lapstrake version"), None);
    assert_eq!(canonical("lapstrake"), None);
}
