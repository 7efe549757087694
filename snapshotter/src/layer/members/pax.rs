//! pax extended headers (POSIX.1-2001), and the keys that GNU tar and star add.

use oci::entry::Mtime;

const BAD: &str = "an extended header is not well formed";

/// What an extended header says of the next member. Unknown keys are ignored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Mtime>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: Sparse,
    any: bool,
}

/// `GNU.sparse.*`: versions 0.0 and 0.1 have the map here, 1.0 has it in the data.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse {
    pub(super) major: Option<u64>,
    pub(super) name: Option<Vec<u8>>,
    pub(super) real_size: Option<u64>,
    pub(super) map: Vec<u64>,
}

impl Pax {
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Pax, &'static str> {
        let mut pax = Pax { any: true, ..Pax::default() };
        while !bytes.is_empty() {
            let space = bytes.iter().take(20).position(|b| *b == b' ').ok_or(BAD)?;
            let len = usize::try_from(decimal(&bytes[..space])?).map_err(|_| BAD)?;
            let record =
                bytes.get(space + 1..len).and_then(|record| record.strip_suffix(b"\n")).ok_or(BAD)?;
            let equals = record.iter().position(|b| *b == b'=').ok_or(BAD)?;
            pax.set(&record[..equals], &record[equals + 1..])?;
            bytes = &bytes[len..];
        }
        Ok(pax)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.sparse.major.is_some() || self.sparse.real_size.is_some() || !self.sparse.map.is_empty()
    }

    /// Sorted; of several with the same name the last one.
    pub(super) fn take_xattrs(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let xattrs: std::collections::BTreeMap<_, _> = std::mem::take(&mut self.xattrs).into_iter().collect();
        xattrs.into_iter().collect()
    }

    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
            self.xattrs.push((name.to_vec(), value.to_vec()));
            return Ok(());
        }
        if value.is_empty() {
            return Ok(()); // "as if there were no such record"
        }
        match key {
            b"path" => self.path = Some(name(value)?),
            b"linkpath" => self.link = Some(name(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            b"GNU.sparse.name" => self.sparse.name = Some(name(value)?),
            b"GNU.sparse.major" => self.sparse.major = Some(decimal(value)?),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse.real_size = Some(decimal(value)?),
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse.map.push(decimal(value)?),
            b"GNU.sparse.map" => {
                self.sparse.map = value.split(|b| *b == b',').map(decimal).collect::<Result<_, _>>()?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn name(value: &[u8]) -> Result<Vec<u8>, &'static str> {
    if value.contains(&0) { Err("a name contains a zero byte") } else { Ok(value.to_vec()) }
}

pub(super) fn decimal(text: &[u8]) -> Result<u64, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| BAD)?;
    if text.starts_with('+') {
        return Err(BAD);
    }
    text.parse().map_err(|_| BAD)
}

/// Seconds with an optional fraction, rounded down; `-1.5` is half a second before -1.
fn time(text: &[u8]) -> Result<Mtime, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| BAD)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut secs: i64 = whole.parse().map_err(|_| BAD)?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BAD);
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let mut nanos = digits.fold(0_u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    if whole.starts_with('-') && nanos > 0 {
        secs = secs.checked_sub(1).ok_or(BAD)?;
        nanos = 1_000_000_000 - nanos;
    }
    Ok(Mtime { secs, nanos })
}
