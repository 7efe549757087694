mod interop;
mod removal;

use super::*;
use crate::cancel::Cancel;
use crate::export::fixture::{dir, file, link, result, rich, store, tar_of};
use crate::export::{self, Dest, Output, StoreBlobs, store_image};
use oci::Reference;
use registry::validate;
use snapshotter::content::{Manager, Provider};
use snapshotter::store::Store;
use std::path::{Path, PathBuf};

fn names(of: &[&str]) -> Vec<Reference> {
    of.iter().map(|name| name.parse().unwrap()).collect()
}

fn shown(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A store with the rich image as `app:1`.
fn with_app() -> (tempfile::TempDir, Store) {
    let (dir, store) = store();
    store_image(&store, &result(&store, &rich(), None), &names(&["app:1"]), &Cancel::default()).unwrap();
    (dir, store)
}

fn save_to(store: &Store, which: &[&str], format: SaveFormat, path: &Path) {
    let which: Vec<String> = which.iter().map(|name| (*name).to_owned()).collect();
    let dest = Dest::Path(path.to_owned());
    save(store, &which, format, &dest, &mut Vec::new(), &Cancel::default()).unwrap();
}

fn load_from(store: &Store, path: &Path) -> Result<Vec<LoadedImage>, ImageError> {
    load(store, Input::Path(path.to_owned()), None, &Cancel::default())
}

fn assert_sound(store: &Store, name: &str) {
    let record = access::resolve(store, name).unwrap();
    let stored = save::stored(store, &record).unwrap();
    let output = Output::new(export::OutputKind::Oci, None);
    let packed = export::pack(store, &stored, &[], &output, &Cancel::default()).unwrap();
    store_blob(store, &packed.manifest.bytes);
    let blobs = StoreBlobs::new(store, &Cancel::default());
    assert_eq!(validate::image(&blobs, &packed.manifest.desc).unwrap(), []);
}

fn store_blob(store: &Store, bytes: &[u8]) {
    access::put_blob(store, bytes).unwrap();
}

fn archive_of(dir: &Path, format: SaveFormat) -> PathBuf {
    dir.join(format!("{format:?}"))
}

#[test]
fn saved_images_load_unchanged_in_every_form() {
    let (dir, first) = with_app();
    tag(&first, "app:1", &"example.org/team/app:2".parse().unwrap()).unwrap();
    for format in [SaveFormat::Docker, SaveFormat::Oci, SaveFormat::OciDir] {
        let path = archive_of(dir.path(), format);
        save_to(&first, &["app:1", "example.org/team/app:2"], format, &path);
        let (_keep, second) = store();
        let loaded = load_from(&second, &path).unwrap();
        assert_eq!(loaded.len(), 1, "{format:?}");
        assert_eq!(loaded[0].names, names(&["app:1", "example.org/team/app:2"]), "{format:?}");
        let (was, is) =
            (access::resolve(&first, "app:1").unwrap(), access::resolve(&second, "app:1").unwrap());
        assert_eq!(is.id, was.id, "{format:?}");
        assert_eq!(is.layers, was.layers, "{format:?}: the files and the tars are the same");
        assert_eq!((is.created, is.size, is.platform), (was.created, was.size, was.platform), "{format:?}");
        assert_sound(&second, "example.org/team/app:2");
        // What was loaded leaves as it came.
        let again = dir.path().join(format!("{format:?}-again"));
        save_to(&second, &["app:1", "example.org/team/app:2"], format, &again);
        if format != SaveFormat::OciDir {
            assert!(std::fs::read(&path).unwrap() == std::fs::read(&again).unwrap(), "{format:?}");
        }
    }
}

#[test]
fn equal_builds_export_equal_bytes_from_any_store() {
    let export = |kind: &str| {
        let (dir, store) = store();
        let built = result(&store, &rich(), Some(1_600_000_000));
        let out = dir.path().join("out.tar");
        let output: Output = format!("{kind},dest={}", out.display()).parse().unwrap();
        let names = names(&["app:1"]);
        let made =
            export::export(&store, &built, &names, &output, &mut Vec::new(), &Cancel::default()).unwrap();
        assert!(made.image.is_some());
        std::fs::read(out).unwrap()
    };
    for kind in [
        "type=oci",
        "type=docker",
        "type=oci,compression=zstd",
        "type=oci,compression=uncompressed",
        "type=oci,annotation.a=b,annotation.c=d,name=x:1",
    ] {
        assert!(export(kind) == export(kind), "{kind}");
    }
}

#[test]
fn each_compression_is_what_it_says_and_sound() {
    for (option, suffix) in
        [("gzip,compression-level=1", "tar+gzip"), ("zstd", "tar+zstd"), ("uncompressed", "layer.v1.tar")]
    {
        let (dir, store) = with_app();
        let out = dir.path().join("layout");
        let output: Output =
            format!("type=oci,tar=false,dest={},compression={option}", out.display()).parse().unwrap();
        let built = result(&store, &rich(), None);
        export::export(&store, &built, &[], &output, &mut Vec::new(), &Cancel::default()).unwrap();
        let source = registry::Source::open(&out, dir.path()).unwrap();
        let image = source.images(None).unwrap().remove(0);
        for layer in &image.layers {
            assert!(layer.desc.as_ref().unwrap().media_type.ends_with(suffix), "{option}");
        }
        assert_eq!(validate::source(&source, None).unwrap(), [], "{option}");
    }
}

#[test]
fn a_foreign_layer_keeps_its_diff_id_and_blob_in_what_is_built_on_it() {
    let (dir, first) = store();
    let base = tar_of(&[dir_entry(), file("base", b"base")]);
    store_image(&first, &result(&first, &[base], Some(1)), &names(&["base"]), &Cancel::default()).unwrap();
    let path = dir.path().join("base.tar");
    let output: Output =
        format!("type=oci,compression=zstd,name=base,dest={}", path.display()).parse().unwrap();
    let built = result(&first, &[tar_of(&[dir_entry(), file("base", b"base")])], Some(1));
    export::export(&first, &built, &[], &output, &mut Vec::new(), &Cancel::default()).unwrap();
    let foreign = registry::Source::open(&path, dir.path()).unwrap().images(None).unwrap().remove(0);

    let (dir, second) = store();
    load_from(&second, &path).unwrap();
    let base = resolve_base(&second, "base", &"linux/amd64".parse().unwrap(), &Cancel::default()).unwrap();
    let mut built = result(&second, &[tar_of(&[file("new", b"new")])], None);
    built.layers.insert(0, base.layers[0]);
    built.config.history.clear();
    let out = dir.path().join("layout");
    for (force, zstd) in [(false, true), (true, false)] {
        let text = format!("type=oci,tar=false,dest={}{force},force-compression={force}", out.display());
        let output: Output = text.parse().unwrap();
        export::export(&second, &built, &[], &output, &mut Vec::new(), &Cancel::default()).unwrap();
        let at = PathBuf::from(format!("{}{force}", out.display()));
        let source = registry::Source::open(&at, dir.path()).unwrap();
        let image = source.images(None).unwrap().remove(0);
        assert_eq!(image.layers[0].diff_id, foreign.layers[0].diff_id);
        let descs = [&image.layers[0], &foreign.layers[0]].map(|l| l.desc.as_ref().unwrap().digest);
        assert_eq!(descs[0] == descs[1], zstd, "force-compression={force}");
        assert!(image.layers[1].desc.as_ref().unwrap().media_type.ends_with("gzip"));
        assert_eq!(validate::source(&source, None).unwrap(), []);
    }
}

fn dir_entry() -> crate::export::fixture::Member<'static> {
    dir("d/", 0o755)
}

#[test]
fn layers_that_are_known_are_not_read_again() {
    let (dir, first) = with_app();
    let path = dir.path().join("layout");
    save_to(&first, &["app:1"], SaveFormat::OciDir, &path);
    let (_keep, second) = store();
    load_from(&second, &path).unwrap();
    // The layer's bytes are wrong now, at the same length: reading them would fail.
    let layer = registry::Source::open(&path, dir.path()).unwrap().images(None).unwrap()[0].layers[0].clone();
    let blob = path.join("blobs/sha256").join(layer.desc.unwrap().digest.hex());
    let len = std::fs::metadata(&blob).unwrap().len();
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, vec![0; usize::try_from(len).unwrap()]).unwrap();
    load_from(&second, &path).unwrap();
    let (_keep, third) = store();
    let error = shown(&load_from(&third, &path).expect_err("wrong bytes"));
    assert!(error.contains("was promised"), "{error}");
}

#[test]
fn a_failed_load_leaves_no_image_no_name_and_no_blob_in_the_making() {
    let (dir, first) = with_app();
    let path = dir.path().join("docker.tar");
    save_to(&first, &["app:1"], SaveFormat::Docker, &path);
    let good = std::fs::read(&path).unwrap();
    let source = registry::Source::open(&path, dir.path()).unwrap();
    let layer = source.images(None).unwrap()[0].layers[1].desc.clone().unwrap();
    let hex = layer.digest.hex();
    let header = good.windows(hex.len()).position(|w| w == hex.as_bytes()).unwrap();
    let data = (header / 512 + 1) * 512;
    for at in [data + 12, data + usize::try_from(layer.size).unwrap() - 5] {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        std::fs::write(&path, &bad).unwrap();
        let (_keep, second) = store();
        let error = shown(&load_from(&second, &path).expect_err("a flipped bit"));
        assert!(error.contains("was promised") && error.contains(&hex), "{error}");
        assert_eq!(list(&second, &[]).unwrap(), []);
        assert!(!second.content().contains(&layer.digest).unwrap());
        for work in std::fs::read_dir(second.root().join("work")).unwrap() {
            let left: Vec<_> = std::fs::read_dir(work.unwrap().path()).unwrap().collect();
            assert!(left.is_empty(), "{left:?}");
        }
        second.gc().unwrap();
        assert_eq!(second.content().list().unwrap(), [], "a collection takes the rest");
    }
}

#[test]
fn a_layer_that_does_not_fit_its_config_is_refused() {
    let (dir, store) = store();
    let tar = tar_of(&[file("a", b"1")]);
    let mut archive = tar::Builder::new(Vec::new());
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        oci::DiffId::of(b"other")
    );
    for (name, data) in [
        ("c.json", config.as_bytes()),
        ("l/layer.tar", &tar),
        ("manifest.json", br#"[{"Config":"c.json","RepoTags":["x:1"],"Layers":["l/layer.tar"]}]"#),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, data).unwrap();
    }
    let path = dir.path().join("docker.tar");
    std::fs::write(&path, archive.into_inner().unwrap()).unwrap();
    let error = shown(&load_from(&store, &path).expect_err("another tar"));
    assert!(error.contains("the tar of a layer has the digest"), "{error}");
    assert_eq!(list(&store, &[]).unwrap(), []);
}

#[test]
fn hostile_layers_are_refused_and_named() {
    use tar::EntryType::{Link, Symlink};
    for members in
        [vec![link("x", Symlink, "/tmp"), file("x/planted", b"1")], vec![link("x", Link, "../../etc/passwd")]]
    {
        let (dir, store) = store();
        let tar = tar_of(&members);
        let mut archive = tar::Builder::new(Vec::new());
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
            oci::DiffId::of(&tar)
        );
        for (name, data) in [
            ("c.json", config.as_bytes()),
            ("layer.tar", &tar),
            ("manifest.json", br#"[{"Config":"c.json","Layers":["layer.tar"]}]"#),
        ] {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            archive.append_data(&mut header, name, data).unwrap();
        }
        let path = dir.path().join("docker.tar");
        std::fs::write(&path, archive.into_inner().unwrap()).unwrap();
        match load_from(&store, &path) {
            Err(error) => assert!(shown(&error).contains("unpack layer sha256:"), "{}", shown(&error)),
            Ok(_) => assert!(!Path::new("/tmp/planted").exists()),
        }
        assert!(!Path::new("/tmp/planted").exists());
    }
}

#[test]
fn layers_without_their_directories_take_them_from_below() {
    let (dir, first) = store();
    let lower = tar_of(&[dir_named("opt/", 0o750), dir_named("opt/app/", 0o711)]);
    // As ko and bazel write them: the file alone.
    let upper = tar_of(&[file("opt/app/bin", b"bin")]);
    let mut archive = tar::Builder::new(Vec::new());
    let ids = [&lower, &upper].map(|tar| oci::DiffId::of(tar));
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ids}});
    for (name, data) in [
        ("c.json", config.to_string().as_bytes()),
        ("0.tar", &lower),
        ("1.tar", &upper),
        ("manifest.json", br#"[{"Config":"c.json","RepoTags":["x:1"],"Layers":["0.tar","1.tar"]}]"#),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, data).unwrap();
    }
    let path = dir.path().join("docker.tar");
    std::fs::write(&path, archive.into_inner().unwrap()).unwrap();
    load_from(&first, &path).unwrap();
    let record = access::resolve(&first, "x:1").unwrap();
    let index = first.layers().index(record.layers[1].layer).unwrap();
    let entry = index.get(&oci::RootPath::new("/opt/app")).unwrap();
    assert_eq!((entry.mode, entry.uid), (0o711, 1000));
}

fn dir_named(name: &str, mode: u32) -> crate::export::fixture::Member<'_> {
    dir(name, mode)
}

#[test]
fn cancelled_loads_stop() {
    let (dir, first) = with_app();
    let path = dir.path().join("docker.tar");
    save_to(&first, &["app:1"], SaveFormat::Docker, &path);
    let (_keep, second) = store();
    let cancel = Cancel::default();
    cancel.cancel();
    let done = load(&second, Input::Path(path), None, &cancel);
    assert!(matches!(done, Err(ImageError::Canceled)), "{done:?}");
    assert_eq!(list(&second, &[]).unwrap(), []);
}

#[test]
fn a_file_system_becomes_an_image() {
    let (dir, store) = store();
    let tar = tar_of(&[dir_named("etc/", 0o755), file("etc/os-release", b"ID=x\n")]);
    let packed = dir.path().join("rootfs.tar.zst");
    std::fs::write(&packed, zstd_of(&tar)).unwrap();
    let changes = [
        "CMD [\"/bin/sh\"]",
        "ENTRYPOINT /init --flag",
        "ENV A=1 B=\"two words\"",
        "EXPOSE 80 53/udp",
        "LABEL k=v",
        "USER 1000",
        "VOLUME /data",
        "WORKDIR /work",
        "STOPSIGNAL SIGINT",
        "ONBUILD RUN make",
        "HEALTHCHECK --interval=5s CMD true",
    ];
    let request = ImportRequest {
        input: Input::Path(packed),
        changes: changes.map(str::to_owned).to_vec(),
        message: "from a test".into(),
        platform: "linux/arm64".parse().unwrap(),
        name: Some("rootfs:1".parse().unwrap()),
        created: 1_700_000_000,
        epoch: None,
    };
    let id = import(&store, request, &Cancel::default()).unwrap();
    let shown = inspect(&store, "rootfs:1").unwrap();
    assert_eq!(shown["Id"], id.to_string());
    assert_eq!(
        (&shown["Architecture"], &shown["Created"]),
        (&"arm64".into(), &"2023-11-14T22:13:20Z".into())
    );
    let config = &shown["Config"];
    assert_eq!(config["Env"], serde_json::json!(["A=1", "B=two words"]));
    assert_eq!(config["Entrypoint"], serde_json::json!(["/bin/sh", "-c", "/init --flag"]));
    assert_eq!(config["ExposedPorts"], serde_json::json!({"53/udp": {}, "80/tcp": {}}));
    assert_eq!(config["Volumes"], serde_json::json!({"/data": {}}));
    for (key, value) in [("User", "1000"), ("WorkingDir", "/work"), ("StopSignal", "SIGINT")] {
        assert_eq!(config[key], value);
    }
    assert_eq!((&config["OnBuild"][0], &config["Labels"]["k"]), (&"RUN make".into(), &"v".into()));
    assert_eq!(config["Healthcheck"]["Interval"], 5_000_000_000_i64);
    let lines = history(&store, "rootfs:1").unwrap();
    assert_eq!((lines.len(), lines[0].comment.as_str(), lines[0].size), (1, "from a test", 5));
    assert_sound(&store, "rootfs:1");
}

fn zstd_of(bytes: &[u8]) -> Vec<u8> {
    use snapshotter::layer::{CompressedWriter, Compression};
    use std::io::Write;
    let mut out = CompressedWriter::new(Vec::new(), Compression::ZSTD, 1).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap().0
}

#[test]
fn wrong_changes_and_wrong_tars_make_no_image() {
    let (_dir, store) = store();
    let request = |changes: &[&str], tar: Vec<u8>| ImportRequest {
        input: Input::Stream(Box::new(std::io::Cursor::new(tar)), "standard input".into()),
        changes: changes.iter().map(|c| (*c).to_owned()).collect(),
        message: String::new(),
        platform: "linux/amd64".parse().unwrap(),
        name: None,
        created: 0,
        epoch: None,
    };
    let good = || tar_of(&[file("a", b"1")]);
    for (changes, expected) in [
        (&["RUN true"][..], "no change"),
        (&["COPY a b"], "no change"),
        (&["FROM scratch"], "FROM is no change"),
        (&["ENV A=1\nRUN true"], "several instructions"),
        (&["ENV A=1\nENV B=2"], "several instructions"),
        (&["NONSENSE"], "NONSENSE"),
        (&[""], "empty"),
        (&["EXPOSE 99999"], "99999"),
    ] {
        let error = shown(&import(&store, request(changes, good()), &Cancel::default()).expect_err(expected));
        assert!(error.contains(expected), "{changes:?}: {error}");
    }
    let half = good()[..700].to_vec();
    for tar in [Vec::new(), b"no tar at all".repeat(100), half, tar_of(&[])] {
        let error = shown(&import(&store, request(&[], tar), &Cancel::default()).expect_err("no root"));
        assert!(error.contains("standard input"), "{error}");
    }
    assert_eq!(list(&store, &[]).unwrap(), []);
    import(&store, request(&[], good()), &Cancel::default()).unwrap();
    let rows = list(&store, &["dangling=true".parse().unwrap()]).unwrap();
    assert_eq!((rows.len(), rows[0].repository.as_deref()), (1, None));
}

#[test]
fn bases_come_from_the_store_or_a_layout() {
    let (dir, first) = with_app();
    let at = dir.path().join("layout");
    save_to(&first, &["app:1"], SaveFormat::OciDir, &at);
    let other = result(&first, &[tar_of(&[file("other", b"2")])], None);
    store_image(&first, &other, &names(&["app:latest"]), &Cancel::default()).unwrap();
    save_to(&first, &["app:latest"], SaveFormat::OciDir, &at);
    let (app, latest) = (access::resolve(&first, "app:1").unwrap(), access::resolve(&first, "app").unwrap());

    let (_keep, second) = store();
    let amd64 = "linux/amd64".parse().unwrap();
    let base = |text: &str| resolve_base(&second, text, &amd64, &Cancel::default());
    let digest = registry::Source::open(&at, dir.path()).unwrap().images(None).unwrap()[0].listed.unwrap();
    for (text, expected) in [
        (format!("oci-layout://{}", at.display()), &latest),
        (format!("oci-layout://{}:1", at.display()), &app),
        (format!("oci-layout://{}@{digest}", at.display()), &app),
    ] {
        let found = base(&text).unwrap();
        assert_eq!(found.id, expected.id, "{text}");
        assert_eq!(found.layers.len(), expected.layers.len());
        assert!(second.layers().contains(found.layers[0].layer).unwrap());
    }
    assert_eq!(base(&app.id.to_string()).unwrap().config.config.cmd.unwrap(), ["/hello"]);
    let error = shown(&base(&format!("oci-layout://{}:nope", at.display())).expect_err("no such tag"));
    assert!(error.contains(":nope"), "{error}");
    let error = shown(&base("debian:12").expect_err("it is not here"));
    for word in ["debian:12", "load", "import", "--build-context"] {
        assert!(error.contains(word), "{error}");
    }
    // The only image that there is, though for another platform: a finding of the Dockerfile's says so.
    let arm = resolve_base(&first, "app:1", &"linux/arm64".parse().unwrap(), &Cancel::default());
    assert_eq!(arm.unwrap().config.architecture, "amd64");
}

#[test]
fn history_goes_with_layers() {
    let (_dir, store) = store();
    let mut built = result(&store, &rich(), None);
    let empty = oci::image::History { created_by: "ENV A=b".into(), empty_layer: true, ..Default::default() };
    built.config.history.insert(1, empty);
    store_image(&store, &built, &names(&["app:1"]), &Cancel::default()).unwrap();
    let lines = history(&store, "app:1").unwrap();
    let sizes: Vec<u64> = lines.iter().map(|line| line.size).collect();
    assert_eq!(sizes, [13, 0, 16], "the last instruction comes first");
    assert_eq!((lines[0].id.is_some(), lines[1].id.is_some()), (true, false));
    assert_eq!((lines[0].created, lines[1].created), (Some(1_700_000_000), None));
    let shown = inspect(&store, "app:1").unwrap();
    assert_eq!(shown["Size"], 29);
    assert_eq!(shown["RepoTags"], serde_json::json!(["app:1"]));
    assert_eq!(shown["RepoDigests"], serde_json::json!([]), "what was never packed has no digest to share");
    assert_eq!(shown["RootFS"]["Layers"].as_array().unwrap().len(), 2);
}
