//! Names, lists, removal, signals, kills.

use crate::Case;
use crate::support::{Home, null, open, request, shell};
use engine::container::{Attach, ContainerError, RunRequest, Status, images_in_use, list, remove, run};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const CASES: &[Case] = &[
    ("lifecycle::a_kept_container_is_listed_and_removed", a_kept_container_is_listed_and_removed),
    ("lifecycle::a_name_is_used_once", a_name_is_used_once),
    ("lifecycle::an_id_may_be_cut", an_id_may_be_cut),
    ("lifecycle::a_container_that_never_ran_is_kept_too", a_container_that_never_ran_is_kept_too),
    ("lifecycle::signals_reach_the_container", signals_reach_the_container),
    ("lifecycle::the_third_request_to_end_is_an_order", the_third_request_to_end_is_an_order),
    ("lifecycle::kill_9_of_the_owner_frees_name_and_space", kill_9_of_the_owner_frees_name_and_space),
    ("lifecycle::kill_9_without_rm_leaves_a_dead_container", kill_9_without_rm_leaves_a_dead_container),
    ("lifecycle::a_running_container_is_removed_by_force", a_running_container_is_removed_by_force),
    ("lifecycle::many_at_once", many_at_once),
];

const PATIENCE: Duration = Duration::from_secs(20);

fn kept(name: &str, request: RunRequest) -> RunRequest {
    RunRequest { remove: false, name: Some(name.into()), ..request }
}

fn a_kept_container_is_listed_and_removed() {
    let home = Home::new(&[]);
    assert_eq!(home.run(&kept("one", shell("exit 5"))).unwrap().1, 5);
    let [row] = &list(&home.store).unwrap()[..] else { panic!("one container") };
    assert_eq!((row.name.as_str(), row.image.as_str(), row.id.len()), ("one", "box", 64));
    assert_eq!(row.command, ["sh", "-c", "exit 5"]);
    assert!(matches!(row.status, Status::Exited(5, _)), "{:?}", row.status);
    assert_eq!(images_in_use(&home.store).unwrap(), [(row.image_id, "one".to_owned())]);
    assert_eq!(remove(&home.store, "one", false, false).unwrap(), row.id);
    assert!(list(&home.store).unwrap().is_empty());
    assert!(matches!(remove(&home.store, "one", true, false), Err(ContainerError::NotFound(_))));
    assert!(home.containers().is_empty());
}

fn a_name_is_used_once() {
    let home = Home::new(&[]);
    home.says(&kept("one", shell("true")));
    let error = home.run(&kept("one", shell("true"))).unwrap_err();
    assert!(matches!(error, ContainerError::NameInUse { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 125);
    assert_eq!(home.containers().len(), 1);
    remove(&home.store, "one", false, false).unwrap();
    home.says(&kept("one", shell("true")));
}

fn an_id_may_be_cut() {
    let home = Home::new(&[]);
    home.says(&RunRequest { remove: false, ..shell("true") });
    let row = list(&home.store).unwrap().remove(0);
    assert!(row.name.contains('_'), "a made-up name: {}", row.name);
    assert_eq!(remove(&home.store, &row.id[..6], false, false).unwrap(), row.id);
}

fn a_container_that_never_ran_is_kept_too() {
    let home = Home::new(&[]);
    assert_eq!(home.run(&kept("bad", request(&["nope"]))).unwrap_err().exit_code(), 127);
    assert!(matches!(list(&home.store).unwrap()[0].status, Status::Exited(127, _)));
}

/// This executable as the process of a `run`: store, name ("" for --rm), script.
pub(crate) fn run_if_helper() {
    let args: Vec<String> = std::env::args().collect();
    let Some("--run") = args.get(1).map(String::as_str) else { return };
    let store = open(Path::new(&args[2]));
    let request = if args[3].is_empty() { shell(&args[4]) } else { kept(&args[3], shell(&args[4])) };
    let stdout = rustix::io::dup(rustix::stdio::stdout()).unwrap();
    let code = run(&store, &request, Attach { stdin: None, stdout, stderr: null().into() }).unwrap();
    std::process::exit(code.into());
}

/// Started, and its first line read, which the script writes when it is ready.
fn start(home: &Home, name: &str, script: &str) -> Child {
    let mut child = Command::new("/proc/self/exe")
        .arg("--run")
        .arg(home.dir.path())
        .args([name, script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    child
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn signals_reach_the_container() {
    let home = Home::new(&[]);
    for (signal, code) in [(Signal::TERM, 3), (Signal::INT, 4), (Signal::USR1, 5)] {
        let script = "trap 'exit 3' TERM; trap 'exit 4' INT; trap 'exit 5' USR1; echo ready; while :; do sleep 0.05; done";
        let mut child = start(&home, "", script);
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(code));
    }
    assert!(home.containers().is_empty());
}

fn the_third_request_to_end_is_an_order() {
    let home = Home::new(&[]);
    let mut child = start(&home, "", "echo ready; exec sleep 60");
    for _ in 0..3 {
        assert!(child.try_wait().unwrap().is_none());
        send(&child, Signal::INT);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(child.wait().unwrap().code(), Some(137));
}

fn eventually(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill_9_of_the_owner_frees_name_and_space() {
    let home = Home::new(&[]);
    let mut child = start(&home, "", "touch /made; echo ready; exec sleep 60");
    assert_eq!(list(&home.store).unwrap()[0].status, Status::Running);
    child.kill().unwrap();
    child.wait().unwrap();
    // The next command sweeps it, whatever that is about.
    eventually("the container goes", || {
        engine::store::open(&home.dir.path().join("store")).unwrap();
        home.containers().is_empty()
    });
    assert!(list(&home.store).unwrap().is_empty());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(home.dir.path().to_str().unwrap()), "{mounts}");
}

fn kill_9_without_rm_leaves_a_dead_container() {
    let home = Home::new(&[]);
    let mut child = start(&home, "one", "echo ready; exec sleep 60");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(list(&home.store).unwrap()[0].status, Status::Dead);
    remove(&home.store, "one", false, false).unwrap();
    assert!(home.containers().is_empty());
}

fn a_running_container_is_removed_by_force() {
    let home = Home::new(&[]);
    let mut child = start(&home, "one", "echo ready; exec sleep 60");
    let error = remove(&home.store, "one", false, false).unwrap_err();
    assert!(matches!(error, ContainerError::Running(_)), "{error:?}");
    remove(&home.store, "one", true, false).unwrap();
    assert!(child.wait().unwrap().code().is_some());
    assert!(home.containers().is_empty());
}

fn many_at_once() {
    let home = Home::new(&[]);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert_eq!(home.says(&request(&["echo", "x"])), "x\n");
                }
            });
        }
    });
    assert!(home.containers().is_empty());
}
