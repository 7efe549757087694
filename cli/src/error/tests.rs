use super::*;

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Layered(&'static str, #[source] Box<dyn Error + Send + Sync>);

#[test]
fn causes_stand_in_one_line_and_are_not_repeated() {
    let inner = Layered("read layer ab12", io::Error::from(io::ErrorKind::UnexpectedEof).into());
    assert_eq!(chain(&Layered("load x", inner.into())), "load x: read layer ab12: unexpected end of file");
    let repeated = Layered("open x: file not found", Layered("file not found", "none".into()).into());
    assert_eq!(chain(&repeated), "open x: file not found: none");
}

#[test]
fn a_full_disk_and_missing_rights_have_hints() {
    let full = Layered("write x", io::Error::from(io::ErrorKind::StorageFull).into());
    assert!(CliError::failed(&full).text().contains("help: the disk is full"));
    let denied = CliError::file("write", Path::new("/x"), &io::ErrorKind::PermissionDenied.into());
    assert_eq!(
        denied.text(),
        "error: write /x: permission denied\nhelp: lapstrake needs root today: run it as root\n"
    );
}

#[test]
fn exit_codes_follow_the_kind() {
    assert_eq!(CliError::usage("x").exit_code(), 2);
    assert_eq!(CliError::Failed { message: String::new(), help: None }.exit_code(), 1);
    assert_eq!(CliError::Interrupted(15).exit_code(), 143);
    assert_eq!(CliError::stdout(&io::ErrorKind::BrokenPipe.into()).exit_code(), 141);
    assert_eq!(CliError::stdout(&io::ErrorKind::BrokenPipe.into()).text(), "");
}
