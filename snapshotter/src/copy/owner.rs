//! Owners by name or number, as `--chown` and USER write them.

use super::{CopyError, Warning};
use crate::tree::{Tree, TreeError, resolve};
use oci::RootPath;
use std::io::Read;

/// Longer passwd and group files count as unreadable.
const LONGEST: u64 = 16 << 20;

/// User and group.
pub(super) type Owner = (u32, u32);

/// The owner that `text` (`user[:group]`) means in `tree`; `None` for `tree` where names cannot be looked up.
///
/// A number alone is user and group; a name alone brings its primary group; a group alone leaves the user at root.
/// Unknown names mean root, with a warning.
pub(super) fn resolve_owner(
    text: &str,
    tree: Option<&dyn Tree>,
    warnings: &mut Vec<Warning>,
) -> Result<Owner, CopyError> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    let names = |name: &str, file: &str| match tree {
        Some(tree) => read(tree, file),
        None => Err(CopyError::NameWithLink(name.to_owned())),
    };
    let mut owner = (0, 0);
    if let Some(id) = number(user) {
        owner = (id, id);
    } else if !user.is_empty() {
        match line(&names(user, "/etc/passwd")?, user) {
            Some((uid, gid)) => owner = (uid, gid.unwrap_or(0)),
            None => warnings.push(Warning::UnknownUser(user.to_owned())),
        }
    }
    if let Some(id) = number(group) {
        owner.1 = id;
    } else if !group.is_empty() {
        match line(&names(group, "/etc/group")?, group) {
            Some((gid, _)) => owner.1 = gid,
            None => warnings.push(Warning::UnknownGroup(group.to_owned())),
        }
    }
    Ok(owner)
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// `name:x:first[:second:…]`: the numbers of the first line with this name.
fn line(text: &[u8], name: &str) -> Option<(u32, Option<u32>)> {
    text.split(|b| *b == b'\n').find_map(|line| {
        let mut fields = line.trim_ascii().split(|b| *b == b':');
        if fields.next()? != name.as_bytes() {
            return None;
        }
        let number = |field: &[u8]| std::str::from_utf8(field).ok().and_then(number);
        let first = fields.nth(1).and_then(number)?;
        Some((first, fields.next().and_then(number)))
    })
}

/// A file of the image; empty if it is none, or unreasonably long. Links are followed within the image.
fn read(tree: &dyn Tree, path: &str) -> Result<Vec<u8>, CopyError> {
    let path = match resolve(tree, &RootPath::new(path), true) {
        Err(TreeError::TooManyLinks(_)) => return Ok(Vec::new()),
        found => found?,
    };
    if !tree.lookup(&path)?.is_some_and(|entry| entry.is_file()) {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    let read = tree.open(&path)?.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(TreeError::io("read", &path))?;
    if bytes.len() as u64 > LONGEST {
        tracing::warn!(path = %path, "too long to look up names in");
        bytes.clear();
    }
    Ok(bytes)
}
