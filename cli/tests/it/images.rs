//! `images`, `tag`, `rmi`, `inspect`, `history`, `load`, `save`, `import`.

use crate::tarball;
use crate::testenv::TestEnv;
use std::process::Command;
use tar::EntryType;

#[test]
fn images_are_listed_tagged_and_removed() {
    let env = TestEnv::new();
    env.line("tag busybox example.org/other:v1").ok();
    let listed = env.line("images").ok().stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("REPOSITORY          TAG      IMAGE ID       CREATED"), "{listed}");
    assert!(lines[1].starts_with("busybox             latest"), "{listed}");
    assert!(lines[2].starts_with("example.org/other   v1"), "{listed}");
    let short = env.line("images -q busybox").ok().stdout;
    assert_eq!(short.trim().len(), 12);
    assert_eq!(env.line("images -q --no-trunc busybox:latest").ok().stdout, "sha256:<hex>\n");
    assert_eq!(
        env.run(["images", "--format", "{{.Repository}}:{{.Tag}}", "-f", "reference=*org/*"]).ok().stdout,
        "example.org/other:v1\n"
    );
    assert!(env.line("images --digests").ok().stdout.contains("DIGEST"));
    let json: serde_json::Value =
        serde_json::from_slice(&env.line("images --format json busybox").ok().raw).unwrap();
    assert_eq!(json["Repository"], "busybox");
    env.line("images -f nonsense").code(2).says("nonsense");
    env.run(["rmi", short.trim()]).code(1).says("several names");
    assert_eq!(env.line("rmi example.org/other:v1").ok().stdout, "Untagged: example.org/other:v1\n");
    assert_eq!(env.line("rmi busybox").ok().stdout, "Untagged: busybox:latest\nDeleted: sha256:<hex>\n");
    env.line("rmi busybox nothing").code(1).says("`busybox`").says("`nothing`");
    assert_eq!(env.line("images -q").ok().stdout, "");
    assert_eq!(std::fs::read_dir(env.root().join("layers")).unwrap().count(), 0, "its layer is gone");
}

#[test]
fn inspect_and_history_tell_what_an_image_is() {
    let env = TestEnv::new();
    env.context("FROM busybox\nLABEL a=b\nRUN echo hello > /hello\n", &[]);
    env.build("-t x").ok();
    let config = &env.inspect("x")["Config"];
    assert_eq!(config["Labels"]["a"], "b");
    assert_eq!(config["Cmd"][0], "sh");
    assert_eq!(
        env.run(["inspect", "-f", "{{.Config.Cmd}} {{json .RepoTags}}", "x"]).ok().stdout,
        "[sh] [\"x:latest\"]\n"
    );
    env.run(["inspect", "-f", "{{.Nope}}", "x"]).code(2).says("`Nope`");
    let missing = env.line("inspect nothing").code(1);
    assert_eq!(
        (missing.stdout.as_str(), missing.stderr.as_str()),
        ("[]\n", "error: there is no image `nothing` here\n")
    );
    let by = env.run(["history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Size}}", "x"]).ok().stdout;
    let lines: Vec<&str> = by.lines().collect();
    assert_eq!(lines[0], "RUN /bin/sh -c echo hello > /hello # buildkit|6B");
    assert_eq!(lines[1], "LABEL a=b|0B");
    assert!(env.line("history -H=false x").ok().stdout.contains("CREATED AT"));
}

#[test]
fn saved_images_load_again() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN echo x > /x\nCMD [\"cat\", \"/x\"]\n", &[]);
    env.build("-t x:1").ok();
    let id = env.id("x:1");
    env.line("save -o docker.tar x:1 busybox").ok();
    env.line("save -o oci.tar --format oci-archive x:1").ok();
    env.line("save -o layout --format oci-dir x:1").ok();
    let piped = env.line("save x:1").ok().raw;
    for source in ["docker.tar", "oci.tar", "layout"] {
        let fresh = TestEnv::empty();
        let loaded = fresh.run(["load", "-i", env.path().join(source).to_str().unwrap()]).ok();
        assert!(loaded.stdout.contains("Loaded image: x:1\n"), "{source}: {}", loaded.stdout);
        assert_eq!(fresh.id("x:1"), id, "{source}");
        assert_eq!(fresh.line("run --rm x:1").ok().stdout, "x\n");
    }
    let fresh = TestEnv::empty();
    assert_eq!(fresh.feed(&mut fresh.command(["load"]), &piped).ok().stdout, "Loaded image: x:1\n");
    assert_eq!(fresh.id("x:1"), id);
    env.line("save -o y.tar nothing").code(1).says("`nothing`");
    assert!(!env.path().join("y.tar").exists());
}

#[test]
fn skopeo_and_podman_read_what_is_saved_and_their_own_loads_here() {
    let env = TestEnv::new();
    env.line("save -o docker.tar busybox").ok();
    env.line("save -o oci.tar --format oci-archive busybox").ok();
    for source in ["docker-archive:docker.tar", "oci-archive:oci.tar"] {
        let mut skopeo = Command::new("skopeo");
        let mut skopeo = skopeo.args(["inspect", source]).current_dir(env.path());
        skopeo = skopeo.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        env.output(skopeo).ok();
    }
    let mut copy = Command::new("skopeo");
    let copy = copy
        .args(["copy", "docker-archive:docker.tar", "oci-archive:copied.tar:copied:1"])
        .current_dir(env.path());
    env.output(copy.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped())).ok();
    env.line("load -i copied.tar").ok();
    assert_eq!(env.line("run --rm copied:1 echo runs").ok().stdout, "runs\n");
}

#[test]
fn import_takes_changes_and_compressed_tars() {
    let env = TestEnv::empty();
    env.write("root.tar", tarball::raw(&[("f", EntryType::Regular, "text")]));
    Command::new("gzip").arg("-k").arg(env.path().join("root.tar")).status().unwrap();
    let flags =
        ["import", "-c", "LABEL a=b", "-c", "CMD [\"x\"]", "-m", "from afar", "--platform", "linux/arm64"];
    let output = env.run(flags.into_iter().chain(["root.tar.gz", "x:1"])).ok();
    assert_eq!(output.stdout, "sha256:<hex>\n");
    let image = env.inspect("x:1");
    assert_eq!(image["Config"]["Labels"]["a"], "b");
    assert_eq!(image["Architecture"], "arm64");
    assert_eq!(image["Comment"], "from afar");
    let piped =
        env.feed(&mut env.command(["import", "-", "y"]), &tarball::raw(&[("f", EntryType::Regular, "text")]));
    piped.ok();
    let layer = |name: &str| env.inspect(name)["RootFS"]["Layers"].clone();
    assert_eq!(layer("x:1"), layer("y"));
    env.run(["import", "-c", "RUN x", "root.tar"]).code(2).says("RUN x");
    env.line("run --rm --platform linux/amd64 x:1").code(125).says("linux/arm64");
}
