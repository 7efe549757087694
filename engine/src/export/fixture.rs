//! Stores and layers for tests.

use super::{BuildResult, ResultLayer};
use oci::ImageConfig;
use oci::image::History;
use snapshotter::layer::{ApplyLimits, apply};
use snapshotter::store::Store;
use tar::{EntryType, Header};
use tempfile::TempDir;

/// A store of its own. Keep the directory.
pub(crate) fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), "test").unwrap();
    (dir, store)
}

/// A member of a tar.
pub(crate) struct Member<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: EntryType,
    pub(crate) target: &'a str,
    pub(crate) data: &'a [u8],
    pub(crate) mode: u32,
    pub(crate) xattrs: &'a [(&'a str, &'a [u8])],
}

pub(crate) fn file<'a>(name: &'a str, data: &'a [u8]) -> Member<'a> {
    Member { name, kind: EntryType::Regular, target: "", data, mode: 0o644, xattrs: &[] }
}

pub(crate) fn dir(name: &str, mode: u32) -> Member<'_> {
    Member { name, kind: EntryType::Directory, target: "", data: b"", mode, xattrs: &[] }
}

pub(crate) fn link<'a>(name: &'a str, kind: EntryType, target: &'a str) -> Member<'a> {
    Member { name, kind, target, data: b"", mode: 0o777, xattrs: &[] }
}

/// A tar of these, with owners 1000:1001 and mtime 1,700,000,000.
pub(crate) fn tar_of(members: &[Member<'_>]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = Header::new_gnu();
        header.set_entry_type(member.kind);
        header.set_mode(member.mode);
        header.set_uid(1000);
        header.set_gid(1001);
        header.set_mtime(1_700_000_000);
        header.set_size(member.data.len() as u64);
        if matches!(member.kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        let pairs: Vec<(String, &[u8])> =
            member.xattrs.iter().map(|(name, value)| (format!("SCHILY.xattr.{name}"), *value)).collect();
        if !pairs.is_empty() {
            tar.append_pax_extensions(pairs.iter().map(|(name, value)| (name.as_str(), *value))).unwrap();
        }
        if member.target.is_empty() {
            tar.append_data(&mut header, member.name, member.data).unwrap();
        } else {
            // Its other methods tidy targets up.
            header.set_link_name_literal(member.target).unwrap();
            tar.append_data(&mut header, member.name, member.data).unwrap();
        }
    }
    tar.into_inner().unwrap()
}

/// A result of these layers, one tar each.
pub(crate) fn result(store: &Store, tars: &[Vec<u8>], epoch: Option<i64>) -> BuildResult {
    let layers = tars.iter().map(|tar| {
        let work = store.work().unwrap();
        let index = apply(&mut tar.as_slice(), &work.diff().unwrap(), &ApplyLimits::default()).unwrap();
        ResultLayer { layer: store.layers().commit(work, index).unwrap(), diff_id: None }
    });
    let layers: Vec<ResultLayer> = layers.collect();
    let created = Some("2023-11-14T22:13:20Z".to_owned());
    let history = layers.iter().map(|_| History {
        created: created.clone(),
        created_by: "COPY . / # buildkit".into(),
        ..History::default()
    });
    let mut config = ImageConfig {
        created: created.clone(),
        history: history.collect(),
        ..ImageConfig::scratch(&"linux/amd64".parse().unwrap())
    };
    config.config.cmd = Some(vec!["/hello".into()]);
    config.config.labels.insert("maker".into(), "lapstrake".into());
    BuildResult { layers, config, epoch, platform: None }
}

/// Two layers with a bit of everything; the upper one removes and replaces.
pub(crate) fn rich() -> Vec<Vec<u8>> {
    let long = format!("usr/{}/end", "long-name-".repeat(12));
    let mut capable = file("usr/bin/ping", b"ping");
    capable.mode = 0o4755;
    capable.xattrs = &[("user.note", b"\x00\xffbinary")];
    let lower = tar_of(&[
        dir("usr/", 0o755),
        dir("usr/bin/", 0o750),
        capable,
        file("usr/bin/tool", b"tool"),
        link("usr/bin/tool-too", EntryType::Link, "usr/bin/tool"),
        link("usr/lib64", EntryType::Symlink, "lib/./x//y/"),
        file(&long, b"deep"),
        dir("gone/", 0o755),
        file("gone/file", b"x"),
        file("replaced", b"old"),
        Member { name: "dev/null", kind: EntryType::Char, target: "", data: b"", mode: 0o666, xattrs: &[] },
        Member { name: "run/fifo", kind: EntryType::Fifo, target: "", data: b"", mode: 0o600, xattrs: &[] },
        dir("tmp/", 0o1777),
    ]);
    let upper = tar_of(&[file(".wh.gone", b""), file("replaced", b"new"), file("hello", b"#!/bin/sh\n")]);
    vec![lower, upper]
}
