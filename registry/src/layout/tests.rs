use super::*;
use crate::Source;
use crate::fixture::*;
use std::os::unix::fs::MetadataExt;
use tempfile::tempdir;

fn names(dir: &Path) -> Vec<String> {
    let found = Source::open(dir, dir).unwrap().images(None).unwrap();
    found.iter().flat_map(|image| image.names.iter().map(Reference::familiar)).collect()
}

#[test]
fn equal_images_give_equal_files() {
    let write = |dir: &Path| {
        let mut blobs = Memory::default();
        let mut image = image(&mut blobs, "one", "linux/arm/v7", &["a:1", "b:2", "c:3"]);
        image.annotations = ["x", "y", "z"].map(|k| (k.to_owned(), "v".to_owned())).into();
        write_dir(&[image], &blobs, dir).unwrap();
    };
    let (one, two) = (tempdir().unwrap(), tempdir().unwrap());
    write(one.path());
    write(two.path());
    let bytes = fs::read(one.path().join("index.json")).unwrap();
    assert_eq!(bytes, fs::read(two.path().join("index.json")).unwrap());
    let index = String::from_utf8(bytes).unwrap();
    assert!(index.contains(r#""io.containerd.image.name":"docker.io/library/a:1","org.opencontainers.image.ref.name":"1","x":"v""#), "{index}");
    assert!(index.contains(r#""platform":{"architecture":"arm","os":"linux","variant":"v7"}"#), "{index}");
}

#[test]
fn an_existing_layout_is_added_to() {
    let (dir, mut blobs) = (tempdir().unwrap(), Memory::default());
    let at = dir.path().join("layout");
    let first = image(&mut blobs, "one", "linux/amd64", &["a:1"]);
    let second = image(&mut blobs, "two", "linux/amd64", &["b:1"]);
    let moved = image(&mut blobs, "three", "linux/amd64", &["a:1"]);
    write_dir(&[first], &blobs, &at).unwrap();
    write_dir(&[second], &blobs, &at).unwrap();
    assert_eq!(names(&at), ["a:1", "b:1"]);
    write_dir(std::slice::from_ref(&moved), &blobs, &at).unwrap();
    assert_eq!(names(&at), ["b:1", "a:1"]);
    let found = Source::open(&at, &at).unwrap().images(None).unwrap();
    assert_eq!(found[1].manifest.as_ref().unwrap().desc.digest, moved.manifest.desc.digest);
}

#[test]
fn other_directories_are_left_alone() {
    let (dir, mut blobs) = (tempdir().unwrap(), Memory::default());
    let out = image(&mut blobs, "one", "linux/amd64", &["a:1"]);
    fs::write(dir.path().join("precious"), "x").unwrap();
    let error = write_dir(&[out], &blobs, dir.path()).expect_err("it is no layout");
    assert!(shown(&error).contains("other files"), "{}", shown(&error));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn nothing_is_left_of_a_failed_write() {
    let (dir, mut blobs) = (tempdir().unwrap(), Memory::default());
    let out = image(&mut blobs, "one", "linux/amd64", &["a:1"]);
    let layer = out.parsed().unwrap().layers[0].digest;
    let good = blobs.0.insert(layer, b"short".to_vec()).unwrap();
    let error =
        write_dir(std::slice::from_ref(&out), &blobs, &dir.path().join("new")).expect_err("a short blob");
    assert!(shown(&error).contains("were promised"), "{}", shown(&error));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    blobs.0.insert(layer, good);
    write_dir(&[out], &blobs, &dir.path().join("new")).unwrap();
    let modes = |name: &str| fs::metadata(dir.path().join("new").join(name)).unwrap().mode() & 0o777;
    assert_eq!((modes("."), modes("index.json"), modes("blobs")), (0o755, 0o644, 0o755));
}

#[test]
fn files_of_a_store_are_shared() {
    struct Linked(Memory, PathBuf);
    impl Blobs for Linked {
        fn open(&self, digest: &BlobDigest) -> io::Result<Box<dyn Read + Send>> {
            self.0.open(digest)
        }
        fn path(&self, digest: &BlobDigest) -> Option<PathBuf> {
            Some(self.1.join(digest.hex()))
        }
    }
    let (dir, mut blobs) = (tempdir().unwrap(), Memory::default());
    let out = image(&mut blobs, "one", "linux/amd64", &["a:1"]);
    let layer = out.parsed().unwrap().layers[0].digest;
    fs::write(dir.path().join(layer.hex()), &blobs.0[&layer]).unwrap();
    let at = dir.path().join("layout");
    write_dir(&[out], &Linked(blobs, dir.path().to_owned()), &at).unwrap();
    assert_eq!(fs::metadata(blob_path(&at, &layer)).unwrap().nlink(), 2);
    assert_eq!(names(&at), ["a:1"], "blobs without a file are copied");
}
