//! What the libraries log: warnings always, the rest with `-v`. Lines go around a live view, if there is one.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

type Sink = Box<dyn Fn(&str) + Send>;

/// Takes lines while something else has the terminal.
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

/// Our crates; those of others speak from the second `-v` on.
const OURS: [&str; 7] = ["lapstrake", "engine", "parser", "registry", "runner", "snapshotter", "solver"];

/// Starts logging. Called once.
pub(crate) fn start(verbose: u8) {
    let (ours, others) = match verbose {
        0 => (LevelFilter::WARN, LevelFilter::ERROR),
        1 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    let targets = Targets::new().with_default(others).with_targets(OURS.map(|name| (name, ours)));
    let lines = tracing_subscriber::fmt::layer().without_time().with_target(verbose > 0).with_ansi(false);
    let subscriber = tracing_subscriber::registry().with(targets).with(lines.with_writer(Lines));
    // An earlier subscriber of this process would be as good.
    subscriber.try_init().unwrap_or_default();
}

/// Sends lines to `sink` until the result is dropped.
pub(crate) fn divert(sink: impl Fn(&str) + Send + 'static) -> Diverted {
    *lock() = Some(Box::new(sink));
    Diverted(())
}

/// See [`divert`].
#[derive(Debug)]
pub(crate) struct Diverted(());

impl Drop for Diverted {
    fn drop(&mut self) {
        *lock() = None;
    }
}

/// Says `text` (some lines) on standard error, around a live view.
pub(crate) fn say(text: &str) {
    match &*lock() {
        Some(sink) => sink(text.trim_end_matches('\n')),
        // Nobody can be told that standard error is gone.
        None => io::stderr().lock().write_all(text.as_bytes()).unwrap_or_default(),
    }
}

fn lock() -> MutexGuard<'static, Option<Sink>> {
    SINK.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Lines;

/// One event's text.
struct Line(Vec<u8>);

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        say(&String::from_utf8_lossy(&self.0));
    }
}
