use super::*;
use crate::content::{Ingester, Manager};
use crate::layer::{Compression, scan};
use crate::steps::Record;
use crate::store::Store;
use oci::{BlobDigest, DiffId, KeyDigest, ObservationSet, RootPath};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn open(dir: &TempDir, boot: &str) -> Store {
    Store::open(dir.path(), boot).unwrap()
}

fn commit(store: &Store, files: &[(&str, &str)]) -> LayerId {
    let work = store.work().unwrap();
    for (name, text) in files {
        fs::write(work.diff().unwrap().join(name), text).unwrap();
    }
    work.scratch().unwrap();
    let index = scan(&work.diff().unwrap()).unwrap();
    store.layers().commit(work, index).unwrap()
}

fn work_is_empty(store: &Store) -> bool {
    fs::read_dir(store.root().join("work")).unwrap().count() == 0
}

#[test]
fn a_committed_layer_is_its_directory_and_its_index() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, "boot");
    let id = commit(&store, &[("a", "1"), ("b", "22")]);
    assert!(store.layers().contains(id).unwrap());
    assert_eq!(fs::read_to_string(store.layers().diff_dir(id).join("b")).unwrap(), "22");
    let again = open(&dir, "boot");
    let index = again.layers().index(id).unwrap();
    assert_eq!((index.id(), index.len(), index.size()), (id, 2, 3));
    let names = fs::read_dir(dir.path().join("layers").join(id.hex())).unwrap();
    assert_eq!(names.count(), 2, "nothing but `diff` and `index`");
    assert!(work_is_empty(&store));
}

#[test]
fn an_empty_layer_is_a_layer() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, "boot");
    let work = store.work().unwrap();
    let id = store.layers().commit(work, LayerIndex::build(Vec::new())).unwrap();
    assert!(store.layers().diff_dir(id).is_dir());
    assert!(store.layers().index(id).unwrap().is_empty());
}

#[test]
fn equal_content_is_the_layer_that_was_there() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, "boot");
    let first = commit(&store, &[("a", "1")]);
    let inode = |id| {
        use std::os::unix::fs::MetadataExt;
        store.layers().diff_dir(id).metadata().unwrap().ino()
    };
    let before = inode(first);
    assert_eq!(commit(&store, &[("a", "1")]), first);
    assert_eq!(inode(first), before);
    assert!(work_is_empty(&store));
    assert_eq!(store.layers().list().unwrap(), [first]);
}

#[test]
fn threads_that_commit_the_same_layer_agree() {
    let dir = TempDir::new().unwrap();
    let stores = [(); 4].map(|()| open(&dir, "boot"));
    for round in 0..10 {
        let text = round.to_string();
        std::thread::scope(|scope| {
            for store in &stores {
                scope.spawn(|| commit(store, &[("a", &text)]));
            }
        });
    }
    assert_eq!(stores[0].layers().list().unwrap().len(), 10);
    assert!(work_is_empty(&stores[0]));
}

#[test]
fn a_layer_that_is_not_there_is_an_error_that_names_it() {
    let dir = TempDir::new().unwrap();
    let id = LayerId::from_bytes([7; 32]);
    let store = open(&dir, "boot");
    assert!(!store.layers().contains(id).unwrap());
    assert!(matches!(store.layers().index(id), Err(StoreError::NoLayer(missing)) if missing == id));
    assert!(matches!(store.layers().diff_id(id, None), Err(StoreError::NoLayer(_))));
    assert!(store.layers().view(&[id]).is_err());
}

/// What may happen to a layer in a crash of the machine, and whether it is noticed.
fn damage(harm: impl Fn(&Path, &Path)) {
    let dir = TempDir::new().unwrap();
    let weak = KeyDigest::from_bytes([1; 32]);
    let id = {
        let store = open(&dir, "one");
        let id = commit(&store, &[("a", "1"), ("b", "2")]);
        let record = Record { layer: id, created: 0, duration_ms: 0, log: None, preimage: Vec::new() };
        store.steps().insert(&weak, &ObservationSet::Everything, &weak, &record);
        store.layers().diff_id(id, None).unwrap();
        id
    };
    let layer = dir.path().join("layers").join(id.hex());
    harm(&layer.join("diff"), &layer.join("index"));
    let store = open(&dir, "two");
    assert_eq!(store.steps().lookup(&weak), None);
    assert!(matches!(store.layers().index(id), Err(StoreError::NoLayer(_))));
    assert!(!layer.exists(), "dropped");
    assert_eq!(commit(&store, &[("a", "1"), ("b", "2")]), id, "and made again");
    assert!(store.layers().view(&[id]).is_ok());
    assert!(work_is_empty(&store));
}

#[test]
fn a_layer_that_a_crash_damaged_is_dropped() {
    damage(|diff, _| fs::write(diff.join("a"), "").unwrap());
    damage(|diff, _| fs::remove_file(diff.join("b")).unwrap());
    damage(|diff, _| fs::write(diff.join("c"), "new").unwrap());
    damage(|diff, _| fs::remove_dir_all(diff).unwrap());
    damage(|_, index| fs::write(index, "").unwrap());
    damage(|_, index| {
        let mut bytes = fs::read(index).unwrap();
        let last = bytes.len() - 40;
        bytes[last] ^= 1;
        fs::write(index, bytes).unwrap();
    });
    damage(|_, index| fs::File::options().write(true).open(index).unwrap().set_len(50).unwrap());
}

#[test]
fn a_layer_that_survived_a_crash_is_checked_once() {
    let dir = TempDir::new().unwrap();
    let id = commit(&open(&dir, "one"), &[("a", "1")]);
    assert!(open(&dir, "two").layers().contains(id).unwrap());
    let file = open(&dir, "two").layers().diff_dir(id).join("a");
    fs::write(file, "2").unwrap();
    assert!(open(&dir, "two").layers().contains(id).unwrap(), "not read again in this boot");
    assert!(!open(&dir, "three").layers().contains(id).unwrap());
}

#[test]
fn a_synced_layer_is_trusted_after_a_crash() {
    let dir = TempDir::new().unwrap();
    let id = {
        let store = open(&dir, "one");
        let id = commit(&store, &[("a", "1")]);
        store.sync().unwrap();
        id
    };
    fs::write(open(&dir, "one").layers().diff_dir(id).join("a"), "2").unwrap();
    assert!(open(&dir, "two").layers().contains(id).unwrap(), "nobody looked");
}

#[test]
fn a_truncated_index_is_noticed_in_the_same_boot() {
    let dir = TempDir::new().unwrap();
    let id = commit(&open(&dir, "boot"), &[("a", "1")]);
    fs::write(dir.path().join("layers").join(id.hex()).join("index"), "short").unwrap();
    let store = open(&dir, "boot");
    assert!(matches!(store.layers().index(id), Err(StoreError::NoLayer(_))));
    assert!(!store.layers().contains(id).unwrap());
}

#[test]
fn diff_ids_and_blobs_are_made_once() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, "boot");
    let id = commit(&store, &[("a", "1")]);
    let diff_id = store.layers().diff_id(id, None).unwrap();
    assert_ne!(store.layers().diff_id(id, Some(0)).unwrap(), diff_id, "other mtimes");
    let plain = store.layers().blob(id, None, &Compression::None).unwrap();
    assert_eq!(plain.digest().to_string(), diff_id.to_string());
    assert_eq!(store.layers().tar_size(id, None).unwrap(), plain.size());
    let gzip = store.layers().blob(id, None, &Compression::GZIP).unwrap();
    assert_eq!(gzip.media_type().to_string(), "application/vnd.oci.image.layer.v1.tar+gzip");
    let blobs = store.content().list().unwrap();
    assert_eq!(blobs.len(), 2);
    fs::remove_dir_all(store.layers().diff_dir(id)).unwrap();
    assert_eq!(store.layers().blob(id, None, &Compression::GZIP).unwrap(), gzip);
    assert_eq!(store.layers().diff_id(id, None).unwrap(), diff_id);
    assert_eq!(store.content().list().unwrap(), blobs);
}

#[test]
fn a_blob_asked_for_first_tells_the_diff_id() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, "boot");
    let id = commit(&store, &[("a", "1")]);
    store.layers().blob(id, Some(9), &Compression::ZSTD).unwrap();
    fs::remove_dir_all(store.layers().diff_dir(id)).unwrap();
    let diff_id = store.layers().diff_id(id, Some(9)).unwrap();
    let plain = store.layers().blob_of(id, diff_id, &Compression::None).unwrap();
    assert_eq!(plain.digest().to_string(), diff_id.to_string(), "made from the zstd blob");
}

#[test]
fn a_foreign_layer_keeps_what_it_came_with() {
    let dir = TempDir::new().unwrap();
    let store = open(&dir, "boot");
    let id = commit(&store, &[("a", "1")]);
    let own = store.layers().diff_id(id, None).unwrap();
    let tar = b"another tar of the same layer".repeat(100);
    let foreign = DiffId::of(&tar);
    let blob = store.content().put(&zstd::encode_all(&tar[..], 1).unwrap()).unwrap();
    let mut desc = store.layers().blob(id, None, &Compression::ZSTD).unwrap();
    desc.set_digest(oci::image::Digest::try_from(blob.to_string()).unwrap());
    store.layers().adopt(id, foreign, &desc).unwrap();
    for epoch in [None, Some(5)] {
        assert_eq!(store.layers().diff_id(id, epoch).unwrap(), foreign);
        assert_eq!(store.layers().tar_size(id, epoch).unwrap(), tar.len() as u64);
        let zstd = store.layers().blob(id, epoch, &Compression::ZSTD).unwrap();
        assert_eq!(zstd.digest().to_string(), blob.to_string(), "whatever the level");
        let plain = store.layers().blob(id, epoch, &Compression::None).unwrap();
        assert_eq!(plain.digest().to_string(), foreign.to_string());
    }
    let before = store.layers().blob_of(id, own, &Compression::None).unwrap();
    assert_eq!(before.digest().to_string(), own.to_string(), "an image from before is as it was");
    store.content().remove(&blob).unwrap();
    store.content().remove(&BlobDigest::from_bytes(*foreign.as_bytes())).unwrap();
    let gone = store.layers().blob_of(id, foreign, &Compression::GZIP);
    assert!(matches!(gone, Err(StoreError::TarChanged { .. })));
}

#[test]
fn a_view_shows_the_chain() {
    use crate::tree::Tree;
    let dir = TempDir::new().unwrap();
    let store = open(&dir, "boot");
    let chain = [commit(&store, &[("a", "1")]), commit(&store, &[("b", "2")])];
    let view = ChainView::new(store.layers(), &chain).unwrap();
    assert_eq!(view.children(&RootPath::root()).unwrap().len(), 2);
}
