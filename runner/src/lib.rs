//! One process tree in one sandbox: for a build step and for `lapstrake run` alike.

pub mod spec;
