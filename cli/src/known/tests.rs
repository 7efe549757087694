use super::*;
use crate::args::Cli;
use clap::CommandFactory;

#[test]
fn known_flags_are_found_with_and_without_a_value() {
    let refusal = flag("build", "--squash=true").unwrap();
    assert_eq!(refusal.message, "`--squash` of `docker build` is not supported yet");
    assert_eq!(refusal.help, None);
    assert!(flag("run", "-d").unwrap().help.unwrap().contains("foreground"));
    assert_eq!(flag("build", "--no-such-flag"), None);
    assert_eq!(flag("no-command", "--squash"), None);
    assert!(command("pull").is_some());
    assert!(command("plul").is_none());
}

#[test]
fn nothing_that_is_supported_is_refused() {
    let cli = Cli::command();
    for (name, flags) in FLAGS {
        let command = cli.find_subcommand(name).unwrap_or_else(|| panic!("{name} is no command"));
        for entry in *flags {
            let flag = entry.split(' ').next().unwrap();
            let taken = command.get_arguments().any(|arg| {
                arg.get_long().is_some_and(|long| format!("--{long}") == flag)
                    || arg.get_short().is_some_and(|short| format!("-{short}") == flag)
            });
            assert!(!taken, "{name} {flag} is supported and refused");
        }
    }
    for entry in COMMANDS {
        let name = entry.split(' ').next().unwrap();
        assert!(cli.find_subcommand(name).is_none(), "{name} is supported and refused");
    }
}
