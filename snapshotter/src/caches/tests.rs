use super::*;
use crate::store::Store;
use crate::view::ChainView;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use tempfile::TempDir;

fn caches() -> (TempDir, Caches) {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let caches = Caches::new(dir.path().to_owned());
    (dir, caches)
}

fn request(id: &str, sharing: Sharing) -> CacheRequest<'_> {
    CacheRequest { id, sharing, mode: 0o755, uid: 0, gid: 0, seed: None }
}

/// A tree with `/seed/file`.
fn image() -> (TempDir, ChainView) {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let store = Store::open(&dir.path().join("store"), "boot").unwrap();
    let work = store.work().unwrap();
    let diff = work.diff().unwrap();
    fs::create_dir(diff.join("seed")).unwrap();
    fs::write(diff.join("seed/file"), "from the image").unwrap();
    let index = crate::layer::scan(&diff).unwrap();
    let layer = store.layers().commit(work, index).unwrap();
    let view = store.layers().view(&[layer]).unwrap();
    (dir, view)
}

fn take(caches: &Caches, request: &CacheRequest<'_>) -> CacheDir {
    caches.acquire(request, &|| panic!("it must not have to wait")).unwrap()
}

#[test]
fn contents_stay_and_ids_tell_caches_apart() {
    let (_dir, caches) = caches();
    let shared = request("a", Sharing::Shared);
    fs::write(take(&caches, &shared).data().join("f"), "1").unwrap();
    assert_eq!(fs::read(take(&caches, &shared).data().join("f")).unwrap(), b"1");
    assert!(!take(&caches, &request("b", Sharing::Shared)).data().join("f").exists());
    let other = CacheRequest { uid: 7, gid: 8, mode: 0o1770, ..shared };
    let dir = take(&caches, &other);
    let found = fs::metadata(dir.data()).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (7, 8, 0o1770), "the umask does not count");
    assert!(!dir.data().join("f").exists());
}

#[test]
fn private_users_do_not_meet_and_come_back_to_the_first() {
    let (_dir, caches) = caches();
    let private = request("p", Sharing::Private);
    let (one, two) = (take(&caches, &private), take(&caches, &private));
    assert_ne!(one.data(), two.data());
    fs::write(one.data().join("first"), "").unwrap();
    drop((one, two));
    assert!(take(&caches, &private).data().join("first").exists());
    assert_eq!(caches.list().unwrap().iter().map(|info| info.number).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn locked_users_wait_for_each_other_and_shared_ones_do_not() {
    let (_dir, caches) = caches();
    let at_once = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let _dir = caches.acquire(&request("l", Sharing::Locked), &|| false).unwrap();
                assert_eq!(at_once.fetch_add(1, Ordering::SeqCst), 0);
                std::thread::sleep(Duration::from_millis(5));
                at_once.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    let shared = request("s", Sharing::Shared);
    let _one = take(&caches, &shared);
    let _two = take(&caches, &shared);
}

#[test]
fn a_wait_can_be_given_up() {
    let (_dir, caches) = caches();
    let held = take(&caches, &request("l", Sharing::Shared));
    let stopped = AtomicBool::new(false);
    let (asked, was_asked) = channel();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let stop = || {
                asked.send(()).unwrap();
                stopped.load(Ordering::SeqCst)
            };
            caches.acquire(&request("l", Sharing::Locked), &stop)
        });
        was_asked.recv().unwrap();
        stopped.store(true, Ordering::SeqCst);
        assert!(matches!(waiting.join().unwrap(), Err(CacheError::Canceled)));
    });
    drop(held);
}

#[test]
fn many_first_users_of_a_shared_cache_get_one_directory() {
    let (_dir, caches) = caches();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let caches = &caches;
            scope.spawn(move || {
                let dir = caches.acquire(&request("s", Sharing::Shared), &|| false).unwrap();
                fs::write(dir.data().join(number.to_string()), "").unwrap();
            });
        }
    });
    let dir = take(&caches, &request("s", Sharing::Shared));
    assert_eq!(fs::read_dir(dir.data()).unwrap().count(), 8);
}

#[test]
fn a_seed_is_copied_once_and_another_seed_is_another_cache() {
    let (_dir, caches) = caches();
    let (_store, tree) = image();
    let source = RootPath::new("/seed");
    let seed =
        |identity: u8| Seed { tree: &tree, identity: KeyDigest::from_bytes([identity; 32]), source: &source };
    let seeded = CacheRequest { seed: Some(seed(1)), ..request("c", Sharing::Shared) };
    let dir = take(&caches, &seeded);
    assert_eq!(fs::read(dir.data().join("file")).unwrap(), b"from the image");
    fs::remove_file(dir.data().join("file")).unwrap();
    drop(dir);
    assert!(!take(&caches, &seeded).data().join("file").exists(), "it is not seeded again");
    let other = CacheRequest { seed: Some(seed(2)), ..seeded };
    assert!(take(&caches, &other).data().join("file").exists());
    assert!(!take(&caches, &request("c", Sharing::Shared)).data().join("file").exists());
}

#[test]
fn a_seed_that_is_missing_leaves_no_cache() {
    let (dir, caches) = caches();
    let (_store, tree) = image();
    for (source, found) in [("/nowhere", false), ("/seed/file", true)] {
        let source = RootPath::new(source);
        let seed = Seed { tree: &tree, identity: KeyDigest::from_bytes([1; 32]), source: &source };
        let request = CacheRequest { seed: Some(seed), ..request("c", Sharing::Shared) };
        match caches.acquire(&request, &|| false).unwrap_err() {
            CacheError::NotDirectory(path) => assert!(found && path == source),
            CacheError::Tree(TreeError::NotFound(path)) => assert!(!found && path == source),
            other => panic!("{other}"),
        }
    }
    assert!(caches.list().unwrap().is_empty());
    caches.tidy().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "gc removes what was not finished");
}

#[test]
fn what_a_killed_process_began_to_fill_is_made_anew() {
    let (_dir, caches) = caches();
    let shared = request("k", Sharing::Shared);
    let dir = take(&caches, &shared).data();
    let cache = dir.parent().unwrap().to_owned();
    fs::create_dir(cache.join(fill::FILLING)).unwrap();
    fs::write(cache.join(fill::FILLING).join("half"), "").unwrap();
    fs::remove_dir(&dir).unwrap();
    assert_eq!(fs::read_dir(take(&caches, &shared).data()).unwrap().count(), 0);
    assert!(!cache.join(fill::FILLING).exists());
}

#[test]
fn the_list_tells_size_and_use_and_what_is_in_use_stays() {
    let (_dir, caches) = caches();
    let used = take(&caches, &request("a", Sharing::Shared));
    fs::write(used.data().join("f"), vec![1; 100_000]).unwrap();
    let [info] = &caches.list().unwrap()[..] else { panic!("one cache") };
    assert_eq!((info.id.as_str(), info.number, info.in_use), ("a", 0, true));
    assert!(info.size >= 100_000 && info.size < 200_000, "{}", info.size);
    assert!(!caches.remove(&info.name).unwrap());
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let about = used.data().parent().unwrap().join("about.json");
    fs::File::options().write(true).open(&about).unwrap().set_modified(old).unwrap();
    assert_eq!(caches.list().unwrap()[0].last_used, old);
    drop(used);
    let [info] = &caches.list().unwrap()[..] else { panic!("one cache") };
    assert!(!info.in_use && info.last_used > old);
    assert!(caches.remove(&info.name).unwrap());
    assert!(caches.remove(&info.name).unwrap(), "what is gone is gone");
    assert!(caches.list().unwrap().is_empty());
}
