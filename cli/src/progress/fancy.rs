//! A live view: finished steps scroll by, below them what runs now, with its time and its last lines.

pub(super) mod view;

use engine::progress::{Event, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use view::View;

const TICK: Duration = Duration::from_millis(100);

/// Shows events on the terminal at standard error.
#[derive(Debug)]
pub(super) struct Fancy(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    view: View,
    /// One bar whose message is the whole live part: indicatif knows how to redraw it, whatever the terminal's size.
    bar: ProgressBar,
    over: bool,
}

impl Fancy {
    pub(super) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(15));
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let state = Arc::new(Mutex::new(State { view: View::new(Instant::now()), bar, over: false }));
        let weak = Arc::downgrade(&state);
        if let Err(error) = std::thread::Builder::new().name("progress".into()).spawn(move || tick(&weak)) {
            tracing::debug!(%error, "start the thread that moves the clock of the view");
        }
        Self(state)
    }

    /// Prints lines above the live part.
    pub(super) fn print(&self, text: &str) {
        lock(&self.0).bar.println(text);
    }

    /// Replaces the live part by a line that says how it ended.
    pub(super) fn finish(&self) {
        let mut state = lock(&self.0);
        state.over = true;
        let last = state.view.summary(Instant::now());
        state.bar.println(last);
        state.bar.finish_and_clear();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tick(state: &Weak<Mutex<State>>) {
    while let Some(state) = state.upgrade() {
        let guard = lock(&state);
        if guard.over {
            return;
        }
        guard.draw();
        drop(guard);
        drop(state);
        std::thread::sleep(TICK);
    }
}

/// Rows and columns of the terminal now; it may have changed since the last time.
fn size() -> (usize, usize) {
    let (rows, columns) = console::Term::stderr().size();
    (usize::from(rows), usize::from(columns))
}

impl State {
    fn draw(&self) {
        let (rows, columns) = size();
        self.bar.set_message(self.view.live(Instant::now(), rows, columns));
    }
}

impl Progress for Fancy {
    fn event(&self, event: Event) {
        let mut state = lock(&self.0);
        let (_, columns) = size();
        if let Some(line) = state.view.take(event, Instant::now(), columns) {
            // What is redrawn below the line has to know of it.
            state.draw();
            state.bar.println(line);
        }
    }
}
