//! A file's bytes, hashed while they are written. Zeros become holes.

use super::ApplyError;
use crate::layer::members::{Member, Members};
use oci::{ContentDigest, RootPath};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Bytes read and written at a time.
const CHUNK: usize = 1 << 18;
/// Runs of zeros of this length, at multiples of it, are not written.
const HOLE: usize = 1 << 16;

/// Writes the current member's data to `file`, which is new and empty.
pub(super) fn write(
    file: &mut File,
    path: &RootPath,
    member: &Member,
    members: &mut Members<&mut dyn Read>,
    buffer: &mut Vec<u8>,
) -> Result<ContentDigest, ApplyError> {
    buffer.resize(CHUNK, 0);
    let mut sink = Sink { file, hasher: blake3::Hasher::new(), at: 0, written: 0 };
    let whole = [(0, member.size)];
    for (offset, len) in member.parts.as_deref().unwrap_or(&whole) {
        sink.hole_to(*offset);
        let mut left = *len;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK);
            let read = members.read(&mut buffer[..want])?;
            sink.data(&buffer[..read]).map_err(ApplyError::io("write", path))?;
            left -= read as u64;
        }
    }
    sink.hole_to(member.size);
    sink.finish().map_err(ApplyError::io("write", path))
}

struct Sink<'a> {
    file: &'a mut File,
    hasher: blake3::Hasher,
    /// Bytes accounted for.
    at: u64,
    /// The file's length so far.
    written: u64,
}

impl Sink<'_> {
    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hasher.update(bytes);
        if bytes.len() < HOLE {
            return self.put(bytes);
        }
        for part in bytes.chunks(HOLE) {
            if part.len() == HOLE && part.iter().all(|byte| *byte == 0) {
                self.at += HOLE as u64;
            } else {
                self.put(part)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        self.written = self.at;
        Ok(())
    }

    fn hole_to(&mut self, end: u64) {
        static ZEROS: [u8; HOLE] = [0; HOLE];
        while self.at < end {
            let len = (end - self.at).min(HOLE as u64);
            self.hasher.update(&ZEROS[..usize::try_from(len).unwrap_or(HOLE)]);
            self.at += len;
        }
    }

    fn finish(self) -> io::Result<ContentDigest> {
        if self.written < self.at {
            self.file.set_len(self.at)?;
        }
        Ok(ContentDigest::from_bytes(*self.hasher.finalize().as_bytes()))
    }
}
