use super::*;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

fn key(number: u8) -> KeyDigest {
    KeyDigest::from_bytes([number; 32])
}

#[test]
fn one_step_excludes_itself_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let locks = Locks::open(&dir.path().join("lock")).unwrap();
    let held = locks.step(&key(1)).unwrap();
    assert!(locks.try_step(&key(1)).unwrap().is_none());
    assert!(locks.try_step(&key(2)).unwrap().is_some());
    drop(held);
    assert!(locks.try_step(&key(1)).unwrap().is_some());
}

#[test]
fn a_waiting_thread_gets_the_lock_when_it_is_free() {
    let dir = TempDir::new().unwrap();
    let locks = Locks::open(&dir.path().join("lock")).unwrap();
    let freed = AtomicBool::new(false);
    let held = locks.step(&key(1)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _mine = locks.step(&key(1)).unwrap();
            assert!(freed.load(Ordering::SeqCst));
        });
        std::thread::sleep(Duration::from_millis(30));
        freed.store(true, Ordering::SeqCst);
        drop(held);
    });
}

#[test]
fn alone_means_that_nobody_else_has_it_open() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("lock");
    let first = Locks::open(&path).unwrap();
    let second = Locks::open(&path).unwrap();
    assert_eq!(first.alone(|| 1).unwrap(), None);
    assert_eq!(second.alone(|| 1).unwrap(), None, "the first still counts after its attempt");
    drop(second);
    assert_eq!(first.alone(|| 1).unwrap(), Some(1));
    let third = Locks::open(&path).unwrap();
    assert_eq!(third.alone(|| 1).unwrap(), None, "afterwards the first is a user as before");
}

#[test]
fn who_comes_while_somebody_is_alone_waits() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("lock");
    let locks = Locks::open(&path).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        locks
            .alone(|| {
                scope.spawn(|| {
                    Locks::open(&path).unwrap();
                    assert!(done.load(Ordering::SeqCst));
                });
                std::thread::sleep(Duration::from_millis(30));
                done.store(true, Ordering::SeqCst);
            })
            .unwrap()
            .unwrap();
    });
}
