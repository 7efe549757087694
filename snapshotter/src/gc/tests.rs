use super::*;
use crate::content::{Ingester, Provider};
use crate::images::{ImageRecord, StoredLayer};
use crate::layer::{Compression, scan};
use crate::steps::Record;
use oci::{KeyDigest, ObservationSet, Platform};
use std::fs;
use tempfile::TempDir;

fn layer(store: &Store, text: &str) -> LayerId {
    let work = store.work().unwrap();
    fs::write(work.diff().unwrap().join("file"), text).unwrap();
    let index = scan(&work.diff().unwrap()).unwrap();
    store.layers().commit(work, index).unwrap()
}

fn key(text: &str) -> KeyDigest {
    KeyDigest::from_bytes(*blake3::hash(text.as_bytes()).as_bytes())
}

fn step(store: &Store, text: &str) -> LayerId {
    let id = layer(store, text);
    let log = Some(format!("{text}.log"));
    fs::write(store.logs_dir().join(format!("{text}.log")), text).unwrap();
    let record = Record { layer: id, created: 0, duration_ms: 0, log, preimage: Vec::new() };
    store.steps().insert(&key(text), &ObservationSet::Everything, &key(text), &record);
    id
}

fn image(store: &Store, layer: LayerId) -> ImageRecord {
    let id = store.content().put(b"config").unwrap();
    let manifest = store.content().put(b"manifest").unwrap();
    let layers = vec![StoredLayer { layer, diff_id: store.layers().diff_id(layer, None).unwrap() }];
    let record = ImageRecord {
        id,
        manifest,
        layers,
        created: 0,
        size: 0,
        platform: Platform::host(),
        members: vec![],
    };
    store.images().put(&record).unwrap();
    record
}

fn blobs(store: &Store) -> usize {
    store.content().list().unwrap().len()
}

#[test]
fn what_is_reachable_stays_and_the_rest_goes() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let (imaged, cached, loose) = (layer(&store, "image"), step(&store, "cached"), layer(&store, "loose!"));
    let image = image(&store, imaged);
    for id in [imaged, cached, loose] {
        store.layers().blob(id, None, &Compression::GZIP).unwrap();
    }
    let stray = store.content().put(b"stray").unwrap();
    fs::write(store.logs_dir().join("stray.log"), "x").unwrap();
    assert_eq!(blobs(&store), 6);
    let report = store.gc().unwrap();
    assert_eq!((report.busy, report.layers, report.blobs, report.logs), (false, 1, 2, 1));
    assert!(report.bytes > 11);
    assert_eq!(store.layers().list().unwrap().len(), 2);
    assert!(!store.layers().contains(loose).unwrap() && !store.content().contains(&stray).unwrap());
    assert!(
        store.content().contains(&image.id).unwrap() && store.content().contains(&image.manifest).unwrap()
    );
    assert!(store.steps().lookup(&key("cached")).is_some());
    assert!(store.logs_dir().join("cached.log").exists());
    assert_eq!(store.gc().unwrap(), GcReport::default(), "nothing is left to do");
}

#[test]
fn removed_images_and_forgotten_steps_free_their_layers() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let shared = step(&store, "shared");
    let image = image(&store, shared);
    store.layers().blob(shared, None, &Compression::GZIP).unwrap();
    store.images().delete(&image.id).unwrap();
    let report = store.gc().unwrap();
    assert_eq!((report.layers, report.blobs), (0, 2), "the step still leads to layer and blob");
    store.steps().clear().unwrap();
    let report = store.gc().unwrap();
    assert_eq!((report.layers, report.blobs, report.logs), (1, 1, 1));
    assert_eq!(layer(&store, "shared"), shared);
    assert!(store.layers().contains(shared).unwrap());
}

#[test]
fn an_image_keeps_the_blob_of_its_own_tar() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let id = layer(&store, "x");
    let image = image(&store, id);
    store.layers().blob(id, None, &Compression::GZIP).unwrap();
    let foreign = oci::DiffId::of(b"foreign");
    let blob = store.layers().blob_of(id, image.layers[0].diff_id, &Compression::GZIP).unwrap();
    store.layers().adopt(id, foreign, &blob).unwrap();
    store.gc().unwrap();
    let again = store.layers().blob_of(id, image.layers[0].diff_id, &Compression::GZIP).unwrap();
    assert_eq!(again, blob);
}

#[test]
fn nothing_is_done_while_somebody_uses_the_store() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let loose = layer(&store, "loose");
    let busy = GcReport { busy: true, ..GcReport::default() };
    let other = Store::open(dir.path(), "boot").unwrap();
    assert_eq!(store.gc().unwrap(), busy);
    drop(other);
    let clone = store.clone();
    assert_eq!(store.gc().unwrap(), busy);
    drop(clone);
    let work = store.work().unwrap();
    assert_eq!(store.gc().unwrap(), busy);
    drop(work);
    assert!(store.layers().contains(loose).unwrap());
    store.content().put(b"x").unwrap();
    assert_eq!(store.gc().unwrap().layers, 1, "the store's own place for blobs is not in the way");
    let after = layer(&store, "after");
    assert!(store.layers().contains(after).unwrap());
    store.content().put(b"y").unwrap();
}

#[test]
fn damaged_things_are_collected_too() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let id = layer(&store, "x");
    fs::remove_file(dir.path().join("layers").join(id.hex()).join("index")).unwrap();
    fs::create_dir_all(dir.path().join("layers").join("0".repeat(64))).unwrap();
    fs::write(dir.path().join("layers").join("1".repeat(64)), "a file").unwrap();
    assert_eq!(store.gc().unwrap().layers, 3);
    assert_eq!(fs::read_dir(dir.path().join("layers")).unwrap().count(), 0);
}
