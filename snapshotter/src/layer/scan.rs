//! Reads a layer's directory into an index: an overlay upper directory after a RUN, or any layer on disk.

use super::dirfd::{self, names, open_dir, open_root};
use super::xattr::{self, Target};
use super::{LayerError, LayerIndex};
use oci::entry::Mtime;
use oci::{ContentDigest, Entry, Kind, RootPath};
use rayon::prelude::*;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, StatxFlags, openat, readlinkat, statx};
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Names of one directory that one thread takes at a time.
const BATCH: usize = 128;
/// Bytes read at a time from a file.
const CHUNK: usize = 1 << 18;
/// Files from this length on are hashed by all threads together, this much at a time.
const LARGE: usize = 8 << 20;

/// Reads the layer in `diff_dir` into an index, hashing every file. Work is spread over rayon's threads.
///
/// Sockets are left out, with a note in the log. `/` itself gets an entry only if it is not `0755 0:0` without
/// attributes; see [`scan_on`]. The directory must not change meanwhile.
pub fn scan(diff_dir: &Path) -> Result<LayerIndex, LayerError> {
    scan_on(diff_dir, &Entry::dir(0o755, 0, 0))
}

/// [`scan`] of a layer whose parents' root directory looks like `parent_root`: `/` gets an entry only if mode, owner
/// or attributes differ from those.
pub fn scan_on(diff_dir: &Path, parent_root: &Entry) -> Result<LayerIndex, LayerError> {
    let found = walk(diff_dir)?;
    let keep = |(path, entry): &(RootPath, Entry)| !path.is_root() || !same_metadata(entry, parent_root);
    Ok(LayerIndex::build(found.into_iter().filter(keep).collect()))
}

/// Whether `diff_dir` still holds exactly the layer `index`, mtimes aside. Reads every byte.
pub fn verify(index: &LayerIndex, diff_dir: &Path) -> Result<bool, LayerError> {
    let has_root = index.get(&RootPath::root()).is_some();
    let found = walk(diff_dir)?;
    let found =
        LayerIndex::build(found.into_iter().filter(|(path, _)| has_root || !path.is_root()).collect());
    Ok(found.id() == index.id())
}

fn same_metadata(a: &Entry, b: &Entry) -> bool {
    let opaque = |entry: &Entry| matches!(entry.kind, Kind::Dir { opaque: true });
    a.mode == b.mode && a.uid == b.uid && a.gid == b.gid && a.xattrs == b.xattrs && !opaque(a)
}

/// An entry on the way to the index.
struct Seen {
    path: RootPath,
    entry: Entry,
    /// Device and inode of a file with several names: read later, once.
    inode: Option<(u64, u64)>,
}

fn walk(diff_dir: &Path) -> Result<Vec<(RootPath, Entry)>, LayerError> {
    let at_root = RootPath::root();
    let root = open_root(diff_dir).map_err(LayerError::io("open", &at_root))?;
    let mut found = vec![root_entry(&root)?];
    let mut level = vec![at_root];
    // Level by level: few directories are open at a time, however deep the tree is.
    while !level.is_empty() {
        let lists: Vec<Vec<Seen>> =
            level.par_iter().map(|dir| read_dir(&root, dir)).collect::<Result<_, _>>()?;
        let seen = lists.into_iter().flatten();
        let start = found.len();
        found.extend(seen);
        level = found[start..].iter().filter(|s| s.entry.is_dir()).map(|s| s.path.clone()).collect();
    }
    link(&root, &mut found)?;
    Ok(found.into_iter().map(|seen| (seen.path, seen.entry)).collect())
}

fn root_entry(root: &OwnedFd) -> Result<Seen, LayerError> {
    let path = RootPath::root();
    let stat = stat(root.as_fd(), c"").map_err(LayerError::io("inspect", &path))?;
    let (kind, xattrs) = directory(root.as_fd(), &path)?;
    Ok(Seen { path, entry: entry(&stat, kind, xattrs), inode: None })
}

fn read_dir(root: &OwnedFd, path: &RootPath) -> Result<Vec<Seen>, LayerError> {
    let dir = open_dir(root, path.relative()).map_err(LayerError::io("open", path))?;
    let names = names(&dir).map_err(LayerError::io("list", path))?;
    let read = |name: &CString| read_entry(dir.as_fd(), name, path.child(name.to_bytes())).transpose();
    if names.len() <= BATCH {
        return names.iter().filter_map(read).collect();
    }
    let batches = names.par_chunks(BATCH).map(|batch| batch.iter().filter_map(read).collect());
    let batches: Vec<Vec<Seen>> = batches.collect::<Result<_, LayerError>>()?;
    Ok(batches.into_iter().flatten().collect())
}

fn read_entry(dir: BorrowedFd<'_>, name: &CStr, path: RootPath) -> Result<Option<Seen>, LayerError> {
    let stat = stat(dir, name).map_err(LayerError::io("inspect", &path))?;
    let device = (stat.stx_rdev_major, stat.stx_rdev_minor);
    let kind = match FileType::from_raw_mode(u32::from(stat.stx_mode)) {
        FileType::RegularFile => return read_file(dir, name, path, &stat).map(Some),
        FileType::Directory => {
            let fd = open(dir, name, OFlags::DIRECTORY).map_err(LayerError::io("open", &path))?;
            let (kind, xattrs) = directory(fd.as_fd(), &path)?;
            return Ok(Some(Seen { entry: entry(&stat, kind, xattrs), path, inode: None }));
        }
        FileType::Symlink => {
            let target = readlinkat(dir, name, Vec::new()).map_err(LayerError::io("read the link", &path))?;
            Kind::Symlink(target.into_bytes())
        }
        FileType::CharacterDevice if device == (0, 0) => Kind::Whiteout,
        FileType::CharacterDevice => Kind::CharDevice(device.0, device.1),
        FileType::BlockDevice => Kind::BlockDevice(device.0, device.1),
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => {
            tracing::info!(path = %path, "socket left out of the layer");
            return Ok(None);
        }
        FileType::Unknown => return Err(LayerError::Unsupported { path, why: "is of an unknown file type" }),
    };
    let xattrs = xattr::read(Target::Name(dir, name)).map_err(LayerError::io("read attributes of", &path))?;
    Ok(Some(Seen { entry: entry(&stat, kind, xattrs.kept), path, inode: None }))
}

fn read_file(dir: BorrowedFd<'_>, name: &CStr, path: RootPath, stat: &Statx) -> Result<Seen, LayerError> {
    let fd = open(dir, name, OFlags::empty()).map_err(LayerError::io("open", &path))?;
    let xattrs = xattr::read(Target::Fd(fd.as_fd())).map_err(LayerError::io("read attributes of", &path))?;
    if let Some(why) = xattrs.foreign {
        return Err(LayerError::Unsupported { path, why });
    }
    let shared = stat.stx_nlink > 1;
    let inode = (u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor), stat.stx_ino);
    let digest = if shared { None } else { Some(hash(&mut File::from(fd), stat.stx_size, &path)?) };
    let kind = Kind::File { size: stat.stx_size, digest, link_to: None };
    Ok(Seen { entry: entry(stat, kind, xattrs.kept), path, inode: shared.then_some(inode) })
}

fn directory(fd: BorrowedFd<'_>, path: &RootPath) -> Result<(Kind, xattr::Xattrs), LayerError> {
    let found = xattr::read(Target::Fd(fd)).map_err(LayerError::io("read attributes of", path))?;
    match found.foreign {
        Some(why) => Err(LayerError::Unsupported { path: path.clone(), why }),
        None => Ok((Kind::Dir { opaque: found.opaque }, found.kept)),
    }
}

/// Joins the names of each shared inode, and hashes it under its first name.
fn link(root: &OwnedFd, found: &mut [Seen]) -> Result<(), LayerError> {
    let mut shared: Vec<&mut Seen> = found.iter_mut().filter(|seen| seen.inode.is_some()).collect();
    shared.sort_by(|a, b| a.path.cmp(&b.path));
    let mut heads: HashMap<(u64, u64), RootPath> = HashMap::new();
    for seen in &mut shared {
        let (Some(inode), Kind::File { link_to, .. }) = (seen.inode, &mut seen.entry.kind) else { continue };
        match heads.get(&inode) {
            Some(head) => *link_to = Some(head.clone()),
            None => drop(heads.insert(inode, seen.path.clone())),
        }
    }
    shared.par_iter_mut().try_for_each(|seen| {
        let Kind::File { size, digest, link_to: None } = &mut seen.entry.kind else { return Ok(()) };
        let fd = dirfd::open_below(root, seen.path.relative(), OFlags::RDONLY | OFlags::NONBLOCK);
        *digest =
            Some(hash(&mut File::from(fd.map_err(LayerError::io("open", &seen.path))?), *size, &seen.path)?);
        Ok(())
    })
}

/// BLAKE3 of a file's bytes, whose number must be `size`.
fn hash(file: &mut File, size: u64, path: &RootPath) -> Result<ContentDigest, LayerError> {
    let (digest, found) = hash_reader(file, size).map_err(LayerError::io("read", path))?;
    if found != size {
        return Err(LayerError::Changed { path: path.clone(), expected: size, found });
    }
    Ok(digest)
}

/// BLAKE3 and number of the bytes in `file`, which is thought to be `size` long. Memory does not grow with it.
pub(crate) fn hash_reader(file: &mut impl Read, size: u64) -> io::Result<(ContentDigest, u64)> {
    thread_local!(static BUFFER: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) });
    if size >= LARGE as u64 {
        return hash_with(file, &mut vec![0; LARGE], |hasher, bytes| {
            hasher.update_rayon(bytes);
        });
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK, 0);
        hash_with(file, buffer, |hasher, bytes| {
            hasher.update(bytes);
        })
    })
}

fn hash_with(
    file: &mut impl Read,
    buffer: &mut [u8],
    update: impl Fn(&mut blake3::Hasher, &[u8]),
) -> io::Result<(ContentDigest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut total = 0;
    loop {
        let read = fill(file, buffer)?;
        update(&mut hasher, &buffer[..read]);
        total += read as u64;
        if read < buffer.len() {
            return Ok((ContentDigest::from_bytes(*hasher.finalize().as_bytes()), total));
        }
    }
}

/// Reads until `buffer` is full or the input ends.
pub(crate) fn fill(input: &mut (impl Read + ?Sized), buffer: &mut [u8]) -> io::Result<usize> {
    let mut at = 0;
    while at < buffer.len() {
        match input.read(&mut buffer[at..]) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

fn open(dir: BorrowedFd<'_>, name: &CStr, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?)
}

fn stat(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    Ok(statx(dir, name, flags, StatxFlags::BASIC_STATS)?)
}

fn entry(stat: &Statx, kind: Kind, xattrs: xattr::Xattrs) -> Entry {
    let mtime = Mtime { secs: stat.stx_mtime.tv_sec, nanos: stat.stx_mtime.tv_nsec };
    let mode = u32::from(stat.stx_mode) & 0o7777;
    Entry { kind, mode, uid: stat.stx_uid, gid: stat.stx_gid, mtime, xattrs }
}

#[cfg(test)]
mod tests;
