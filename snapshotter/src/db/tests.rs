use super::*;
use crate::content::Ingester;
use crate::images::{ImageRecord, StoredLayer};
use crate::layer::LayerIndex;
use crate::steps::Record;
use crate::store::Store;
use oci::{BlobDigest, KeyDigest, ObservationSet, Platform};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use tempfile::TempDir;

const KEY: KeyDigest = KeyDigest::from_bytes([1; 32]);

/// A store with one image and one step, all in the database's main file.
fn filled(dir: &TempDir) -> BlobDigest {
    let store = Store::open(dir.path(), "boot").unwrap();
    let layer = store.layers().commit(store.work().unwrap(), LayerIndex::build(Vec::new())).unwrap();
    let record = Record { layer, created: 1, duration_ms: 1, log: None, preimage: vec![7; 9000] };
    for number in 0..20 {
        let strong = KeyDigest::from_bytes([number; 32]);
        store.steps().insert(&KEY, &ObservationSet::Everything, &strong, &record);
    }
    let id = store.content().put(b"config").unwrap();
    let layers = vec![StoredLayer { layer, diff_id: store.layers().diff_id(layer, None).unwrap() }];
    let image = ImageRecord {
        id,
        manifest: id,
        layers,
        created: 1,
        size: 1,
        platform: Platform::host(),
        members: vec![],
    };
    store.images().put(&image).unwrap();
    store.images().tag("busybox", &id).unwrap();
    store.sync().unwrap();
    id
}

fn overwrite(path: &Path, at: u64, len: usize) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&vec![0xa5; len]).unwrap();
}

#[test]
fn garbage_for_a_database_is_set_aside_and_said() {
    let dir = TempDir::new().unwrap();
    filled(&dir);
    let path = dir.path().join("db.sqlite");
    fs::write(&path, vec![0xa5; 20_000]).unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    assert_eq!(store.notices().len(), 1);
    assert!(store.notices()[0].contains("images and tags are lost"), "{:?}", store.notices());
    assert!(dir.path().join("db.sqlite.damaged-1").exists());
    assert_eq!(store.images().list().unwrap(), []);
    assert_eq!(store.layers().list().unwrap().len(), 1, "layers are there still");
    assert!(store.layers().contains(store.layers().list().unwrap()[0]).unwrap());
    drop(store);
    assert!(Store::open(dir.path(), "boot").unwrap().notices().is_empty(), "said once");
}

#[test]
fn images_are_saved_from_a_database_with_damage_elsewhere() {
    let dir = TempDir::new().unwrap();
    let id = filled(&dir);
    let path = dir.path().join("db.sqlite");
    let size = path.metadata().unwrap().len();
    // All but the schema's page, page by page, until somebody notices.
    let page_of = |table: &str| -> u64 {
        let db = rusqlite::Connection::open(&path).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        db.query_row(sql, [table], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
    };
    let records = page_of("records");
    assert!(records * 4096 <= size);
    overwrite(&path, (records - 1) * 4096, 4096);
    {
        let store = Store::open(dir.path(), "boot").unwrap();
        assert!(store.notices().is_empty(), "opening reads little");
        assert_eq!(store.steps().history(&KEY), [], "a cache that cannot be read is empty");
    }
    let store = Store::open(dir.path(), "boot").unwrap();
    assert!(store.notices()[0].contains("1 images were found"), "{:?}", store.notices());
    assert_eq!(store.images().resolve("busybox").unwrap().id, id);
    let layer = store.images().get(&id).unwrap().unwrap().layers[0].layer;
    assert!(store.layers().contains(layer).unwrap());
    store.gc().unwrap();
    assert!(store.layers().contains(layer).unwrap());
}

#[test]
fn a_truncated_database_opens() {
    let dir = TempDir::new().unwrap();
    filled(&dir);
    let path = dir.path().join("db.sqlite");
    for len in [5000, 100, 0] {
        fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
        let store = Store::open(dir.path(), "boot");
        let store = store.or_else(|_| Store::open(dir.path(), "boot")).unwrap();
        drop(store.images().list());
        drop(store);
        let store = Store::open(dir.path(), "boot").unwrap();
        assert_eq!(store.images().list().unwrap(), []);
    }
}

#[test]
fn a_damaged_log_is_no_obstacle() {
    let dir = TempDir::new().unwrap();
    let id = filled(&dir);
    {
        let store = Store::open(dir.path(), "boot").unwrap();
        store.images().tag("late", &id).unwrap();
    }
    let wal = dir.path().join("db.sqlite-wal");
    overwrite(&wal, 40, 200);
    let store = Store::open(dir.path(), "boot").unwrap();
    assert_eq!(store.images().resolve("busybox").unwrap().id, id);
    assert!(store.images().resolve("late").is_err(), "what the log held is lost, as in a power loss");
}

#[test]
fn damage_is_not_set_aside_under_another_process() {
    let dir = TempDir::new().unwrap();
    let id = filled(&dir);
    let other = Store::open(dir.path(), "boot").unwrap();
    heal::mark(&dir.path().join("db.sqlite"));
    assert!(matches!(Store::open(dir.path(), "boot"), Err(StoreError::Damaged { .. })));
    drop(other);
    let store = Store::open(dir.path(), "boot").unwrap();
    assert_eq!(store.images().resolve("busybox").unwrap().id, id, "a false alarm costs nothing of worth");
}

#[test]
fn a_change_is_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let locks = Locks::open(&dir.path().join("lock")).unwrap();
    let (db, _) = Db::open(dir.path().join("db.sqlite"), "boot", &locks).unwrap();
    let failed: Result<(), StoreError> = db.write("test", |db| {
        db.execute("INSERT INTO tags VALUES ('x', x'00')", [])?;
        Err(rusqlite::Error::QueryReturnedNoRows)
    });
    assert!(matches!(failed, Err(StoreError::Db { action: "test", .. })));
    let count: i64 =
        db.read("test", |db| db.query_row("SELECT count(*) FROM tags", [], |row| row.get(0))).unwrap();
    assert_eq!(count, 0);
}
