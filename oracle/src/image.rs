//! An image as two files have it: an OCI archive for the config, a tar for the root file system.

use crate::base::busybox;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tar::{Archive, EntryType};

/// The kind of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    File,
    Dir,
    Symlink,
    Char,
    Block,
    Fifo,
}

/// A path of a root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its permissions.
    pub mode: u32,
    /// Its owner.
    pub uid: u64,
    /// Its group.
    pub gid: u64,
    /// Its time, in seconds.
    pub mtime: u64,
    /// A file's bytes.
    pub data: Arc<[u8]>,
    /// A symlink's target, or a device's numbers.
    pub link: String,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// `FIRST+N` where the file has N more names.
    pub hardlinks: String,
}

/// An image.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// The whole config.
    pub config: Value,
    /// The root file system by absolute paths, the root itself left out.
    pub tree: BTreeMap<String, Entry>,
}

impl Image {
    /// Reads the two files.
    pub fn read(oci: &Path, tar: &Path) -> Result<Self> {
        let tree = read_tar(&std::fs::read(tar).with_context(|| format!("read {}", tar.display()))?)?;
        Ok(Self { config: config(oci)?, tree })
    }

    /// The digest of the first layer.
    pub(crate) fn first_layer(&self) -> Option<&str> {
        self.config["rootfs"]["diff_ids"][0].as_str()
    }
}

/// The config in an OCI archive.
fn config(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let mut small = BTreeMap::new();
    for entry in Archive::new(&bytes[..]).entries()? {
        let mut entry = entry?;
        // Layers of more than this need not be held: they are no JSON.
        if entry.size() < 1 << 20 {
            let mut data = Vec::new();
            entry.read_to_end(&mut data)?;
            small.insert(entry.path()?.to_string_lossy().into_owned(), data);
        }
    }
    let json = |name: &str| -> Result<Value> {
        let data = small.get(name).with_context(|| format!("find {name} in {}", path.display()))?;
        Ok(serde_json::from_slice(data)?)
    };
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap_or_default();
        json(&format!("blobs/{}", digest.replace(':', "/")))
    };
    let mut next = blob(&json("index.json")?["manifests"][0])?;
    while next["manifests"].is_array() {
        next = blob(&next["manifests"][0])?;
    }
    blob(&next["config"])
}

/// All entries of a tar.
pub fn read_tar(bytes: &[u8]) -> Result<BTreeMap<String, Entry>> {
    let mut tree: BTreeMap<String, Entry> = BTreeMap::new();
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let path = absolute(&entry.path_bytes());
        let target = entry.link_name_bytes().map(|link| link.into_owned());
        if entry.header().entry_type() == EntryType::Link {
            let target = absolute(&target.unwrap_or_default());
            let same = tree.get(&target).with_context(|| format!("{path} is a link to {target}"))?.clone();
            groups.entry(target.clone()).or_insert_with(|| vec![target]).push(path.clone());
            tree.insert(path, same);
            continue;
        }
        let entry = read_entry(&mut entry, target.as_deref())?;
        tree.insert(path, entry);
    }
    for mut names in groups.into_values() {
        names.sort();
        let label = format!("{}+{}", names[0].trim_start_matches('/'), names.len() - 1);
        for name in names {
            tree.entry(name).and_modify(|entry| entry.hardlinks.clone_from(&label));
        }
    }
    tree.remove("/");
    Ok(tree)
}

fn read_entry<R: Read>(entry: &mut tar::Entry<'_, R>, target: Option<&[u8]>) -> Result<Entry> {
    let mut xattrs = BTreeMap::new();
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        if let Some(name) = extension.key()?.strip_prefix("SCHILY.xattr.") {
            xattrs.insert(name.to_owned(), extension.value_bytes().to_vec());
        }
    }
    let header = entry.header().clone();
    let kind = match header.entry_type() {
        EntryType::Directory => Kind::Dir,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Char => Kind::Char,
        EntryType::Block => Kind::Block,
        EntryType::Fifo => Kind::Fifo,
        _ => Kind::File,
    };
    let link = match kind {
        Kind::Char | Kind::Block => {
            format!("{},{}", header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0))
        }
        _ => String::from_utf8_lossy(target.unwrap_or_default()).into_owned(),
    };
    let mut data = Vec::new();
    entry.read_to_end(&mut data)?;
    Ok(Entry {
        kind,
        mode: header.mode()? & 0o7777,
        uid: header.uid()?,
        gid: header.gid()?,
        mtime: header.mtime()?,
        data: shared(data),
        link,
        xattrs,
        hardlinks: String::new(),
    })
}

/// The program of the base images, which is there hundreds of times, is held once.
fn shared(data: Vec<u8>) -> Arc<[u8]> {
    static PROGRAM: OnceLock<Arc<[u8]>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| busybox().map(|(program, _)| program).unwrap_or_default().into());
    if data[..] == program[..] { Arc::clone(program) } else { data.into() }
}

fn absolute(path: &[u8]) -> String {
    let path = String::from_utf8_lossy(path);
    format!("/{}", path.strip_prefix("./").unwrap_or(&path).trim_matches('/'))
}
