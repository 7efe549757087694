//! Which image a text means.

use crate::db::Db;
use crate::error::StoreError;
use oci::{BlobDigest, Reference};
use rusqlite::{OptionalExtension, params};

/// The image's id, and its name if it was found by one.
type Found = (BlobDigest, Option<String>);

pub(super) fn find(db: &Db, text: &str) -> Result<Option<Found>, StoreError> {
    if let Ok(name) = text.parse::<Reference>()
        && let Some(found) = by_name(db, &name)?
    {
        return Ok(Some(found));
    }
    Ok(by_id(db, text)?.map(|id| (id, None)))
}

fn by_name(db: &Db, name: &Reference) -> Result<Option<Found>, StoreError> {
    let tag = |name: &Reference| -> Result<Option<BlobDigest>, StoreError> {
        let id: Option<[u8; 32]> = db.read("look up a name", |db| {
            db.prepare_cached("SELECT image FROM tags WHERE reference = ?1")?
                .query_row([name.to_string()], |row| row.get(0))
                .optional()
        })?;
        Ok(id.map(BlobDigest::from_bytes))
    };
    if let Some(id) = tag(name)? {
        return Ok(Some((id, Some(name.to_string()))));
    }
    let Some(digest) = name.digest else { return Ok(None) };
    // `name:tag@digest`, `name@digest`: an image of that repository whose manifest, or config, has the digest.
    let rows: Vec<(String, [u8; 32])> = db.read("look up a digest", |db| {
        let mut query = db.prepare_cached(
            "SELECT reference, image FROM tags JOIN images ON image = id
             WHERE id = ?1 OR manifest = ?1 ORDER BY reference",
        )?;
        query.query_map(params![digest.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    })?;
    let same = |text: &str| {
        text.parse::<Reference>()
            .is_ok_and(|r| r.registry == name.registry && r.repository == name.repository)
    };
    Ok(rows.into_iter().find(|(text, _)| same(text)).map(|(_, id)| (BlobDigest::from_bytes(id), None)))
}

fn by_id(db: &Db, text: &str) -> Result<Option<BlobDigest>, StoreError> {
    let prefix = text.strip_prefix("sha256:").unwrap_or(text);
    if prefix.is_empty()
        || prefix.len() > 64
        || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Ok(None);
    }
    let ids: Vec<[u8; 32]> = db.read("look up an image id", |db| {
        let mut query = db.prepare_cached("SELECT id FROM images WHERE id BETWEEN ?1 AND ?2")?;
        query.query_map([bound(prefix, b'0'), bound(prefix, b'f')], |row| row.get(0))?.collect()
    })?;
    match ids.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(BlobDigest::from_bytes(*one))),
        several => Err(StoreError::Ambiguous { prefix: text.to_owned(), count: several.len() }),
    }
}

/// `prefix` filled up with one digit: the first or last digest that begins so. `prefix` has hexadecimal digits only.
fn bound(prefix: &str, fill: u8) -> [u8; 32] {
    let digit = |at: usize| match prefix.as_bytes().get(at).copied().unwrap_or(fill) {
        letter @ b'a'..=b'f' => letter - b'a' + 10,
        number => number.wrapping_sub(b'0') & 15,
    };
    std::array::from_fn(|at| digit(2 * at) << 4 | digit(2 * at + 1))
}
