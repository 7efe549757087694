//! `USER` and `--user` against an image's `/etc/passwd` and `/etc/group`, by docker's rules.
//!
//! Takes the files' contents: whoever reads them follows no link out of the image and caps their size.

use crate::spec::User;

/// Largest id that is one.
const MAX_ID: i64 = i32::MAX as i64;

/// A user or group that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// A name that `/etc/passwd` does not have.
    #[error("unable to find user {0}: no matching entries in passwd file")]
    UnknownUser(String),
    /// A name that `/etc/group` does not have.
    #[error("unable to find group {0}: no matching entries in group file")]
    UnknownGroup(String),
    /// A number below 0 or above 2147483647.
    #[error("uids and gids must be in range 0-2147483647")]
    OutOfRange,
}

struct PasswdLine<'a> {
    name: &'a [u8],
    uid: u32,
    gid: u32,
    home: &'a [u8],
}

struct GroupLine<'a> {
    name: &'a [u8],
    gid: u32,
    members: &'a [u8],
}

/// Resolves `user[:group]`, each a name or a number; empty is root. Without a group a known user gets its
/// primary and supplementary groups, an unknown number group 0. With one, that group alone.
/// The home directory is the passwd entry's, `/` where there is none.
pub fn resolve(spec: &str, passwd: Option<&[u8]>, group: Option<&[u8]>) -> Result<User, UserError> {
    let (user_word, group_word) = spec.split_once(':').unwrap_or((spec, ""));
    let number = user_word.parse::<i64>().ok();
    let entry = passwd_lines(passwd.unwrap_or_default()).find(|line| match (user_word, number) {
        ("", _) => line.uid == 0,
        (word, number) => {
            line.name == word.as_bytes() || number.is_some_and(|number| i64::from(line.uid) == number)
        }
    });
    let (uid, gid, home) = match (&entry, user_word, number) {
        (Some(entry), ..) => (entry.uid, entry.gid, String::from_utf8_lossy(entry.home).into_owned()),
        (None, "", _) => (0, 0, "/".to_owned()),
        (None, _, Some(number)) => (in_range(number)?, 0, "/".to_owned()),
        (None, name, None) => return Err(UserError::UnknownUser(name.to_owned())),
    };
    let home = if home.is_empty() { "/".to_owned() } else { home };
    let groups = group.unwrap_or_default();
    if !group_word.is_empty() {
        let gid = find_group(group_word, groups)?;
        return Ok(User { uid, gid, groups: vec![gid], home });
    }
    let mut member_of = vec![gid];
    if let Some(entry) = entry {
        for line in group_lines(groups) {
            let member = line.members.split(|byte| *byte == b',').any(|member| member == entry.name);
            if member && !member_of.contains(&line.gid) {
                member_of.push(line.gid);
            }
        }
    }
    Ok(User { uid, gid, groups: member_of, home })
}

fn in_range(number: i64) -> Result<u32, UserError> {
    if !(0..=MAX_ID).contains(&number) {
        return Err(UserError::OutOfRange);
    }
    u32::try_from(number).map_err(|_| UserError::OutOfRange)
}

fn find_group(word: &str, groups: &[u8]) -> Result<u32, UserError> {
    let number = word.parse::<i64>().ok();
    let found = group_lines(groups).find(|line| {
        line.name == word.as_bytes() || number.is_some_and(|number| i64::from(line.gid) == number)
    });
    match (found, number) {
        (Some(line), _) => Ok(line.gid),
        (None, Some(number)) => in_range(number),
        (None, None) => Err(UserError::UnknownGroup(word.to_owned())),
    }
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b':').map(<[u8]>::trim_ascii)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && line[0] != b'#')
}

fn id(field: Option<&[u8]>) -> Option<u32> {
    std::str::from_utf8(field?).ok()?.parse().ok()
}

fn passwd_lines(text: &[u8]) -> impl Iterator<Item = PasswdLine<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = fields(line);
        let name = fields.next()?;
        let (uid, gid) = (id(fields.nth(1))?, id(fields.next())?);
        Some(PasswdLine { name, uid, gid, home: fields.nth(1).unwrap_or_default() })
    })
}

fn group_lines(text: &[u8]) -> impl Iterator<Item = GroupLine<'_>> {
    lines(text).filter_map(|line| {
        let mut fields = fields(line);
        let name = fields.next()?;
        Some(GroupLine { name, gid: id(fields.nth(1))?, members: fields.next().unwrap_or_default() })
    })
}

#[cfg(test)]
mod tests;
