//! What to build, in which order, and why: Dockerfile tree to a graph of steps, step keys, and the scheduler.
//!
//! Pure: no I/O, no threads, no clock.
#![forbid(unsafe_code)]

pub mod checks;
pub mod explain;
pub mod graph;
pub mod key;
pub mod lower;
pub mod schedule;

pub use lower::lower;
