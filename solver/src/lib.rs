//! What to build, in which order, and why: Dockerfile tree to a graph of steps, step keys, and the scheduler.
//!
//! Pure: no I/O, no threads, no clock.
#![forbid(unsafe_code)]

pub mod graph;
