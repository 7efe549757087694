//! `build`: steps, cache, arguments, files.

use crate::testenv::TestEnv;
use insta::assert_snapshot;

const PROJECT: &str = "FROM busybox AS build\nARG WORD=default\nWORKDIR /src\nCOPY a.txt b.txt ./\n\
                       RUN cat a.txt b.txt > all && echo $WORD >> all\nFROM busybox\n\
                       COPY --from=build /src/all /all\nCMD [\"cat\", \"/all\"]\n";

fn project() -> TestEnv {
    let env = TestEnv::new();
    env.context(PROJECT, &[("a.txt", "a\n"), ("b.txt", "b\n"), ("c.txt", "c\n")]);
    env
}

#[test]
fn a_build_is_shown_and_its_image_runs() {
    let env = project();
    assert_snapshot!(env.build("-t app").ok().stderr, @r"
    #1 [build 1/4] FROM docker.io/library/busybox:latest
    #1 DONE T

    #2 [build 2/4] WORKDIR /src
    #2 DONE T

    #3 [build 3/4] COPY a.txt b.txt ./
    #3 DONE T

    #4 [build 4/4] RUN cat a.txt b.txt > all && echo default >> all
    #4 DONE T

    #5 [stage-1 2/2] COPY --from=build /src/all /all
    #5 DONE T

    #6 exporting image to the store
    #6 T image sha256:<hex>
    #6 T named app:latest
    #6 DONE T
    ");
    assert_eq!(env.line("run --rm app").ok().stdout, "a\nb\ndefault\n");
    env.assert_clean();
}

#[test]
fn an_unchanged_build_is_all_cached_and_gives_the_same_image() {
    let env = project();
    env.build("-t app").ok();
    let first = env.id("app");
    let again = env.build("-t app").ok();
    assert_eq!(again.cached(), 4, "{}", again.stderr);
    assert!(!again.stderr.contains("CACHED]"), "each step says CACHED once");
    assert_eq!(env.id("app"), first);
}

#[test]
fn only_the_steps_that_depend_on_an_edit_run_again() {
    let env = project();
    env.build("-t app").ok();
    env.write("ctx/c.txt", "not copied");
    assert_eq!(env.build("-t app").ok().cached(), 4);
    env.write("ctx/b.txt", "B\n");
    let edited = env.build("-t app").ok();
    assert_eq!(edited.cached(), 1, "WORKDIR alone does not depend on it: {}", edited.stderr);
    assert_eq!(env.line("run --rm app").ok().stdout, "a\nB\ndefault\n");
    env.write("ctx/b.txt", "b\n");
    assert_eq!(env.build("-t app").ok().cached(), 4, "back to what was built before");
}

#[test]
fn no_cache_runs_everything() {
    let env = project();
    env.build("-t app").ok();
    assert_eq!(env.build("--no-cache -t app").ok().cached(), 0);
}

#[test]
fn arguments_target_and_labels_count() {
    let env = project();
    env.build("-t app --build-arg WORD=given --label x=y --target build").ok();
    assert_eq!(env.line("run --rm app cat all").ok().stdout, "a\nb\ngiven\n");
    assert_eq!(env.inspect("app")["Config"]["Labels"]["x"], "y");
    let command = &mut env.command(["build", "-q", "--build-arg", "WORD", "-t", "app", "ctx"]);
    env.output(command.env("WORD", "from-env")).ok();
    assert_eq!(env.line("run --rm app").ok().stdout, "a\nb\nfrom-env\n");
}

#[test]
fn quiet_prints_the_id_alone() {
    let env = project();
    let output = env.run(["build", "-q", "ctx"]).ok();
    assert_eq!(output.stdout, "sha256:<hex>\n");
    assert_eq!(output.stderr, "");
}

#[test]
fn ids_and_metadata_are_written_to_files() {
    let env = project();
    env.build("-t app --iidfile id --metadata-file meta.json").ok();
    assert_eq!(env.read("id"), env.id("app"));
    let meta: serde_json::Value = serde_json::from_str(&env.read("meta.json")).unwrap();
    assert_eq!(meta["containerimage.config.digest"], env.id("app"));
    assert_eq!(meta["image.name"], "docker.io/library/app:latest");
    assert_eq!(meta["containerimage.descriptor"]["digest"], meta["containerimage.digest"]);
    env.context("FROM busybox\nRUN false\n", &[]);
    env.build("--iidfile id").code(1);
    assert!(!env.path().join("id").exists(), "the id of an earlier build would be taken for this one's");
}

#[test]
fn dockerfiles_come_from_elsewhere() {
    let env = project();
    env.write("other/My.Dockerfile", "FROM busybox\nCOPY a.txt /\n");
    env.line("build -q -t other -f other/My.Dockerfile ctx").ok();
    assert_eq!(env.line("run --rm other cat /a.txt").ok().stdout, "a\n");
    env.feed(&mut env.command(["build", "-t", "piped", "-f", "-", "ctx"]), b"FROM other\nCOPY b.txt /\n")
        .ok();
    assert_eq!(env.line("run --rm piped cat /a.txt /b.txt").ok().stdout, "a\nb\n");
    env.feed(&mut env.command(["build", "-t", "alone", "-"]), b"FROM busybox\nRUN echo x > /x\n").ok();
    assert_eq!(env.line("run --rm alone cat /x").ok().stdout, "x\n");
    env.feed(&mut env.command(["build", "-"]), b"FROM busybox\nCOPY a.txt /\n").code(1).says("a.txt");
    env.assert_clean();
}

#[test]
fn named_contexts_replace_stages_images_and_names() {
    let env = project();
    env.write("lib/lib.txt", "lib\n");
    env.context("FROM base\nCOPY --from=lib lib.txt /\nCOPY --from=build a.txt /\n", &[]);
    env.line("save -o layout --format oci-dir busybox").ok();
    let flags = "--build-context base=oci-layout://layout --build-context lib=lib --build-context build=ctx";
    env.build(&format!("-t x {flags}")).ok();
    assert_eq!(env.line("run --rm x cat /lib.txt /a.txt").ok().stdout, "lib\na\n");
}

#[test]
fn stages_that_nothing_needs_are_not_built() {
    let env = TestEnv::new();
    env.context(
        "FROM busybox AS broken\nRUN false\nFROM no-such-image AS missing\nFROM busybox\nRUN true\n",
        &[],
    );
    let output = env.build("").ok();
    assert!(!output.stderr.contains("broken"), "{}", output.stderr);
}

#[test]
fn a_step_that_gives_the_same_result_keeps_its_children_cached() {
    let env = TestEnv::new();
    env.context("FROM busybox\nARG N\nRUN echo $N > /dev/null; echo same > /x\nRUN cat /x > /y\n", &[]);
    env.build("--build-arg N=1").ok();
    assert_eq!(env.build("--build-arg N=2").ok().cached(), 0, "both steps have N in their environment");
    env.context(
        "FROM busybox AS a\nARG N\nRUN : $N; echo same > /x\nFROM busybox\nCOPY --from=a /x /\nRUN cat /x\n",
        &[],
    );
    env.build("--build-arg N=1").ok();
    assert_eq!(env.build("--build-arg N=2").ok().cached(), 2, "the copy and what follows it are known");
}

#[test]
fn source_date_epoch_dates_everything() {
    let env = project();
    let mut command = env.command(["build", "-t", "app", "-o", "type=oci,dest=app.tar", "ctx"]);
    env.output(command.env("SOURCE_DATE_EPOCH", "1234567890")).ok();
    env.build("-t app -o type=oci,dest=arg.tar --build-arg SOURCE_DATE_EPOCH=1234567890").ok();
    assert_eq!(env.inspect("app")["Created"], "2009-02-13T23:31:30Z");
    let tars = ["app.tar", "arg.tar"].map(|name| std::fs::read(env.path().join(name)).unwrap());
    assert!(tars[0] == tars[1], "the variable and the argument are one");
    let other = project();
    let mut command = other.command(["build", "-t", "app", "-o", "type=oci,dest=app.tar", "ctx"]);
    other.output(command.env("SOURCE_DATE_EPOCH", "1234567890")).ok();
    assert!(std::fs::read(other.path().join("app.tar")).unwrap() == tars[0], "another store, the same bytes");
}

#[test]
fn networks_are_the_hosts_or_none() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN ip -o link | wc -l > /links\n", &[]);
    env.build("-t none --network none").ok();
    assert_eq!(env.line("run --rm none cat /links").ok().stdout, "1\n");
    env.context("FROM busybox\nRUN --network=none ip -o link | wc -l > /links\n", &[]);
    env.build("-t flag").ok();
    assert_eq!(env.line("run --rm flag cat /links").ok().stdout, "1\n");
}

#[test]
fn two_builds_of_one_step_run_it_once() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN sleep 1; cat /proc/sys/kernel/random/uuid > /id\n", &[]);
    let start = |name: &str| env.command(["build", "--progress=plain", "-t", name, "ctx"]).spawn().unwrap();
    let (a, b) = (start("a"), start("b"));
    env.wait(a, "a".into()).ok();
    env.wait(b, "b".into()).ok();
    assert_eq!(env.line("run --rm a cat /id").ok().stdout, env.line("run --rm b cat /id").ok().stdout);
}

#[test]
fn logs_are_never_cut() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN seq 1 30000; printf 'no end'\n", &[]);
    let output = env.build("").ok();
    for n in [1, 15_000, 30_000] {
        assert!(output.stderr.contains(&format!("\n#2 T {n}\n")), "line {n} is missing");
    }
    assert!(output.stderr.contains("\n#2 T no end\n"));
}

#[test]
fn many_layers_are_no_limit() {
    let env = TestEnv::new();
    let steps: String = (0..150).map(|n| format!("RUN echo {n} > /f{n}\n")).collect();
    env.context(&format!("FROM busybox\n{steps}"), &[]);
    env.build("-t many").ok();
    assert_eq!(env.line("run --rm many cat /f0 /f149").ok().stdout, "0\n149\n");
}
