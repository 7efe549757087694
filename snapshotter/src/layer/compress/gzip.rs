//! One gzip member out of blocks that are deflated independently.
//!
//! Each block but the last ends with a sync flush, that is on a byte boundary, so that the blocks simply follow each
//! other. Where a block ends depends on the input alone: the bytes are the same for any number of threads.

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use std::io;

/// Uncompressed bytes in a block.
pub(super) const BLOCK: usize = 1 << 20;

/// Magic, deflate, no flags, no time, no hint, unknown system.
pub(super) const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// A deflated block, and the checksum of what it holds.
pub(super) struct Deflated {
    pub(super) bytes: Vec<u8>,
    pub(super) crc: Crc,
}

/// Deflates one block; `last` ends the stream.
pub(super) fn deflate(block: &[u8], level: u32, last: bool) -> io::Result<Deflated> {
    let mut crc = Crc::new();
    crc.update(block);
    let mut deflater = Compress::new(Compression::new(level), false);
    let mut bytes = Vec::with_capacity(block.len() / 2 + 1024);
    let flush = if last { FlushCompress::Finish } else { FlushCompress::Sync };
    loop {
        let at = usize::try_from(deflater.total_in()).unwrap_or(usize::MAX).min(block.len());
        let status = deflater.compress_vec(&block[at..], &mut bytes, flush).map_err(io::Error::other)?;
        // A flush is complete when it leaves room in the output.
        let all = deflater.total_in() == block.len() as u64;
        if status == Status::StreamEnd || (!last && all && bytes.len() < bytes.capacity()) {
            return Ok(Deflated { bytes, crc });
        }
        bytes.reserve(block.len() / 4 + 1024);
    }
}

/// CRC-32 and length modulo 2^32 of everything.
pub(super) fn trailer(crc: &Crc) -> [u8; 8] {
    let mut out = [0; 8];
    out[..4].copy_from_slice(&crc.sum().to_le_bytes());
    out[4..].copy_from_slice(&crc.amount().to_le_bytes());
    out
}
