use super::drop_unchanged;
use crate::layer::{LayerIndex, scan};
use crate::view::ChainView;
use oci::RootPath;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn file(path: &Path, text: &str, mode: u32, seconds: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

/// What stays of a layer on one that has `d/f`.
fn left(plant: impl FnOnce(&Path)) -> (bool, LayerIndex) {
    let dir = tempfile::tempdir().unwrap();
    let (lower, upper) = (dir.path().join("lower"), dir.path().join("upper"));
    file(&lower.join("d/f"), "text", 0o644, 1000);
    fs::create_dir_all(upper.join("d")).unwrap();
    plant(&upper.join("d"));
    let below = ChainView::from_parts([(Arc::new(scan(&lower).unwrap()), lower)]);
    let removed = drop_unchanged(&upper, &scan(&upper).unwrap(), &below).unwrap();
    (removed, scan(&upper).unwrap())
}

#[test]
fn a_file_that_is_as_below_goes() {
    let (removed, index) = left(|dir| file(&dir.join("f"), "text", 0o644, 1000));
    assert!(removed);
    assert_eq!(index.get(&RootPath::new("/d/f")), None);
}

#[test]
fn its_new_names_stay() {
    let (removed, index) = left(|dir| {
        file(&dir.join("f"), "text", 0o644, 1000);
        fs::hard_link(dir.join("f"), dir.join("g")).unwrap();
    });
    assert!(removed);
    assert_eq!(index.get(&RootPath::new("/d/f")), None);
    assert!(index.get(&RootPath::new("/d/g")).unwrap().is_file());
}

#[test]
fn whatever_differs_stays() {
    for (text, mode, seconds) in [("next", 0o644, 1000), ("text", 0o600, 1000), ("text", 0o644, 1001)] {
        let (removed, index) = left(|dir| file(&dir.join("f"), text, mode, seconds));
        assert!(!removed, "{text} {mode:o} {seconds}");
        assert!(index.get(&RootPath::new("/d/f")).is_some());
    }
}

#[test]
fn a_directory_made_anew_keeps_its_files() {
    let (removed, index) = left(|dir| {
        file(&dir.join("f"), "text", 0o644, 1000);
        let opaque =
            rustix::fs::setxattr(dir, c"trusted.overlay.opaque", b"y", rustix::fs::XattrFlags::empty());
        opaque.unwrap();
    });
    assert!(!removed);
    assert!(index.get(&RootPath::new("/d/f")).is_some());
}
