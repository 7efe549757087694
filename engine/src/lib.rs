//! The wiring that every face shares: build, images, export, run. No terminal, no flags.
//!
//! Nothing here assumes that the process ends after one build, or that it is alone on the store.
#![forbid(unsafe_code)]

pub mod build;
pub mod cancel;
pub mod clock;
pub mod container;
pub mod contexts;
pub mod export;
pub mod images;
pub mod progress;
pub mod rootfs;
pub mod sources;
pub mod store;
