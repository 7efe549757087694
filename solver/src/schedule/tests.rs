//! Replayed event lists, and random graphs.

use super::*;
use crate::graph::{Copy, CopyFrom, Mkdir, SourceText, Step};
use oci::ImageConfig;
use proptest::prelude::*;

/// `(parent, copy source)` per step.
fn graph(shape: &[(Option<u32>, Option<u32>)]) -> Graph {
    let step = |(parent, source): &(Option<u32>, Option<u32>)| Step {
        parent: parent.map(StepId),
        op: match source {
            None => Op::Mkdir(Mkdir { path: "/".into(), user: String::new() }),
            Some(source) => Op::Copy(Copy {
                from: CopyFrom::Step(Some(StepId(*source))),
                sources: vec![],
                dest: "/".into(),
                chown: None,
                chmod: None,
                link: false,
                unpack: false,
                unpack_fetched: false,
                parents: false,
                exclude: vec![],
                whole: false,
            }),
        },
        name: String::new(),
        stage: String::new(),
        span: 0..0,
        source: SourceText::Dockerfile,
        no_cache: false,
    };
    Graph {
        steps: shape.iter().map(step).collect(),
        target: None,
        config: ImageConfig::default(),
        history: vec![],
        base_history: 0,
        epoch: None,
        warnings: vec![],
    }
}

use Action::{AskCache, Start, Stop};
use Event::{CacheAnswer as Answer, Finished};

const HIT: super::CacheAnswer = super::CacheAnswer::Hit;
const MISS: super::CacheAnswer = super::CacheAnswer::Miss;

fn s(id: u32) -> StepId {
    StepId(id)
}

#[test]
fn a_chain_asks_runs_and_goes_on() {
    let mut schedule = Schedule::new(&graph(&[(None, None), (Some(0), None)]), 2);
    assert_eq!(schedule.start(), [AskCache(s(0))]);
    assert_eq!(schedule.on(Answer(s(0), MISS)), [Start(s(0))]);
    assert_eq!(schedule.on(Finished(s(0), Outcome::Ok)), [AskCache(s(1))]);
    assert!(!schedule.is_over());
    assert_eq!(schedule.on(Answer(s(1), HIT)), []);
    assert!(schedule.is_over() && schedule.is_success());
}

#[test]
fn base_steps_are_done_at_once() {
    let mut graph = graph(&[(None, None), (Some(0), None)]);
    graph.steps[0].op = Op::Base { reference: "busybox".into(), layers: vec![] };
    let mut schedule = Schedule::new(&graph, 1);
    assert_eq!(schedule.start(), [AskCache(s(1))]);
}

#[test]
fn a_graph_without_work_is_over_at_once() {
    let mut schedule = Schedule::new(&graph(&[]), 1);
    assert_eq!(schedule.start(), []);
    assert!(schedule.is_over() && schedule.is_success());
}

#[test]
fn a_copy_waits_for_its_source_too() {
    let mut schedule = Schedule::new(&graph(&[(None, None), (None, None), (Some(0), Some(1))]), 4);
    assert_eq!(schedule.start(), [AskCache(s(0)), AskCache(s(1))]);
    assert_eq!(schedule.on(Answer(s(0), HIT)), []);
    assert_eq!(schedule.on(Answer(s(1), HIT)), [AskCache(s(2))]);
}

#[test]
fn runs_are_bounded_and_the_longest_way_goes_first() {
    // 0 and 1 stand alone, 2 has two more behind it.
    let shape = [(None, None), (None, None), (None, None), (Some(2), None), (Some(3), None)];
    let mut schedule = Schedule::new(&graph(&shape), 1);
    assert_eq!(schedule.start(), [AskCache(s(2))]);
    assert_eq!(schedule.on(Answer(s(2), MISS)), [AskCache(s(0)), Start(s(2))]);
    assert_eq!(schedule.on(Answer(s(0), MISS)), [AskCache(s(1))]);
    assert_eq!(schedule.on(Answer(s(1), MISS)), []);
    assert_eq!(schedule.on(Finished(s(2), Outcome::Ok)), [AskCache(s(3)), Start(s(0))]);
}

#[test]
fn after_a_failure_nothing_starts_and_the_rest_is_stopped() {
    let mut schedule = Schedule::new(&graph(&[(None, None), (None, None), (Some(0), None)]), 2);
    schedule.start();
    schedule.on(Answer(s(0), MISS));
    schedule.on(Answer(s(1), MISS));
    assert_eq!(schedule.on(Finished(s(1), Outcome::Failed)), [Stop]);
    assert!(!schedule.is_over());
    assert_eq!(schedule.on(Finished(s(0), Outcome::Ok)), []);
    assert!(schedule.is_over() && !schedule.is_success());
}

#[test]
fn a_miss_after_a_failure_does_not_run() {
    let mut schedule = Schedule::new(&graph(&[(None, None), (None, None)]), 2);
    schedule.start();
    assert_eq!(schedule.on(Finished(s(0), Outcome::Failed)), [Stop]);
    assert_eq!(schedule.on(Answer(s(1), MISS)), []);
    assert!(schedule.is_over());
}

#[test]
fn the_last_failure_stops_nothing_and_cancel_stops_once() {
    let mut schedule = Schedule::new(&graph(&[(None, None)]), 2);
    schedule.start();
    schedule.on(Answer(s(0), MISS));
    assert_eq!(schedule.on(Event::Cancel), [Stop]);
    assert_eq!(schedule.on(Event::Cancel), []);
    assert_eq!(schedule.on(Finished(s(0), Outcome::Failed)), []);
    assert!(schedule.is_over());
}

#[test]
fn events_that_fit_no_state_change_nothing() {
    let mut schedule = Schedule::new(&graph(&[(None, None), (Some(0), None)]), 2);
    schedule.start();
    assert_eq!(schedule.on(Finished(s(1), Outcome::Ok)), []);
    assert_eq!(schedule.on(Answer(s(1), HIT)), []);
    assert_eq!(schedule.on(Finished(s(99), Outcome::Ok)), []);
    assert_eq!(schedule.on(Answer(s(0), HIT)), [AskCache(s(1))]);
}

fn shapes() -> impl Strategy<Value = Vec<(Option<u32>, Option<u32>)>> {
    let picks =
        prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..4), 1..25);
    picks.prop_map(|picks| {
        let pick = |at: usize, index: &prop::sample::Index| {
            (at > 0).then(|| u32::try_from(index.index(at)).unwrap())
        };
        let shape = |(at, (parent, source, kind)): (usize, &(_, _, u8))| {
            let parent = if kind & 1 == 0 { pick(at, parent) } else { None };
            let source = if kind & 2 == 0 { pick(at, source) } else { None };
            (parent, source)
        };
        picks.iter().enumerate().map(shape).collect()
    })
}

/// Plays a build: answers in the order that `choices` picks. Returns what started or hit, in order of its end.
fn play(
    shape: &[(Option<u32>, Option<u32>)],
    parallel: usize,
    choices: &[prop::sample::Index],
    fail: Option<usize>,
) -> (Schedule, Vec<StepId>) {
    let mut schedule = Schedule::new(&graph(shape), parallel);
    let (mut open, mut done) = (schedule.start(), Vec::new());
    let mut touched: std::collections::BTreeSet<StepId> = open
        .iter()
        .map(|a| if let AskCache(id) = a { *id } else { unreachable!("only questions at first") })
        .collect();
    let mut choices = choices.iter().cycle();
    let (mut stopped, mut count) = (false, 0usize);
    while !open.is_empty() {
        let choice = choices.next().map_or(0, |c| c.index(open.len()));
        let running = open.iter().filter(|a| matches!(a, Start(_))).count();
        assert!(running <= parallel, "{running} steps at once");
        count += 1;
        let event = match open.remove(choice) {
            AskCache(id) => Answer(id, if choice.is_multiple_of(2) { MISS } else { HIT }),
            Start(id) if fail == Some(count) => Finished(id, Outcome::Failed),
            Start(id) => Finished(id, Outcome::Ok),
            Stop => unreachable!("taken out below"),
        };
        if matches!(event, Finished(_, Outcome::Ok) | Answer(_, super::CacheAnswer::Hit)) {
            let (Finished(id, _) | Answer(id, _)) = event else { unreachable!("no cancel here") };
            done.push(id);
        }
        for action in schedule.on(event) {
            match action {
                AskCache(id) => assert!(!stopped && touched.insert(id), "step {id:?} is asked for once"),
                Start(_) => assert!(!stopped),
                Stop => {
                    stopped = true;
                    continue;
                }
            }
            open.push(action);
        }
    }
    (schedule, done)
}

proptest! {
    #[test]
    fn every_step_is_done_once_and_never_before_its_inputs(
        shape in shapes(),
        parallel in 1usize..4,
        choices in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let (schedule, done) = play(&shape, parallel, &choices, None);
        prop_assert!(schedule.is_over() && schedule.is_success());
        prop_assert_eq!(done.len(), shape.len());
        for (place, id) in done.iter().enumerate() {
            let (parent, source) = shape[id.0 as usize];
            for input in parent.into_iter().chain(source) {
                prop_assert!(done[..place].contains(&StepId(input)));
            }
        }
    }

    #[test]
    fn a_failed_build_ends_too(
        shape in shapes(),
        parallel in 1usize..4,
        choices in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        fail in 1usize..30,
    ) {
        let (schedule, done) = play(&shape, parallel, &choices, Some(fail));
        prop_assert!(schedule.is_over());
        prop_assert_eq!(schedule.is_success(), done.len() == shape.len());
    }
}
