//! `build --check` and `build --call`.

use crate::testenv::TestEnv;
use insta::assert_snapshot;
use serde_json::Value;
use std::fs;
use std::path::Path;

#[test]
fn findings_have_their_place_their_remedy_and_their_page() {
    let env = TestEnv::new();
    env.context("FROM busybox AS Build\nRUN <<EOF\ncd /x\nmake\nEOF\n", &[]);
    assert_snapshot!(env.build("--check").code(1).stdout, @r"
    Check complete, 2 warnings have been found!
    warning[StageNameCasing]: Stage name 'Build' should be lowercase
     --> ctx/Dockerfile:1:17
      |
    1 | FROM busybox AS Build
      |                 ^^^^^
      |
      = help: name it `build`
      = note: see https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
    warning[HeredocWithoutSetE]: if one of these commands fails, the step goes on: only the last one counts
     --> ctx/Dockerfile:2:1
      |
    2 | RUN <<EOF
      | ^^^^^^^^^
      |
      = help: begin the here-document with `set -e`
    ");
    assert!(env.build("--call=check,ignorestatus=true").ok().stdout.contains("StageNameCasing"));
    env.context("FROM busybox\nCMD [\"true\"]\n", &[]);
    assert_eq!(env.build("--check").ok().stdout, "Check complete, no warnings found.\n");
    assert_eq!(env.build("-q").ok().stdout.matches("sha256:").count(), 1);
}

#[test]
fn errors_of_one_stage_do_not_hide_the_next() {
    let env = TestEnv::new();
    env.context("FROM --platform=a/b/c/d busybox\nFROM busybox\nEXPOSE x\nENV MY_TOKEN=1\n", &[]);
    let said = env.build("--check").code(1).stdout;
    for rule in ["bad-platform", "bad-port", "SecretsUsedInArgOrEnv"] {
        assert!(said.contains(rule), "{said}");
    }
    // Errors count whatever is asked for.
    env.build("--call=check,ignorestatus").code(1);
}

#[test]
fn images_that_are_there_count_and_of_others_nothing_is_assumed() {
    let env = TestEnv::new();
    let variable = "LABEL a=$SET_BY_THE_IMAGE\n";
    env.context("FROM busybox\nENV SET_BY_THE_IMAGE=1\nONBUILD CMD run it\n", &[]);
    env.build("-t with-variable").ok();
    env.context(&format!("FROM with-variable\n{variable}"), &[]);
    let said = env.build("--check").code(1).stdout;
    assert!(said.contains("JSONArgsRecommended") && !said.contains("UndefinedVar"), "{said}");
    env.context(&format!("FROM busybox\n{variable}"), &[]);
    assert!(env.build("--check").code(1).stdout.contains("UndefinedVar"));
    env.context(&format!("FROM example.com/not/here\n{variable}CMD run it\n"), &[]);
    assert_eq!(env.build("--check").ok().stdout, "Check complete, no warnings found.\n");
}

#[test]
fn settings_choose_among_the_findings() {
    let env = TestEnv::new();
    let file = "# check=skip=StageNameCasing;error=true\nFROM busybox AS A\nMAINTAINER me\nENV MY_KEY=1\n";
    env.context(file, &[]);
    let said = env.build("").code(2).stderr;
    assert!(
        said.contains("lint violation found for rules: MaintainerDeprecated, SecretsUsedInArgOrEnv"),
        "{said}"
    );
    env.build("--build-arg BUILDKIT_DOCKERFILE_CHECK=skip=all").ok();
    // What Docker does not check fails nothing.
    env.context("# check=error=true\nFROM busybox\nRUN <<EOF\ntrue\ntrue\nEOF\n", &[]);
    assert!(env.build("").ok().stderr.contains("HeredocWithoutSetE"));
}

#[test]
fn json_has_the_names_of_buildx() {
    let env = TestEnv::new();
    env.context("FROM busybox AS A\nENV MY_KEY=1 \\\n  B=2\n", &[]);
    let answer: Value = serde_json::from_str(&env.build("--call=check,format=json").code(1).stdout).unwrap();
    let warnings = answer["warnings"].as_array().unwrap();
    let rules: Vec<_> = warnings.iter().map(|warning| warning["ruleName"].as_str().unwrap()).collect();
    assert_eq!(rules, ["StageNameCasing", "SecretsUsedInArgOrEnv"]);
    let ranges = serde_json::json!([
        { "start": { "line": 2 }, "end": { "line": 2 } },
        { "start": { "line": 3 }, "end": { "line": 3 } },
    ]);
    assert_eq!(warnings[1]["location"]["ranges"], ranges);
    assert!(warnings[1]["url"].as_str().unwrap().ends_with("/secrets-used-in-arg-or-env/"));
    assert_eq!(answer["sources"][0]["filename"], "Dockerfile");
    assert!(answer.get("buildError").is_none());
}

/// The answers are those of buildx, recorded in `fixtures/outline`.
#[test]
fn outlines_and_targets_are_those_of_buildx() {
    let env = TestEnv::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/outline");
    let mut seen = 0;
    for dir in fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()) {
        env.context(&fs::read_to_string(dir.join("Dockerfile")).unwrap(), &[]);
        for method in ["outline", "targets"] {
            let wanted = |form: &str| fs::read_to_string(dir.join(format!("{method}.{form}"))).unwrap();
            let json = env.build(&format!("--call={method},format=json")).ok().stdout;
            let json: Value = serde_json::from_str(&json).unwrap();
            assert_eq!(json, serde_json::from_str::<Value>(&wanted("json")).unwrap(), "{}", dir.display());
            let text = env.build(&format!("--call={method}")).ok().stdout;
            assert_eq!(text, wanted("txt"), "{}", dir.display());
            seen += 1;
        }
    }
    assert!(seen >= 4);
}

#[test]
fn other_calls_are_refused_by_name() {
    let env = TestEnv::new();
    env.context("FROM busybox\n", &[]);
    env.build("--call=convertllb").code(2).says("`convertllb` is not supported");
    env.build("--call=outlin").code(2).says("did you mean `outline`?");
    env.context("FROM busybox\nCOPYY a b\n", &[]);
    env.build("--call=targets").code(1).says("COPYY");
}
