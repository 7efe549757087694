//! ADD of local archives: recognised by what is in them, unpacked on top of the parent's tree.

use super::fill::Fill;
use super::plan::{Body, Made, Meta, Plan, State};
use super::write::file::{Failed, copy_parts, copy_stream};
use super::{CopyError, archive::format::decoder};
use crate::layer::apply::{ApplyError, ApplyLimits};
use crate::layer::members::{Member, MemberKind, Members};
use crate::tree::TreeError;
use oci::entry::Mtime;
use oci::{Entry, Kind, RootPath};
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};

mod format;

type Archive<'a> = Members<Box<dyn Read + 'a>>;

/// Unpacks the file `path` of the source tree into `dest` if it is an archive. False: it is none.
///
/// What is a tar, perhaps compressed, with at least one member is an archive, whatever its name. Links on the way to
/// a member are followed in the merged tree as a chroot into the destination would.
pub(super) fn unpack(
    fill: &mut Fill<'_, '_>,
    path: &RootPath,
    entry: &Entry,
    dest: &str,
) -> Result<bool, CopyError> {
    let mut file = fill.src.open(path)?;
    let hasher = RefCell::new(blake3::Hasher::new());
    let input = Tee { file: &mut file, hasher: &hasher };
    let Ok(Some(input)) = decoder(input) else { return Ok(false) };
    let mut members: Archive<'_> = Members::new(input, true);
    let Ok(Some(first)) = members.next() else { return Ok(false) };

    let made = fill.made_for_archive();
    let dir = fill.plan.follow(&RootPath::new(dest), true)?;
    fill.plan.ensure_dir(&dir, made)?;
    let (owner, diff_dir) = (fill.owner, fill.diff_dir);
    let mut unpack = Unpack {
        plan: &mut fill.plan,
        owner,
        diff_dir,
        // Those that the archive does not list belong to root, whatever --chown says.
        made: Made { mode: 0o755, owner: None },
        dir,
        archive: path,
        times: Vec::new(),
        limits: ApplyLimits::default(),
        bytes: 0,
        members: 0,
    };
    let mut next = Some(first);
    while let Some(mut member) = next {
        unpack.member(&mut members, &mut member)?;
        next = members.next().map_err(|error| failed(path, error))?;
    }
    unpack.finish();
    drop(members);
    // The key was made of the archive's digest: what was unpacked must be that.
    let mut rest = Tee { file: &mut file, hasher: &hasher };
    io::copy(&mut rest, &mut io::sink()).map_err(TreeError::io("read", path))?;
    match &entry.kind {
        Kind::File { digest: Some(digest), .. }
            if hasher.borrow().finalize().as_bytes() != digest.as_bytes() =>
        {
            Err(CopyError::Changed(path.clone()))
        }
        _ => Ok(true),
    }
}

/// Hashes what is read.
struct Tee<'a> {
    file: &'a mut File,
    hasher: &'a RefCell<blake3::Hasher>,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.borrow_mut().update(&buffer[..read]);
        Ok(read)
    }
}

struct Unpack<'u, 'p> {
    plan: &'u mut Plan<'p>,
    owner: Option<(u32, u32)>,
    diff_dir: &'u std::path::Path,
    made: Made,
    /// Where the archive goes.
    dir: RootPath,
    archive: &'u RootPath,
    /// Directories' times, set when everything is in them.
    times: Vec<(RootPath, Mtime)>,
    limits: ApplyLimits,
    /// So far: the files' lengths, holes included, and the members.
    bytes: u64,
    members: u64,
}

impl Unpack<'_, '_> {
    fn member(&mut self, members: &mut Archive<'_>, member: &mut Member) -> Result<(), CopyError> {
        self.members += 1;
        if self.members > self.limits.max_entries {
            return Err(self.refused(member, &format!("is one of more than {}", self.limits.max_entries)));
        }
        let Some(path) = self.place(member)? else { return Ok(()) };
        let meta = self.meta(member);
        let body = match member.kind {
            MemberKind::Dir => return self.put_dir(path, meta),
            MemberKind::Link => return self.put_link(member, &path, meta),
            MemberKind::File => self.stage(members, member)?,
            MemberKind::Symlink => Body::Symlink(std::mem::take(&mut member.link)),
            MemberKind::Char(0, 0) => return Err(self.refused(member, "is a whiteout of an overlay mount")),
            MemberKind::Char(major, minor) => Body::Char(major, minor),
            MemberKind::Block(major, minor) => Body::Block(major, minor),
            MemberKind::Fifo => Body::Fifo,
        };
        let inode = self.plan.add(meta, body);
        self.plan.replace_by_leaf(&path, inode);
        Ok(())
    }

    /// Where the member goes: `None` for the archive's own root. Its directory is made.
    fn place(&mut self, member: &Member) -> Result<Option<RootPath>, CopyError> {
        let name = self.clean(member, &member.name)?;
        let Some((name, above)) = name.split_last() else { return Ok(None) };
        let above = above.iter().fold(RootPath::root(), |path, part| path.child(part));
        let above = self.plan.follow_in(&self.dir, &above, true)?;
        match self.plan.ensure_dir(&above, self.made) {
            Err(CopyError::NotDirectory(_)) => {
                Err(self.refused(member, "lies below something that is no directory"))
            }
            made => made.map(|()| Some(above.child(name))),
        }
    }

    /// The components of a name in the archive.
    fn clean<'n>(&self, member: &Member, name: &'n [u8]) -> Result<Vec<&'n [u8]>, CopyError> {
        if name.len() > self.limits.max_name {
            return Err(
                self.refused(member, &format!("has a name of more than {} bytes", self.limits.max_name))
            );
        }
        let mut out = Vec::new();
        for part in name.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    out.pop().ok_or_else(|| self.refused(member, "lies outside of the archive"))?;
                }
                part if part.contains(&0) => return Err(self.refused(member, "has a zero in its name")),
                part => out.push(part),
            }
        }
        Ok(out)
    }

    fn meta(&self, member: &mut Member) -> Meta {
        let (uid, gid) = self.owner.unwrap_or((member.uid, member.gid));
        let xattrs = std::mem::take(&mut member.xattrs);
        let xattrs = xattrs.into_iter().filter(|(name, _)| crate::layer::xattr::belongs(name)).collect();
        Meta { mode: member.mode, uid, gid, mtime: member.mtime, xattrs }
    }

    /// A directory is merged with one that is there, with the metadata of the archive; it replaces anything else.
    fn put_dir(&mut self, path: RootPath, meta: Meta) -> Result<(), CopyError> {
        self.times.push((path.clone(), meta.mtime));
        match self.plan.state(&path)? {
            State::Nothing | State::Dir => self.plan.put_dir(path, meta, false).map(drop),
            State::Link(_) | State::Other => self.plan.replace_by_dir(&path, meta),
        }
    }

    /// One more name; the header's metadata is applied to the file, as tar does when it unpacks.
    fn put_link(&mut self, member: &Member, path: &RootPath, meta: Meta) -> Result<(), CopyError> {
        let target = self.clean(member, &member.link)?;
        let Some((name, above)) = target.split_last() else {
            return Err(self.refused(member, "links to a directory"));
        };
        let above = above.iter().fold(RootPath::root(), |path, part| path.child(part));
        let target = self.plan.follow_in(&self.dir, &above, true)?.child(name);
        let Some(inode) = self.plan.inode_at(&target)? else {
            return Err(self.refused(member, "links to what does not exist"));
        };
        if !matches!(self.plan.inodes[inode].body, Body::Symlink(_)) {
            let xattrs = std::mem::take(&mut self.plan.inodes[inode].meta.xattrs);
            let xattrs = if meta.xattrs.is_empty() { xattrs } else { meta.xattrs };
            self.plan.inodes[inode].meta = Meta { xattrs, ..meta };
        }
        if *path != target {
            self.plan.replace_by_leaf(path, inode);
        }
        Ok(())
    }

    /// Writes the member's bytes to the staging directory.
    fn stage(&mut self, members: &mut Archive<'_>, member: &Member) -> Result<Body, CopyError> {
        let root = RootPath::root();
        self.bytes = self.bytes.saturating_add(member.size);
        if self.bytes > self.limits.max_bytes {
            return Err(self.refused(member, &format!("makes more than {} bytes", self.limits.max_bytes)));
        }
        if self.plan.staging.is_none() {
            let dir = tempfile::Builder::new().prefix(".lapstrake-unpack-").tempdir_in(self.diff_dir);
            self.plan.staging = Some(dir.map_err(CopyError::io("make the staging directory of", &root))?);
        }
        let number = self.plan.inodes.len();
        let staging = self.plan.staging.as_ref().map(|dir| dir.path().join(number.to_string()));
        let path = staging.unwrap_or_default();
        let mut file = File::create_new(path).map_err(CopyError::io("write", &root))?;
        let mut data = Data { members, failure: None };
        let copied = match &member.parts {
            Some(parts) => copy_parts(&mut data, &mut file, member.size, parts),
            None => copy_stream(&mut data, &mut file, member.size),
        };
        if let Some(error) = data.failure {
            return Err(failed(self.archive, error));
        }
        let content = copied.map_err(|error| match error {
            Failed::Read(source) => CopyError::Archive { path: self.archive.clone(), source },
            Failed::Write(source) => CopyError::io("write", &root)(source),
        })?;
        Ok(Body::Staged { number, size: content.size, digest: content.digest })
    }

    fn finish(&mut self) {
        for (path, mtime) in std::mem::take(&mut self.times) {
            self.plan.touch(&path, mtime);
        }
    }

    fn refused(&self, member: &Member, why: &str) -> CopyError {
        let name = String::from_utf8_lossy(&member.name[..member.name.len().min(4096)]).into_owned();
        CopyError::Member { path: self.archive.clone(), member: name, why: why.to_owned() }
    }
}

/// A member's data, and why it could not be read.
struct Data<'d, 'a> {
    members: &'d mut Archive<'a>,
    failure: Option<ApplyError>,
}

impl Read for Data<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.members.read(buffer).map_err(|error| {
            self.failure = Some(error);
            io::ErrorKind::InvalidData.into()
        })
    }
}

fn failed(path: &RootPath, error: ApplyError) -> CopyError {
    let path = path.clone();
    let member = |member: String, why: String| CopyError::Member { path: path.clone(), member, why };
    match error {
        ApplyError::Read(source) => CopyError::Archive { path, source },
        ApplyError::Truncated { after } => {
            member(after, "is the last before the archive is cut off".to_owned())
        }
        ApplyError::Malformed { name, why } => member(name, format!("is malformed: {why}")),
        ApplyError::UnknownType { name, flag } => member(name, format!("has the unknown type `{flag}`")),
        other => {
            CopyError::Archive { path, source: io::Error::new(io::ErrorKind::InvalidData, other.to_string()) }
        }
    }
}
