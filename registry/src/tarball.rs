//! A tar file as a set of files: one pass finds every member, later reads go straight to its bytes.

use crate::Error;
use crate::files::{Files, Opened};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tar::EntryType;

/// More members than any image archive has; bounds the memory for hostile ones.
const MAX_MEMBERS: usize = 200_000;
/// Links in an archive that point to links that …
const MAX_HOPS: usize = 8;

#[derive(Debug)]
enum Member {
    File {
        offset: u64,
        size: u64,
    },
    Dir,
    /// To another member, by full name.
    Link(String),
}

/// The members of a tar, by name.
#[derive(Debug)]
pub(crate) struct TarFiles {
    file: Arc<File>,
    members: HashMap<String, Member>,
    what: String,
}

impl TarFiles {
    /// Reads the headers of `file`, from its start. Refuses absolute names, `..`, a name that occurs twice, links that
    /// leave the archive, devices, sparse members, and members that reach beyond the end of the file.
    pub(crate) fn index(mut file: File, what: &str) -> Result<Self, Error> {
        let read = || Error::io(format!("read {what}"));
        let length = file.seek(SeekFrom::End(0)).map_err(read())?;
        file.rewind().map_err(read())?;
        let mut members = HashMap::new();
        {
            let mut archive = tar::Archive::new(&mut file);
            let mut found = 0u64;
            for entry in archive.entries_with_seek().map_err(read())? {
                let entry = entry.map_err(|e| broken(what, e))?;
                let (name, member) = member(&entry, length, what)?;
                found += 1;
                let twice = match (&member, members.get(&name)) {
                    (_, None) | (Member::Dir, Some(Member::Dir)) => false,
                    (_, Some(_)) => true,
                };
                if twice {
                    return Err(Error::malformed(what, format!("it holds `{name}` twice")));
                }
                if members.len() >= MAX_MEMBERS {
                    return Err(Error::malformed(what, format!("it has more than {MAX_MEMBERS} members")));
                }
                members.insert(name, member);
            }
            if found == 0 {
                return Err(Error::malformed(what, "it is not a tar archive, or an empty one"));
            }
        }
        Ok(Self { file: Arc::new(file), members, what: what.to_owned() })
    }
}

impl Files for TarFiles {
    fn open(&self, name: &str) -> Result<Option<Opened>, Error> {
        let mut name = name;
        for _ in 0..MAX_HOPS {
            match self.members.get(name) {
                None => return Ok(None),
                Some(Member::File { offset, size }) => {
                    let reader = Section { file: Arc::clone(&self.file), at: *offset, left: *size };
                    return Ok(Some(Opened { size: *size, reader: Box::new(reader) }));
                }
                Some(Member::Link(target)) => name = target,
                Some(Member::Dir) => {
                    return Err(Error::malformed(&self.what, format!("`{name}` is a directory, not a file")));
                }
            }
        }
        Err(Error::malformed(&self.what, format!("`{name}` is a chain of too many links")))
    }

    fn exists(&self, name: &str) -> Result<bool, Error> {
        Ok(self.members.contains_key(name))
    }
}

fn member(entry: &tar::Entry<'_, impl Read>, length: u64, what: &str) -> Result<(String, Member), Error> {
    let name = plain_name(&entry.path_bytes(), what)?;
    let kind = entry.header().entry_type();
    let member = match kind {
        EntryType::Regular | EntryType::Continuous => {
            let (offset, size) = (entry.raw_file_position(), entry.size());
            if offset.checked_add(size).is_none_or(|end| end > length) {
                return Err(Error::malformed(
                    what,
                    format!("it ends within `{name}`: the archive is truncated"),
                ));
            }
            Member::File { offset, size }
        }
        EntryType::Directory => Member::Dir,
        EntryType::Symlink | EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default();
            let full = link_target(&name, &target, kind == EntryType::Symlink);
            let outside = || {
                let target = String::from_utf8_lossy(&target);
                Error::malformed(what, format!("`{name}` is a link to `{target}`, outside of the archive"))
            };
            Member::Link(full.ok_or_else(outside)?)
        }
        other => {
            let why = format!(
                "`{name}` is of type {:?}, which no image archive holds",
                char::from(other.as_byte())
            );
            return Err(Error::malformed(what, why));
        }
    };
    if name.is_empty() && !matches!(member, Member::Dir) {
        return Err(Error::malformed(what, "a member has an empty name"));
    }
    Ok((name, member))
}

/// The name of a member without `./` and trailing slashes.
fn plain_name(bytes: &[u8], what: &str) -> Result<String, Error> {
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::malformed(what, format!("the name `{}` is not UTF-8", shown())))?;
    if text.starts_with('/') || text.split('/').any(|part| part == "..") || text.contains('\0') {
        return Err(Error::malformed(what, format!("the name `{}` leads out of the archive", shown())));
    }
    Ok(text.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/"))
}

/// The member that a link at `name` means: symbolic links count from their directory, hard links from the top.
fn link_target(name: &str, target: &[u8], symbolic: bool) -> Option<String> {
    let target = std::str::from_utf8(target).ok().filter(|t| !t.starts_with('/') && !t.is_empty())?;
    let mut parts: Vec<&str> = match name.rsplit_once('/') {
        Some((dir, _)) if symbolic => dir.split('/').collect(),
        _ => Vec::new(),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn broken(what: &str, source: io::Error) -> Error {
    Error::Io { what: format!("read {what} as a tar archive"), source }
}

/// A range of a file, read without moving its offset: many may read at once.
struct Section {
    file: Arc<File>,
    at: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buf.len());
        if want == 0 {
            return Ok(0);
        }
        let got = self.file.read_at(&mut buf[..want], self.at)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

#[cfg(test)]
mod tests;
