//! Streams made seekable: archives on stdin and compressed ones are unpacked into an unnamed file first.

use crate::Error;
use crate::model::Packing;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The plain bytes of a stream that may be packed with gzip (any number of members) or zstd; told by its first bytes.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn decompressed<'a>(reader: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut buffered = BufReader::with_capacity(1 << 17, reader);
    Ok(match Packing::of_magic(buffered.fill_buf()?) {
        Packing::Plain => Box::new(buffered),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
        Packing::Zstd => Box::new(zstd::Decoder::with_buffer(buffered)?),
    })
}

/// Copies the plain bytes of `reader` into an unnamed file in `scratch`, which vanishes with its last handle.
pub(crate) fn spool(reader: impl Read + Send, scratch: &Path, what: &str) -> Result<File, Error> {
    let mut file = tempfile::tempfile_in(scratch)
        .map_err(Error::io(format!("make a temporary file in {}", scratch.display())))?;
    let mut plain = decompressed(reader).map_err(Error::io(format!("read {what}")))?;
    io::copy(&mut plain, &mut file)
        .map_err(Error::io(format!("unpack {what} into {}", scratch.display())))?;
    Ok(file)
}
