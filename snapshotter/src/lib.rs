//! Bytes at rest.
pub mod layer;
pub mod tree;
pub mod view;
