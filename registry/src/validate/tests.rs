use super::*;
use crate::fixture::{self, Memory};
use crate::model::OCI_MANIFEST;

fn sound() -> (Memory, Desc, Manifest) {
    let mut blobs = Memory::default();
    let tars = [fixture::layer("a", b"1"), fixture::layer("b", b"2")];
    let out = fixture::image_of(&mut blobs, &tars, "linux/amd64", &[]);
    blobs.put(&out.manifest.bytes);
    (blobs, Desc::of(OCI_MANIFEST, &out.manifest.bytes), out.parsed().unwrap())
}

#[test]
fn a_sound_image_has_no_mismatch() {
    let (blobs, manifest, _) = sound();
    assert_eq!(image(&blobs, &manifest).unwrap(), []);
}

#[test]
fn every_mismatch_is_reported() {
    let (mut blobs, manifest, parsed) = sound();
    let other = fixture::gzip(&fixture::layer("a", b"another"));
    blobs.0.insert(parsed.layers[0].digest, other);
    blobs.0.remove(&parsed.layers[1].digest);
    let mut config = blobs.0[&parsed.config.digest].clone();
    config.push(b'\n');
    blobs.0.insert(parsed.config.digest, config);
    let wrong = image(&blobs, &manifest).unwrap();
    for digest in [parsed.config.digest, parsed.layers[0].digest, parsed.layers[1].digest] {
        assert!(wrong.iter().any(|m| m.what.contains(&digest.hex())), "{digest}: {wrong:?}");
    }
    assert!(wrong.iter().any(|m| m.why.contains("the config says")), "{wrong:?}");
}

#[test]
fn a_media_type_that_lies_and_bytes_after_the_tar_are_reported() {
    let (mut blobs, _, mut parsed) = sound();
    parsed.layers[0].media_type = "application/vnd.oci.image.layer.v1.tar".into();
    let bytes = parsed.to_bytes().unwrap();
    blobs.put(&bytes);
    let wrong = image(&blobs, &Desc::of(OCI_MANIFEST, &bytes)).unwrap();
    assert!(wrong.iter().any(|m| m.why.contains("Plain") && m.why.contains("Gzip")), "{wrong:?}");
}
