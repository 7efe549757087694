//! `bake`

use crate::testenv::TestEnv;
use serde_json::Value;
use std::fs;

const DEFINITION: &str = r#"
variable "V" { default = "1" }
group "default" { targets = ["app", "two"] }
target "base" { dockerfile-inline = "FROM scratch\nCOPY f /base\n" }
target "app" {
  contexts = { base = "target:base" }
  dockerfile-inline = "FROM base\nCOPY f /app\n"
  tags = ["app:${V}"]
}
target "two" {
  name = "two-${v}"
  matrix = { v = ["x", "y"] }
  dockerfile-inline = "FROM scratch\nARG A\nLABEL a=$A\nCOPY f /\n"
  args = { A = v }
  tags = ["two:${v}"]
}
"#;

fn env(definition: &str) -> TestEnv {
    let env = TestEnv::new();
    env.context("FROM scratch\n", &[("f", "f")]);
    fs::write(env.path().join("ctx/docker-bake.hcl"), definition).unwrap();
    env
}

#[test]
fn a_group_a_matrix_and_a_linked_target_are_built() {
    let env = env(DEFINITION);
    let args =
        ["bake", "-f", "ctx/docker-bake.hcl", "--set", "*.context=ctx", "--metadata-file", "meta.json"];
    env.run([&args[..], &["--var", "V=7"]].concat()).ok();
    let images = env.run(["images"]).ok().stdout;
    for name in ["app", "two"] {
        assert!(images.contains(name), "{images}");
    }
    let meta: Value =
        serde_json::from_str(&fs::read_to_string(env.path().join("meta.json")).unwrap()).unwrap();
    assert_eq!(meta["app"]["image.name"], "docker.io/library/app:7");
    assert_eq!(meta["two-y"]["image.name"], "docker.io/library/two:y");
    assert!(meta["base"]["image.name"].is_null());
    let app: Value = serde_json::from_str(&env.run(["inspect", "app:7"]).ok().stdout).unwrap();
    assert_eq!(app[0]["RootFS"]["Layers"].as_array().unwrap().len(), 2);
}

#[test]
fn an_override_wins() {
    let env = env(DEFINITION);
    let args = ["bake", "-f", "ctx/docker-bake.hcl", "--print", "--set", "two-x.args.A=z", "two-x"];
    let printed: Value = serde_json::from_str(&env.run(args).ok().stdout).unwrap();
    assert_eq!(printed["target"]["two-x"]["args"]["A"], "z");
}

#[test]
fn an_error_has_its_place_and_its_remedy() {
    let env = env("target \"default\" {\n  tagz = [\"x\"]\n}\n");
    let failed = env.run(["bake", "-f", "ctx/docker-bake.hcl"]).code(2);
    for part in ["no attribute `tagz`", "ctx/docker-bake.hcl:2:3", "did you mean `tags`?"] {
        assert!(failed.stderr.contains(part), "{}", failed.stderr);
    }
    let env = self::env("target \"default\" {\n  cache-to = [\"type=gha\"]\n}\n");
    let failed = env.run(["bake", "-f", "ctx/docker-bake.hcl"]).code(2);
    assert!(failed.stderr.contains("docker-bake.hcl:2:3"), "{}", failed.stderr);
}

#[test]
fn a_failure_names_its_target() {
    let env = env(
        "target \"broken\" {\n  context = \"ctx\"\n  dockerfile-inline = \"FROM scratch\\nCOPY no /\\n\"\n}\n",
    );
    let failed = env.run(["bake", "-f", "ctx/docker-bake.hcl", "broken"]).code(1);
    assert!(failed.stderr.contains("target `broken`"), "{}", failed.stderr);
}

#[test]
fn what_is_asked_for_has_to_be_granted() {
    let env = env("target \"default\" {\n  context = \"ctx\"\n  network = \"host\"\n}\n");
    let failed = env.run(["bake", "-f", "ctx/docker-bake.hcl"]).code(2);
    assert!(failed.stderr.contains("--allow network.host"), "{}", failed.stderr);
    env.run(["bake", "-f", "ctx/docker-bake.hcl", "--allow", "network.host"]).ok();
}
