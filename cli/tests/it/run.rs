//! `run`, `ps`, `rm`.

use crate::testenv::TestEnv;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

#[test]
fn exit_codes_are_the_commands() {
    let env = TestEnv::new();
    env.line("run --rm busybox true").ok();
    env.line("run --rm busybox false").code(1);
    env.run(["run", "--rm", "busybox", "sh", "-c", "exit 42"]).code(42);
    env.run(["run", "--rm", "busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).code(137);
    env.line("run --rm busybox no-such-command").code(127).says("no-such-command");
    env.line("run --rm busybox /etc/passwd").code(126).says("/etc/passwd");
    env.line("run --rm no-such-image").code(125).says("there is no image `no-such-image`");
    env.line("run --rm -u nobodyatall busybox").code(125).says("nobodyatall");
    env.line("run --no-such-flag busybox").code(125).says("--no-such-flag");
    env.line("run -d busybox").code(125).says("`-d` of `docker run` is not supported yet").says("foreground");
    env.line("run --network bridge busybox").code(125).says("network `bridge`");
    assert_eq!(env.line("ps -aq").ok().stdout, "");
    env.assert_clean();
}

#[test]
fn flags_and_the_image_shape_the_process() {
    let env = TestEnv::new();
    env.context("FROM busybox\nENV A=image B=image\nWORKDIR /w\nUSER daemon\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"id -u; pwd; echo $A $B $C\"]\n", &[]);
    env.build("-t x").ok();
    assert_eq!(env.line("run --rm x").ok().stdout, "1\n/w\nimage image\n");
    let shaped = env.run([
        "run",
        "--rm",
        "-e",
        "B=flag",
        "-e",
        "C=c",
        "-w",
        "/",
        "-u",
        "33:100",
        "x",
        "id; pwd; echo $A $B $C",
    ]);
    assert_eq!(shaped.ok().stdout, "uid=33(www-data) gid=100(users) groups=100(users)\n/\nimage flag c\n");
    assert_eq!(env.line("run --rm --entrypoint echo x a b").ok().stdout, "a b\n");
    assert_eq!(env.run(["run", "--rm", "--entrypoint", "", "x", "echo", "c"]).ok().stdout, "c\n");
    assert_eq!(env.line("run --rm -h box x hostname").ok().stdout, "box\n");
    env.line("run --rm --read-only -u 0 --entrypoint touch x /f").code(1).says("Read-only");
}

#[test]
fn streams_are_joined() {
    let env = TestEnv::new();
    let output = env
        .feed(&mut env.command(["run", "--rm", "-i", "busybox", "sh", "-c", "cat; echo err >&2"]), b"input");
    let output = output.ok();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("input\n", "err\n"));
    let without = env.feed(&mut env.command(["run", "--rm", "busybox", "cat"]), b"not for it").ok();
    assert_eq!(without.stdout, "");
    let megabytes = vec![b'x'; 5 << 20];
    assert!(
        env.feed(&mut env.command(["run", "--rm", "-i", "busybox", "cat"]), &megabytes).ok().raw == megabytes
    );
    env.line("run -i -t --rm busybox").code(125).says("not a TTY");
    assert_eq!(env.line("run -t --rm busybox tty").ok().stdout, "/dev/pts/0\n");
}

#[test]
fn volumes_are_mounted() {
    let env = TestEnv::new();
    env.write("data/f", "host\n");
    assert_eq!(env.line("run --rm -v ./data:/d busybox cat /d/f").ok().stdout, "host\n");
    env.line("run --rm -v ./data:/d:ro busybox touch /d/g").code(1);
    env.line("run --rm -v ./data:/d busybox touch /d/g").ok();
    assert!(env.path().join("data/g").exists());
    env.line("run --rm -v keep:/k busybox touch /k/x").ok();
    assert_eq!(env.line("run --rm -v keep:/k busybox ls /k").ok().stdout, "x\n");
    env.line("run --rm -v x:/ busybox").code(125).says("the target");
    env.assert_clean();
}

#[test]
fn containers_stay_until_they_are_removed() {
    let env = TestEnv::new();
    env.run(["run", "--name", "kept", "busybox", "sh", "-c", "exit 3"]).code(3);
    env.line("run --name kept busybox").code(125).says("already in use");
    assert_eq!(env.line("ps -q").ok().stdout, "");
    let listed = env.line("ps -a").ok().stdout;
    assert!(listed.starts_with("CONTAINER ID   IMAGE     COMMAND"), "{listed}");
    assert!(listed.contains("\"sh -c exit 3\"") && listed.contains("Exited (3)"), "{listed}");
    assert_eq!(env.run(["ps", "-a", "--format", "{{.Names}} {{.State}}"]).ok().stdout, "kept exited\n");
    env.line("rmi busybox").code(1).says("used by container kept");
    assert_eq!(env.line("rm kept").ok().stdout, "kept\n");
    env.line("rm kept").code(1).says("no such container: kept");
    env.line("rmi busybox").ok();
}

#[test]
fn a_running_container_is_listed_and_removed_by_force() {
    let env = TestEnv::new();
    let mut child = env
        .command(["run", "--rm", "--name", "long", "busybox", "sh", "-c", "echo up; sleep 600"])
        .spawn()
        .unwrap();
    let mut line = [0; 3];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    let listed = env.line("ps").ok().stdout;
    assert!(listed.contains("Up ") && listed.contains("long"), "{listed}");
    env.line("rm long").code(1).says("is running");
    env.line("rm -f long").ok();
    env.wait(child, "run".into()).code(137);
    assert_eq!(env.line("ps -aq").ok().stdout, "");
    env.assert_clean();
}

#[test]
fn signals_reach_the_container() {
    let env = TestEnv::new();
    let script = "trap 'echo got; exit 7' TERM; echo up; while :; do sleep 0.1; done";
    let mut child = env.command(["run", "--rm", "busybox", "sh", "-c", script]).spawn().unwrap();
    let mut line = [0; 3];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    assert_eq!(env.wait(child, "run".into()).code(7).stdout, "got\n");
    env.assert_clean();
}

#[test]
fn a_closed_pipe_ends_the_container() {
    let env = TestEnv::new();
    let mut child = env.command(["run", "--rm", "busybox", "yes"]).spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    drop(child.stdout.take());
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "the container goes on");
        std::thread::sleep(Duration::from_millis(10));
    }
    env.assert_clean();
}

#[test]
fn a_killed_run_leaves_nothing() {
    let env = TestEnv::new();
    let mut child = env.command(["run", "--rm", "-i", "busybox", "sh", "-c", "echo up; cat"]);
    let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    let mut line = [0; 3];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(env.line("ps -aq").ok().stdout, "", "the next command sweeps it");
    let start = Instant::now();
    while !env.processes().is_empty() || !env.mounts().is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?} {:?}", env.processes(), env.mounts());
        std::thread::sleep(Duration::from_millis(10));
    }
}
