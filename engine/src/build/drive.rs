//! The event loop of one build: the schedule says what to do, blocking workers do it and report back.

use super::error::{BuildError, StepError, StepFailure};
use super::worker::{self, Asked, Prepared};
use super::{Outcome, Shared};
use crate::progress::Event as Progress;
use solver::graph::{Op, StepId};
use solver::schedule::{Action, CacheAnswer, Event, Outcome as Ended, Schedule};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a worker says when it ends.
enum Report {
    Asked(StepId, Result<Asked, StepFailure>),
    Ran(StepId, Result<Outcome, Failure>),
}

/// A failed step, with what its process wrote.
pub(super) struct Failure {
    pub(super) failure: Box<StepFailure>,
    pub(super) tail: Vec<u8>,
    pub(super) log: Option<std::path::PathBuf>,
    /// What `debug` opens it by.
    pub(super) kept: Option<String>,
}

impl From<StepFailure> for Failure {
    fn from(failure: StepFailure) -> Self {
        Self { failure: Box::new(failure), tail: Vec::new(), log: None, kept: None }
    }
}

/// Runs the graph to its end.
pub(super) fn drive(shared: &Arc<Shared>, parallel: usize) -> Result<(), BuildError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2 * parallel.max(1) + 2)
        .build()
        .map_err(BuildError::Runtime)?;
    let result = runtime.block_on(Drive::new(Arc::clone(shared), parallel).run());
    // Workers that compute digests for later are not waited for: what they had not finished is computed when needed.
    runtime.shutdown_background();
    result
}

struct Drive {
    shared: Arc<Shared>,
    schedule: Schedule,
    prepared: HashMap<StepId, Prepared>,
    started: HashMap<StepId, Instant>,
    reports: UnboundedReceiver<Report>,
    reporter: UnboundedSender<Report>,
    failed: Option<StepError>,
}

impl Drive {
    fn new(shared: Arc<Shared>, parallel: usize) -> Self {
        let (reporter, reports) = unbounded_channel();
        let schedule = Schedule::new(&shared.graph, parallel);
        let (prepared, started) = (HashMap::new(), HashMap::new());
        Self { shared, schedule, prepared, started, reports, reporter, failed: None }
    }

    async fn run(mut self) -> Result<(), BuildError> {
        self.announce();
        let first = self.schedule.start();
        self.carry_out(first);
        let cancel = self.shared.cancel.clone();
        let mut canceled = false;
        while !self.schedule.is_over() {
            let event = tokio::select! {
                Some(report) = self.reports.recv() => self.event(report),
                () = cancel.canceled(), if !canceled => {
                    canceled = true;
                    Event::Cancel
                }
            };
            let actions = self.schedule.on(event);
            self.carry_out(actions);
        }
        match self.failed {
            _ if canceled => Err(BuildError::Canceled),
            Some(failed) => Err(BuildError::Step(Box::new(failed))),
            None => Ok(()),
        }
    }

    /// All vertices, so that the display knows how much there is; base images are done at once.
    fn announce(&self) {
        for (id, step) in self.shared.steps() {
            self.shared.say(Progress::VertexQueued { id: vertex(id), name: step.name.clone() });
            if matches!(step.op, Op::Base { .. }) {
                self.shared.say(Progress::VertexStarted { id: vertex(id) });
                self.shared.say(Progress::VertexDone { id: vertex(id), duration: std::time::Duration::ZERO });
            }
        }
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::AskCache(id) => self.ask(id),
                Action::Start(id) => self.start(id),
                Action::Stop => self.shared.stop_processes(),
            }
        }
    }

    fn ask(&mut self, id: StepId) {
        let (shared, reporter) = (Arc::clone(&self.shared), self.reporter.clone());
        let work = move || worker::ask(&shared, id);
        if self.shared.reads_files(id) {
            self.started.insert(id, Instant::now());
            spawn(reporter, move || Report::Asked(id, work()), move |lost| Report::Asked(id, Err(lost)));
        } else {
            // A look-up of some microseconds: a thread would cost more.
            send(&reporter, Report::Asked(id, work()));
        }
    }

    fn start(&mut self, id: StepId) {
        let Some(prepared) = self.prepared.remove(&id) else { return };
        self.shared.say(Progress::VertexStarted { id: vertex(id) });
        self.started.entry(id).or_insert_with(Instant::now);
        let (shared, reporter) = (Arc::clone(&self.shared), self.reporter.clone());
        let work = move || Report::Ran(id, worker::run(&shared, id, prepared));
        spawn(reporter, work, move |lost| Report::Ran(id, Err(lost.into())));
    }

    /// Takes a report in, tells the display, and says it in the schedule's words.
    fn event(&mut self, report: Report) -> Event {
        match report {
            Report::Asked(id, Ok(Asked::Hit(outcome))) => {
                self.shared.say(Progress::VertexCached { id: vertex(id) });
                self.done(id, outcome);
                Event::CacheAnswer(id, CacheAnswer::Hit)
            }
            Report::Asked(id, Ok(Asked::Miss(prepared))) => {
                self.prepared.insert(id, *prepared);
                Event::CacheAnswer(id, CacheAnswer::Miss)
            }
            Report::Ran(id, Ok(outcome)) => {
                if outcome.shared {
                    self.shared.say(Progress::VertexCached { id: vertex(id) });
                } else {
                    let duration = self.started.get(&id).map(Instant::elapsed).unwrap_or_default();
                    self.shared.say(Progress::VertexDone { id: vertex(id), duration });
                }
                self.done(id, outcome);
                Event::Finished(id, Ended::Ok)
            }
            Report::Asked(id, Err(failure)) => self.failed(id, failure.into()),
            Report::Ran(id, Err(failure)) => self.failed(id, failure),
        }
    }

    fn done(&self, id: StepId, outcome: Outcome) {
        let layer = outcome.layer;
        let computed = !outcome.cached;
        self.shared.set_outcome(id, outcome);
        if computed && self.shared.is_on_target_chain(id) {
            // The image will name it: sha256 of its tar on a core that may be idle while later steps run.
            let shared = Arc::clone(&self.shared);
            tokio::task::spawn_blocking(move || {
                if let Err(error) = shared.store.layers().diff_id(layer, shared.graph.epoch) {
                    tracing::debug!(%error, "compute a diff ID ahead");
                }
            });
        }
    }

    fn failed(&mut self, id: StepId, failure: Failure) -> Event {
        let step = self.shared.step(id);
        if self.failed.is_some() || self.shared.stop.is_canceled() || self.shared.cancel.is_canceled() {
            self.shared.say(Progress::VertexCanceled { id: vertex(id) });
        } else {
            let message = failure.failure.to_string();
            let span = match &*failure.failure {
                StepFailure::NotFound { word, .. } | StepFailure::Fetch { word, .. } if !word.is_empty() => {
                    word.clone()
                }
                StepFailure::Mount(error) if !error.word.is_empty() => error.word.clone(),
                _ => step.span.clone(),
            };
            self.shared.say(Progress::VertexFailed { id: vertex(id), message });
            self.failed = Some(StepError {
                name: step.name.clone(),
                span,
                text: step.source.clone(),
                tail: failure.tail,
                log: failure.log,
                kept: failure.kept,
                failure: *failure.failure,
            });
        }
        Event::Finished(id, Ended::Failed)
    }
}

/// The number that the display knows a step by.
pub(super) fn vertex(id: StepId) -> crate::progress::VertexId {
    id.0 + 1
}

/// Runs `work` on a blocking thread. A panic there must not hang the build: it is reported as a lost step.
fn spawn(
    reporter: UnboundedSender<Report>,
    work: impl FnOnce() -> Report + Send + 'static,
    lost: impl FnOnce(StepFailure) -> Report + Send + 'static,
) {
    tokio::task::spawn_blocking(move || {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        send(&reporter, result.unwrap_or_else(|_| lost(StepFailure::Lost)));
    });
}

/// The receiver lives as long as the loop: nobody is left to tell when it is gone.
fn send(reporter: &UnboundedSender<Report>, report: Report) {
    drop(reporter.send(report));
}
