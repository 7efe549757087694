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
