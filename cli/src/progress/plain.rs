//! Lines in BuildKit's manner, for logs and pipes:
//!
//! ```text
//! #5 [build 2/3] RUN make
//! #5 0.123 cc -c main.c
//! #5 DONE 0.4s
//! ```
//!
//! Steps that run side by side take turns: one has the floor until it ends, falls silent, or has had it for long.
//! What the others say meanwhile is kept, never cut.

use crate::visible;
use engine::progress::{Event, Progress, VertexId};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// So long the floor stays with a step that says nothing.
const SILENCE: Duration = Duration::from_secs(1);
/// So long it stays with one that does not stop.
const TURN: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_millis(250);

/// Prints events as lines.
#[derive(Debug)]
pub(super) struct Plain<W>(Arc<Mutex<State<W>>>);

#[derive(Debug)]
struct State<W> {
    out: W,
    steps: BTreeMap<VertexId, Step>,
    /// Who has the floor, since when, and when it last spoke.
    floor: Option<(VertexId, Instant, Instant)>,
    /// Steps that have something to say, in the order of their first word.
    waiting: Vec<VertexId>,
    ticking: bool,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    started: Option<Instant>,
    /// Beginnings of lines, by stream.
    partial: [Vec<u8>; 2],
    /// Whole lines that were not printed yet.
    lines: Vec<Vec<u8>>,
    ended: bool,
}

impl<W: Write + Send + 'static> Plain<W> {
    pub(super) fn new(out: W) -> Self {
        let (steps, waiting) = (BTreeMap::new(), Vec::new());
        Self(Arc::new(Mutex::new(State { out, steps, floor: None, waiting, ticking: false })))
    }

    /// Prints all that is left.
    pub(super) fn finish(&self) {
        let mut state = lock(&self.0);
        let left: Vec<VertexId> = state.steps.keys().copied().collect();
        for id in left {
            state.end_partial_lines(id);
        }
        state.give_floor(Instant::now(), true);
    }

    fn tick_while_needed(&self, state: &mut State<W>) {
        if state.ticking || state.waiting.is_empty() {
            return;
        }
        let weak = Arc::downgrade(&self.0);
        let thread = std::thread::Builder::new().name("progress".into()).spawn(move || tick(&weak));
        // Without the thread, the next event does it.
        state.ticking = thread.is_ok();
    }
}

fn tick<W: Write>(state: &Weak<Mutex<State<W>>>) {
    while let Some(state) = state.upgrade() {
        lock(&state).give_floor(Instant::now(), false);
        drop(state);
        std::thread::sleep(TICK);
    }
}

fn lock<W>(state: &Mutex<State<W>>) -> MutexGuard<'_, State<W>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<W: Write + Send + 'static> Progress for Plain<W> {
    fn event(&self, event: Event) {
        let now = Instant::now();
        let mut state = lock(&self.0);
        state.take(event, now);
        state.give_floor(now, false);
        self.tick_while_needed(&mut state);
    }
}

impl<W: Write> State<W> {
    fn take(&mut self, event: Event, now: Instant) {
        match event {
            Event::VertexQueued { id, name } => self.step(id).name = name,
            Event::VertexStarted { id } => {
                self.step(id).started = Some(now);
                self.wait(id);
            }
            Event::VertexCached { id } => self.end(id, "CACHED"),
            Event::VertexReason { id, text } => self.say(id, format!("rebuilt: {text}").as_bytes()),
            Event::VertexLog { id, stream, data } => self.log(id, stream, &data, now),
            Event::VertexDone { id, duration } => {
                self.end(id, &format!("DONE {:.1}s", duration.as_secs_f64()));
            }
            Event::VertexFailed { id, message } => self.end(id, &format!("ERROR: {message}")),
            Event::VertexCanceled { id } => self.end(id, "CANCELED"),
            Event::Warning { text } => {
                self.print(format!("WARNING: {}\n", visible::text(&text)).as_bytes());
            }
        }
    }

    fn step(&mut self, id: VertexId) -> &mut Step {
        self.steps.entry(id).or_default()
    }

    fn wait(&mut self, id: VertexId) {
        if !self.waiting.contains(&id) {
            self.waiting.push(id);
        }
    }

    fn say(&mut self, id: VertexId, words: &[u8]) {
        let line = [format!("#{id} ").as_bytes(), &visible::line(words), b"\n"].concat();
        self.step(id).lines.push(line);
        self.wait(id);
    }

    fn log(&mut self, id: VertexId, stream: u8, data: &[u8], now: Instant) {
        let step = self.step(id);
        let seconds = now.saturating_duration_since(step.started.unwrap_or(now)).as_secs_f64();
        let partial = &mut step.partial[usize::from(stream == 2)];
        partial.extend_from_slice(data);
        let Some(end) = partial.iter().rposition(|byte| *byte == b'\n') else { return };
        let whole: Vec<u8> = partial.drain(..=end).collect();
        for line in whole[..end].split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            self.say(id, &[format!("{seconds:.3} ").as_bytes(), line].concat());
        }
    }

    fn end_partial_lines(&mut self, id: VertexId) {
        for stream in [1, 2] {
            if !self.step(id).partial[usize::from(stream == 2)].is_empty() {
                self.log(id, stream, b"\n", Instant::now());
            }
        }
    }

    fn end(&mut self, id: VertexId, words: &str) {
        self.end_partial_lines(id);
        self.say(id, words.as_bytes());
        self.step(id).ended = true;
    }

    /// Prints what may be printed now; `all` for everything.
    fn give_floor(&mut self, now: Instant, all: bool) {
        loop {
            if let Some((id, since, spoke)) = self.floor {
                let spoke = if self.print_lines(id) { now } else { spoke };
                self.floor = Some((id, since, spoke));
                self.waiting.retain(|waiting| *waiting != id);
                if self.step(id).ended {
                    self.print(b"\n");
                } else {
                    let long = now.duration_since(spoke) >= SILENCE || now.duration_since(since) >= TURN;
                    if self.waiting.is_empty() || !(all || long) {
                        return;
                    }
                    self.print(format!("#{id} ...\n\n").as_bytes());
                }
                self.floor = None;
            }
            let Some(id) = self.waiting.first().copied() else { return };
            self.floor = Some((id, now, now));
            let heading = format!("#{id} {}\n", visible::text(&self.step(id).name));
            self.print(heading.as_bytes());
        }
    }

    fn print_lines(&mut self, id: VertexId) -> bool {
        let lines = std::mem::take(&mut self.step(id).lines);
        for line in &lines {
            self.print(line);
        }
        !lines.is_empty()
    }

    fn print(&mut self, bytes: &[u8]) {
        // A build does not fail because nobody watches it.
        self.out.write_all(bytes).unwrap_or_default();
    }
}
