//! The nouns of the OCI specifications, and the few of our own that every crate shares.
//!
//! No I/O: this crate reads no file, clock, environment or network.
#![forbid(unsafe_code)]

pub mod digest;
pub mod entry;
pub mod image;
pub mod mount;
pub mod observe;
pub mod platform;
pub mod reference;
pub mod rootpath;

pub use digest::{BlobDigest, ChainId, ContentDigest, DiffId, KeyDigest, LayerId};
pub use entry::{Entry, Kind};
pub use image::ImageConfig;
pub use observe::{Answer, Asked, Observation, ObservationSet};
pub use platform::Platform;
pub use reference::Reference;
pub use rootpath::RootPath;
