//! The parser from outside: fixtures, properties, and the fuzz corpora.

mod corpus;
mod fixtures;
mod properties;
mod render;
mod triggers;
