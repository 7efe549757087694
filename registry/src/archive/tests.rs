use super::*;
use crate::fixture::*;
use std::path::PathBuf;

fn members(bytes: &[u8]) -> Vec<(PathBuf, u64, u32)> {
    let mut archive = tar::Archive::new(bytes);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
        (entry.path().unwrap().into_owned(), entry.size(), header.mode().unwrap())
    });
    entries.collect()
}

#[test]
fn equal_images_give_equal_archives_with_sorted_members() {
    for kind in [ArchiveKind::Oci, ArchiveKind::Docker] {
        let write = || {
            let mut blobs = Memory::default();
            let images = [
                image(&mut blobs, "one", "linux/amd64", &["a:1", "a:2"]),
                image(&mut blobs, "two", "linux/amd64", &[]),
            ];
            let mut out = Vec::new();
            super::write(&images, &blobs, kind, &mut out).unwrap();
            out
        };
        let bytes = write();
        assert_eq!(bytes, write());
        let names: Vec<PathBuf> = members(&bytes).into_iter().map(|(name, ..)| name).collect();
        assert!(names.is_sorted());
        assert_eq!(names.iter().any(|n| n == &PathBuf::from("manifest.json")), kind == ArchiveKind::Docker);
        assert_eq!(names.iter().any(|n| n == &PathBuf::from("repositories")), kind == ArchiveKind::Docker);
    }
}

#[test]
fn docker_files_name_config_layers_and_tags() {
    let mut blobs = Memory::default();
    let out = image(&mut blobs, "one", "linux/amd64", &["a:1", "example.org:5000/b/c:2"]);
    let manifest = out.parsed().unwrap();
    let text = String::from_utf8(docker_manifest(std::slice::from_ref(&out)).unwrap()).unwrap();
    let expected = format!(
        r#"[{{"Config":"blobs/sha256/{}","RepoTags":["a:1","example.org:5000/b/c:2"],"Layers":["blobs/sha256/{}"]}}]"#,
        manifest.config.digest.hex(),
        manifest.layers[0].digest.hex()
    );
    assert_eq!(text, expected);
    let text = String::from_utf8(repositories(std::slice::from_ref(&out)).unwrap().unwrap()).unwrap();
    let top = manifest.layers[0].digest.hex();
    assert_eq!(text, format!(r#"{{"a":{{"1":"{top}"}},"example.org:5000/b/c":{{"2":"{top}"}}}}"#));
    let unnamed = image(&mut blobs, "one", "linux/amd64", &[]);
    assert!(repositories(&[unnamed]).unwrap().is_none());
}

#[test]
fn a_blob_of_another_length_is_an_error() {
    for bytes in [&b"short"[..], &[0; 1 << 16]] {
        let mut blobs = Memory::default();
        let out = image(&mut blobs, "one", "linux/amd64", &[]);
        blobs.0.insert(out.parsed().unwrap().layers[0].digest, bytes.to_vec());
        let error = write(&[out], &blobs, ArchiveKind::Oci, &mut Vec::new()).expect_err("another length");
        assert!(shown(&error).contains("were promised"), "{}", shown(&error));
    }
}
