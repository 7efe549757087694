//! `images`

use super::Place;
use crate::args::ImagesArgs;
use crate::error::CliError;
use crate::template::Template;
use crate::{format, output, table};
use engine::clock;
use engine::images::{self, Filter, ImageRow};
use oci::Reference;
use serde_json::{Value, json};

/// What has no name, tag or digest.
const NONE: &str = "<none>";

/// Lists images.
///
/// # Errors
/// A wrong filter or template, or a store that cannot be read.
pub(super) fn images(args: &ImagesArgs, place: &Place<'_>) -> Result<(), CliError> {
    let template = args.format.as_deref().map(Template::parse).transpose()?;
    let mut filters = args.filters.iter().map(|text| text.parse()).collect::<Result<Vec<Filter>, _>>()?;
    filters.extend(args.name.as_deref().map(named));
    let rows = images::list(&place.store()?, &filters)?;
    let now = clock::unix_seconds(clock::now());
    let id = |row: &ImageRow| {
        if args.no_trunc { row.id.to_string() } else { format::short_id(&row.id.to_string()) }
    };
    if let Some(template) = template {
        return rows
            .iter()
            .try_for_each(|row| output::line(&template.render(&object(row, &id(row), now))?));
    }
    if args.quiet {
        return rows.iter().try_for_each(|row| output::line(&id(row)));
    }
    let mut heading = vec!["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
    if args.digests {
        heading.insert(2, "DIGEST");
    }
    let cells = rows.iter().map(|row| {
        let mut cells = vec![text(row.repository.as_ref()), text(row.tag.as_ref())];
        if args.digests {
            cells.push(text(row.digest.as_ref()));
        }
        cells.extend([id(row), format::ago(now, row.created), format::size(row.size)]);
        cells
    });
    output::print(&table::render(&heading, &cells.collect::<Vec<_>>()))
}

fn text(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| NONE.to_owned(), ToString::to_string)
}

/// The images of a name: with its tag if there is one in `text`, all of the repository otherwise. Wildcards may stand
/// for parts of it.
fn named(text: &str) -> Filter {
    let tagged = text.rsplit_once(':').is_some_and(|(_, tag)| !tag.contains('/'));
    let familiar =
        text.parse::<Reference>().map(|name| if tagged { name.familiar() } else { name.familiar_name() });
    Filter::Reference(familiar.unwrap_or_else(|_| text.to_owned()))
}

/// docker's field names.
fn object(row: &ImageRow, id: &str, now: i64) -> Value {
    json!({
        "Repository": text(row.repository.as_ref()),
        "Tag": text(row.tag.as_ref()),
        "ID": id,
        "Digest": text(row.digest.as_ref()),
        "CreatedAt": format::time(row.created),
        "CreatedSince": format::ago(now, row.created),
        "Size": format::size(row.size),
    })
}
