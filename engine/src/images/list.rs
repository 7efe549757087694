//! What `images`, `inspect` and `history` show.

use super::access;
use super::error::ImageError;
use crate::clock;
use oci::image::ImageConfig;
use oci::{BlobDigest, Reference};
use registry::model::Packing;
use serde_json::{Value, json};
use snapshotter::content::Provider;
use snapshotter::images::ImageRecord;
use snapshotter::store::Store;
use std::collections::{BTreeMap, HashSet};

/// A line of `images`: an image has one for each of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Familiar repository; `None` for an image without a name.
    pub repository: Option<String>,
    /// Its tag.
    pub tag: Option<String>,
    /// Digest of the manifest, where all that it names is here.
    pub digest: Option<BlobDigest>,
    /// The image's id.
    pub id: BlobDigest,
    /// Unix seconds.
    pub created: i64,
    /// Bytes of its files.
    pub size: u64,
    /// Labels of the config.
    pub labels: BTreeMap<String, String>,
}

/// A condition on [`ImageRow`]s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Whether the image has no name.
    Dangling(bool),
    /// The familiar name fits a pattern of `*`, `?` and `[…]`, with or without the tag.
    Reference(String),
    /// A label, with a value if given.
    Label(String, Option<String>),
    /// Made before the named image.
    Before(String),
    /// Made after the named image.
    Since(String),
}

impl std::str::FromStr for Filter {
    type Err = ImageError;

    /// `dangling=true`, `reference=PATTERN`, `label=KEY[=VALUE]`, `before=IMAGE`, `since=IMAGE`.
    fn from_str(text: &str) -> Result<Self, ImageError> {
        let bad = || ImageError::Filter(text.to_owned());
        let (key, value) = text.split_once('=').ok_or_else(bad)?;
        Ok(match (key, value) {
            ("dangling", "true" | "1") => Filter::Dangling(true),
            ("dangling", "false" | "0") => Filter::Dangling(false),
            ("reference", pattern) => Filter::Reference(pattern.to_owned()),
            ("label", label) => match label.split_once('=') {
                Some((key, value)) => Filter::Label(key.to_owned(), Some(value.to_owned())),
                None => Filter::Label(label.to_owned(), None),
            },
            ("before", image) => Filter::Before(image.to_owned()),
            ("since", image) => Filter::Since(image.to_owned()),
            _ => return Err(bad()),
        })
    }
}

/// The images that fit all filters (of several reference patterns, one suffices), newest first.
///
/// # Errors
/// When the store cannot be read, or a filter names an image that is not there.
pub fn list(store: &Store, filters: &[Filter]) -> Result<Vec<ImageRow>, ImageError> {
    let mut conditions = Vec::new();
    for filter in filters {
        conditions.push(match filter {
            Filter::Before(image) => Condition::Before(access::resolve(store, image)?.created),
            Filter::Since(image) => Condition::Since(access::resolve(store, image)?.created),
            other => Condition::Plain(other),
        });
    }
    let mut rows = Vec::new();
    let records = store.images().list().map_err(ImageError::store("list the images"))?;
    let members: HashSet<BlobDigest> = records.iter().flat_map(|record| record.members.clone()).collect();
    for record in records {
        let tags = store.images().tags(&record.id);
        if members.contains(&record.id)
            && tags.map_err(ImageError::store("read the names of an image"))?.is_empty()
        {
            continue;
        }
        // An image that another process removes right now is no error.
        let of = record.members.first().unwrap_or(&record.id);
        let Ok((_, config)) = access::config(store, of) else { continue };
        rows.extend(rows_of(store, &record, &config)?.into_iter().filter(|row| fits(row, &conditions)));
    }
    rows.sort_by(|a, b| {
        let key = |row: &ImageRow| (row.repository.clone(), row.tag.clone(), row.id);
        b.created.cmp(&a.created).then_with(|| key(a).cmp(&key(b)))
    });
    Ok(rows)
}

enum Condition<'a> {
    Plain(&'a Filter),
    Before(i64),
    Since(i64),
}

fn rows_of(store: &Store, record: &ImageRecord, config: &ImageConfig) -> Result<Vec<ImageRow>, ImageError> {
    let tags = store.images().tags(&record.id).map_err(ImageError::store("read the names of an image"))?;
    let bare = ImageRow {
        repository: None,
        tag: None,
        digest: digest(store, record),
        id: record.id,
        created: record.created,
        size: record.size,
        labels: config.config.labels.clone(),
    };
    let named = tags.iter().filter_map(|tag| access::name(tag)).map(|name| ImageRow {
        repository: Some(name.familiar_name()),
        tag: name.tag,
        ..bare.clone()
    });
    let rows: Vec<ImageRow> = named.collect();
    Ok(if rows.is_empty() { vec![bare] } else { rows })
}

/// A manifest's digest says something to others only if its blobs can be sent as they are.
fn digest(store: &Store, record: &ImageRecord) -> Option<BlobDigest> {
    let (_, manifest) = access::manifest(store, &record.manifest).ok()?;
    let whole = manifest.layers.iter().all(|layer| {
        Packing::of_media_type(&layer.media_type) != Some(Packing::Plain)
            && store.content().contains(&layer.digest).unwrap_or(false)
    });
    (whole && !manifest.layers.is_empty()).then_some(record.manifest)
}

fn fits(row: &ImageRow, conditions: &[Condition<'_>]) -> bool {
    let full = row.repository.as_ref().map(|repository| match &row.tag {
        Some(tag) => format!("{repository}:{tag}"),
        None => repository.clone(),
    });
    let named = |pattern: &str| {
        let matches = |name: &Option<String>| name.as_deref().is_some_and(|name| glob(pattern, name));
        matches(&full) || matches(&row.repository)
    };
    let mut patterns = conditions.iter().filter_map(|condition| match condition {
        Condition::Plain(Filter::Reference(pattern)) => Some(pattern.as_str()),
        _ => None,
    });
    let any_pattern = patterns.clone().next().is_some();
    (!any_pattern || patterns.any(named))
        && conditions.iter().all(|condition| match condition {
            Condition::Before(time) => row.created < *time,
            Condition::Since(time) => row.created > *time,
            Condition::Plain(Filter::Dangling(wanted)) => row.repository.is_none() == *wanted,
            Condition::Plain(Filter::Label(key, value)) => {
                row.labels.get(key).is_some_and(|has| value.as_ref().is_none_or(|value| has == value))
            }
            Condition::Plain(_) => true,
        })
}

/// Go's path.Match without escapes: no wildcard matches a slash.
fn glob(pattern: &str, text: &str) -> bool {
    fn go(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.first(), text.first()) {
            (None, None) => true,
            (Some(b'*'), _) => {
                go(&pattern[1..], text) || text.first().is_some_and(|c| *c != b'/' && go(pattern, &text[1..]))
            }
            (Some(b'?'), Some(c)) => *c != b'/' && go(&pattern[1..], &text[1..]),
            (Some(b'['), Some(c)) => match class(&pattern[1..], *c) {
                Some((true, rest)) => go(rest, &text[1..]),
                _ => false,
            },
            (Some(p), Some(c)) => p == c && go(&pattern[1..], &text[1..]),
            _ => false,
        }
    }
    go(pattern.as_bytes(), text.as_bytes())
}

/// Whether `c` is in the class that begins here, and what follows it. `None` if the class does not end.
fn class(pattern: &[u8], c: u8) -> Option<(bool, &[u8])> {
    let end = pattern.iter().position(|b| *b == b']')?;
    let (body, rest) = (&pattern[..end], &pattern[end + 1..]);
    let (negated, mut body) = match body.first() {
        Some(b'^') => (true, &body[1..]),
        _ => (false, body),
    };
    let mut hit = false;
    while let Some(first) = body.first() {
        match body {
            [low, b'-', high, ..] => {
                hit |= (*low..=*high).contains(&c);
                body = &body[3..];
            }
            _ => {
                hit |= *first == c;
                body = &body[1..];
            }
        }
    }
    Some((hit != negated, rest))
}

/// What `inspect` prints of an image, in Docker's words.
///
/// # Errors
/// When there is no such image, or it cannot be read.
pub fn inspect(store: &Store, name: &str) -> Result<Value, ImageError> {
    let record = access::resolve(store, name)?;
    let named = access::resolve_any(store, name)?;
    let (_, config) = access::config(store, &record.id)?;
    let tags = store.images().tags(&named.id).map_err(ImageError::store("read the names of an image"))?;
    let names: Vec<Reference> = tags.iter().filter_map(|tag| access::name(tag)).collect();
    let digests: Vec<String> = match digest(store, &record) {
        Some(digest) => {
            let mut all: Vec<String> =
                names.iter().map(|n| format!("{}@{digest}", n.familiar_name())).collect();
            all.dedup();
            all
        }
        None => Vec::new(),
    };
    let run = serde_json::to_value(&config.config).map_err(ImageError::store("show the config"))?;
    let mut out = json!({
        "Id": named.id.to_string(),
        "RepoTags": names.iter().map(Reference::familiar).collect::<Vec<_>>(),
        "RepoDigests": digests,
        "Parent": "",
        "Comment": config.history.last().map_or("", |last| last.comment.as_str()),
        "Created": config.created.clone().unwrap_or_else(|| clock::rfc3339(record.created)),
        "Author": config.author.clone().unwrap_or_default(),
        "Config": run,
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": named.size,
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Descriptor": { "digest": named.manifest.to_string() },
    });
    if named.is_index() {
        let members = access::members(store, &named)?;
        let one = |member: &ImageRecord| json!({ "Id": member.id.to_string(), "Platform": member.platform.to_string() });
        out["Images"] = members.iter().map(one).collect();
    }
    if let Some(variant) = config.variant.filter(|variant| !variant.is_empty()) {
        out["Variant"] = Value::String(variant);
    }
    Ok(out)
}

/// A line of `history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The image's id on the topmost line; `None` (shown as `<missing>`) on all others.
    pub id: Option<BlobDigest>,
    /// Unix seconds, where known.
    pub created: Option<i64>,
    /// The instruction.
    pub created_by: String,
    /// Bytes of the files in its layer; 0 without one.
    pub size: u64,
    /// The comment.
    pub comment: String,
}

/// How an image came about, the last instruction first.
///
/// # Errors
/// When there is no such image, or it cannot be read.
pub fn history(store: &Store, name: &str) -> Result<Vec<HistoryRow>, ImageError> {
    let record = access::resolve(store, name)?;
    let (_, config) = access::config(store, &record.id)?;
    let mut layers = record.layers.iter();
    let mut rows = Vec::new();
    for entry in &config.history {
        let layer = if entry.empty_layer { None } else { layers.next() };
        let size = match layer {
            Some(layer) => {
                let index = store.layers().index(layer.layer);
                index.map_err(ImageError::store(format!("read layer {}", layer.layer)))?.size()
            }
            None => 0,
        };
        rows.push(HistoryRow {
            id: None,
            created: entry.created.as_deref().and_then(access::seconds),
            created_by: entry.created_by.clone(),
            size,
            comment: entry.comment.clone(),
        });
    }
    rows.reverse();
    if let Some(first) = rows.first_mut() {
        first.id = Some(record.id);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
