//! What Compose files that are wrong are told.

use bake::{Definition, Error, Facts, File};

fn refused(text: &str) -> Error {
    let files = [File { name: "compose.yaml".into(), text: text.into() }];
    Definition::load(&files, &|_| None, &Facts::default()).unwrap_err()
}

/// The text that an error is about.
fn about(text: &str) -> (String, String) {
    let error = refused(text);
    let place = error.place.expect("a place");
    (error.message, text[place.at].to_owned())
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert_eq!(refused(&text).message, "aliases expand to more than 16 MiB");
}

#[test]
fn nesting_has_a_depth() {
    let text = format!("services: {}{}", "[".repeat(100), "]".repeat(100));
    assert!(refused(&text).message.contains("nested"), "{}", refused(&text));
}

#[test]
fn an_alias_of_what_it_is_in_is_refused() {
    assert!(refused("services: &a\n  b: *a\n").message.contains("alias"));
}

#[test]
fn errors_name_their_place() {
    let text = "# \u{e9}\nservices:\n  a:\n    build:\n      args:\n        A: ${V:?why}\n";
    let (message, at) = about(text);
    assert_eq!((message.as_str(), at.as_str()), ("the variable `V` is required: why", "${V:?why}"));
    let (message, at) = about("services:\n  a:\n    extends: base\n    build: .\n");
    assert_eq!((message.as_str(), at.as_str()), ("`extends` is not supported", "base"));
    let (message, at) = about("include: [x]\nservices: {}\n");
    assert!(message.contains("`include`"), "{message} {at}");
    assert_eq!(about("services:\n  a:\n    build:\n      contxt: there\n").1, "there");
    let help = refused("services:\n  a:\n    build:\n      contxt: there\n").help;
    assert_eq!(help.as_deref(), Some("did you mean `context`?"));
}
