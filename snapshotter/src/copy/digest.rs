//! The sources' part of a cache key: a Merkle digest over names, metadata and content digests.

use super::CopyError;
use super::filter::{Fate, Filters, join};
use super::select::{Selected, Selection};
use crate::tree::Tree;
use oci::{Entry, KeyDigest, Kind, RootPath};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Names the format: a change to what is hashed changes this.
const FORMAT: &[u8] = b"lapstrake copy sources 1\0";

type Hash = [u8; 32];

/// What one directory, or file, comes to.
struct Folded {
    hash: Hash,
    /// Further names of an inode: head and member.
    links: Vec<(RootPath, RootPath)>,
    /// Whether nothing is copied of it.
    is_empty: bool,
}

/// Name, entry, and what becomes of it.
type Child = (Vec<u8>, Entry, Fate);

pub(super) fn digest(src: &dyn Tree, sel: &Selection) -> Result<KeyDigest, CopyError> {
    let fold = Fold { src, keeps_owners: sel.keeps_owners, filters: &Filters::default() };
    let mut out = Buffer(Vec::new());
    out.0.extend_from_slice(FORMAT);
    out.0.push(u8::from(sel.keeps_owners));
    for item in &sel.items {
        match item {
            Selected::Inline { name, data } => {
                out.0.push(b'i');
                out.text(name);
                out.0.extend_from_slice(blake3::hash(data).as_bytes());
            }
            Selected::Path { path, entry, filters, .. } if entry.is_dir() => {
                // Neither name nor metadata of a named directory reach the layer: only what is in it.
                out.0.push(b'd');
                let folded = Fold { filters, ..fold }.dir(path, b"")?;
                out.0.extend_from_slice(&folded.hash);
                links(&mut out, path, folded.links);
            }
            Selected::Path { path, name, entry, unpack, .. } => {
                out.0.push(if *unpack { b'u' } else { b'p' });
                out.text(name);
                fold.leaf(path, entry, &mut out)?;
            }
        }
    }
    Ok(KeyDigest::from_bytes(*blake3::hash(&out.0).as_bytes()))
}

/// Which names below `top` are one file.
fn links(out: &mut Buffer, top: &RootPath, links: Vec<(RootPath, RootPath)>) {
    let mut groups: BTreeMap<RootPath, Vec<RootPath>> = BTreeMap::new();
    for (head, member) in links {
        groups.entry(head).or_default().push(member);
    }
    for (head, mut members) in groups {
        if head.starts_with(top) {
            members.push(head);
        }
        members.sort();
        if members.len() > 1 {
            out.0.push(b'l');
            out.number(members.len());
            let prefix = top.as_bytes().len() + usize::from(!top.is_root());
            members.iter().for_each(|member| out.text(&member.as_bytes()[prefix..]));
        }
    }
}

#[derive(Clone, Copy)]
struct Fold<'a> {
    src: &'a dyn Tree,
    keeps_owners: bool,
    filters: &'a Filters,
}

impl Fold<'_> {
    /// `below` is `dir` relative to the source; empty where nothing is filtered.
    fn dir(&self, dir: &RootPath, below: &[u8]) -> Result<Folded, CopyError> {
        let children = self.children(dir, below)?;
        // Only what needs work goes to other threads: most files are remembered.
        let work = |(name, entry, _): &Child| match entry.kind {
            Kind::Dir { .. } => Some(self.dir(&dir.child(name), &self.below(below, name))),
            Kind::File { digest: None, .. } => Some(self.file(&dir.child(name))),
            _ => None,
        };
        let is_work =
            |(_, entry, _): &&Child| entry.is_dir() || matches!(entry.kind, Kind::File { digest: None, .. });
        let todo: Vec<&Child> = children.iter().filter(is_work).collect();
        let done: Vec<Folded> = todo.into_par_iter().filter_map(work).collect::<Result<_, _>>()?;
        let mut done = done.into_iter();
        let mut out = Buffer(Vec::with_capacity(children.len() * 96));
        let mut links = Vec::new();
        for child in &children {
            let folded = if is_work(&child) { done.next() } else { None };
            let (name, entry, fate) = child;
            let is_empty = folded.as_ref().is_some_and(|folded| folded.is_empty);
            if matches!(entry.kind, Kind::Socket) || (*fate == Fate::Passed && is_empty) {
                continue;
            }
            if *fate == Fate::Passed {
                out.0.push(b'o');
            }
            out.text(name);
            self.metadata(entry, &mut out);
            out.kind(entry, folded.as_ref().map(|folded| folded.hash));
            links.extend(folded.into_iter().flat_map(|folded| folded.links));
            if let Kind::File { link_to: Some(head), .. } = &entry.kind {
                links.push((head.clone(), dir.child(name)));
            }
        }
        Ok(Folded { hash: *blake3::hash(&out.0).as_bytes(), links, is_empty: out.0.is_empty() })
    }

    /// What is copied of a directory, and the directories in it that are made for what is in them.
    fn children(&self, dir: &RootPath, below: &[u8]) -> Result<Vec<Child>, CopyError> {
        let children = self.src.children(dir)?.into_iter();
        let fate = |name: &[u8], entry: &Entry| match self.filters.is_empty() {
            true => Fate::Copied,
            false => self.filters.fate(&self.below(below, name), entry.is_dir()),
        };
        let with_fate = children.map(|(name, entry)| {
            let fate = fate(&name, &entry);
            (name, entry, fate)
        });
        Ok(with_fate.filter(|(_, _, fate)| *fate != Fate::Left).collect())
    }

    fn below(&self, below: &[u8], name: &[u8]) -> Vec<u8> {
        if self.filters.is_empty() { Vec::new() } else { join(below, name) }
    }

    fn file(&self, path: &RootPath) -> Result<Folded, CopyError> {
        Ok(Folded { hash: *self.src.content_digest(path)?.as_bytes(), links: Vec::new(), is_empty: false })
    }

    fn leaf(&self, path: &RootPath, entry: &Entry, out: &mut Buffer) -> Result<(), CopyError> {
        let content = if entry.is_file() { Some(self.file(path)?.hash) } else { None };
        self.metadata(entry, out);
        out.kind(entry, content);
        Ok(())
    }

    fn metadata(&self, entry: &Entry, out: &mut Buffer) {
        let owner = if self.keeps_owners { (entry.uid, entry.gid) } else { (0, 0) };
        for number in [entry.mode, owner.0, owner.1] {
            out.0.extend_from_slice(&number.to_le_bytes());
        }
        out.number(entry.xattrs.len());
        for (name, value) in &entry.xattrs {
            out.text(name);
            out.text(value);
        }
    }
}

/// Bytes to be hashed, every field with its length.
struct Buffer(Vec<u8>);

impl Buffer {
    fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&(number as u64).to_le_bytes());
    }

    fn text(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    /// `content`: of a directory or file, where the entry does not have it.
    fn kind(&mut self, entry: &Entry, content: Option<Hash>) {
        match &entry.kind {
            Kind::File { digest, .. } => {
                self.0.push(b'f');
                let known = digest.map(|digest| *digest.as_bytes());
                self.0.extend_from_slice(&content.or(known).unwrap_or_default());
            }
            Kind::Dir { .. } => {
                self.0.push(b'd');
                self.0.extend_from_slice(&content.unwrap_or_default());
            }
            Kind::Symlink(target) => {
                self.0.push(b's');
                self.text(target);
            }
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                let tag = if matches!(entry.kind, Kind::CharDevice(..)) { b'c' } else { b'b' };
                self.0.push(tag);
                self.0.extend_from_slice(&major.to_le_bytes());
                self.0.extend_from_slice(&minor.to_le_bytes());
            }
            Kind::Fifo => self.0.push(b'p'),
            Kind::Socket => self.0.push(b'n'),
            Kind::Whiteout => self.0.push(b'w'),
        }
    }
}
