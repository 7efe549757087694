//! The store, for faces that do not know how bytes are kept.

pub use snapshotter::error::StoreError;
pub use snapshotter::store::Store;

use crate::clock;
use std::path::Path;

/// Opens the store at `root`, or makes it. What killed processes left in it is removed.
///
/// # Errors
/// See [`Store::open`].
pub fn open(root: &Path) -> Result<Store, StoreError> {
    let store = Store::open(root, &clock::boot_id())?;
    crate::container::tidy(&store);
    Ok(store)
}
