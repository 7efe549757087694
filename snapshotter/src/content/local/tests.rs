use super::*;
use crate::store::Store;
use tempfile::TempDir;

fn store(dir: &TempDir, boot: &str) -> Store {
    Store::open(&dir.path().join("store"), boot).unwrap()
}

#[test]
fn keeps_the_contract() {
    let dirs = Mutex::new(Vec::new());
    crate::contract::content(&|| {
        let dir = TempDir::new().unwrap();
        let content = store(&dir, "boot").content().clone();
        dirs.lock().unwrap().push(dir);
        Box::new(content)
    });
}

#[test]
fn a_blob_is_a_read_only_file_named_by_its_digest() {
    let dir = TempDir::new().unwrap();
    let store = store(&dir, "boot");
    let digest = store.content().put(b"abc").unwrap();
    let path = dir.path().join("store/blobs/sha256").join(digest.hex());
    assert_eq!(store.content().path(&digest), path);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o444);
}

/// Truncates a blob behind the store's back, as a crash of the machine may.
fn truncate(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    File::options().write(true).open(path).unwrap().set_len(1).unwrap();
}

#[test]
fn after_another_boot_what_was_not_synced_is_checked() {
    let dir = TempDir::new().unwrap();
    let (good, bad) = {
        let store = store(&dir, "one");
        (store.content().put(b"good").unwrap(), store.content().put(b"bad").unwrap())
    };
    truncate(&store(&dir, "one").content().path(&bad));
    let store = store(&dir, "two");
    assert_eq!(store.content().read(&good, 10).unwrap(), b"good");
    assert!(matches!(store.content().open(&bad), Err(ContentError::NotFound(_))));
    assert!(!store.content().path(&bad).exists(), "it is dropped");
    assert_eq!(store.content().put(b"bad").unwrap(), bad);
    assert_eq!(store.content().read(&bad, 10).unwrap(), b"bad");
}

#[test]
fn what_was_synced_is_not_read_again() {
    let dir = TempDir::new().unwrap();
    let digest = {
        let store = store(&dir, "one");
        let digest = store.content().put(b"abc").unwrap();
        store.sync().unwrap();
        digest
    };
    let later = store(&dir, "two");
    truncate(&later.content().path(&digest));
    assert_eq!(later.content().size(&digest).unwrap(), 1, "nobody looked");
}
