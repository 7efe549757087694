use super::*;
use crate::content::{Ingester, Manager, Provider};
use crate::images::{ImageRecord, StoredLayer};
use crate::layer::scan;
use crate::steps::Record;
use oci::{BlobDigest, LayerId, ObservationSet, Platform};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// In the child of a test: where its store is.
const CHILD: &str = "LAPSTRAKE_TEST_STORE";

fn key(text: &str) -> KeyDigest {
    KeyDigest::from_bytes(*blake3::hash(text.as_bytes()).as_bytes())
}

/// Commits a layer with one file.
fn layer(store: &Store, text: &str) -> LayerId {
    let work = store.work().unwrap();
    fs::write(work.diff().unwrap().join("file"), text).unwrap();
    work.overlay_work().unwrap();
    let index = scan(&work.diff().unwrap()).unwrap();
    store.layers().commit(work, index).unwrap()
}

fn record(layer: LayerId) -> Record {
    Record { layer, created: 1, duration_ms: 2, log: None, preimage: b"why".to_vec() }
}

/// Makes a layer as the result of a step.
fn step(store: &Store, text: &str) -> LayerId {
    let id = layer(store, text);
    store.steps().insert(&key(text), &ObservationSet::Everything, &key(text), &record(id));
    id
}

fn image(store: &Store, layer: LayerId) -> BlobDigest {
    let id = store.content().put(layer.to_string().as_bytes()).unwrap();
    let manifest = store.content().put(format!("manifest {layer}").as_bytes()).unwrap();
    let diff_id = store.layers().diff_id(layer, None).unwrap();
    let layers = vec![StoredLayer { layer, diff_id }];
    let record = ImageRecord {
        id,
        manifest,
        layers,
        created: 1,
        size: 3,
        platform: Platform::host(),
        members: vec![],
    };
    store.images().put(&record).unwrap();
    id
}

#[test]
fn a_store_is_made_once_and_found_again() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("a/b");
    let id = layer(&Store::open(&root, "boot").unwrap(), "x");
    let again = Store::open(&root, "boot").unwrap();
    assert_eq!(again.root(), root);
    assert!(again.layers().contains(id).unwrap());
    assert_eq!(again.notices(), [] as [String; 0]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&root), 0o710);
    for private in ["layers", "work", "blobs", "blobs/sha256"] {
        assert_eq!(mode(&root.join(private)), 0o710, "{private}: others' reach");
    }
    for file in ["db.sqlite", "db.sqlite-wal", "db.sqlite-shm"] {
        assert_eq!(mode(&root.join(file)), 0o600, "{file}");
    }
    assert!(again.contexts_dir().is_dir() && again.logs_dir().is_dir());
}

#[test]
fn a_newer_store_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    Store::open(dir.path(), "boot").unwrap();
    fs::write(dir.path().join("version"), "7\n").unwrap();
    let error = Store::open(dir.path(), "boot").unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 7, known: 1, .. }));
    assert!(error.to_string().contains(dir.path().to_str().unwrap()));
}

#[test]
fn tables_of_a_newer_version_are_refused() {
    let dir = TempDir::new().unwrap();
    Store::open(dir.path(), "boot").unwrap();
    let db = rusqlite::Connection::open(dir.path().join("db.sqlite")).unwrap();
    db.pragma_update(None, "user_version", 9).unwrap();
    assert!(matches!(Store::open(dir.path(), "boot"), Err(StoreError::Newer { found: 9, .. })));
}

#[test]
fn a_directory_with_something_else_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("thesis.tex"), "x").unwrap();
    assert!(matches!(Store::open(dir.path(), "boot"), Err(StoreError::NotAStore { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    fs::write(dir.path().join("version"), "one point two").unwrap();
    assert!(matches!(Store::open(dir.path(), "boot"), Err(StoreError::NotAStore { .. })));
}

#[test]
fn what_a_kill_during_creation_left_is_no_obstacle() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join(".version-abc"), "").unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    Store::open(dir.path(), "boot").unwrap();
    fs::remove_dir_all(dir.path().join("logs")).unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    assert!(store.logs_dir().is_dir());
    store.gc().unwrap();
    assert!(!dir.path().join(".version-abc").exists());
}

#[test]
fn many_may_make_one_store_at_once() {
    let dir = TempDir::new().unwrap();
    let ids: Vec<LayerId> = std::thread::scope(|scope| {
        let open = || step(&Store::open(&dir.path().join("store"), "boot").unwrap(), "same");
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]));
}

/// A file system that is really mounted read-only, and freed when dropped.
struct ReadOnly(std::path::PathBuf);

impl ReadOnly {
    fn new(of: &Path, at: &Path) -> ReadOnly {
        fs::create_dir(at).unwrap();
        let none: Option<&str> = None;
        let flags = nix::mount::MsFlags::MS_BIND;
        nix::mount::mount(Some(of), at, none, flags, none).unwrap();
        let flags = flags | nix::mount::MsFlags::MS_REMOUNT | nix::mount::MsFlags::MS_RDONLY;
        nix::mount::mount(Some(of), at, none, flags, none).unwrap();
        ReadOnly(at.to_owned())
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        nix::mount::umount2(&self.0, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}

#[test]
fn a_read_only_root_is_a_clear_error() {
    let dir = TempDir::new().unwrap();
    let [full, empty] = ["full", "empty"].map(|name| dir.path().join(name));
    Store::open(&full, "boot").unwrap();
    fs::create_dir(&empty).unwrap();
    for root in [full, empty] {
        let mounted = ReadOnly::new(&root, &root.with_extension("mounted"));
        let error = Store::open(&mounted.0, "boot").unwrap_err();
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
        assert!(error.to_string().contains("--root"));
        let below = Store::open(&mounted.0.join("new"), "boot");
        assert!(
            matches!(below, Err(StoreError::ReadOnly { .. } | StoreError::NotAStore { .. })),
            "{below:?}"
        );
    }
}

#[test]
fn a_root_that_is_a_file_is_an_error() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(matches!(Store::open(&file, "boot"), Err(StoreError::Io { .. })));
}

#[test]
fn a_full_disk_is_a_clean_error_and_the_store_stays_usable() {
    let dir = TempDir::new().unwrap();
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), dir.path(), Some("tmpfs"), flags, Some("size=3m")).unwrap();
    let mounted = ReadOnly(dir.path().to_owned());
    let store = Store::open(&mounted.0.join("store"), "boot").unwrap();
    let kept = step(&store, "before");
    let loose = layer(&store, &"loose".repeat(20_000));
    let ballast = mounted.0.join("ballast");
    let filled = fs::write(&ballast, vec![0; 8 << 20]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    assert!(store.content().put(&[1; 9000]).is_err());
    let error = store.work().and_then(|work| {
        let diff = work.diff()?;
        fs::write(diff.join("file"), "x").map_err(StoreError::io("write", &diff))
    });
    assert!(error.unwrap_err().is_full());
    assert!(store.layers().contains(kept).unwrap());
    assert!(store.layers().contains(loose).unwrap());
    assert_eq!(store.gc().unwrap().layers, 1, "it makes room where there is none");
    assert!(store.layers().contains(kept).unwrap());
    fs::write(mounted.0.join("more ballast"), vec![0; 8 << 20]).unwrap_err();
    drop(store);
    // Whoever comes next may fail cleanly, or work.
    drop(Store::open(&mounted.0.join("store"), "boot"));
    fs::remove_file(&ballast).unwrap();
    fs::remove_file(mounted.0.join("more ballast")).unwrap();
    let store = Store::open(&mounted.0.join("store"), "boot").unwrap();
    assert!(store.steps().lookup(&key("before")).is_some());
    step(&store, "after");
    assert!(store.steps().lookup(&key("after")).is_some());
    assert_eq!(fs::read_dir(mounted.0.join("store/work")).unwrap().count(), 0);
}

/// Runs this test binary again, as the test `name` alone, on the store `root`.
fn child(name: &str, root: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("store::tests::{name}"), "--nocapture"]).env(CHILD, root);
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command
}

/// The store of the test that started this process.
#[allow(clippy::disallowed_methods, reason = "a child of a test is told by its environment")]
fn parents_store() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

/// Runs in a child: makes all kinds of things until it is killed.
#[test]
fn child_that_never_ends() {
    let Some(root) = parents_store() else { return };
    let store = Store::open(&root, "boot").unwrap();
    for number in 0.. {
        let text = format!("{}-{number}", std::process::id());
        let _lock = store.lock_step(&key("all")).unwrap();
        let id = step(&store, &text);
        let image = image(&store, id);
        store.images().tag(&format!("test:{}", number % 5), &image).unwrap();
        store.layers().blob(id, Some(0), &crate::layer::Compression::GZIP).unwrap();
        if number % 4 == 0 {
            store.sync().unwrap();
        }
    }
}

#[test]
fn a_kill_at_any_moment_leaves_a_store_in_order() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("store");
    let mut seed = 7u64;
    for round in 0..25 {
        let mut children = [(); 2].map(|()| child("child_that_never_ends", &root).spawn().unwrap());
        for child in &mut children {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            std::thread::sleep(Duration::from_millis(5 + (seed >> 33) % 60));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        // Another boot: everything is read and checked.
        let store = Store::open(&root, if round % 5 == 4 { "other boot" } else { "boot" }).unwrap();
        assert_eq!(fs::read_dir(root.join("work")).unwrap().count(), 0, "swept");
        assert!(store.notices().is_empty());
        for id in store.layers().list().unwrap() {
            let index = store.layers().index(id).unwrap();
            assert!(crate::layer::verify(&index, &store.layers().diff_dir(id)).unwrap());
        }
        for (digest, size) in store.content().list().unwrap() {
            assert_eq!(BlobDigest::of(&store.content().read(&digest, size).unwrap()), digest);
        }
        for image in store.images().list().unwrap() {
            assert!(store.content().contains(&image.manifest).unwrap());
            assert!(store.layers().contains(image.layers[0].layer).unwrap());
        }
        drop(store.lock_step(&key("all")).unwrap());
    }
    let store = Store::open(&root, "boot").unwrap();
    assert!(store.layers().list().unwrap().len() > 5, "the children did something");
    assert!(!store.gc().unwrap().busy);
}

/// Runs in a child: adds its number under the lock of a step.
#[test]
fn child_that_counts() {
    let Some(root) = parents_store() else { return };
    let store = Store::open(&root, "boot").unwrap();
    for _ in 0..50 {
        let _lock = store.lock_step(&key("count")).unwrap();
        let file = store.logs_dir().join("count");
        let count: u32 = fs::read_to_string(&file).unwrap().parse().unwrap();
        fs::write(&file, (count + 1).to_string()).unwrap();
    }
}

#[test]
fn a_step_lock_works_between_processes() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let file = store.logs_dir().join("count");
    fs::write(&file, "0").unwrap();
    let children = [(); 4].map(|()| child("child_that_counts", dir.path()).spawn().unwrap());
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "200");
}

#[test]
fn a_sync_with_nothing_to_do_does_nothing() {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    store.sync().unwrap();
    let wal = dir.path().join("db.sqlite-wal");
    step(&store, "x");
    assert!(wal.metadata().unwrap().len() > 0);
    store.sync().unwrap();
    assert_eq!(wal.metadata().unwrap().len(), 0, "all is in the database itself");
    store.steps().lookup(&key("x")).unwrap();
    store.sync().unwrap();
    assert_eq!(wal.metadata().unwrap().len(), 0);
}
