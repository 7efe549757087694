//! Misses and their reasons.

use super::*;
use crate::graph::{Mkdir, Network, Op, Run};
use crate::key::{Inputs, preimage};

fn run(script: &str, env: &[&str]) -> Preimage {
    let op = Op::Run(Run {
        argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: env.iter().map(|var| (*var).to_owned()).collect(),
        proxy_env: vec![],
        cwd: "/".into(),
        user: String::new(),
        network: Network::Host,
        hostname: String::new(),
        extra_hosts: Vec::new(),
        files: vec![],
        platform: "linux/amd64".parse().unwrap(),
        mounts: vec![],
        security: crate::graph::Security::Sandbox,
        shm_size: None,
        ulimits: vec![],
    });
    preimage(&op, &Inputs::default())
}

fn change(field: &str, old: Option<&str>, new: Option<&str>) -> Change {
    Change { field: field.into(), old: old.map(str::to_owned), new: new.map(str::to_owned) }
}

#[test]
fn names_the_field_with_its_old_and_new_value() {
    let miss = Miss::find(&run("make all", &["A=1"]), [&run("make", &["A=1"])]);
    let changes = vec![change("argv", Some("/bin/sh -c make"), Some("/bin/sh -c make all"))];
    assert_eq!(miss, Miss::Changed { changes });
    assert_eq!(miss.to_string(), "argv changed");
}

#[test]
fn variables_are_compared_by_name() {
    let changes = compare(&run("make", &["A=1", "B=2"]), &run("make", &["A=3", "C=4"]));
    let expected = [
        change("env A", Some("1"), Some("3")),
        change("env C", None, Some("4")),
        change("env B", Some("2"), None),
    ];
    assert_eq!(changes, expected);
}

#[test]
fn an_equal_step_was_missed_for_its_parent() {
    let today = run("make", &[]);
    assert_eq!(Miss::find(&today, [&today.clone()]), Miss::ParentChanged);
}

#[test]
fn the_closest_earlier_step_explains() {
    let (far, near) = (run("other", &["X=1", "Y=2"]), run("make", &["A=2"]));
    let Miss::Changed { changes } = Miss::find(&run("make", &["A=1"]), [&far, &near]) else {
        panic!("the steps differ");
    };
    assert_eq!(changes, [change("env A", Some("2"), Some("1"))]);
}

#[test]
fn nothing_earlier_and_another_kind_are_a_first_build() {
    let mkdir = preimage(&Op::Mkdir(Mkdir { path: "/a".into(), user: String::new() }), &Inputs::default());
    assert_eq!(Miss::find(&run("make", &[]), []), Miss::FirstBuild);
    assert_eq!(Miss::find(&run("make", &[]), [&mkdir]), Miss::FirstBuild);
}

#[test]
fn serialises_with_its_reason() {
    let json = serde_json::to_string(&Miss::ParentChanged).unwrap();
    assert_eq!(json, r#"{"reason":"parent-changed"}"#);
}
