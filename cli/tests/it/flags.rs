//! Flags of `build` that change what RUN sees, or what becomes of the image.

use crate::testenv::TestEnv;
use serde_json::Value;

#[test]
fn limits_hosts_and_memory_reach_the_step() {
    let env = TestEnv::new();
    let dockerfile =
        "FROM busybox\nRUN ulimit -n > /n; df -k /dev/shm | tail -n 1 > /shm; grep named /etc/hosts > /h\n";
    env.context(dockerfile, &[]);
    env.build("-t x --ulimit nofile=100:200 --shm-size 8m --add-host named=1.2.3.4 --jobs 1").ok();
    let seen = env.line("run --rm x cat /n /shm /h").ok().stdout;
    let lines: Vec<&str> = seen.lines().collect();
    assert_eq!(lines[0], "100");
    assert_eq!(lines[1].split_whitespace().nth(1), Some("8192"));
    assert!(lines[2].starts_with("1.2.3.4"), "{seen}");
}

#[test]
fn secrets_are_taken_from_files_and_variables() {
    let env = TestEnv::new();
    let run =
        "RUN --mount=type=secret,id=a --mount=type=secret,id=b,env=B echo $(cat /run/secrets/a) $B > /x\n";
    env.context(&format!("FROM busybox\n{run}"), &[]);
    env.write("secret", "from file");
    let mut build =
        env.command(["build", "-t", "x", "--secret", "id=a,src=secret", "--secret", "id=b", "ctx"]);
    env.output(build.env("b", "from env")).ok();
    assert_eq!(env.line("run --rm x cat /x").ok().stdout, "from file from env\n");
    env.build("--secret src=secret").code(2).says("it has no id");
}

#[test]
fn some_stages_alone_are_run_again() {
    let env = TestEnv::new();
    env.context(
        "FROM busybox AS a\nRUN echo a > /a\nFROM busybox AS b\nRUN echo b > /b\nCOPY --from=a /a /a\n",
        &[],
    );
    env.build("").ok();
    let again = env.build("--no-cache-filter b").ok();
    let cached = |step: &str| {
        let number =
            again.stderr.lines().find(|line| line.contains(step)).unwrap().split(' ').next().unwrap();
        again.stderr.lines().any(|line| line == format!("{number} CACHED"))
    };
    assert!(cached("RUN echo a") && !cached("RUN echo b"), "{}", again.stderr);
}

#[test]
fn entitlements_have_to_be_given() {
    let env = TestEnv::new();
    let dockerfile = "# syntax=docker/dockerfile:1-labs\nFROM busybox\nRUN --security=insecure true\n";
    env.context(dockerfile, &[]);
    assert_ne!(env.build("").exit, Some(0));
    env.build("--allow security.insecure").ok();
    env.build("--allow everything").code(2).says("no such entitlement");
}

#[test]
fn the_image_can_be_edited() {
    let env = TestEnv::new();
    env.context("FROM busybox\nENV KEEP=1 DROP=2\nLABEL keep=1 drop=2\n", &[]);
    env.build("-t base").ok();
    let flags = "-t x --unsetenv DROP --unsetlabel drop --omit-history --source-date-epoch 1000";
    env.build(flags).ok();
    let image = env.inspect("x");
    let variables: Vec<&str> =
        image["Config"]["Env"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(variables.contains(&"KEEP=1") && !variables.iter().any(|line| line.starts_with("DROP")));
    assert_eq!(image["Config"]["Labels"], serde_json::json!({ "keep": "1" }));
    assert_eq!(image["Created"], "1970-01-01T00:16:40Z");
    assert_eq!(env.line("history -q x").ok().stdout.lines().count(), 0);
    env.context("FROM base\nLABEL own=3\n", &[]);
    env.build("-t y --inherit-labels=false").ok();
    assert_eq!(env.inspect("y")["Config"]["Labels"], serde_json::json!({ "own": "3" }));
}

#[test]
fn nothing_is_put_anywhere_but_into_the_cache() {
    let env = TestEnv::new();
    env.context("FROM busybox\nRUN true\n", &[]);
    env.build("-o type=cacheonly").ok();
    assert_eq!(env.line("images -q").ok().stdout.lines().count(), 1);
    assert_eq!(env.build("-o type=cacheonly").ok().cached(), 1);
    env.build("-o type=cacheonly,dest=x").code(2).says("no `dest`");
    env.build("--annotation a=b -o type=cacheonly").code(2).says("no output is an image");
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let env = TestEnv::empty();
    env.context("FROM scratch\n", &[]);
    for flag in
        ["--memory 1g", "--resource memory=1g", "--cpu-quota 1", "--timestamp 0", "--pull", "--squash"]
    {
        let name = flag.split(' ').next().unwrap();
        env.build(flag).code(2).says(&format!("`{name}` of `docker build` is not supported yet"));
    }
    env.build("--attest type=provenance").code(2).says("`--attest=type=provenance`");
    env.build("--allow device=x").code(2).says("`device=x` is not supported yet");
}

#[test]
fn contexts_come_as_archives_and_repositories() {
    let env = TestEnv::new();
    env.context(
        "FROM busybox\nCOPY f /f\n",
        &[("f", "archived"), ("sub/Other", "FROM scratch\nCOPY f /o\n")],
    );
    let tar =
        std::process::Command::new("tar").args(["-C", "ctx", "-cz", "."]).current_dir(env.path()).output();
    let tar = tar.unwrap().stdout;
    env.feed(&mut env.command(["build", "-o", "a", "-"]), &tar).ok();
    assert_eq!(env.read("a/f"), "archived");
    env.feed(&mut env.command(["build", "-o", "b", "-f", "sub/Other", "-"]), &tar).ok();
    assert_eq!(env.read("b/o"), "archived");
    env.feed(&mut env.command(["build", "-f", "nowhere", "-"]), &tar).code(2).says("there is no nowhere");
    env.feed(&mut env.command(["build", "-f", "-", "-"]), &tar).code(2).says("cannot both");
    assert_eq!(env.work(), Vec::<String>::new());
}
