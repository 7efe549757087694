//! Reads a tar from a stream, member by member, with bounded memory: ustar, pax, GNU long names, GNU and pax sparse
//! files, base-256 numbers. Header layout comes from the `tar` crate; its own reader takes headers of any size.

mod number;
mod pax;
mod sparse;

use super::apply::ApplyError;
use oci::entry::Mtime;
use pax::Pax;
use std::io::{self, Read};
use tar::Header;

const BLOCK: usize = 512;
/// Longest pax header, GNU long name, or sparse map that is read.
const MAX_EXTENSION: u64 = 1 << 20;

/// What a member is. Devices have their major and minor number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MemberKind {
    File,
    Link,
    Symlink,
    Char(u32, u32),
    Block(u32, u32),
    Dir,
    Fifo,
}

/// One member, as its headers tell it. Names are as they stand in the archive.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) kind: MemberKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Mtime,
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// Length of the file once unpacked.
    pub(crate) size: u64,
    /// Offset and length of each part that has data; `None`: all of it.
    pub(crate) parts: Option<Vec<(u64, u64)>>,
}

/// The archive.
pub(crate) struct Members<R> {
    input: R,
    /// Bytes of the current member's data that were not read yet.
    rest: u64,
    /// Bytes between the data and the next header.
    padding: u64,
    /// The last member's name, to say where things went wrong.
    last: String,
    allow_missing_end: bool,
}

impl<R: Read> Members<R> {
    /// `allow_missing_end`: the input may end after any member, without the two blocks of zeros.
    pub(crate) fn new(input: R, allow_missing_end: bool) -> Self {
        Self { input, rest: 0, padding: 0, last: String::new(), allow_missing_end }
    }

    /// The next member; what is left of the current one's data is skipped. `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, ApplyError> {
        let (mut pax, mut long_name, mut long_link) = (Pax::default(), None, None);
        loop {
            self.skip()?;
            let mut block = [0; BLOCK];
            let extended = !pax.is_empty() || long_name.is_some() || long_link.is_some();
            if !self.block(&mut block, self.allow_missing_end && !extended)? {
                return Ok(None);
            }
            let header = Header::from_byte_slice(&block);
            number::check(header).map_err(|why| self.malformed(why))?;
            let size = number::parse(&header.as_old().size).and_then(|size| u64::try_from(size).ok());
            let size = size.ok_or_else(|| self.malformed("a header has no valid size"))?;
            match header.as_bytes()[156] {
                b'x' => pax = Pax::parse(&self.extension(size)?).map_err(|why| self.malformed(why))?,
                b'g' => self.set_data(size),
                b'L' => long_name = Some(text(self.extension(size)?)),
                b'K' => long_link = Some(text(self.extension(size)?)),
                flag => return self.member(header, flag, size, pax, (long_name, long_link)).map(Some),
            }
        }
    }

    /// Reads data of the current member until `buffer` is full or the data ends.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ApplyError> {
        let want = usize::try_from(self.rest).unwrap_or(usize::MAX).min(buffer.len());
        let read = super::scan::fill(&mut self.input, &mut buffer[..want]).map_err(ApplyError::Read)?;
        if read < want {
            return Err(ApplyError::Truncated { after: self.last.clone() });
        }
        self.rest -= read as u64;
        Ok(read)
    }

    /// Reads what follows the end of the archive, at most `limit` bytes: a checksum of the stream may be there.
    pub(crate) fn drain(&mut self, limit: u64) -> Result<(), ApplyError> {
        let read = io::copy(&mut (&mut self.input).take(limit), &mut io::sink()).map_err(ApplyError::Read)?;
        if read == limit {
            Err(ApplyError::Limit { what: "bytes after the end of the archive", limit })
        } else {
            Ok(())
        }
    }

    fn member(
        &mut self,
        header: &Header,
        flag: u8,
        mut size: u64,
        mut pax: Pax,
        (long_name, long_link): (Option<Vec<u8>>, Option<Vec<u8>>),
    ) -> Result<Member, ApplyError> {
        let name = pax.path.take().or(long_name).unwrap_or_else(|| header.path_bytes().into_owned());
        self.last = String::from_utf8_lossy(&name).into_owned();
        let old = header.as_old();
        let kind = self.kind(header, flag, &name)?;
        let bad = |what| self.malformed(what);
        let uid = id(pax.uid, &old.uid).ok_or_else(|| bad("its owner is no valid number"))?;
        let gid = id(pax.gid, &old.gid).ok_or_else(|| bad("its group is no valid number"))?;
        let mode = id(None, &old.mode).ok_or_else(|| bad("its mode is no valid number"))? & 0o7777;
        let secs = number::parse(&old.mtime).ok_or_else(|| bad("its time is no valid number"))?;
        let mtime = pax.mtime.unwrap_or(Mtime { secs, nanos: 0 });
        size = pax.size.unwrap_or(size);
        let link = pax.link.take().or(long_link);
        let link =
            link.unwrap_or_else(|| header.link_name_bytes().map(|l| l.into_owned()).unwrap_or_default());
        let mut member =
            Member { name, link, kind, mode, uid, gid, mtime, xattrs: pax.take_xattrs(), size, parts: None };
        if kind != MemberKind::File {
            member.size = 0;
            return Ok(member);
        }
        self.set_data(size);
        if flag == b'S' {
            sparse::gnu(self, header, &mut member)?;
        } else if pax.is_sparse() {
            sparse::pax(self, &mut pax, &mut member)?;
        }
        Ok(member)
    }

    fn kind(&self, header: &Header, flag: u8, name: &[u8]) -> Result<MemberKind, ApplyError> {
        let device = || {
            let field =
                |at: usize| number::parse(&header.as_bytes()[at..at + 8]).and_then(|n| u32::try_from(n).ok());
            field(329).zip(field(337)).ok_or_else(|| self.malformed("its device number is not valid"))
        };
        Ok(match flag {
            b'\0' if name.ends_with(b"/") => MemberKind::Dir,
            b'\0' | b'0' | b'7' | b'S' => MemberKind::File,
            b'1' => MemberKind::Link,
            b'2' => MemberKind::Symlink,
            b'3' => device().map(|(major, minor)| MemberKind::Char(major, minor))?,
            b'4' => device().map(|(major, minor)| MemberKind::Block(major, minor))?,
            b'5' => MemberKind::Dir,
            b'6' => MemberKind::Fifo,
            _ => return Err(ApplyError::UnknownType { name: self.last.clone(), flag: char::from(flag) }),
        })
    }

    fn set_data(&mut self, size: u64) {
        self.rest = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
    }

    /// The data of an extension header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, ApplyError> {
        if size > MAX_EXTENSION {
            return Err(ApplyError::Limit { what: "bytes in one extended header", limit: MAX_EXTENSION });
        }
        self.set_data(size);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
        self.read(&mut bytes)?;
        Ok(bytes)
    }

    fn skip(&mut self) -> Result<(), ApplyError> {
        let left = self.rest.saturating_add(self.padding);
        if left > 0 {
            let read =
                io::copy(&mut (&mut self.input).take(left), &mut io::sink()).map_err(ApplyError::Read)?;
            if read < left {
                return Err(ApplyError::Truncated { after: self.last.clone() });
            }
        }
        (self.rest, self.padding) = (0, 0);
        Ok(())
    }

    /// Reads a header block. False at the end of the archive: a block of zeros, or the end of the input if allowed.
    fn block(&mut self, block: &mut [u8; BLOCK], may_end: bool) -> Result<bool, ApplyError> {
        match super::scan::fill(&mut self.input, block).map_err(ApplyError::Read)? {
            BLOCK => Ok(block.iter().any(|b| *b != 0)),
            0 if may_end => Ok(false),
            _ => Err(ApplyError::Truncated { after: self.last.clone() }),
        }
    }

    fn malformed(&self, why: &'static str) -> ApplyError {
        ApplyError::Malformed { name: self.last.clone(), why }
    }
}

/// An owner or group, which an extended header may give instead of the field.
fn id(pax: Option<u64>, field: &[u8]) -> Option<u32> {
    match pax {
        Some(id) => u32::try_from(id).ok(),
        None => u32::try_from(number::parse(field)?).ok(),
    }
}

/// A GNU long name ends at its first zero.
fn text(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

#[cfg(test)]
mod tests;
