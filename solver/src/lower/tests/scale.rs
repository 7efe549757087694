//! Long Dockerfiles: what is needed grows with them, and no faster.

use super::super::*;
use super::run;
use crate::graph::HistorySource;
use std::fmt::Write as _;

fn lines(head: &str, count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(head.to_owned(), |mut text, i| {
        writeln!(text, "{}", line(i)).unwrap();
        text
    })
}

#[test]
fn stages_one_from_another_keep_what_the_ones_before_made() {
    let src = lines("FROM scratch AS b\n", 3000, |i| format!("FROM b AS b\nENV a{i}=1"));
    let graph = run(&src, &LowerRequest::default()).unwrap();
    assert_eq!(graph.history, vec![HistorySource::Metadata; 3000]);
    assert_eq!(graph.config.config.env.len(), 3001);
}

#[test]
fn a_stage_is_the_base_of_several() {
    let src = "FROM scratch AS a\nENV x=1\nFROM a AS b\nENV x=2\nWORKDIR /b\nFROM a AS c\nENV y=3\n\
               FROM scratch\nCOPY --from=b / /\nCOPY --from=c / /\nCOPY --from=a / /\n";
    let target = |name: Option<&str>| {
        let request = LowerRequest { target: name.map(str::to_owned), ..LowerRequest::default() };
        run(src, &request).unwrap().config.config.env[1..].to_vec()
    };
    assert_eq!(target(Some("a")), ["x=1"]);
    assert_eq!(target(Some("b")), ["x=2"]);
    assert_eq!(target(Some("c")), ["x=1", "y=3"]);
    let steps = run(src, &LowerRequest::default()).unwrap().steps;
    let sources: Vec<_> = steps[1..].iter().map(|step| step.inputs().last().map(|id| id.0)).collect();
    assert_eq!(sources, [Some(0), Some(1), Some(2)]);
}

#[test]
fn an_arg_hides_a_variable_in_its_own_stage_alone() {
    let src = "FROM scratch AS a\nENV v=env w=1\nARG v=arg\nARG n=arg\nENV seen=$v\nFROM a\nENV later=$v$n\n";
    let env = run(src, &LowerRequest::default()).unwrap().config.config.env;
    assert_eq!(env[1..], ["v=env", "w=1", "seen=arg", "later=envarg"]);
}

#[test]
fn what_grows_with_itself_is_refused() {
    let too_large = |src: &str| {
        let findings = run(src, &LowerRequest::default()).unwrap_err();
        let found = findings.iter().find(|finding| finding.is_error()).unwrap();
        assert_eq!(found.rule.name, "too-large");
    };
    let more = "x".repeat(100);
    let growing = |i: usize| format!("ENV a{}=${{a{i}}}{more}", i + 1);
    too_large(&lines("FROM scratch\nENV a0=\n", 3000, growing));
    too_large(&lines("FROM scratch\n", 20_000, |i| format!("ENV a{i}={}\nRUN x", "x".repeat(20))));
    let triggers = lines("FROM scratch AS b\n", 4000, |_| "ONBUILD ENV a=012345678901234567890".to_owned());
    let stages = lines(&triggers, 400, |i| format!("FROM b AS s{i}")) + "FROM scratch\n";
    too_large(&lines(&stages, 400, |i| format!("COPY --from=s{i} / /")));
}
