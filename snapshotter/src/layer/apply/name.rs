//! What a member's header says, checked.

use super::ApplyError;
use crate::layer::members::Member;
use crate::layer::xattr;
use oci::{Entry, Kind, RootPath};

/// The path that a member's name stands for. An error if it is absolute, or has `..` in it.
pub(super) fn check(name: &[u8], max: usize) -> Result<RootPath, ApplyError> {
    if name.starts_with(b"/") {
        return Err(bad(name, "it is absolute"));
    }
    relative(name, name, max)
}

/// The path that a hard link's target stands for: always from the layer's root.
pub(super) fn target(member: &Member, max: usize) -> Result<RootPath, ApplyError> {
    relative(&member.link, &member.name, max)
}

fn relative(path: &[u8], name: &[u8], max: usize) -> Result<RootPath, ApplyError> {
    if path.len() > max {
        return Err(ApplyError::Limit { what: "bytes in a name", limit: max as u64 });
    }
    if path.split(|b| *b == b'/').any(|part| part == b"..") {
        return Err(bad(name, if path == name { "it leads upwards" } else { "its target leads upwards" }));
    }
    if path.is_empty() || path.contains(&0) {
        return Err(bad(name, "it is empty or has a zero byte"));
    }
    Ok(RootPath::new(path))
}

/// The entry of a member. Attributes that describe a host are left out.
pub(super) fn entry(member: &Member, kind: Kind) -> Entry {
    let xattrs = member.xattrs.iter().filter(|(name, _)| xattr::belongs(name)).cloned().collect();
    Entry { kind, mode: member.mode, uid: member.uid, gid: member.gid, mtime: member.mtime, xattrs }
}

pub(super) fn show(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn bad(name: &[u8], why: &str) -> ApplyError {
    ApplyError::Unsafe { name: show(name), why: why.to_owned() }
}
