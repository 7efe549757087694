//! The header blocks of one member.

use super::super::whiteout::{self, Mark};
use super::BLOCK;
use oci::{Entry, Kind, RootPath};
use tar::{EntryType, Header};

/// Longest name that a ustar header takes without its prefix field, which not every reader knows.
const NAME: usize = 100;
/// Largest owner or device number in seven octal digits.
const MAX_ID: u64 = 0o7_777_777;
/// Largest size or time in eleven octal digits.
const MAX_SIZE: u64 = 0o77_777_777_777;

/// One member without its content.
pub(super) struct Member<'a> {
    name: Vec<u8>,
    kind: EntryType,
    link: &'a [u8],
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    mtime: u64,
    device: Option<(u32, u32)>,
    xattrs: &'a [(Vec<u8>, Vec<u8>)],
}

impl<'a> Member<'a> {
    /// The member for `entry`. The error says what cannot be told in a layer's tar.
    pub(super) fn new(path: &RootPath, entry: &'a Entry, epoch: Option<i64>) -> Result<Self, &'static str> {
        if path.components().any(|name| whiteout::mark(name) != Mark::None) {
            return Err("has a name that means a removal in a layer's tar (`.wh.`)");
        }
        if entry.xattrs.iter().any(|(name, _)| name.contains(&b'=')) {
            return Err("has an extended attribute with `=` in its name, which a tar cannot hold");
        }
        let mut member = Member {
            name: path.relative().to_vec(),
            kind: EntryType::Regular,
            link: b"",
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            size: 0,
            mtime: u64::try_from(entry.mtime.secs.min(epoch.unwrap_or(i64::MAX))).unwrap_or(0),
            device: None,
            xattrs: &entry.xattrs,
        };
        member.describe(path, &entry.kind)?;
        Ok(member)
    }

    /// Sets what depends on the kind.
    fn describe(&mut self, path: &RootPath, kind: &'a Kind) -> Result<(), &'static str> {
        match kind {
            Kind::File { link_to: Some(head), .. } => {
                (self.kind, self.link) = (EntryType::Link, head.relative());
            }
            Kind::File { size, .. } => self.size = *size,
            Kind::Dir { .. } => {
                self.kind = EntryType::Directory;
                self.name.extend_from_slice(if path.is_root() { b"./" } else { b"/" });
            }
            Kind::Symlink(target) => (self.kind, self.link) = (EntryType::Symlink, target),
            Kind::CharDevice(major, minor) => {
                (self.kind, self.device) = (EntryType::Char, Some((*major, *minor)));
            }
            Kind::BlockDevice(major, minor) => {
                (self.kind, self.device) = (EntryType::Block, Some((*major, *minor)));
            }
            Kind::Fifo => self.kind = EntryType::Fifo,
            Kind::Socket => return Err("is a socket, which a tar cannot hold"),
            Kind::Whiteout => {
                let name = path.name().unwrap_or_default();
                self.name.truncate(self.name.len() - name.len());
                self.name.extend_from_slice(whiteout::PREFIX);
                self.name.extend_from_slice(name);
            }
        }
        Ok(())
    }

    /// An empty file whose name alone matters.
    pub(super) fn mark(path: &RootPath) -> Member<'static> {
        let name = path.relative().to_vec();
        let (kind, link, xattrs) = (EntryType::Regular, b"".as_slice(), [].as_slice());
        Member { name, kind, link, mode: 0, uid: 0, gid: 0, size: 0, mtime: 0, device: None, xattrs }
    }

    /// Appends the pax header, where one is needed, and the ustar header.
    pub(super) fn append_to(&self, out: &mut Vec<u8>) {
        let records = self.pax();
        if !records.is_empty() {
            let mut header = ustar(EntryType::XHeader, b"././@PaxHeader", 0o644);
            set(&mut header, records.len() as u64, 0, (0, 0));
            header.set_cksum();
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(&records);
            pad(out, records.len() as u64);
        }
        let mut header = ustar(self.kind, cut(&self.name), self.mode);
        let link = cut(self.link);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        let fit = |value: u32| if u64::from(value) > MAX_ID { 0 } else { u64::from(value) };
        let size = if self.size > MAX_SIZE { 0 } else { self.size };
        set(&mut header, size, self.mtime.min(MAX_SIZE), (fit(self.uid), fit(self.gid)));
        if let (Some((major, minor)), Some(ustar)) = (self.device, header.as_ustar_mut()) {
            ustar.set_device_major(major);
            ustar.set_device_minor(minor);
        }
        header.set_cksum();
        out.extend_from_slice(header.as_bytes());
    }

    /// What does not fit into the ustar header, sorted by key.
    fn pax(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in self.xattrs {
            record(&mut out, &[b"SCHILY.xattr.", name.as_slice()].concat(), value);
        }
        let mut number = |key: &str, value: u64, limit: u64| {
            if value > limit {
                record(&mut out, key.as_bytes(), value.to_string().as_bytes());
            }
        };
        number("gid", self.gid.into(), MAX_ID);
        number("mtime", self.mtime, MAX_SIZE);
        number("size", self.size, MAX_SIZE);
        number("uid", self.uid.into(), MAX_ID);
        let long = [(b"linkpath".as_slice(), self.link), (b"path".as_slice(), self.name.as_slice())];
        let long = long.into_iter().filter(|(_, text)| text.len() > NAME);
        if long.clone().any(|(_, text)| std::str::from_utf8(text).is_err()) {
            record(&mut out, b"hdrcharset", b"BINARY");
        }
        long.for_each(|(key, text)| record(&mut out, key, text));
        out
    }
}

fn ustar(kind: EntryType, name: &[u8], mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header
}

fn set(header: &mut Header, size: u64, mtime: u64, (uid, gid): (u64, u64)) {
    header.set_size(size);
    header.set_mtime(mtime);
    header.set_uid(uid);
    header.set_gid(gid);
}

/// What readers without pax see of a long name.
fn cut(text: &[u8]) -> &[u8] {
    &text[..text.len().min(NAME)]
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
fn record(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + rest.to_string().len();
    if len.to_string().len() > rest.to_string().len() {
        len += 1;
    }
    out.extend_from_slice(format!("{len} ").as_bytes());
    out.extend_from_slice(key);
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Fills the last block after `size` bytes of content.
pub(super) fn pad(out: &mut Vec<u8>, size: u64) {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    if over > 0 {
        out.resize(out.len() + BLOCK - over, 0);
    }
}
