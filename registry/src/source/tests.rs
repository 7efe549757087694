use crate::fixture::*;
use crate::model::{Desc, OCI_CONFIG, OCI_MANIFEST};
use crate::{Source, SourceKind, archive, layout, validate};
use oci::BlobDigest;
use serde_json::json;
use std::io::{Cursor, Read};
use std::path::Path;
use tempfile::tempdir;

fn open_err(path: &Path) -> String {
    let scratch = tempdir().unwrap();
    let images = Source::open(path, scratch.path()).and_then(|source| source.images(None));
    shown(&images.expect_err("this source is broken"))
}

#[test]
fn reads_back_what_it_wrote_in_every_form() {
    let (mut blobs, dir) = (Memory::default(), tempdir().unwrap());
    let images = [
        image(&mut blobs, "one", "linux/amd64", &["one:1", "example.org/team/one:latest"]),
        image(&mut blobs, "two", "linux/amd64", &["two"]),
    ];
    layout::write_dir(&images, &blobs, &dir.path().join("layout")).unwrap();
    for (name, kind) in [("oci.tar", archive::ArchiveKind::Oci), ("docker.tar", archive::ArchiveKind::Docker)]
    {
        let mut out = Vec::new();
        archive::write(&images, &blobs, kind, &mut out).unwrap();
        std::fs::write(dir.path().join(name), &out).unwrap();
        std::fs::write(dir.path().join(format!("{name}.gz")), gzip(&out)).unwrap();
        std::fs::write(dir.path().join(format!("{name}.zst")), zstd::encode_all(&*out, 1).unwrap()).unwrap();
    }
    for name in
        ["layout", "oci.tar", "docker.tar", "oci.tar.gz", "docker.tar.gz", "oci.tar.zst", "docker.tar.zst"]
    {
        let source = Source::open(&dir.path().join(name), dir.path()).unwrap();
        assert_eq!(source.kind(), SourceKind::Oci, "{name}");
        let found = source.images(None).unwrap();
        let names: Vec<Vec<String>> =
            found.iter().map(|image| image.names.iter().map(|n| n.familiar()).collect()).collect();
        assert_eq!(names, [vec!["one:1", "example.org/team/one:latest"], vec!["two:latest"]], "{name}");
        assert_eq!(found[0].manifest.as_ref().unwrap().bytes, images[0].manifest.bytes, "{name}");
        let mut layer = Vec::new();
        source.open_layer(&found[1].layers[0]).unwrap().1.read_to_end(&mut layer).unwrap();
        assert_eq!(layer, blobs.0[&found[1].layers[0].desc.as_ref().unwrap().digest], "{name}");
        assert_eq!(validate::source(&source, None).unwrap(), [], "{name}");
    }
}

#[test]
fn a_stream_is_read_like_a_file() {
    let (mut blobs, scratch) = (Memory::default(), tempdir().unwrap());
    let images = [image(&mut blobs, "one", "linux/amd64", &["one"])];
    let mut out = Vec::new();
    archive::write(&images, &blobs, archive::ArchiveKind::Oci, &mut out).unwrap();
    let source = Source::stream(Cursor::new(gzip(&out)), scratch.path(), "standard input").unwrap();
    assert_eq!(source.images(None).unwrap()[0].names[0].familiar(), "one:latest");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "the spool file has no name");
}

#[test]
fn truncation_is_an_error_wherever_it_strikes() {
    let (mut blobs, dir) = (Memory::default(), tempdir().unwrap());
    let images = [image(&mut blobs, "one", "linux/amd64", &["one"])];
    let mut out = Vec::new();
    archive::write(&images, &blobs, archive::ArchiveKind::Docker, &mut out).unwrap();
    let whole = out.len() - 1024;
    for cut in (0..whole).step_by(256) {
        for bytes in [out[..cut].to_vec(), gzip(&out[..cut])] {
            let path = dir.path().join("cut.tar");
            std::fs::write(&path, bytes).unwrap();
            let read = Source::open(&path, dir.path()).and_then(|source| {
                source.images(None)?;
                validate::source(&source, None)
            });
            // Cut after index.json and oci-layout, all that an image layout needs is there.
            let only_docker_files_cut = read.as_ref().is_ok_and(Vec::is_empty) && cut > whole - 4096;
            assert!(read.is_err() || only_docker_files_cut, "cut at {cut} of {whole}");
        }
    }
    let packed = gzip(&out);
    let path = dir.path().join("cut.tar.gz");
    std::fs::write(&path, &packed[..packed.len() / 2]).unwrap();
    assert!(open_err(&path).contains("unpack"), "{}", open_err(&path));
}

#[test]
fn wrong_bytes_are_found() {
    let (mut blobs, dir) = (Memory::default(), tempdir().unwrap());
    let out = image(&mut blobs, "one", "linux/amd64", &["one"]);
    let manifest = out.parsed().unwrap();
    let at = dir.path().join("layout");
    layout::write_dir(std::slice::from_ref(&out), &blobs, &at).unwrap();
    let flip = |digest: &BlobDigest| {
        let path = blob_path(&at, digest);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        *bad.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bad).unwrap();
        good
    };
    for digest in [out.manifest.desc.digest, manifest.config.digest] {
        let good = flip(&digest);
        let shown = open_err(&at);
        assert!(shown.contains("was promised") && shown.contains(&digest.to_string()), "{shown}");
        std::fs::write(blob_path(&at, &digest), &good[1..]).unwrap();
        assert!(open_err(&at).contains("were promised"));
        std::fs::write(blob_path(&at, &digest), good).unwrap();
    }
    // A layer's length is checked at once, its digest when it is read.
    let layer = manifest.layers[0].digest;
    let good = flip(&layer);
    let source = Source::open(&at, dir.path()).unwrap();
    let wrong = validate::source(&source, None).unwrap();
    assert!(wrong.iter().any(|m| m.what.contains(&layer.to_string())), "{wrong:?}");
    std::fs::write(blob_path(&at, &layer), &good[1..]).unwrap();
    assert!(open_err(&at).contains("were promised"));
    std::fs::remove_file(blob_path(&at, &layer)).unwrap();
    assert!(open_err(&at).contains("is missing"));
}

#[test]
fn hostile_documents_are_refused() {
    let base = {
        let mut blobs = Memory::default();
        let out = image(&mut blobs, "one", "linux/amd64", &[]);
        (blobs, out)
    };
    let desc = |bytes: &[u8], kind: &str| serde_json::to_value(Desc::of(kind, bytes)).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&base.1.manifest.bytes).unwrap();
    let edited = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut value = manifest.clone();
        edit(&mut value);
        value.to_string().into_bytes()
    };
    let digest = base.1.manifest.desc.digest;
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![b' '; 5 << 20], "the limit is"),
        (b"[".repeat(100_000), "parse manifest"),
        (edited(&|m| m["layers"][0]["digest"] = json!("sha256:../../../etc/passwd")), "not a digest"),
        (
            edited(&|m| m["layers"][0]["digest"] = json!(format!("sha512:{}", "a".repeat(128)))),
            "not a digest",
        ),
        (edited(&|m| m["layers"][0]["size"] = json!(-1)), "parse manifest"),
        (edited(&|m| m["layers"][0]["size"] = json!(1u64 << 40)), "were promised"),
        (edited(&|m| m["layers"][0]["mediaType"] = json!("text/plain")), "not a tar"),
        (
            edited(&|m| m["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json")),
            "artifact",
        ),
        (
            edited(&|m| m["mediaType"] = json!("application/vnd.oci.image.index.v1+json")),
            "its descriptor says",
        ),
        (edited(&|m| m["manifests"] = json!([])), "must not have `manifests`"),
        (edited(&|m| m["schemaVersion"] = json!(1)), "schemaVersion is 1"),
        (edited(&|m| m["layers"] = json!([])), "names 1 layers, but the image has 0"),
    ];
    for (bytes, expected) in cases {
        let dir = tempdir().unwrap();
        let mut blobs = base.0.clone();
        blobs.put(&bytes);
        raw_layout(
            dir.path(),
            &json!({"schemaVersion": 2, "manifests": [desc(&bytes, OCI_MANIFEST)]}),
            &blobs,
        );
        let shown = open_err(dir.path());
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    // The same with the index itself.
    for (index, expected) in [
        (json!({"schemaVersion": 2, "manifests": [], "layers": []}), "must not have `layers`"),
        (json!({"schemaVersion": 2, "manifests": []}), "lists no image"),
        (json!({"schemaVersion": 2, "manifests": null}), "lists no image"),
        (json!({"schemaVersion": 2, "manifests": [{"digest": digest, "size": 1}]}), "mediaType"),
    ] {
        let dir = tempdir().unwrap();
        raw_layout(dir.path(), &index, &base.0);
        let shown = open_err(dir.path());
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
}

#[test]
fn plain_layers_are_held_to_their_diff_id() {
    let dir = tempdir().unwrap();
    let mut blobs = Memory::default();
    let out = image(&mut blobs, "one", "linux/amd64", &[]);
    let mut manifest = out.parsed().unwrap();
    let other = layer("file", b"other");
    blobs.put(&other);
    manifest.layers[0] = Desc::of("application/vnd.oci.image.layer.v1.tar", &other);
    let bytes = manifest.to_bytes().unwrap();
    blobs.put(&bytes);
    let desc = Desc::of(OCI_MANIFEST, &bytes);
    raw_layout(dir.path(), &json!({"schemaVersion": 2, "manifests": [desc]}), &blobs);
    assert!(open_err(dir.path()).contains("its config calls it"));
}

#[test]
fn what_is_no_image_says_so() {
    let dir = tempdir().unwrap();
    assert!(open_err(&dir.path().join("nothing")).contains("open"));
    assert!(open_err(dir.path()).contains("import"));
    let file = dir.path().join("rootfs.tar");
    std::fs::write(&file, layer("etc/passwd", b"root")).unwrap();
    assert!(open_err(&file).contains("import"));
    std::fs::write(&file, "This is a text, and no tar archive at all. ".repeat(100)).unwrap();
    assert!(open_err(&file).contains("tar archive"));
    std::fs::write(&file, b"").unwrap();
    assert!(open_err(&file).contains("empty"));
    std::fs::write(&file, layer("repositories", b"{}")).unwrap();
    assert!(open_err(&file).contains("older than 1.10"));
}

#[test]
fn a_layout_directory_is_never_left_by_links_or_stopped_by_fifos() {
    let dir = tempdir().unwrap();
    let at = dir.path().join("layout");
    let (mut blobs, secret) = (Memory::default(), dir.path().join("secret"));
    let out = image(&mut blobs, "one", "linux/amd64", &[]);
    layout::write_dir(&[out], &blobs, &at).unwrap();
    std::fs::rename(at.join("index.json"), &secret).unwrap();
    std::os::unix::fs::symlink(&secret, at.join("index.json")).unwrap();
    assert!(open_err(&at).contains("open"), "{}", open_err(&at));
    std::fs::remove_file(at.join("index.json")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at.join("index.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert!(open_err(&at).contains("regular file"));
}

#[test]
fn configs_of_other_kinds_are_named() {
    let dir = tempdir().unwrap();
    let mut blobs = Memory::default();
    let out = image(&mut blobs, "one", "linux/amd64", &[]);
    let mut manifest = out.parsed().unwrap();
    let config = br#"{"os":"linux","architecture":"amd64","rootfs":{"type":"windows","diff_ids":null}}"#;
    blobs.put(config);
    manifest.config = Desc::of(OCI_CONFIG, config);
    manifest.layers.clear();
    let bytes = manifest.to_bytes().unwrap();
    blobs.put(&bytes);
    raw_layout(
        dir.path(),
        &json!({"schemaVersion": 2, "manifests": [Desc::of(OCI_MANIFEST, &bytes)]}),
        &blobs,
    );
    assert!(open_err(dir.path()).contains("rootfs.type is `windows`"));
}
