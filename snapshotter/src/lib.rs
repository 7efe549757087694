//! Bytes at rest: the store of images, layers and step results, the views and tars of layers, build contexts and COPY.
//! Effects on file systems, but never a mount and never a process.

pub mod caches;
pub mod content;
pub mod context;
#[cfg(any(test, feature = "testing"))]
pub mod contract;
pub mod copy;
pub mod error;
pub mod extract;
pub mod failed;
pub mod gc;
pub mod images;
pub mod layer;
pub mod layers;
pub mod lock;
pub mod steps;
pub mod store;
pub mod tree;
pub mod view;
pub mod work;

mod db;
