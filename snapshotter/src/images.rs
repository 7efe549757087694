//! The images of a store: by id, the digest of the config, and by name.
//!
//! Names are whole references in text (`docker.io/library/busybox:latest`), as [`Reference`] prints them; given in
//! another spelling they are brought to this one.

mod resolve;

use crate::db::Db;
use crate::error::StoreError;
use oci::{BlobDigest, DiffId, LayerId, Platform, Reference};
use rusqlite::{OptionalExtension, Row, Transaction, params};
use std::sync::Arc;

/// One image. Its config and manifest are blobs of the content store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRecord {
    /// Digest of the config: what Docker calls the image id.
    pub id: BlobDigest,
    /// Digest of our manifest.
    pub manifest: BlobDigest,
    /// From the bottom layer to the top one.
    pub layers: Vec<StoredLayer>,
    /// In seconds since 1970.
    pub created: i64,
    /// Bytes of all layers' files.
    pub size: u64,
    /// What it is for.
    pub platform: Platform,
    /// Of an index, which has no layers: the images that it names, one for each platform.
    pub members: Vec<BlobDigest>,
}

impl ImageRecord {
    /// Whether this names the images of several platforms, and is none itself. Its id is that of its manifest then.
    pub fn is_index(&self) -> bool {
        !self.members.is_empty()
    }
}

/// What the column `layers` holds: an image's layers, or what an index names.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
pub(crate) enum Parts {
    Layers(Vec<StoredLayer>),
    Index { members: Vec<BlobDigest> },
}

impl Parts {
    pub(crate) fn read(text: &str) -> Result<Parts, StoreError> {
        serde_json::from_str(text)
            .map_err(|e| StoreError::Stored { what: "an image's layers", why: e.to_string() })
    }

    fn of(image: &ImageRecord) -> Parts {
        if image.is_index() {
            Parts::Index { members: image.members.clone() }
        } else {
            Parts::Layers(image.layers.clone())
        }
    }
}

/// A layer of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct StoredLayer {
    /// Which layer of the store.
    pub layer: LayerId,
    /// Digest of its tar, as the image's config has it.
    pub diff_id: DiffId,
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    /// Names taken away.
    pub untagged: Vec<String>,
    /// The image itself, if no name is left. Its layers and blobs stay until a gc.
    pub deleted: Option<BlobDigest>,
}

/// The images of a [`crate::store::Store`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Images {
    db: Arc<Db>,
}

impl Images {
    pub(crate) fn new(db: Arc<Db>) -> Images {
        Images { db }
    }

    /// Puts an image in, or anew. Its blobs and layers must be there already.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn put(&self, image: &ImageRecord) -> Result<(), StoreError> {
        let layers = serde_json::to_string(&Parts::of(image))
            .map_err(|e| StoreError::Stored { what: "an image's layers", why: e.to_string() })?;
        let (size, platform) = (i64::try_from(image.size).unwrap_or(i64::MAX), image.platform.to_string());
        self.db.write("put an image", |db| {
            db.prepare_cached("INSERT OR REPLACE INTO images VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
                .execute(params![
                    image.id.as_bytes(),
                    image.manifest.as_bytes(),
                    image.created,
                    size,
                    platform,
                    layers
                ])
                .map(drop)
        })
    }

    /// Gives an image a name. Another image that had it loses it.
    ///
    /// # Errors
    /// [`StoreError::NoImage`] if no image has this id; [`StoreError::Name`] if it is no name.
    pub fn tag(&self, name: &str, id: &BlobDigest) -> Result<(), StoreError> {
        let name = canonical(name)?;
        let tagged = self.db.write("tag an image", |db| {
            if !exists(db, id)? {
                return Ok(false);
            }
            db.prepare_cached("INSERT OR REPLACE INTO tags VALUES (?1, ?2)")?
                .execute(params![name, id.as_bytes()])?;
            Ok(true)
        })?;
        if tagged { Ok(()) } else { Err(StoreError::NoImage(id.to_string())) }
    }

    /// Takes a name away. The image stays. Returns the image that had it.
    ///
    /// # Errors
    /// [`StoreError::Name`] if it is no name.
    pub fn untag(&self, name: &str) -> Result<Option<BlobDigest>, StoreError> {
        let name = canonical(name)?;
        self.db.write("untag an image", |db| untag(db, &name))
    }

    /// Removes an image with all its names. Its layers and blobs stay until a gc. Returns whether it was there.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn delete(&self, id: &BlobDigest) -> Result<bool, StoreError> {
        let members = self.own_members(id)?;
        self.db.write("remove an image", |db| {
            db.execute("DELETE FROM tags WHERE image = ?1", [id.as_bytes()])?;
            delete(db, id, &members)
        })
    }

    /// The images that only the index `id` leads to.
    fn own_members(&self, id: &BlobDigest) -> Result<Vec<BlobDigest>, StoreError> {
        let Some(index) = self.get(id)?.filter(ImageRecord::is_index) else { return Ok(Vec::new()) };
        let others = self.list()?;
        let mut own = Vec::new();
        for member in index.members {
            let elsewhere = others.iter().any(|other| other.id != *id && other.members.contains(&member));
            if !elsewhere && self.tags(&member)?.is_empty() {
                own.push(member);
            }
        }
        Ok(own)
    }

    /// The image with this id.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn get(&self, id: &BlobDigest) -> Result<Option<ImageRecord>, StoreError> {
        let found = self.db.read("look up an image", |db| {
            db.prepare_cached("SELECT * FROM images WHERE id = ?1")?
                .query_row([id.as_bytes()], |row| Ok(record(row)))
                .optional()
        })?;
        found.transpose()
    }

    /// The image that `text` means: a name, `name@digest` with the manifest's digest, an id with or without `sha256:`,
    /// or the beginning of an id. A name goes before the beginning of an id.
    ///
    /// # Errors
    /// [`StoreError::NoImage`]; [`StoreError::Ambiguous`] if several ids begin so.
    pub fn resolve(&self, text: &str) -> Result<ImageRecord, StoreError> {
        let found = resolve::find(&self.db, text)?;
        let image = found.map(|(id, _)| self.get(&id)).transpose()?.flatten();
        image.ok_or_else(|| StoreError::NoImage(text.to_owned()))
    }

    /// All images, newest first.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn list(&self) -> Result<Vec<ImageRecord>, StoreError> {
        let records: Vec<_> = self.db.read("list the images", |db| {
            let mut images = db.prepare_cached("SELECT * FROM images ORDER BY created DESC, id")?;
            images.query_map([], |row| Ok(record(row)))?.collect()
        })?;
        records.into_iter().collect()
    }

    /// The names of an image, sorted.
    ///
    /// # Errors
    /// If the database refuses.
    pub fn tags(&self, id: &BlobDigest) -> Result<Vec<String>, StoreError> {
        self.db.read("look up an image's names", |db| names(db, id))
    }

    /// What `docker rmi` does. By name: takes the name away, and the image with its last one. By id: takes the image
    /// away with its only name; one with several names only if `force`.
    ///
    /// # Errors
    /// [`StoreError::NoImage`], [`StoreError::Ambiguous`], [`StoreError::SeveralNames`].
    pub fn remove(&self, text: &str, force: bool) -> Result<Removed, StoreError> {
        let Some((id, name)) = resolve::find(&self.db, text)? else {
            return Err(StoreError::NoImage(text.to_owned()));
        };
        let all = self.tags(&id)?;
        let untagged = match name {
            Some(name) => vec![name],
            None if all.len() > 1 && !force => {
                return Err(StoreError::SeveralNames { id: id.hex()[..12].to_owned(), count: all.len() });
            }
            None => all,
        };
        let members = self.own_members(&id)?;
        let deleted = self.db.write("remove an image", |db| {
            for name in &untagged {
                untag(db, name)?;
            }
            let last = names(db, &id)?.is_empty();
            if last {
                delete(db, &id, &members)?;
            }
            Ok(last)
        })?;
        Ok(Removed { untagged, deleted: deleted.then_some(id) })
    }
}

fn delete(db: &Transaction<'_>, id: &BlobDigest, members: &[BlobDigest]) -> rusqlite::Result<bool> {
    for member in members {
        db.execute("DELETE FROM images WHERE id = ?1", [member.as_bytes()])?;
    }
    Ok(db.execute("DELETE FROM images WHERE id = ?1", [id.as_bytes()])? > 0)
}

fn exists(db: &Transaction<'_>, id: &BlobDigest) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM images WHERE id = ?1")?.exists([id.as_bytes()])
}

fn untag(db: &Transaction<'_>, name: &str) -> rusqlite::Result<Option<BlobDigest>> {
    let had: Option<[u8; 32]> = db
        .prepare_cached("SELECT image FROM tags WHERE reference = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    db.prepare_cached("DELETE FROM tags WHERE reference = ?1")?.execute([name])?;
    Ok(had.map(BlobDigest::from_bytes))
}

fn names(db: &rusqlite::Connection, id: &BlobDigest) -> rusqlite::Result<Vec<String>> {
    let mut query = db.prepare_cached("SELECT reference FROM tags WHERE image = ?1 ORDER BY reference")?;
    query.query_map([id.as_bytes()], |row| row.get(0))?.collect()
}

/// The spelling under which a name is stored.
fn canonical(name: &str) -> Result<String, StoreError> {
    Ok(name.parse::<Reference>()?.to_string())
}

fn record(row: &Row<'_>) -> Result<ImageRecord, StoreError> {
    let bad = |why: String| StoreError::Stored { what: "an image", why };
    let sql = |e: rusqlite::Error| bad(e.to_string());
    let platform: String = row.get(4).map_err(sql)?;
    let parts: String = row.get(5).map_err(sql)?;
    let (layers, members) = match Parts::read(&parts)? {
        Parts::Layers(layers) => (layers, Vec::new()),
        Parts::Index { members } => (Vec::new(), members),
    };
    Ok(ImageRecord {
        id: BlobDigest::from_bytes(row.get(0).map_err(sql)?),
        manifest: BlobDigest::from_bytes(row.get(1).map_err(sql)?),
        created: row.get(2).map_err(sql)?,
        size: u64::try_from(row.get::<_, i64>(3).map_err(sql)?).unwrap_or(0),
        platform: platform.parse().map_err(|e: oci::platform::ParsePlatformError| bad(e.to_string()))?,
        layers,
        members,
    })
}

#[cfg(test)]
mod tests;
