//! Dockerfile text to a spanned tree, word expansion, and `.dockerignore` patterns.
//!
//! Pure: no I/O, and nothing of the other crates. Parsing never fails: it returns a tree and diagnostics.
#![forbid(unsafe_code)]

pub mod ast;
pub mod check;
pub mod diagnostic;
pub mod glob;
pub mod ignorefile;
pub mod rules;
pub mod suggest;
pub mod words;

mod directive;
mod duration;
mod flags;
mod from_pairs;
mod heredoc;
mod instruction;
mod lint;
mod parse;
mod source;
mod statement;

pub use directive::is_dockerfile_frontend;
pub use parse::{Parsed, Trigger, decode, parse, parse_trigger, parse_with};
