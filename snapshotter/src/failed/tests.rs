use super::*;
use crate::layer::scan;
use crate::store::Store;
use tempfile::TempDir;

const LIMITS: Limits = Limits { count: 2, bytes: 1 << 20, age: Duration::from_secs(100) };

fn keep(store: &Store, layers: &[LayerId], limits: &Limits) -> Option<String> {
    let work = store.work().unwrap();
    fs::write(work.upper().unwrap().join("file"), vec![b'x'; 8000]).unwrap();
    let description = serde_json::json!({ "layers": layers }).to_string();
    store.failed().keep(&work, description.as_bytes(), limits, now()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "files that a test writes have today's date")]
fn now() -> SystemTime {
    SystemTime::now()
}

#[test]
fn the_newest_stay_and_those_in_use() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let first = keep(&store, &[], &LIMITS).unwrap();
    let held = store.failed().list().unwrap();
    assert_eq!(held[0].id, first);
    assert_eq!(fs::read(held[0].upper.join("file")).unwrap().len(), 8000);
    let second = keep(&store, &[], &LIMITS).unwrap();
    keep(&store, &[], &LIMITS).unwrap();
    let ids = |store: &Store| -> Vec<String> {
        store.failed().list().unwrap().into_iter().map(|step| step.id).collect()
    };
    assert_eq!(ids(&store).len(), 3, "the oldest is looked into");
    assert!(!store.failed().remove(&first).unwrap());
    drop(held);
    keep(&store, &[], &LIMITS).unwrap();
    let left = ids(&store);
    assert_eq!(left.len(), 2);
    assert!(!left.contains(&first) && !left.contains(&second));
    assert_eq!(keep(&store, &[], &Limits { bytes: 100, ..LIMITS }), None, "too large");
    store.failed().prune(&LIMITS, now() + Duration::from_secs(200)).unwrap();
    assert_eq!(ids(&store), Vec::<String>::new(), "too old");
}

#[test]
fn layers_stay_as_long_as_the_step() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let work = store.work().unwrap();
    fs::write(work.diff().unwrap().join("file"), "layer").unwrap();
    let index = scan(&work.diff().unwrap()).unwrap();
    let layer = store.layers().commit(work, index).unwrap();
    let id = keep(&store, &[layer], &LIMITS).unwrap();
    fs::create_dir(dir.path().join("failed/.new-killed")).unwrap();
    assert_eq!(store.gc().unwrap().layers, 0);
    assert!(!dir.path().join("failed/.new-killed").exists());
    assert!(store.failed().remove(&id).unwrap());
    assert_eq!(store.gc().unwrap().layers, 1);
}
