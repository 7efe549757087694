//! A look into steps that failed.

use crate::testenv::TestEnv;

const DOCKERFILE: &str = "\
FROM busybox
ENV A=b
WORKDIR /work
RUN --mount=type=bind,source=file,target=/bound chmod 777 /work && rm /etc/group
USER 1234:99
RUN --mount=type=cache,target=/cache,mode=0777 --mount=type=secret,id=token,env=TOKEN \\
    --mount=type=secret,id=token,mode=0444 --mount=type=bind,source=file,target=/bound \\
    echo kept > left; echo cached > /cache/x; test -n \"$TOKEN\"; exit 3
";

fn failed() -> TestEnv {
    let env = TestEnv::new();
    env.context(DOCKERFILE, &[("file", "bound")]);
    let mut build = env.command(["build", "--progress=plain", "--secret", "id=token,env=VALUE", "ctx"]);
    let failed = env.output(build.env("VALUE", "hidden-value")).code(1).says("lapstrake debug ");
    let id = failed.stderr.split("lapstrake debug ").nth(1).unwrap()[..8].to_owned();
    env.write("id", id);
    env
}

#[test]
fn a_session_is_in_the_steps_place() {
    let env = failed();
    let script = "id -u; id -g; pwd; echo $A; cat left /cache/x /bound; echo \"token=$TOKEN\"; test -e /etc/group || echo gone";
    let seen = env.run(["debug", "-c", script]).ok().says("the secret `token` is not here");
    assert_eq!(seen.stdout, "1234\n99\n/work\nb\nkept\ncached\nboundtoken=\ngone\n");
    let id = env.read("id");
    let given = env.run([
        "debug",
        "--secret",
        "id=token,src=id",
        &id[..4],
        "sh",
        "-c",
        "echo $TOKEN; cat /run/secrets/token",
    ]);
    assert_eq!(given.ok().stdout, format!("{id}\n{id}\n"));
    env.run(["debug", "-c", "exit 7"]).code(7);
    let mut shell = env.command(["debug"]);
    assert_eq!(env.feed(&mut shell, b"cat left\n").ok().stdout, "kept\n");
    env.assert_clean();
}

#[test]
fn a_session_leaves_the_step_as_it_was() {
    let env = failed();
    env.run(["debug", "-c", "echo more > left; rm -f other; echo again > /cache/x"]).ok();
    let seen = env.run(["debug", "-c", "cat left /cache/x"]).ok();
    assert_eq!(seen.stdout, "kept\nagain\n", "caches are the real ones");
}

#[test]
fn no_secret_is_kept() {
    let env = failed();
    let found =
        std::process::Command::new("grep").args(["-r", "hidden-value"]).arg(env.root()).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn steps_are_listed_kept_from_collections_and_removed() {
    let env = failed();
    let id = env.read("id");
    let list = env.line("debug --list").ok().stdout;
    assert!(list.contains(&id) && list.contains("ctx/Dockerfile") && list.contains("exit 3"), "{list}");
    // A removal collects: the layers below the failed step stay.
    env.line("rmi busybox").ok();
    env.run(["debug", "-c", "cat left"]).ok();
    env.line(&format!("debug --rm {id}")).ok();
    assert_eq!(env.line("debug --list").ok().stdout.lines().count(), 1);
    env.line("debug").code(1).says("no failed step is kept");
    env.line("debug 1234").code(1).says("`1234` names 0 failed steps");
}

#[test]
fn the_last_five_are_kept() {
    let env = TestEnv::new();
    for number in 0..6 {
        env.context(&format!("FROM busybox\nRUN exit 1{number}\n"), &[]);
        env.build("").code(1).says("lapstrake debug");
    }
    let list = env.line("debug -l").ok().stdout;
    assert_eq!(list.lines().count(), 6, "{list}");
    assert!(!list.contains("exit 10") && list.contains("exit 15"), "{list}");
}
