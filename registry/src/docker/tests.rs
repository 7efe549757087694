use super::*;
use crate::fixture::*;
use crate::{Source, SourceKind, validate};
use oci::DiffId;
use serde_json::json;
use std::io::Read;
use tar::EntryType;
use tempfile::tempdir;

fn config(layers: &[Vec<u8>], arch: &str) -> Vec<u8> {
    let ids: Vec<DiffId> = layers.iter().map(|tar| DiffId::of(tar)).collect();
    json!({"architecture": arch, "os": "linux", "config": {"Env": null}, "rootfs": {"type": "layers", "diff_ids": ids}})
        .to_string()
        .into_bytes()
}

/// As Docker 1.10 to 24 writes it: a directory a layer, equal layers as links.
fn legacy(config_name: Option<&str>, tags: &serde_json::Value) -> (Vec<u8>, Vec<Vec<u8>>) {
    let layers = vec![layer("a", b"1"), layer("b", b"2"), layer("a", b"1")];
    let config = config(&layers, "amd64");
    let name = config_name.map_or_else(|| format!("{}.json", BlobDigest::of(&config).hex()), str::to_owned);
    let mut tar = tar::Builder::new(Vec::new());
    for (dir, tar_bytes) in [("1111", &layers[0]), ("2222", &layers[1])] {
        special(&mut tar, &format!("{dir}/"), EntryType::Directory, "", b"");
        put(&mut tar, &format!("{dir}/VERSION"), b"1.0");
        put(&mut tar, &format!("{dir}/json"), b"{}");
        put(&mut tar, &format!("{dir}/layer.tar"), tar_bytes);
    }
    special(&mut tar, "3333/layer.tar", EntryType::Symlink, "../1111/layer.tar", b"");
    put(&mut tar, &name, &config);
    let item = json!([{"Config": name, "RepoTags": tags, "Layers": ["1111/layer.tar", "2222/layer.tar", "3333/layer.tar"]}]);
    put(&mut tar, "manifest.json", item.to_string().as_bytes());
    put(&mut tar, "repositories", b"{}");
    (tar.into_inner().unwrap(), layers)
}

fn read(bytes: &[u8], platform: Option<&str>) -> Result<(Source, Vec<FoundImage>), Error> {
    let scratch = tempdir().unwrap();
    let source = Source::stream(bytes, scratch.path(), "the archive")?;
    let platform: Option<Platform> = platform.map(|p| p.parse().unwrap());
    let images = source.images(platform.as_ref())?;
    Ok((source, images))
}

#[test]
fn reads_what_older_dockers_save() {
    let (bytes, layers) = legacy(None, &json!(["busybox:1", "localhost:5000/x/y:z"]));
    let (source, images) = read(&bytes, None).unwrap();
    assert_eq!(source.kind(), SourceKind::Docker);
    let names: Vec<String> = images[0].names.iter().map(|n| n.to_string()).collect();
    assert_eq!(names, ["docker.io/library/busybox:1", "localhost:5000/x/y:z"]);
    for (found, tar) in images[0].layers.iter().zip(&layers) {
        let mut got = Vec::new();
        source.open_layer(found).unwrap().1.read_to_end(&mut got).unwrap();
        assert_eq!((&got, found.diff_id), (tar, DiffId::of(tar)));
    }
    assert_eq!(validate::source(&source, None).unwrap(), []);
}

#[test]
fn images_without_names_and_layers_are_images() {
    let (bytes, _) = legacy(None, &json!(null));
    assert!(read(&bytes, None).unwrap().1[0].names.is_empty());
    let config = config(&[], "amd64");
    let mut tar = tar::Builder::new(Vec::new());
    put(&mut tar, "c.json", &config);
    put(&mut tar, "manifest.json", br#"[{"Config":"c.json","RepoTags":[],"Layers":null}]"#);
    assert!(read(&tar.into_inner().unwrap(), None).unwrap().1[0].layers.is_empty());
}

#[test]
fn a_wrong_layer_is_a_mismatch() {
    let layers = [layer("a", b"1")];
    let mut tar = tar::Builder::new(Vec::new());
    put(&mut tar, "c.json", &config(&layers, "amd64"));
    put(&mut tar, "l.tar", &layer("a", b"other"));
    put(&mut tar, "manifest.json", br#"[{"Config":"c.json","Layers":["l.tar"]}]"#);
    let (source, _) = read(&tar.into_inner().unwrap(), None).unwrap();
    let wrong = validate::source(&source, None).unwrap();
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].why.contains("the config says"), "{wrong:?}");
}

#[test]
fn broken_archives_say_what_is_wrong() {
    let good = config(&[], "amd64");
    let wrong_name = format!("{}.json", BlobDigest::of(b"other").hex());
    let cases: Vec<(String, &str, &str)> = vec![
        ("[]".into(), "c.json", "lists no image"),
        ("{".into(), "c.json", "parse `manifest.json`"),
        (
            r#"[{"Config":"missing.json","Layers":[]}]"#.into(),
            "c.json",
            "`missing.json` of the archive is missing",
        ),
        (r#"[{"Config":"../c.json","Layers":[]}]"#.into(), "c.json", "not a plain path"),
        (r#"[{"Config":"/c.json","Layers":[]}]"#.into(), "c.json", "not a plain path"),
        (r#"[{"Config":"c.json","Layers":["x"]}]"#.into(), "c.json", "names 0 layers, but the image has 1"),
        (r#"[{"Config":"c.json","RepoTags":["lower/UPPER"],"Layers":[]}]"#.into(), "c.json", "not a name"),
        (format!(r#"[{{"Config":"{wrong_name}","Layers":[]}}]"#), &wrong_name, "was promised"),
    ];
    for (manifest, name, expected) in cases {
        let mut tar = tar::Builder::new(Vec::new());
        put(&mut tar, name, &good);
        put(&mut tar, "manifest.json", manifest.as_bytes());
        let error = shown(&read(&tar.into_inner().unwrap(), None).expect_err(expected));
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn another_platform_is_refused_only_when_one_is_asked_for() {
    let mut tar = tar::Builder::new(Vec::new());
    put(&mut tar, "c.json", &config(&[], "riscv64"));
    put(&mut tar, "manifest.json", br#"[{"Config":"c.json","Layers":[]}]"#);
    let bytes = tar.into_inner().unwrap();
    assert!(read(&bytes, None).is_ok());
    assert!(read(&bytes, Some("linux/riscv64")).is_ok());
    let error = shown(&read(&bytes, Some("linux/amd64")).expect_err("another platform"));
    assert!(error.contains("linux/riscv64") && error.contains("linux/amd64"), "{error}");
}
