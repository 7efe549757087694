//! What happens in a build, as events for whoever watches: a terminal, a log, a client.

use std::time::Duration;

/// A vertex of the build graph in the order of first mention: 1 is the first.
pub type VertexId = u32;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A vertex exists and waits.
    VertexQueued {
        /// Its number.
        id: VertexId,
        /// `[build 2/3] RUN make`
        name: String,
    },
    /// It began (or a cache look-up that takes long began).
    VertexStarted {
        /// Its number.
        id: VertexId,
    },
    /// Its result was known.
    VertexCached {
        /// Its number.
        id: VertexId,
    },
    /// Why it runs: one line for people.
    VertexReason {
        /// Its number.
        id: VertexId,
        /// `COPY src changed: src/main.rs`
        text: String,
    },
    /// Output of its process.
    VertexLog {
        /// Its number.
        id: VertexId,
        /// 1 standard output, 2 standard error.
        stream: u8,
        /// Bytes as written, any cut.
        data: Vec<u8>,
    },
    /// It ended well.
    VertexDone {
        /// Its number.
        id: VertexId,
        /// From its start.
        duration: Duration,
    },
    /// It failed.
    VertexFailed {
        /// Its number.
        id: VertexId,
        /// One line.
        message: String,
    },
    /// It was stopped, or never began, because something else failed or the user interrupted.
    VertexCanceled {
        /// Its number.
        id: VertexId,
    },
    /// Something the user should know that stops nothing.
    Warning {
        /// One line.
        text: String,
    },
}

/// Takes events, from any thread.
pub trait Progress: Send + Sync {
    /// Must not block for long: workers wait for it.
    fn event(&self, event: Event);
}

/// Drops every event.
#[derive(Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event) {}
}
