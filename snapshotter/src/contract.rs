//! Suites that every implementation of a trait of this crate passes.

use crate::content::{Content, ContentError};
use oci::BlobDigest;
use std::io::{Read, Seek, SeekFrom, Write};

/// Of [`Content`]. `make` gives an empty store each time.
///
/// # Panics
/// Where an implementation does not do what the traits promise.
pub fn content(make: &dyn Fn() -> Box<dyn Content>) {
    a_blob_is_read_as_it_was_written(&*make());
    a_blob_is_there_from_its_commit_on(&*make());
    what_was_announced_is_held_to(&*make());
    what_is_not_there_is_not_found(&*make());
    the_same_blob_twice_is_one(&*make());
    removed_is_gone(&*make());
    reads_are_bounded(&*make());
    writers_do_not_meet(&*make());
}

const HELLO: &[u8] = b"hello, world";

fn write(
    content: &dyn Content,
    digest: Option<BlobDigest>,
    size: Option<u64>,
) -> Result<BlobDigest, ContentError> {
    let mut writer = content.writer(digest, size)?;
    for part in HELLO.chunks(5) {
        writer.write_all(part).map_err(|e| ContentError::io("write a blob", e))?;
    }
    writer.commit()
}

fn a_blob_is_read_as_it_was_written(content: &dyn Content) {
    let digest = write(content, None, None).unwrap();
    assert_eq!(digest, BlobDigest::of(HELLO));
    assert_eq!(content.size(&digest).unwrap(), HELLO.len() as u64);
    let mut blob = content.open(&digest).unwrap();
    let mut text = String::new();
    blob.seek(SeekFrom::Start(7)).unwrap();
    blob.read_to_string(&mut text).unwrap();
    assert_eq!(text, "world");
    let empty = content.put(b"").unwrap();
    assert_eq!(content.read(&empty, 0).unwrap(), b"");
}

fn a_blob_is_there_from_its_commit_on(content: &dyn Content) {
    let digest = BlobDigest::of(HELLO);
    let mut writer = content.writer(Some(digest), None).unwrap();
    writer.write_all(HELLO).unwrap();
    writer.flush().unwrap();
    assert!(!content.contains(&digest).unwrap());
    assert_eq!(content.list().unwrap(), []);
    drop(writer);
    assert!(!content.contains(&digest).unwrap());
    write(content, Some(digest), Some(HELLO.len() as u64)).unwrap();
    assert!(content.contains(&digest).unwrap());
    assert_eq!(content.list().unwrap(), [(digest, HELLO.len() as u64)]);
}

fn what_was_announced_is_held_to(content: &dyn Content) {
    let other = BlobDigest::of(b"other");
    let wrong = write(content, Some(other), None);
    assert!(matches!(wrong, Err(ContentError::Digest { expected, .. }) if expected == other));
    let short = write(content, None, Some(100));
    assert!(matches!(short, Err(ContentError::Size { expected: 100, found: 12 })));
    let long = write(content, None, Some(11));
    assert!(matches!(long, Err(ContentError::TooLong { limit: 11 })));
    assert_eq!(content.list().unwrap(), []);
}

fn what_is_not_there_is_not_found(content: &dyn Content) {
    let digest = BlobDigest::of(HELLO);
    assert!(matches!(content.open(&digest), Err(ContentError::NotFound(d)) if d == digest));
    assert!(matches!(content.size(&digest), Err(ContentError::NotFound(_))));
    assert!(matches!(content.read(&digest, 100), Err(ContentError::NotFound(_))));
    assert!(!content.contains(&digest).unwrap());
    assert!(!content.remove(&digest).unwrap());
}

fn the_same_blob_twice_is_one(content: &dyn Content) {
    let first = content.put(HELLO).unwrap();
    let mut open = content.open(&first).unwrap();
    assert_eq!(write(content, Some(first), None).unwrap(), first);
    assert_eq!(content.put(HELLO).unwrap(), first);
    assert_eq!(content.list().unwrap().len(), 1);
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, HELLO);
}

fn removed_is_gone(content: &dyn Content) {
    let digest = content.put(HELLO).unwrap();
    let mut open = content.open(&digest).unwrap();
    assert!(content.remove(&digest).unwrap());
    assert!(!content.contains(&digest).unwrap());
    assert!(matches!(content.open(&digest), Err(ContentError::NotFound(_))));
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, HELLO, "who has it open can go on reading");
    assert_eq!(content.put(HELLO).unwrap(), digest, "and it can come back");
}

fn reads_are_bounded(content: &dyn Content) {
    let digest = content.put(HELLO).unwrap();
    assert_eq!(content.read(&digest, 12).unwrap(), HELLO);
    assert!(matches!(content.read(&digest, 11), Err(ContentError::TooLong { limit: 11 })));
}

fn writers_do_not_meet(content: &dyn Content) {
    std::thread::scope(|scope| {
        for number in 0..8u8 {
            scope.spawn(move || {
                for size in [0, 1, 70_000] {
                    let bytes = vec![number % 2; size];
                    let digest = content.put(&bytes).unwrap();
                    assert_eq!(content.read(&digest, 70_000).unwrap(), bytes);
                }
            });
        }
    });
    assert_eq!(content.list().unwrap().len(), 5);
}
