//! The root file system as one tar: what `type=tar` gives.
//!
//! Members are sorted; the root itself is none of them. Times are whole seconds. Equal chains give equal bytes, but for
//! the times of files; with an epoch these are equal as well.

use super::{BuildResult, ExportError};
use oci::{Entry, Kind, RootPath};
use snapshotter::store::Store;
use snapshotter::tree::Tree;
use snapshotter::view::ChainView;
use std::io::{self, Read, Write};
use tar::{Builder, EntryType, Header};

pub(super) fn write(store: &Store, result: &BuildResult, out: &mut dyn Write) -> Result<(), ExportError> {
    let view = view(store, result)?;
    write_tree(&view, result.epoch, out)
}

/// The merged root file system of a result.
pub(super) fn view(store: &Store, result: &BuildResult) -> Result<ChainView, ExportError> {
    let chain: Vec<_> = result.layers.iter().map(|layer| layer.layer).collect();
    ChainView::new(store.layers(), &chain).map_err(ExportError::store("read the layers of the image"))
}

/// Writes a tree as a tar.
pub(super) fn write_tree(
    tree: &dyn Tree,
    epoch: Option<i64>,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let mut tar = Builder::new(out);
    append_all(&mut tar, b"", tree, epoch)?;
    tar.into_inner().and_then(Write::flush).map_err(ExportError::io("write the end of the tar"))
}

/// Writes a tree below the directory `name`, which becomes a member, too.
pub(super) fn append_below(
    tar: &mut Builder<&mut dyn Write>,
    name: &str,
    tree: &dyn Tree,
    epoch: Option<i64>,
) -> Result<(), ExportError> {
    let root = tree.lookup(&RootPath::root()).map_err(ExportError::store("read the root file system"))?;
    let mut header = header(&root.unwrap_or_else(|| Entry::dir(0o755, 0, 0)), epoch);
    header.set_entry_type(EntryType::Directory);
    let prefix = format!("{name}/");
    member(tar, header, prefix.as_bytes(), b"", &mut io::empty())
        .map_err(ExportError::io(format!("write {name} to the tar")))?;
    append_all(tar, prefix.as_bytes(), tree, epoch)
}

fn append_all(
    tar: &mut Builder<&mut dyn Write>,
    prefix: &[u8],
    tree: &dyn Tree,
    epoch: Option<i64>,
) -> Result<(), ExportError> {
    let entries = tree.walk(&RootPath::root()).map_err(ExportError::store("read the root file system"))?;
    for (path, entry) in entries.iter().filter(|(path, _)| !path.is_root()) {
        append(tar, prefix, tree, path, entry, epoch)?;
    }
    Ok(())
}

fn append(
    tar: &mut Builder<&mut dyn Write>,
    prefix: &[u8],
    tree: &dyn Tree,
    path: &RootPath,
    entry: &Entry,
    epoch: Option<i64>,
) -> Result<(), ExportError> {
    let io = || ExportError::io(format!("write {path} to the tar"));
    let mut header = header(entry, epoch);
    if !entry.xattrs.is_empty() && link_to(entry).is_none() {
        let names: Vec<String> =
            entry.xattrs.iter().map(|(name, _)| pax_name(name)).collect::<io::Result<_>>().map_err(io())?;
        let pairs =
            names.iter().zip(&entry.xattrs).map(|(name, (_, value))| (name.as_str(), value.as_slice()));
        tar.append_pax_extensions(pairs).map_err(io())?;
    }
    let name = &[prefix, path.relative()].concat()[..];
    let empty = |tar: &mut Builder<&mut dyn Write>, mut header: Header, kind, target: &[u8]| {
        header.set_entry_type(kind);
        member(tar, header, name, target, &mut io::empty()).map_err(io())
    };
    match &entry.kind {
        Kind::File { link_to: Some(head), .. } => {
            empty(tar, header, EntryType::Link, &[prefix, head.relative()].concat())
        }
        Kind::File { size, .. } => {
            header.set_size(*size);
            let file = tree.open(path).map_err(ExportError::store(format!("open {path} of the image")))?;
            let mut counted = Counted { inner: file.take(*size), left: *size };
            member(tar, header, name, b"", &mut counted).map_err(io())?;
            if counted.left == 0 { Ok(()) } else { Err(io()(io::ErrorKind::UnexpectedEof.into())) }
        }
        Kind::Symlink(target) => empty(tar, header, EntryType::Symlink, target),
        Kind::Dir { .. } => {
            header.set_entry_type(EntryType::Directory);
            member(tar, header, &[name, b"/"].concat(), b"", &mut io::empty()).map_err(io())
        }
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
            header.set_device_major(*major).and_then(|()| header.set_device_minor(*minor)).map_err(io())?;
            let block = matches!(entry.kind, Kind::BlockDevice(..));
            empty(tar, header, if block { EntryType::Block } else { EntryType::Char }, b"")
        }
        Kind::Fifo => empty(tar, header, EntryType::Fifo, b""),
        // Trees show neither.
        Kind::Socket | Kind::Whiteout => Ok(()),
    }
}

/// One member with names of any length, byte for byte: the `tar` crate's own path methods tidy them up.
fn member(
    tar: &mut Builder<&mut dyn Write>,
    mut header: Header,
    name: &[u8],
    target: &[u8],
    data: &mut dyn Read,
) -> io::Result<()> {
    for (bytes, kind) in [(target, EntryType::GNULongLink), (name, EntryType::GNULongName)] {
        if bytes.len() > 100 {
            let mut long = Header::new_gnu();
            set_bytes(&mut long, b"././@LongLink", b"")?;
            long.set_entry_type(kind);
            long.set_mode(0o644);
            long.set_uid(0);
            long.set_gid(0);
            long.set_mtime(0);
            long.set_size(bytes.len() as u64 + 1);
            long.set_cksum();
            tar.append(&long, bytes.chain(&[0][..]))?;
        }
    }
    set_bytes(&mut header, &name[..name.len().min(100)], &target[..target.len().min(100)])?;
    header.set_cksum();
    tar.append(&header, data)
}

fn set_bytes(header: &mut Header, name: &[u8], target: &[u8]) -> io::Result<()> {
    let fields = header.as_gnu_mut().ok_or(io::ErrorKind::InvalidInput)?;
    fields.name.fill(0);
    fields.name[..name.len()].copy_from_slice(name);
    fields.linkname.fill(0);
    fields.linkname[..target.len()].copy_from_slice(target);
    Ok(())
}

fn header(entry: &Entry, epoch: Option<i64>) -> Header {
    let secs = epoch.map_or(entry.mtime.secs, |epoch| entry.mtime.secs.min(epoch));
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(u64::try_from(secs).unwrap_or(0));
    header.set_size(0);
    header
}

pub(super) fn link_to(entry: &Entry) -> Option<&RootPath> {
    match &entry.kind {
        Kind::File { link_to, .. } => link_to.as_ref(),
        _ => None,
    }
}

fn pax_name(name: &[u8]) -> io::Result<String> {
    let name = std::str::from_utf8(name).map_err(|_| io::Error::other("an xattr's name is not UTF-8"))?;
    Ok(format!("SCHILY.xattr.{name}"))
}

struct Counted<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buf)?;
        self.left = self.left.saturating_sub(got as u64);
        Ok(got)
    }
}

#[cfg(test)]
mod tests;
