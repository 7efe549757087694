//! Cases of Dockerfiles: reading them, laying out their contexts, and writing down what a builder made of them.
//!
//! Tests and `cargo xtask record` share this: what BuildKit made is written down by the same code that writes down what
//! lapstrake made, so that two results are equal where their texts are.
#![forbid(unsafe_code)]

mod base;
mod case;
mod image;
mod render;
mod www;

pub use base::{BASE_TIME, Base, busybox};
pub use case::{Build, Case};
pub use image::{Entry, Image, Kind, read_tar};
pub use render::render;
pub use www::Server;
