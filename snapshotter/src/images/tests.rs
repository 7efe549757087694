use super::*;
use crate::store::Store;
use tempfile::TempDir;

fn image(hex: &str) -> ImageRecord {
    let text = format!("sha256:{hex}{}", &"0".repeat(64)[hex.len()..]);
    let id: BlobDigest = text.parse().unwrap();
    let stored = StoredLayer {
        layer: LayerId::from_bytes(*id.as_bytes()),
        diff_id: DiffId::from_bytes(*id.as_bytes()),
    };
    ImageRecord {
        id,
        manifest: BlobDigest::of(hex.as_bytes()),
        layers: vec![stored],
        created: i64::try_from(hex.len()).unwrap(),
        size: 3,
        platform: "linux/arm/v6".parse().unwrap(),
        members: vec![],
    }
}

fn with(images: &[&str]) -> (TempDir, Images, Vec<ImageRecord>) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "boot").unwrap();
    let records: Vec<ImageRecord> = images.iter().map(|hex| image(hex)).collect();
    records.iter().for_each(|record| store.images().put(record).unwrap());
    (dir, store.images().clone(), records)
}

#[test]
fn an_image_is_found_again_as_it_was_put() {
    let (dir, images, records) = with(&["abc"]);
    assert_eq!(images.get(&records[0].id).unwrap().unwrap(), records[0]);
    let again = Store::open(dir.path(), "boot").unwrap();
    assert_eq!(again.images().list().unwrap(), records);
    assert_eq!(images.get(&BlobDigest::of(b"")).unwrap(), None);
}

#[test]
fn a_name_belongs_to_one_image() {
    let (_dir, images, records) = with(&["abc", "abd"]);
    images.tag("busybox", &records[0].id).unwrap();
    images.tag("docker.io/library/busybox:latest", &records[1].id).unwrap();
    assert_eq!(images.tags(&records[0].id).unwrap(), [] as [&str; 0]);
    assert_eq!(images.tags(&records[1].id).unwrap(), ["docker.io/library/busybox:latest"]);
    assert_eq!(images.resolve("busybox").unwrap(), records[1]);
    assert_eq!(images.untag("busybox:latest").unwrap(), Some(records[1].id));
    assert_eq!(images.untag("busybox:latest").unwrap(), None);
    assert!(matches!(images.resolve("busybox"), Err(StoreError::NoImage(name)) if name == "busybox"));
    assert!(matches!(images.tag("x", &BlobDigest::of(b"")), Err(StoreError::NoImage(_))));
    assert!(matches!(images.tag("Not A Name", &records[0].id), Err(StoreError::Name(_))));
}

#[test]
fn an_id_may_be_abbreviated_as_long_as_it_is_one() {
    let (_dir, images, records) = with(&["abc", "abd12", "1"]);
    for text in ["abc", "sha256:abc", "abc0", &records[0].id.hex(), &records[0].id.to_string()] {
        assert_eq!(images.resolve(text).unwrap(), records[0], "{text}");
    }
    assert_eq!(images.resolve("abd1").unwrap(), records[1]);
    assert_eq!(images.resolve("1").unwrap(), records[2]);
    for prefix in ["ab", "a", "sha256:ab"] {
        let found = images.resolve(prefix);
        assert!(matches!(found, Err(StoreError::Ambiguous { count: 2, .. })), "{prefix}: {found:?}");
    }
    for none in ["abe", "", "sha256:", "xyz", "ABC", "f", &"0".repeat(64), &"a".repeat(65)] {
        assert!(matches!(images.resolve(none), Err(StoreError::NoImage(_))), "{none}");
    }
}

#[test]
fn a_name_goes_before_an_id() {
    let (_dir, images, records) = with(&["abc", "abd"]);
    images.tag("abc", &records[1].id).unwrap();
    assert_eq!(images.resolve("abc").unwrap(), records[1]);
    assert_eq!(images.resolve("sha256:abc").unwrap(), records[0]);
}

#[test]
fn a_digest_after_a_name_is_the_manifests() {
    let (_dir, images, records) = with(&["abc"]);
    images.tag("me/app:1", &records[0].id).unwrap();
    assert_eq!(images.resolve(&format!("me/app@{}", records[0].manifest)).unwrap(), records[0]);
    assert_eq!(images.resolve(&format!("me/app:9@{}", records[0].id)).unwrap(), records[0]);
    assert!(images.resolve(&format!("other@{}", records[0].manifest)).is_err());
}

#[test]
fn removal_by_name_takes_the_image_with_its_last_name() {
    let (_dir, images, records) = with(&["abc"]);
    images.tag("a", &records[0].id).unwrap();
    images.tag("b", &records[0].id).unwrap();
    let first = images.remove("a", false).unwrap();
    assert_eq!(first, Removed { untagged: vec!["docker.io/library/a:latest".into()], deleted: None });
    let last = images.remove("b", false).unwrap();
    assert_eq!(last.deleted, Some(records[0].id));
    assert_eq!(images.list().unwrap(), []);
    assert!(matches!(images.remove("b", false), Err(StoreError::NoImage(_))));
}

#[test]
fn removal_by_id_wants_one_name_at_most() {
    let (_dir, images, records) = with(&["abc", "1", "2"]);
    images.tag("a", &records[0].id).unwrap();
    images.tag("b", &records[0].id).unwrap();
    images.tag("c", &records[1].id).unwrap();
    assert!(matches!(images.remove("abc", false), Err(StoreError::SeveralNames { count: 2, .. })));
    assert_eq!(images.tags(&records[0].id).unwrap().len(), 2);
    let forced = images.remove("abc", true).unwrap();
    assert_eq!((forced.untagged.len(), forced.deleted), (2, Some(records[0].id)));
    let named = images.remove("1", false).unwrap();
    assert_eq!((named.untagged.len(), named.deleted), (1, Some(records[1].id)));
    assert_eq!(
        images.remove("2", false).unwrap(),
        Removed { untagged: vec![], deleted: Some(records[2].id) }
    );
}

#[test]
fn a_deleted_image_takes_its_names_along() {
    let (_dir, images, records) = with(&["abc"]);
    images.tag("a", &records[0].id).unwrap();
    assert!(images.delete(&records[0].id).unwrap());
    assert!(!images.delete(&records[0].id).unwrap());
    assert!(images.resolve("a").is_err());
    assert_eq!(images.tags(&records[0].id).unwrap(), [] as [&str; 0]);
}

#[test]
fn images_are_listed_newest_first() {
    let (_dir, images, records) = with(&["abc", "1", "22"]);
    let ids: Vec<_> = images.list().unwrap().into_iter().map(|record| record.id).collect();
    assert_eq!(ids, [records[0].id, records[2].id, records[1].id]);
}

#[test]
fn an_index_takes_its_own_images_with_it() {
    let (_dir, images, records) = with(&["aa", "bb", "cc"]);
    let index = ImageRecord {
        layers: vec![],
        members: records.iter().map(|record| record.id).collect(),
        ..image("dd")
    };
    images.put(&index).unwrap();
    images.tag("multi", &index.id).unwrap();
    images.tag("kept", &records[1].id).unwrap();
    let other = ImageRecord { layers: vec![], members: vec![records[2].id], ..image("ee") };
    images.put(&other).unwrap();
    assert_eq!(images.resolve("multi").unwrap(), index);
    assert_eq!(images.remove("multi", false).unwrap().deleted, Some(index.id));
    assert!(images.get(&records[0].id).unwrap().is_none());
    assert!(images.get(&records[1].id).unwrap().is_some(), "it has a name");
    assert!(images.get(&records[2].id).unwrap().is_some(), "another index names it");
}
