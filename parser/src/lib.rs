//! Dockerfile text to a spanned tree, word expansion, and `.dockerignore` patterns.
//!
//! Pure: no I/O, and nothing of the other crates. Parsing never fails: it returns a tree and diagnostics.
#![forbid(unsafe_code)]

pub mod ast;
pub mod diagnostic;
