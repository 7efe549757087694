//! Ends that nobody asked for: signals, drops, kill -9 of the caller and of the guard.

use crate::Case;
use crate::support::{Store, assert_nothing_left, cgroup_of, output, says, spawn};
use runner::spec::{Exit, Spec};
use runner::{Io, Sandbox, Stream};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const CASES: &[Case] = &[
    ("kill::a_signal_reaches_the_first_process", a_signal_reaches_the_first_process),
    ("kill::kill_ends_the_whole_namespace", kill_ends_the_whole_namespace),
    ("kill::background_processes_end_with_the_first", background_processes_end_with_the_first),
    ("kill::a_dropped_sandbox_is_gone", a_dropped_sandbox_is_gone),
    ("kill::a_wait_can_time_out", a_wait_can_time_out),
    ("kill::kill_9_of_the_caller_leaves_nothing", kill_9_of_the_caller_leaves_nothing),
    ("kill::kill_9_of_the_guard_leaves_nothing", kill_9_of_the_guard_leaves_nothing),
    ("kill::kill_9_at_any_moment_leaves_nothing", kill_9_at_any_moment_leaves_nothing),
    ("kill::many_at_once", many_at_once),
    ("kill::no_zombie_and_no_descriptor_is_left", no_zombie_and_no_descriptor_is_left),
];

/// Longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processes whose command line has `mark`.
fn processes(mark: &str) -> Vec<i32> {
    let all =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    all.filter(|pid: &i32| {
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(mark)
    })
    .collect()
}

fn a_signal_reaches_the_first_process() {
    let store = Store::new();
    let spec = store.shell("trap 'exit 42' TERM; echo ready; while :; do sleep 0.1; done");
    let mut running = Sandbox::spawn(&spec, Io { stdout: Stream::Piped, ..Io::default() }).unwrap();
    let mut line = String::new();
    BufReader::new(running.stdout.take().unwrap()).read_line(&mut line).unwrap();
    running.kill(libc::SIGTERM).unwrap();
    assert_eq!(running.wait().unwrap(), Exit::Code(42));
    running.kill(libc::SIGTERM).unwrap();
    assert_nothing_left(&spec);
}

fn kill_ends_the_whole_namespace() {
    let store = Store::new();
    let spec = store.shell("setsid sleep 98761 & sleep 98761 & sleep 98761");
    let mut running = spawn(&spec);
    eventually("three children", || processes("sleep\098761").len() >= 3);
    running.killer().unwrap().kill(libc::SIGKILL).unwrap();
    assert_eq!(running.wait().unwrap(), Exit::Signal(9));
    assert!(processes("sleep\098761").is_empty());
    assert_nothing_left(&spec);
}

fn background_processes_end_with_the_first() {
    let store = Store::new();
    let spec = store.shell("setsid sleep 98762 > /dev/null 2>&1 & true");
    says(&spec);
    assert!(processes("sleep\098762").is_empty());
    assert_nothing_left(&spec);
}

fn a_dropped_sandbox_is_gone() {
    let store = Store::new();
    let spec = store.spec(&["sleep", "98763"]);
    drop(spawn(&spec));
    assert!(processes("sleep\098763").is_empty());
    assert_nothing_left(&spec);
}

fn a_wait_can_time_out() {
    let store = Store::new();
    let mut running = spawn(&store.spec(&["sleep", "0.3"]));
    assert_eq!(running.wait_timeout(Duration::from_millis(1)).unwrap(), None);
    assert_eq!(running.wait_timeout(PATIENCE).unwrap(), Some(Exit::Code(0)));
    assert_eq!(running.wait_timeout(Duration::ZERO).unwrap(), Some(Exit::Code(0)));
}

/// This executable as a caller that will be killed, and as a program that looks at itself. (Opening it for
/// writing tells nothing: it is busy.)
pub(crate) fn run_if_helper() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--is-self-read-only") => {
            let found = rustix::fs::statvfs("/proc/self/exe").unwrap();
            println!("read-only: {}", found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
            std::process::exit(1);
        }
        Some("--caller") => {
            let spec: Spec = serde_json::from_str(&args[2]).unwrap();
            let _running = spawn(&spec);
            println!("started");
            std::thread::sleep(PATIENCE * 3);
            std::process::exit(0);
        }
        _ => {}
    }
}

fn start_caller(spec: &Spec) -> std::process::Child {
    let mut caller = Command::new("/proc/self/exe")
        .args(["--caller", &serde_json::to_string(spec).unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(caller.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "started\n");
    caller
}

fn kill_9_of_the_caller_leaves_nothing() {
    let store = Store::new();
    // The dangling link makes a stub that must be cleaned even now.
    fs::create_dir(store.layer().join("etc")).unwrap();
    std::os::unix::fs::symlink("/run/r/stub", store.layer().join("etc/resolv.conf")).unwrap();
    let spec = store.shell("setsid sleep 98764 & exec sleep 98764");
    let mut caller = start_caller(&spec);
    eventually("two processes", || processes("sleep\098764").len() >= 2);
    assert!(cgroup_of(&spec).exists());
    caller.kill().unwrap();
    caller.wait().unwrap();
    eventually("the processes end", || processes("sleep\098764").is_empty());
    eventually("the cgroup goes", || !cgroup_of(&spec).exists());
    eventually("the guard ends", || guards_of(&spec).is_empty());
    assert_nothing_left(&spec);
    assert_eq!(crate::support::tree(&crate::support::upper(&spec)), ["dev", "proc", "sys"]);
}

/// Processes in no cgroup of ours, named as guards, that hold the spec's upper directory.
fn guards_of(spec: &Spec) -> Vec<i32> {
    let upper = crate::support::upper(spec);
    let holds = |pid: &i32| {
        let fds = fs::read_dir(format!("/proc/{pid}/fd"));
        fds.is_ok_and(|mut fds| {
            fds.any(|fd| fd.is_ok_and(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == upper)))
        })
    };
    processes("lapstrake-init").into_iter().filter(holds).collect()
}

fn kill_9_of_the_guard_leaves_nothing() {
    let store = Store::new();
    let spec = store.shell("setsid sleep 98765 & exec sleep 98765");
    let mut running = spawn(&spec);
    eventually("two processes", || processes("sleep\098765").len() >= 2);
    let [guard] = guards_of(&spec)[..] else { panic!("one guard: {:?}", guards_of(&spec)) };
    kill_process(Pid::from_raw(guard).unwrap(), Signal::KILL).unwrap();
    assert!(running.wait().unwrap_err().to_string().contains("guard"));
    eventually("the processes end", || processes("sleep\098765").is_empty());
    // The cgroup is the next process's to sweep.
    assert!(cgroup_of(&spec).exists());
    let next = store.spec(&["true"]);
    let mut caller = start_caller(&next);
    assert!(!cgroup_of(&spec).exists());
    caller.kill().unwrap();
    caller.wait().unwrap();
    eventually("the cgroup goes", || !cgroup_of(&next).exists());
}

fn kill_9_at_any_moment_leaves_nothing() {
    let store = Store::new();
    let mut specs = Vec::new();
    for moment in 0..40_u64 {
        let mut spec = store.shell("setsid sleep 98766 & exec sleep 98766");
        if moment % 2 == 0 {
            spec.mounts = crate::sources::of_every_kind(&store, moment);
        }
        let words = serde_json::to_string(&spec).unwrap();
        let mut caller =
            Command::new("/proc/self/exe").args(["--caller", &words]).stdout(Stdio::null()).spawn().unwrap();
        // A sandbox starts within 2 ms or so of its caller; unevenly, to hit every step.
        std::thread::sleep(Duration::from_micros(moment * 137));
        caller.kill().unwrap();
        caller.wait().unwrap();
        specs.push(spec);
    }
    eventually("the processes end", || processes("sleep\098766").is_empty());
    for spec in &specs {
        eventually("the guard ends", || guards_of(spec).is_empty());
        eventually("the cgroup goes", || !cgroup_of(spec).exists());
        assert_nothing_left(spec);
    }
}

fn many_at_once() {
    let store = Store::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let spec = store.spec(&["echo", "x"]);
                    assert_eq!(output(&spec), ("x\n".to_owned(), Exit::Code(0)));
                    assert_nothing_left(&spec);
                }
            });
        }
    });
}

fn no_zombie_and_no_descriptor_is_left() {
    let store = Store::new();
    says(&store.spec(&["true"]));
    let fds = || fs::read_dir("/proc/self/fd").unwrap().count();
    let before = fds();
    for _ in 0..5 {
        says(&store.spec(&["true"]));
        drop(spawn(&store.spec(&["sleep", "9"])));
        assert_eq!(crate::support::try_output(&store.spec(&["nope"])).unwrap_err().exit_code(), 127);
    }
    assert_eq!(fds(), before);
    let own = std::process::id().to_string();
    let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    assert_eq!(children.trim(), "");
}
