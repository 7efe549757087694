//! What other programs make of our images, and we of theirs.

use super::*;
use std::process::Command;

/// Whether `program` is here. On CI it has to be.
#[expect(
    clippy::disallowed_methods,
    reason = "CI is the one thing that tells whether a test may be left out"
)]
fn have(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is not installed");
    if !found {
        println!("skipped: no {program}");
    }
    found
}

fn run(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{program} {args:?}: {errors}");
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn skopeo_reads_and_copies_what_we_write() {
    if !have("skopeo") {
        return;
    }
    let (dir, store) = with_app();
    let record = access::resolve(&store, "app:1").unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    save_to(&store, &["app:1"], SaveFormat::Docker, &dir.path().join("docker.tar"));
    save_to(&store, &["app:1"], SaveFormat::Oci, &dir.path().join("oci.tar"));
    save_to(&store, &["app:1"], SaveFormat::OciDir, &dir.path().join("layout"));
    for (number, from) in [
        format!("docker-archive:{}:app:1", at("docker.tar")),
        format!("oci-archive:{}:1", at("oci.tar")),
        format!("oci-archive:{}", at("docker.tar")),
        format!("oci:{}:1", at("layout")),
    ]
    .iter()
    .enumerate()
    {
        let config: serde_json::Value =
            serde_json::from_str(&run("skopeo", &["inspect", "--config", from])).unwrap();
        assert_eq!(config["config"]["Labels"]["maker"], "lapstrake", "{from}");
        let to = dir.path().join(format!("copy{number}"));
        run("skopeo", &["--insecure-policy", "copy", "-q", from, &format!("oci:{}:copied", to.display())]);
        let (_keep, second) = crate::export::fixture::store();
        let loaded = load_from(&second, &to).unwrap();
        assert_eq!(loaded[0].id, record.id, "{from}: the config came through unchanged");
        let back = access::resolve(&second, &loaded[0].id.to_string()).unwrap();
        assert_eq!(back.layers, record.layers, "{from}");
    }
}

#[test]
fn archives_of_skopeo_load() {
    if !have("skopeo") {
        return;
    }
    let (dir, store) = with_app();
    let record = access::resolve(&store, "app:1").unwrap();
    save_to(&store, &["app:1"], SaveFormat::OciDir, &dir.path().join("layout"));
    let from = format!("oci:{}:1", dir.path().join("layout").display());
    let cases = [
        ("docker-archive", ":their/app:2", Some("their/app:2")),
        ("oci-archive", ":example.org/app:3", None),
    ];
    for (kind, name, expected) in cases {
        let to = dir.path().join(kind);
        run("skopeo", &["--insecure-policy", "copy", "-q", &from, &format!("{kind}:{}{name}", to.display())]);
        let (_keep, second) = crate::export::fixture::store();
        let loaded = load_from(&second, &to).unwrap();
        let expected = expected.unwrap_or("example.org/app:3");
        assert_eq!(loaded[0].names, names(&[expected]), "{kind}");
        let back = access::resolve(&second, expected).unwrap();
        assert_eq!(back.layers, record.layers, "{kind}: the same files and the same diff ids");
        assert_sound(&second, expected);
    }
}

#[test]
fn podman_loads_what_we_save_and_saves_what_we_load() {
    if !have("podman") {
        return;
    }
    let (dir, store) = with_app();
    let record = access::resolve(&store, "app:1").unwrap();
    let root = dir.path().join("podman");
    let (graph, runroot) = (root.join("graph"), root.join("run"));
    let podman = |args: &[&str]| {
        let (graph, runroot) = (graph.display().to_string(), runroot.display().to_string());
        let mut all = vec!["--root", &graph, "--runroot", &runroot, "--storage-driver", "vfs"];
        all.extend(args);
        run("podman", &all)
    };
    for (format, theirs) in [(SaveFormat::Docker, "docker-archive"), (SaveFormat::Oci, "oci-archive")] {
        let path = dir.path().join(theirs);
        save_to(&store, &["app:1"], format, &path);
        podman(&["load", "-q", "-i", &path.display().to_string()]);
        let images = podman(&["images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}"]);
        assert!(images.contains(&record.id.to_string()), "{theirs}: {images}");
        let name = images.lines().next().unwrap().split_once(' ').unwrap().1.to_owned();
        let back = dir.path().join(format!("back-{theirs}"));
        podman(&["save", "-q", "--format", theirs, "-o", &back.display().to_string(), &name]);
        let (_keep, second) = crate::export::fixture::store();
        let loaded = load_from(&second, &back).unwrap();
        assert_eq!(loaded[0].names.len(), 1, "{theirs}");
        let back = access::resolve(&second, &loaded[0].id.to_string()).unwrap();
        assert_eq!(back.id, record.id, "{theirs}");
        let ids =
            |layers: &[snapshotter::images::StoredLayer]| layers.iter().map(|l| l.layer).collect::<Vec<_>>();
        assert_eq!(ids(&back.layers), ids(&record.layers), "{theirs}: the files are the same");
        podman(&["rmi", "-f", &record.id.hex()]);
    }
}
