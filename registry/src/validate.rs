//! Recomputes every digest of an image: what a test of an export ends in.

use crate::files::{Files, Opened};
use crate::layout::Blobs;
use crate::model::{Desc, Manifest, Packing};
use crate::source::{FoundLayer, blob_name, parse_config};
use crate::{Error, Source};
use oci::digest::Sha256;
use oci::{BlobDigest, DiffId, Platform};
use std::cell::RefCell;
use std::io::{self, Read};
use std::rc::Rc;

/// One thing that is not as it is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// `layer sha256:…`
    pub what: String,
    /// What is wrong with it.
    pub why: String,
}

/// Recomputes the digests and lengths of the blobs, and the diff ids, of all images for `platform` in a source.
///
/// # Errors
/// When the documents of the source cannot be understood; wrong layers are among the result.
pub fn source(source: &Source, platform: Option<&Platform>) -> Result<Vec<Mismatch>, Error> {
    let mut wrong = Vec::new();
    for image in source.images(platform)? {
        for layer in &image.layers {
            check_layer(source.files(), layer, &mut wrong);
        }
    }
    Ok(wrong)
}

/// Recomputes the digests and lengths of a manifest, its config and its layers, and the diff ids.
///
/// # Errors
/// When the manifest or config cannot be read or understood at all; all else is among the result.
pub fn image(blobs: &dyn Blobs, manifest: &Desc) -> Result<Vec<Mismatch>, Error> {
    let mut wrong = Vec::new();
    let what = format!("manifest {}", manifest.digest);
    let bytes = read(blobs, manifest, &what, &mut wrong)?;
    let parsed = Manifest::parse(&bytes, &manifest.media_type, &what)?;
    let what = format!("config {}", parsed.config.digest);
    let config = parse_config(&read(blobs, &parsed.config, &what, &mut wrong)?, parsed.layers.len(), &what)?;
    for (desc, diff_id) in parsed.layers.iter().zip(&config.rootfs.diff_ids) {
        let name = blob_name(&desc.digest);
        let layer = FoundLayer { diff_id: *diff_id, desc: Some(desc.clone()), name };
        check_layer(&BlobFiles(blobs, desc), &layer, &mut wrong);
    }
    Ok(wrong)
}

fn read(blobs: &dyn Blobs, desc: &Desc, what: &str, wrong: &mut Vec<Mismatch>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let reader = blobs.open(&desc.digest).map_err(Error::io(format!("open {what}")))?;
    reader.take(crate::model::MAX_JSON).read_to_end(&mut bytes).map_err(Error::io(format!("read {what}")))?;
    compare(desc, BlobDigest::of(&bytes), bytes.len() as u64, what, wrong);
    Ok(bytes)
}

fn compare(desc: &Desc, digest: BlobDigest, size: u64, what: &str, wrong: &mut Vec<Mismatch>) {
    let mut add = |why| wrong.push(Mismatch { what: what.to_owned(), why });
    if size != desc.size {
        add(format!("it has {size} bytes, its descriptor says {}", desc.size));
    }
    if digest != desc.digest {
        add(format!("its digest is {digest}"));
    }
}

fn check_layer(files: &dyn Files, layer: &FoundLayer, wrong: &mut Vec<Mismatch>) {
    let what = match &layer.desc {
        Some(desc) => format!("layer {}", desc.digest),
        None => format!("layer `{}`", layer.name),
    };
    if let Err(e) = hash_layer(files, layer, &what, wrong) {
        wrong.push(Mismatch { what, why: format!("it cannot be read: {e}") });
    }
}

fn hash_layer(
    files: &dyn Files,
    layer: &FoundLayer,
    what: &str,
    wrong: &mut Vec<Mismatch>,
) -> io::Result<()> {
    let opened = files.open(&layer.name).map_err(io::Error::other)?;
    let mut reader = opened.ok_or(io::ErrorKind::NotFound)?.reader;
    let mut head = [0; 4];
    let got = read_some(&mut reader, &mut head)?;
    let packing = Packing::of_magic(&head[..got]);
    let stated = layer.desc.as_ref().and_then(|d| Packing::of_media_type(&d.media_type));
    if stated.is_some_and(|stated| stated != packing) {
        let why = format!("its media type says {stated:?}, its bytes are {packing:?}");
        wrong.push(Mismatch { what: what.to_owned(), why });
    }
    let state = Rc::new(RefCell::new((Sha256::default(), 0u64)));
    let mut packed =
        Tee { reader: io::Cursor::new(head[..got].to_vec()).chain(reader), state: Rc::clone(&state) };
    let mut plain = Sha256::default();
    // Unpacked in this thread: the tee is shared with nobody else.
    match packing {
        Packing::Plain => pump(&mut packed, |b| plain.update(b))?,
        Packing::Gzip => {
            let buffered = io::BufReader::new(&mut packed);
            pump(&mut flate2::bufread::MultiGzDecoder::new(buffered), |b| plain.update(b))?;
        }
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::new(&mut packed)?;
            pump(&mut decoder, |b| plain.update(b))?;
        }
    }
    pump(&mut packed, |_| {})?;
    let (blob, size) = state.take();
    if let Some(desc) = &layer.desc {
        compare(desc, BlobDigest::from_bytes(blob.finish()), size, what, wrong);
    }
    let diff_id = DiffId::from_bytes(plain.finish());
    if diff_id != layer.diff_id {
        let why = format!("its tar is {diff_id}, the config says {}", layer.diff_id);
        wrong.push(Mismatch { what: what.to_owned(), why });
    }
    Ok(())
}

fn read_some(reader: &mut dyn Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buf.len() {
        match reader.read(&mut buf[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

fn pump(reader: &mut dyn Read, mut to: impl FnMut(&[u8])) -> io::Result<()> {
    let mut buf = vec![0; 1 << 16];
    loop {
        match reader.read(&mut buf)? {
            0 => return Ok(()),
            n => to(&buf[..n]),
        }
    }
}

struct Tee<R> {
    reader: R,
    state: Rc<RefCell<(Sha256, u64)>>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let got = self.reader.read(buf)?;
        let mut state = self.state.borrow_mut();
        state.0.update(&buf[..got]);
        state.1 += got as u64;
        Ok(got)
    }
}

/// One blob of a [`Blobs`], as a file.
struct BlobFiles<'a>(&'a dyn Blobs, &'a Desc);

impl Files for BlobFiles<'_> {
    fn open(&self, _name: &str) -> Result<Option<Opened>, Error> {
        let what = format!("open blob {}", self.1.digest);
        let reader = self.0.open(&self.1.digest).map_err(Error::io(what))?;
        Ok(Some(Opened { size: self.1.size, reader }))
    }
}

#[cfg(test)]
mod tests;
