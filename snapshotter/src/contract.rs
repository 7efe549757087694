//! Suites that every implementation of a trait of this crate passes.
