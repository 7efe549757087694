//! Images of the store: load, save, import, tag, remove, list, inspect, history; and base images for builds.

pub(crate) mod access;
mod base;
mod change;
mod error;
mod import;
mod list;
mod load;
mod remove;
mod save;

pub use base::{BaseImage, resolve_base};
pub use error::ImageError;
pub use import::{ImportRequest, import};
pub use list::{Filter, HistoryRow, ImageRow, history, inspect, list};
pub use load::{Input, LoadedImage, load};
pub use remove::{Removed, remove, tag};
pub use save::{SaveFormat, save};

#[cfg(test)]
mod tests;
