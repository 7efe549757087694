//! Which step next: a pure function of events. Threads, channels and clocks are the engine's.
//!
//! A step asks the cache once all its inputs are done, and starts when the cache has nothing. Independent steps go
//! in parallel, the ones with the longest way to the end first. After a failure nothing new starts.

use crate::graph::{Graph, Op, StepId};
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The answer to an [`Action::AskCache`].
    CacheAnswer(StepId, CacheAnswer),
    /// A started step has ended.
    Finished(StepId, Outcome),
    /// The user wants to stop, or asking the cache failed: as a step's failure.
    Cancel,
}

/// What the cache said. A step of `--no-cache` is to be answered with a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheAnswer {
    /// The result is known: the step is done.
    Hit,
    /// It has to run.
    Miss,
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its layer is in the store.
    Ok,
    /// It failed, or was stopped.
    Failed,
}

/// What the engine has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Look the step up; answer with [`Event::CacheAnswer`] (or, if that fails, [`Event::Finished`] as failed).
    AskCache(StepId),
    /// Run the step; answer with [`Event::Finished`].
    Start(StepId),
    /// Stop all that was asked or started. Each still answers once. Given at most once.
    Stop,
}

/// Where one step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StepState {
    /// Some input is not done yet.
    Waiting,
    /// All inputs are done; no slot to ask the cache yet.
    Askable,
    /// The cache was asked.
    Asking,
    /// The cache has nothing; no slot to run yet.
    Ready,
    /// It runs.
    Running,
    /// Its result is there.
    Done,
    /// It failed, or was stopped.
    Failed,
}

/// The state of one build.
#[derive(Debug)]
pub struct Schedule {
    states: Vec<StepState>,
    inputs: Vec<Vec<StepId>>,
    dependents: Vec<Vec<StepId>>,
    /// Steps on the longest way from here to the end.
    height: Vec<u32>,
    /// Steps that wait for a slot, with the highest first: (height from above, id).
    askable: BTreeSet<(u32, StepId)>,
    ready: BTreeSet<(u32, StepId)>,
    asking: usize,
    running: usize,
    parallel: usize,
    stopping: bool,
}

impl Schedule {
    /// A schedule of all steps in `graph`, with at most `parallel` (at least one) running at a time, and as many
    /// being looked up.
    pub fn new(graph: &Graph, parallel: usize) -> Self {
        let count = graph.steps.len();
        let inputs: Vec<Vec<StepId>> = graph.steps.iter().map(|step| step.inputs().collect()).collect();
        let mut dependents = vec![Vec::new(); count];
        for (id, inputs) in ids(count).zip(&inputs) {
            inputs.iter().for_each(|input| dependents[index(*input)].push(id));
        }
        let mut height = vec![0; count];
        for step in (0..count).rev() {
            height[step] =
                dependents[step].iter().map(|id: &StepId| height[index(*id)] + 1).max().unwrap_or(0);
        }
        let mut schedule = Self {
            states: vec![StepState::Waiting; count],
            inputs,
            dependents,
            height,
            askable: BTreeSet::new(),
            ready: BTreeSet::new(),
            asking: 0,
            running: 0,
            parallel: parallel.max(1),
            stopping: false,
        };
        for (id, step) in ids(count).zip(&graph.steps) {
            if matches!(step.op, Op::Base { .. }) {
                schedule.set(id, StepState::Done);
            }
        }
        schedule
    }

    /// The first actions. None for a graph without work.
    pub fn start(&mut self) -> Vec<Action> {
        ids(self.states.len()).for_each(|id| self.wake(id));
        self.fill()
    }

    /// What follows from `event`. An event that does not fit the step's state changes nothing.
    pub fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Cancel => self.stop(&mut actions),
            Event::CacheAnswer(id, answer) if self.state(id) == Some(StepState::Asking) => match answer {
                CacheAnswer::Hit => self.done(id),
                CacheAnswer::Miss if self.stopping => self.set(id, StepState::Failed),
                CacheAnswer::Miss => self.set(id, StepState::Ready),
            },
            Event::Finished(id, outcome)
                if matches!(self.state(id), Some(StepState::Asking | StepState::Running)) =>
            {
                match outcome {
                    Outcome::Ok => self.done(id),
                    Outcome::Failed => {
                        self.set(id, StepState::Failed);
                        self.stop(&mut actions);
                    }
                }
            }
            Event::CacheAnswer(..) | Event::Finished(..) => {}
        }
        actions.extend(self.fill());
        actions
    }

    /// Whether nothing more will happen: all is done, or all that was under way has ended after a failure.
    pub fn is_over(&self) -> bool {
        self.asking == 0
            && self.running == 0
            && (self.stopping || self.askable.is_empty() && self.ready.is_empty())
    }

    /// Whether every step is done.
    pub fn is_success(&self) -> bool {
        self.states.iter().all(|state| *state == StepState::Done)
    }

    fn state(&self, id: StepId) -> Option<StepState> {
        self.states.get(index(id)).copied()
    }

    fn done(&mut self, id: StepId) {
        self.set(id, StepState::Done);
        for dependent in self.dependents[index(id)].clone() {
            self.wake(dependent);
        }
    }

    /// A waiting step whose inputs are done may ask.
    fn wake(&mut self, id: StepId) {
        let inputs = &self.inputs[index(id)];
        let all_done = inputs.iter().all(|input| self.states[index(*input)] == StepState::Done);
        if self.states[index(id)] == StepState::Waiting && all_done {
            self.set(id, StepState::Askable);
        }
    }

    fn stop(&mut self, actions: &mut Vec<Action>) {
        if !self.stopping && !self.is_over() {
            actions.push(Action::Stop);
        }
        self.stopping = true;
    }

    /// Uses the free slots.
    fn fill(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while !self.stopping {
            if let Some((_, id)) = self.askable.first().copied().filter(|_| self.asking < self.parallel) {
                self.set(id, StepState::Asking);
                actions.push(Action::AskCache(id));
            } else if let Some((_, id)) = self.ready.first().copied().filter(|_| self.running < self.parallel)
            {
                self.set(id, StepState::Running);
                actions.push(Action::Start(id));
            } else {
                break;
            }
        }
        actions
    }

    /// The only place where a state changes: the queues and counts follow it.
    fn set(&mut self, id: StepId, state: StepState) {
        let rank = (u32::MAX - self.height[index(id)], id);
        match std::mem::replace(&mut self.states[index(id)], state) {
            StepState::Askable => drop(self.askable.remove(&rank)),
            StepState::Asking => self.asking -= 1,
            StepState::Ready => drop(self.ready.remove(&rank)),
            StepState::Running => self.running -= 1,
            StepState::Waiting | StepState::Done | StepState::Failed => {}
        }
        match state {
            StepState::Askable => drop(self.askable.insert(rank)),
            StepState::Asking => self.asking += 1,
            StepState::Ready => drop(self.ready.insert(rank)),
            StepState::Running => self.running += 1,
            StepState::Waiting | StepState::Done | StepState::Failed => {}
        }
    }
}

fn index(id: StepId) -> usize {
    id.0 as usize
}

fn ids(count: usize) -> impl Iterator<Item = StepId> {
    (0..u32::try_from(count).unwrap_or(u32::MAX)).map(StepId)
}
