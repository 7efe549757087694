use super::*;
use clap::CommandFactory;

#[test]
fn the_definitions_agree_with_each_other() {
    Cli::command().debug_assert();
}

#[test]
fn an_unknown_flag_before_the_image_is_an_error() {
    let parsed = Cli::try_parse_from(["lapstrake", "run", "--no-such", "img"]);
    assert_eq!(parsed.unwrap_err().kind(), clap::error::ErrorKind::UnknownArgument);
}

#[test]
fn every_first_line_of_help_is_an_order_without_a_full_stop() {
    fn check(command: &clap::Command) {
        for help in command.get_arguments().filter_map(|arg| arg.get_help()).chain(command.get_about()) {
            let text = help.to_string();
            assert!(!text.ends_with('.') && !text.is_empty(), "{}: {text}", command.get_name());
            assert!(text.starts_with(char::is_uppercase), "{}: {text}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn switches_may_have_values() {
    let plain = |line: &str| {
        let words: Vec<std::ffi::OsString> = line.split(' ').map(Into::into).collect();
        let words = plain(&Cli::command(), &words);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(plain("l build --no-cache=true --rm=false --load=1 ."), "l build --no-cache --load .");
    assert_eq!(
        plain("l --root x image build -t --rm=true --rm=true ."),
        "l --root x image build -t --rm=true --rm ."
    );
    assert_eq!(
        plain("l run --rm=true -ie A --root x img --rm=true"),
        "l run --rm -ie A --root x img --rm=true"
    );
    assert_eq!(plain("l run -eA --read-only=false img"), "l run -eA img");
    assert_eq!(plain("l run --net host --rm=0 img"), "l run --net host img");
    assert_eq!(plain("l run --rm=maybe img"), "l run --rm=maybe img");
    assert_eq!(plain("l rmi --force=true x -- --force=true"), "l rmi --force x -- --force=true");
    assert_eq!(plain("l images -a --quiet=T x --no-trunc=true"), "l images -a --quiet x --no-trunc");
    assert_eq!(plain("l"), "l");
}
