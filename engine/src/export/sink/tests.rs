use super::*;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

fn write(dest: &Path, cancel: &Cancel, text: &str) -> Result<(), ExportError> {
    let mut stdout = Vec::new();
    let done = with_sink(&Dest::Path(dest.to_owned()), &mut stdout, cancel, |out| {
        out.write_all(text.as_bytes()).map_err(ExportError::io("write"))
    });
    assert!(stdout.is_empty());
    done
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("new/dir/file");
    write(&at, &Cancel::default(), "text").unwrap();
    assert_eq!(fs::read_to_string(&at).unwrap(), "text");
    assert_eq!(fs::metadata(&at).unwrap().mode() & 0o777, 0o644);
    let failed: Result<(), ExportError> =
        with_sink(&Dest::Path(at.clone()), &mut Vec::new(), &Cancel::default(), |out| {
            out.write_all(b"half").map_err(ExportError::io("write"))?;
            Err(ExportError::Canceled)
        });
    assert!(failed.is_err());
    assert_eq!(fs::read_to_string(&at).unwrap(), "text", "what was there is untouched");
    assert_eq!(fs::read_dir(at.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_cancelled_write_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    assert!(write(&dir.path().join("file"), &cancel, &"x".repeat(1 << 20)).is_err());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_replaced_file_keeps_its_mode_and_links_to_it_hold() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink("file", &link).unwrap();
    write(&link, &Cancel::default(), "new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&file).unwrap(), "new");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn devices_are_written_to_and_directories_refused() {
    write(Path::new("/dev/null"), &Cancel::default(), "text").unwrap();
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let dir = tempfile::tempdir().unwrap();
    assert!(write(dir.path(), &Cancel::default(), "text").is_err());
}

#[test]
fn a_kill_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("file");
    let write = with_sink(&Dest::Path(at.clone()), &mut Vec::new(), &Cancel::default(), |out| {
        out.write_all(&[0; 1 << 20]).map_err(ExportError::io("write"))?;
        // What a kill would leave now.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        Ok::<(), ExportError>(())
    });
    write.unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::metadata(&at).unwrap().len(), 1 << 20);
}
