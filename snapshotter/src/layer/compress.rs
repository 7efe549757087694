//! Compressed layers: gzip, zstd, plain. Reading detects which; writing uses all processors and yields the same bytes
//! for any number of them.

mod gzip;
mod writer;

pub use writer::{CompressedWriter, Digests};

use oci::image::MediaType;
use std::io::{self, BufRead, BufReader, Read};

/// How a layer's tar is, or shall be, compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952; `level` 1 to 9.
    Gzip {
        /// 1 is fastest, 9 smallest.
        level: u32,
    },
    /// RFC 8878; `level` 1 to 22.
    Zstd {
        /// 1 is fastest, 22 smallest.
        level: i32,
    },
}

/// Why a stream cannot be decompressed, or a level is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// The stream is compressed in a way that layers are not.
    #[error("layers compressed with {0} are not supported: use gzip, zstd or none")]
    Unsupported(&'static str),
    /// There is no such level.
    #[error("{kind} has the compression levels {min} to {max}, not {level}")]
    Level {
        /// `gzip` or `zstd`.
        kind: &'static str,
        /// The lowest level.
        min: i64,
        /// The highest level.
        max: i64,
        /// What was asked for.
        level: i64,
    },
    /// The beginning could not be read.
    #[error("read a compressed layer")]
    Io(#[from] io::Error),
}

impl Compression {
    /// gzip at its usual level, 6.
    pub const GZIP: Compression = Compression::Gzip { level: 6 };
    /// zstd at its usual level, 3.
    pub const ZSTD: Compression = Compression::Zstd { level: 3 };

    /// Recognises a stream by its first bytes (6 suffice); what has no known magic number is a plain tar. bzip2, xz
    /// and lz4 are recognised, and refused by name.
    pub fn detect(start: &[u8]) -> Result<Compression, CompressError> {
        match start {
            [0x1f, 0x8b, ..] => Ok(Compression::GZIP),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::ZSTD),
            [b'B', b'Z', b'h', ..] => Err(CompressError::Unsupported("bzip2")),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Err(CompressError::Unsupported("xz")),
            [0x04, 0x22, 0x4d, 0x18, ..] => Err(CompressError::Unsupported("lz4")),
            _ => Ok(Compression::None),
        }
    }

    /// The layer's media type in an OCI manifest (image-spec, layer.md).
    pub fn media_type(self) -> MediaType {
        match self {
            Compression::None => MediaType::ImageLayer,
            Compression::Gzip { .. } => MediaType::ImageLayerGzip,
            Compression::Zstd { .. } => MediaType::ImageLayerZstd,
        }
    }

    /// Whether the level exists.
    pub fn check(self) -> Result<(), CompressError> {
        let (kind, max, level) = match self {
            Compression::None => return Ok(()),
            Compression::Gzip { level } => ("gzip", 9, i64::from(level)),
            Compression::Zstd { level } => ("zstd", 22, i64::from(level)),
        };
        if (1..=max).contains(&level) {
            Ok(())
        } else {
            Err(CompressError::Level { kind, min: 1, max, level })
        }
    }
}

/// Decompresses `input`, whose compression is detected, while it is read. Concatenated gzip members and zstd frames
/// count as one stream. Memory is bounded: zstd windows over 128 MiB are an error.
pub fn reader<'a>(mut input: impl BufRead + Send + 'a) -> Result<Box<dyn Read + Send + 'a>, CompressError> {
    let mut start = [0; 6];
    let len = super::scan::fill(&mut input, &mut start)?;
    let compression = Compression::detect(&start[..len])?;
    let whole = io::Cursor::new(start).take(len as u64).chain(input);
    Ok(match compression {
        Compression::None => Box::new(whole),
        Compression::Gzip { .. } => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(1 << 16, whole)))
        }
        Compression::Zstd { .. } => {
            Box::new(zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(1 << 16, whole))?)
        }
    })
}

#[cfg(test)]
mod tests;
