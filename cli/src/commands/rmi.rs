//! `rmi` and `tag`

use super::Place;
use crate::args::{RmiArgs, TagArgs};
use crate::error::{CliError, FAILED};
use crate::{log, output, request};
use engine::images::{self, Removed};
use engine::{container, store::Store};

/// Removes images. One that cannot be removed does not keep the others.
///
/// # Errors
/// If any could not be removed.
pub(super) fn rmi(args: &RmiArgs, place: &Place<'_>) -> Result<(), CliError> {
    let store = place.store()?;
    let mut failed = false;
    for name in &args.images {
        match remove(&store, name, args.force) {
            Ok(removed) => removed.iter().try_for_each(|removed| output::line(&words(removed)))?,
            Err(error) => {
                failed = true;
                log::say(&error.text());
            }
        }
    }
    store.sync()?;
    if failed { Err(CliError::Ended(FAILED)) } else { Ok(()) }
}

fn remove(store: &Store, name: &str, force: bool) -> Result<Vec<Removed>, CliError> {
    let in_use = container::images_in_use(store)?;
    Ok(images::remove(store, name, force, &in_use)?)
}

fn words(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {name}"),
        Removed::Deleted(id) => format!("Deleted: {id}"),
    }
}

/// Names an image.
///
/// # Errors
/// If there is no such image, or the name is none.
pub(super) fn tag(args: &TagArgs, place: &Place<'_>) -> Result<(), CliError> {
    let name = request::new_name(&args.target)?;
    let store = place.store()?;
    images::tag(&store, &args.source, &name)?;
    Ok(store.sync()?)
}
