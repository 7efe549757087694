use super::*;

#[test]
fn layer_media_types_round_trip() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        for flavor in [Flavor::Oci, Flavor::Docker] {
            assert_eq!(Packing::of_media_type(flavor.layer(packing)), Some(packing));
        }
    }
    assert_eq!(Packing::of_media_type("application/vnd.oci.image.config.v1+json"), None);
}

#[test]
fn magic_numbers_are_told_apart() {
    assert_eq!(Packing::of_magic(&[0x1f, 0x8b, 8, 0]), Packing::Gzip);
    assert_eq!(Packing::of_magic(&[0x28, 0xb5, 0x2f, 0xfd]), Packing::Zstd);
    assert_eq!(Packing::of_magic(&[0x50, 0x2a, 0x4d, 0x18]), Packing::Zstd);
    assert_eq!(Packing::of_magic(b"etc/"), Packing::Plain);
    assert_eq!(Packing::of_magic(b""), Packing::Plain);
}

#[test]
fn nulls_of_go_are_empty() {
    let digest = BlobDigest::of(b"");
    let text = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{OCI_CONFIG}","digest":"{digest}","size":0,"annotations":null}},
            "layers":null,"annotations":null}}"#
    );
    // `layers: null` is no list: it does not make the document an index either.
    let manifest = Manifest::parse(text.as_bytes(), OCI_MANIFEST, "m").unwrap();
    assert!(manifest.layers.is_empty() && manifest.annotations.is_empty());
}

#[test]
fn platforms_are_normalised() {
    let of = |os: &str, architecture: &str, variant: Option<&str>| {
        let platform = DescPlatform {
            os: os.into(),
            architecture: architecture.into(),
            variant: variant.map(str::to_owned),
        };
        platform.normal().map(|p| p.to_string())
    };
    assert_eq!(of("linux", "arm64", Some("v8")).as_deref(), Some("linux/arm64"));
    assert_eq!(of("linux", "amd64", Some("")).as_deref(), Some("linux/amd64"));
    assert_eq!(of("unknown", "unknown", None), None);
    assert_eq!(of("", "amd64", None), None);
    assert_eq!(of("linux", "", None), None);
}
