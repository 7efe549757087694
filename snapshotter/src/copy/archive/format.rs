//! Which compression a file has, by its first bytes.

use std::io::{self, BufRead, BufReader, Read};

/// Bytes read ahead.
const AHEAD: usize = 1 << 16;

/// The decompressed stream of `input`; itself if it is not compressed. `None`: it is empty.
pub(super) fn decoder<'a>(input: impl Read + 'a) -> io::Result<Option<Box<dyn Read + 'a>>> {
    let mut input = BufReader::with_capacity(AHEAD, input);
    let start = input.fill_buf()?;
    Ok(match start {
        [] => None,
        [0x1F, 0x8B, ..] => Some(Box::new(flate2::bufread::MultiGzDecoder::new(input))),
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => {
            Some(Box::new(zstd::Decoder::with_buffer(input)?))
        }
        [b'B', b'Z', b'h', ..] => Some(Box::new(bzip2::bufread::MultiBzDecoder::new(input))),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => {
            Some(Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(input)))
        }
        _ => Some(Box::new(input)),
    })
}
