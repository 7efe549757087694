//! Nothing: errors and findings are said elsewhere.

use engine::progress::{Event, Progress};

/// Shows nothing.
#[derive(Debug)]
pub(super) struct Quiet;

impl Progress for Quiet {
    fn event(&self, _event: Event) {}
}
