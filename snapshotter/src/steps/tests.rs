use super::*;
use crate::layer::scan;
use crate::store::Store;
use oci::{Asked, Observation, RootPath};
use std::fs;
use tempfile::TempDir;

const WEAK: KeyDigest = KeyDigest::from_bytes([1; 32]);
const STRONG: KeyDigest = KeyDigest::from_bytes([2; 32]);

fn layer(store: &Store, text: &str) -> LayerId {
    let work = store.work().unwrap();
    fs::write(work.diff().unwrap().join("file"), text).unwrap();
    let index = scan(&work.diff().unwrap()).unwrap();
    store.layers().commit(work, index).unwrap()
}

fn record(layer: LayerId) -> Record {
    let preimage = b"RUN make".to_vec();
    Record { layer, created: -5, duration_ms: 1234, log: Some("12.log".into()), preimage }
}

fn some_paths(path: &[u8]) -> ObservationSet {
    ObservationSet::Paths(vec![Observation { path: RootPath::new(path), asked: Asked::Listing }])
}

#[test]
fn a_record_is_found_under_its_keys() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let record = record(layer(&store, "x"));
    let (one, two) = (ObservationSet::Everything, some_paths(b"/a/\xff"));
    assert_eq!(store.steps().lookup(&STRONG), None);
    assert_eq!(store.steps().observation_sets(&WEAK), []);
    store.steps().insert(&WEAK, &one, &STRONG, &record);
    store.steps().insert(&WEAK, &two, &WEAK, &record);
    store.steps().insert(&WEAK, &two, &WEAK, &record);
    let again = Store::open(dir.path(), "boot").unwrap();
    assert_eq!(again.steps().lookup(&STRONG), Some(record.clone()));
    assert_eq!(again.steps().lookup(&WEAK), Some(record.clone()));
    let mut sets = again.steps().observation_sets(&WEAK);
    sets.sort_by_key(|set| matches!(set, ObservationSet::Paths(_)));
    assert_eq!(sets, [one, two]);
    assert_eq!(again.steps().observation_sets(&STRONG), []);
    assert_eq!(again.steps().history(&WEAK), [record.clone(), record]);
}

#[test]
fn a_later_record_takes_the_place_of_an_earlier_one() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    for text in ["old", "new"] {
        let record = record(layer(&store, text));
        store.steps().insert(&WEAK, &ObservationSet::Everything, &STRONG, &record);
        assert_eq!(store.steps().lookup(&STRONG), Some(record));
    }
    assert_eq!(store.steps().history(&WEAK).len(), 1);
}

#[test]
fn a_record_goes_with_its_layer() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let id = layer(&store, "x");
    store.steps().insert(&WEAK, &ObservationSet::Everything, &STRONG, &record(id));
    store.layers().remove(id).unwrap();
    assert_eq!(store.steps().lookup(&STRONG), None);
    layer(&store, "x");
    assert_eq!(store.steps().lookup(&STRONG), None, "forgotten, not hidden");
}

#[test]
fn what_is_forgotten_is_not_found() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let record = record(layer(&store, "x"));
    store.steps().insert(&WEAK, &ObservationSet::Everything, &STRONG, &record);
    store.steps().forget(&STRONG);
    assert_eq!(store.steps().lookup(&STRONG), None);
    store.steps().insert(&WEAK, &ObservationSet::Everything, &STRONG, &record);
    store.steps().clear().unwrap();
    assert_eq!(store.steps().lookup(&STRONG), None);
    assert_eq!(store.steps().observation_sets(&WEAK), []);
}

#[test]
fn rows_that_make_no_sense_are_a_miss() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let record = record(layer(&store, "x"));
    store.steps().insert(&WEAK, &ObservationSet::Everything, &STRONG, &record);
    let db = rusqlite::Connection::open(dir.path().join("db.sqlite")).unwrap();
    db.execute("UPDATE observation_sets SET observations = 'nonsense'", []).unwrap();
    assert_eq!(store.steps().observation_sets(&WEAK), []);
    db.execute("UPDATE records SET layer = x'0102'", []).unwrap();
    assert_eq!(store.steps().lookup(&STRONG), None);
    db.execute_batch("DROP TABLE records; DROP TABLE observation_sets").unwrap();
    assert_eq!(store.steps().lookup(&STRONG), None);
    assert_eq!(store.steps().history(&WEAK), []);
    store.steps().insert(&WEAK, &ObservationSet::Everything, &STRONG, &record);
}
