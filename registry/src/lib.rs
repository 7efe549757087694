//! Images that live outside the store: OCI image-layout directories, OCI and Docker archives.
//!
//! Reading goes through [`Source`]: it finds out what it was given, lists the images and hands out their layers.
//! Everything in it is foreign: names stay inside, JSON has a size limit, and every descriptor is checked against the
//! bytes that it names. Writing goes through [`layout`] and [`archive`]: equal images give equal bytes.
#![forbid(unsafe_code)]

pub mod archive;
mod docker;
mod error;
mod files;
#[cfg(test)]
mod fixture;
pub mod layout;
pub mod model;
mod select;
mod source;
mod spool;
mod tarball;
pub mod validate;

pub use error::Error;
pub use model::{Desc, Index, Manifest};
pub use source::{FoundImage, FoundLayer, RawBlob, Source, SourceKind};
pub use spool::decompressed;
