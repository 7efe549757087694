use super::*;
use crate::fixture::*;
use crate::layout::OutImage;
use crate::model::{DescPlatform, OCI_MANIFEST};
use crate::{Source, layout};
use serde_json::json;
use tempfile::tempdir;

fn descriptor(image: &OutImage, platform: bool) -> Desc {
    let mut desc = image.manifest.desc.clone();
    desc.platform = platform.then(|| DescPlatform::from(&image.platform));
    desc
}

fn nest(blobs: &mut Memory, manifests: Vec<Desc>) -> Desc {
    let bytes = Index::new(manifests).to_bytes().unwrap();
    blobs.put(&bytes);
    Desc::of(OCI_INDEX, &bytes)
}

fn find(blobs: &Memory, manifests: &[Desc], platform: Option<&str>) -> Result<Vec<FoundImage>, Error> {
    let dir = tempdir().unwrap();
    raw_layout(dir.path(), &json!({"schemaVersion": 2, "manifests": manifests}), blobs);
    let platform: Option<Platform> = platform.map(|p| p.parse().unwrap());
    Source::open(dir.path(), dir.path())?.images(platform.as_ref())
}

fn add(blobs: &mut Memory, text: &str, platform: &str) -> OutImage {
    let image = image(blobs, text, platform, &[]);
    blobs.put(&image.manifest.bytes);
    image
}

#[test]
fn the_platform_is_chosen_in_flat_and_nested_indexes() {
    let mut blobs = Memory::default();
    let amd = add(&mut blobs, "amd", "linux/amd64");
    let arm = add(&mut blobs, "arm", "linux/arm64");
    let attestation = json!({"mediaType": OCI_MANIFEST, "digest": format!("sha256:{}", "0".repeat(64)), "size": 7,
        "platform": {"os": "unknown", "architecture": "unknown"}});
    let attestation: Desc = serde_json::from_value(attestation).unwrap();
    let flat = vec![descriptor(&arm, true), descriptor(&amd, true), attestation];
    let nested = vec![nest(&mut blobs, flat.clone())];
    let silent = vec![nest(&mut blobs, vec![descriptor(&arm, false), descriptor(&amd, false)])];
    let deep = vec![nest(&mut blobs, nested.clone())];
    for (manifests, how) in [(flat, "flat"), (nested, "nested"), (silent, "silent"), (deep, "deep")] {
        for (platform, expected) in
            [(Some("linux/arm64"), &arm), (Some("linux/amd64"), &amd), (Some("linux/arm64/v8"), &arm)]
        {
            let found = find(&blobs, &manifests, platform).unwrap();
            assert_eq!(found.len(), 1, "{how}");
            assert_eq!(
                found[0].manifest.as_ref().unwrap().desc.digest,
                expected.manifest.desc.digest,
                "{how}"
            );
        }
        let error = find(&blobs, &manifests, Some("linux/s390x")).expect_err("not there");
        assert!(shown(&error).contains("linux/arm64, linux/amd64"), "{how}: {}", shown(&error));
    }
}

#[test]
fn manifests_that_docker_left_out_are_passed_over() {
    let mut blobs = Memory::default();
    let amd = add(&mut blobs, "amd", "linux/amd64");
    let arm = add(&mut blobs, "arm", "linux/arm64");
    let index = nest(&mut blobs, vec![descriptor(&arm, true), descriptor(&amd, true)]);
    blobs.0.remove(&arm.manifest.desc.digest);
    assert_eq!(find(&blobs, std::slice::from_ref(&index), Some("linux/amd64")).unwrap().len(), 1);
    let error = find(&blobs, &[index], Some("linux/arm64")).expect_err("left out");
    assert!(shown(&error).contains("it has: linux/amd64"), "{}", shown(&error));
}

#[test]
fn one_image_is_taken_whatever_it_is_for_unless_asked_otherwise() {
    let mut blobs = Memory::default();
    let image = add(&mut blobs, "s390x", "linux/s390x");
    assert_eq!(find(&blobs, &[descriptor(&image, true)], None).unwrap().len(), 1);
    assert!(find(&blobs, &[descriptor(&image, true)], Some("linux/amd64")).is_err());
}

#[test]
fn indexes_that_multiply_end() {
    let mut blobs = Memory::default();
    let image = add(&mut blobs, "one", "linux/amd64");
    let mut desc = descriptor(&image, true);
    for _ in 0..4 {
        desc = nest(&mut blobs, vec![desc; 100]);
    }
    let error = find(&blobs, &[desc], None).expect_err("a hundred million manifests");
    assert!(shown(&error).contains("list more than"), "{}", shown(&error));
    let mut desc = descriptor(&image, true);
    for _ in 0..10 {
        desc = nest(&mut blobs, vec![desc]);
    }
    assert!(find(&blobs, &[desc], None).is_err(), "nested ten deep");
}

#[test]
fn names_come_from_either_annotation() {
    let mut blobs = Memory::default();
    let image = add(&mut blobs, "one", "linux/amd64");
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&[(IMAGE_NAME, "docker.io/library/a:1"), (REF_NAME, "1")], &["a:1"], &["1"]),
        (&[(REF_NAME, "latest")], &[], &["latest"]),
        (&[(REF_NAME, "example.org/x:2")], &["example.org/x:2"], &["example.org/x:2"]),
        (&[(REF_NAME, "b:3")], &["b:3"], &["b:3"]),
        (&[(REF_NAME, "BAD NAME:3")], &[], &["BAD NAME:3"]),
        (&[], &[], &[]),
    ];
    for (annotations, names, tags) in cases {
        let mut desc = descriptor(&image, true);
        desc.annotations = annotations.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let found = find(&blobs, &[desc], None).unwrap();
        let got: Vec<String> = found[0].names.iter().map(Reference::familiar).collect();
        assert_eq!(
            (got.as_slice(), found[0].tags.as_slice()),
            (strings(names).as_slice(), strings(tags).as_slice())
        );
    }
}

fn strings(of: &[&str]) -> Vec<String> {
    of.iter().map(|s| (*s).to_owned()).collect()
}

#[test]
fn one_manifest_under_two_names_is_one_image() {
    let mut blobs = Memory::default();
    let out = image(&mut blobs, "one", "linux/amd64", &["a:1", "b:2"]);
    let dir = tempdir().unwrap();
    layout::write_dir(&[out], &blobs, &dir.path().join("l")).unwrap();
    let found = Source::open(&dir.path().join("l"), dir.path()).unwrap().images(None).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].names.len(), 2);
}

#[test]
fn an_unknown_layout_version_is_refused() {
    let (dir, blobs) = (tempdir().unwrap(), Memory::default());
    raw_layout(dir.path(), &json!({"schemaVersion": 2, "manifests": []}), &blobs);
    std::fs::write(dir.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    let error = Source::open(dir.path(), dir.path()).unwrap().images(None).expect_err("version 2");
    assert!(shown(&error).contains("only 1.0.0"), "{}", shown(&error));
}

#[test]
fn earlier_variants_suit() {
    for (offered, wanted, expected) in [
        ("linux/arm/v6", "linux/arm/v7", true),
        ("linux/arm/v7", "linux/arm/v6", false),
        ("linux/amd64", "linux/amd64/v2", true),
        ("linux/amd64/v3", "linux/amd64", false),
        ("linux/arm64", "linux/arm64/v8", true),
        ("linux/arm64", "linux/amd64", false),
        ("windows/amd64", "linux/amd64", false),
    ] {
        assert_eq!(
            suits(&offered.parse().unwrap(), &wanted.parse().unwrap()),
            expected,
            "{offered} for {wanted}"
        );
    }
}
