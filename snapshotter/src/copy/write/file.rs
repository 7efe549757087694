//! Writing what is no directory.

use super::{finish, finish_name};
use crate::copy::CopyError;
use crate::copy::plan::{Body, Inode, Plan};
use crate::layer::scan::fill;
use crate::tree::Tree;
use oci::{ContentDigest, RootPath};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::{
    CWD, FileType, Mode, OFlags, SeekFrom, fstat, ftruncate, makedev, mknodat, openat, renameat, seek,
    symlinkat,
};
use rustix::io::Errno;
use std::cell::RefCell;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};

/// Bytes copied at a time.
const CHUNK: usize = 1 << 18;
/// Files from this length on are copied in pieces of this length, which all threads hash together.
const LARGE: usize = 4 << 20;

/// What was written into a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content {
    pub(crate) size: u64,
    pub(crate) digest: ContentDigest,
}

/// Where something is to be made.
pub(super) struct Place<'a> {
    pub(super) dir: BorrowedFd<'a>,
    pub(super) name: CString,
    pub(super) path: &'a RootPath,
}

impl Place<'_> {
    pub(super) fn make(
        &self,
        inode: &Inode,
        src: &dyn Tree,
        plan: &Plan<'_>,
    ) -> Result<Option<Content>, CopyError> {
        let failed = |action| CopyError::io(action, self.path);
        let permissions = Mode::RUSR | Mode::WUSR;
        match &inode.body {
            Body::Source(path, digest) => return self.copy(inode, src, path, *digest).map(Some),
            Body::Parent(path) => return self.copy(inode, plan.parent(), path, None).map(Some),
            Body::Inline(data) => return self.inline(inode, data).map(Some),
            Body::Staged { number, size, digest } => {
                self.unstage(inode, plan, *number)?;
                return Ok(Some(Content { size: *size, digest: *digest }));
            }
            Body::Symlink(target) => {
                symlinkat(target.as_slice(), self.dir, &self.name).map_err(failed("make the link"))?;
            }
            Body::Char(major, minor) => {
                let device = makedev(*major, *minor);
                mknodat(self.dir, &self.name, FileType::CharacterDevice, permissions, device)
                    .map_err(failed("make the device"))?;
            }
            Body::Block(major, minor) => {
                let device = makedev(*major, *minor);
                mknodat(self.dir, &self.name, FileType::BlockDevice, permissions, device)
                    .map_err(failed("make the device"))?;
            }
            Body::Fifo => {
                mknodat(self.dir, &self.name, FileType::Fifo, permissions, 0)
                    .map_err(failed("make the pipe"))?;
            }
        }
        finish_name(self, &inode.meta, matches!(inode.body, Body::Symlink(_)))?;
        Ok(None)
    }

    fn copy(
        &self,
        inode: &Inode,
        tree: &dyn Tree,
        path: &RootPath,
        expected: Option<ContentDigest>,
    ) -> Result<Content, CopyError> {
        let mut from = tree.open(path)?;
        let mut to = self.create(inode)?;
        let content = copy(&mut from, &mut to).map_err(|error| match error {
            Failed::Read(source) => CopyError::Tree(crate::tree::TreeError::io("read", path)(source)),
            Failed::Write(source) => CopyError::io("write", self.path)(source),
        })?;
        if expected.is_some_and(|expected| expected != content.digest) {
            return Err(CopyError::Changed(path.clone()));
        }
        finish(to.as_fd(), &inode.meta, self.path)?;
        Ok(content)
    }

    fn inline(&self, inode: &Inode, data: &[u8]) -> Result<Content, CopyError> {
        let mut file = self.create(inode)?;
        file.write_all(data).map_err(CopyError::io("write", self.path))?;
        finish(file.as_fd(), &inode.meta, self.path)?;
        let digest = ContentDigest::from_bytes(*blake3::hash(data).as_bytes());
        Ok(Content { size: data.len() as u64, digest })
    }

    fn unstage(&self, inode: &Inode, plan: &Plan<'_>, number: usize) -> Result<(), CopyError> {
        let staging = plan.staging.as_ref().ok_or(Errno::NOENT).map_err(CopyError::io("write", self.path))?;
        renameat(CWD, staging.path().join(number.to_string()), self.dir, &self.name)
            .map_err(CopyError::io("write", self.path))?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            openat(self.dir, &self.name, flags, Mode::empty()).map_err(CopyError::io("open", self.path))?;
        finish(file.as_fd(), &inode.meta, self.path)
    }

    fn create(&self, inode: &Inode) -> Result<File, CopyError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(self.dir, &self.name, flags, Mode::from_raw_mode(inode.meta.mode & 0o777));
        Ok(File::from(file.map_err(CopyError::io("write", self.path))?))
    }
}

/// Which side of a copy failed.
pub(crate) enum Failed {
    Read(io::Error),
    Write(io::Error),
}

/// Copies a file, keeping its holes, and hashes the bytes that are written.
fn copy(from: &mut File, to: &mut File) -> Result<Content, Failed> {
    let stat = fstat(&*from).map_err(|error| Failed::Read(error.into()))?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    let stored = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    if size >= CHUNK as u64 && stored < size {
        return copy_sparse(from, to, size);
    }
    with_buffer(size, |buffer| {
        let mut sum = Sum::new(buffer.len());
        sum.copy(from, to, buffer, u64::MAX)?;
        Ok(sum.finish())
    })
}

/// Copies from a stream.
pub(crate) fn copy_stream(from: &mut dyn Read, to: &mut File, size: u64) -> Result<Content, Failed> {
    with_buffer(size, |buffer| {
        let mut sum = Sum::new(buffer.len());
        sum.copy(from, to, buffer, u64::MAX)?;
        Ok(sum.finish())
    })
}

/// Copies from a stream that has only the `parts` (offset and length, in order) of a file of `size` bytes, and leaves
/// holes between them.
pub(crate) fn copy_parts(
    from: &mut dyn Read,
    to: &mut File,
    size: u64,
    parts: &[(u64, u64)],
) -> Result<Content, Failed> {
    let write = |error: Errno| Failed::Write(error.into());
    with_buffer(size, |buffer| {
        let mut sum = Sum::new(buffer.len());
        for (offset, len) in parts {
            sum.zeros(offset.saturating_sub(sum.size), buffer);
            seek(&*to, SeekFrom::Start(sum.size)).map_err(write)?;
            sum.copy(from, to, buffer, *len)?;
        }
        sum.zeros(size.saturating_sub(sum.size), buffer);
        ftruncate(&*to, sum.size).map_err(write)?;
        Ok(sum.finish())
    })
}

fn copy_sparse(from: &mut File, to: &mut File, size: u64) -> Result<Content, Failed> {
    let read = |error: Errno| Failed::Read(error.into());
    with_buffer(size, |buffer| {
        let mut sum = Sum::new(buffer.len());
        while sum.size < size {
            let data = match seek(&*from, SeekFrom::Data(sum.size)) {
                Ok(data) => data.min(size),
                Err(Errno::NXIO) => size,
                Err(error) => return Err(read(error)),
            };
            sum.zeros(data - sum.size, buffer);
            if data == size {
                break;
            }
            let hole = seek(&*from, SeekFrom::Hole(data)).map_err(read)?.min(size);
            seek(&*from, SeekFrom::Start(data)).map_err(read)?;
            seek(&*to, SeekFrom::Start(data)).map_err(|error| Failed::Write(error.into()))?;
            let before = sum.size;
            sum.copy(from, to, buffer, hole - data)?;
            if sum.size - before < hole - data {
                break; // cut off meanwhile: the digest tells
            }
        }
        ftruncate(&*to, sum.size).map_err(|error| Failed::Write(error.into()))?;
        Ok(sum.finish())
    })
}

/// A running digest.
struct Sum {
    hasher: blake3::Hasher,
    size: u64,
    parallel: bool,
}

impl Sum {
    fn new(buffer: usize) -> Self {
        Self { hasher: blake3::Hasher::new(), size: 0, parallel: buffer >= LARGE }
    }

    fn update(&mut self, bytes: &[u8]) {
        if self.parallel && bytes.len() >= LARGE {
            self.hasher.update_rayon(bytes);
        } else {
            self.hasher.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// Copies up to `limit` bytes.
    fn copy(
        &mut self,
        from: &mut (impl Read + ?Sized),
        to: &mut File,
        buffer: &mut [u8],
        limit: u64,
    ) -> Result<(), Failed> {
        let mut left = limit;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(buffer.len()).min(buffer.len());
            let read = fill(from, &mut buffer[..most]).map_err(Failed::Read)?;
            to.write_all(&buffer[..read]).map_err(Failed::Write)?;
            self.update(&buffer[..read]);
            left -= read as u64;
            if read < most {
                break;
            }
        }
        Ok(())
    }

    /// A hole of `count` bytes.
    fn zeros(&mut self, count: u64, buffer: &mut [u8]) {
        let len = usize::try_from(count).unwrap_or(buffer.len()).min(buffer.len());
        buffer[..len].fill(0);
        let mut left = count;
        while left > 0 {
            let part = usize::try_from(left).unwrap_or(len).min(len);
            self.update(&buffer[..part]);
            left -= part as u64;
        }
    }

    fn finish(&self) -> Content {
        Content { size: self.size, digest: ContentDigest::from_bytes(*self.hasher.finalize().as_bytes()) }
    }
}

/// Lends a buffer: this thread's own, or a larger one for a large file.
fn with_buffer<T>(size: u64, work: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local!(static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    if size >= LARGE as u64 {
        return work(&mut vec![0; LARGE]);
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK, 0);
        work(buffer)
    })
}
