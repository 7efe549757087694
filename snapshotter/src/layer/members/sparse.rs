//! Maps of sparse files: old GNU headers, and pax versions 0.0, 0.1 and 1.0.

use super::pax::{Pax, decimal};
use super::{BLOCK, MAX_EXTENSION, Member, Members, number};
use crate::layer::apply::ApplyError;
use std::io::Read;
use tar::Header;

/// Length of an entry of an old GNU map: offset and length, 12 bytes each.
const ENTRY: usize = 24;
/// Most parts that one file may have.
const MAX_PARTS: usize = 1 << 16;
const BAD: &str = "its sparse map is not well formed";

/// Old GNU: four entries in the header, further ones in blocks before the data.
pub(super) fn gnu<R: Read>(
    members: &mut Members<R>,
    header: &Header,
    member: &mut Member,
) -> Result<(), ApplyError> {
    let bytes = header.as_bytes();
    let (rest, padding) = (members.rest, members.padding);
    let mut map = Vec::new();
    collect(&bytes[386..482], &mut map).map_err(|why| members.malformed(why))?;
    let real = number::parse(&bytes[483..495]).and_then(|size| u64::try_from(size).ok());
    let real = real.ok_or_else(|| members.malformed(BAD))?;
    let mut more = bytes[482] != 0;
    while more {
        let mut block = [0; BLOCK];
        members.set_data(BLOCK as u64);
        members.read(&mut block)?;
        collect(&block[..504], &mut map).map_err(|why| members.malformed(why))?;
        more = block[504] != 0;
    }
    (members.rest, members.padding) = (rest, padding);
    finish(members, member, real, &map)
}

/// pax: the map is in the extended header, or (1.0) in front of the data.
pub(super) fn pax<R: Read>(
    members: &mut Members<R>,
    pax: &mut Pax,
    member: &mut Member,
) -> Result<(), ApplyError> {
    let sparse = std::mem::take(&mut pax.sparse);
    let map = match sparse.major {
        Some(1) => read_map(members)?,
        Some(0) | None => sparse.map,
        Some(_) => return Err(members.malformed("its sparse format is not known")),
    };
    if let Some(name) = sparse.name {
        members.last = String::from_utf8_lossy(&name).into_owned();
        member.name = name;
    }
    let real = sparse.real_size.ok_or_else(|| members.malformed(BAD))?;
    finish(members, member, real, &map)
}

fn collect(entries: &[u8], map: &mut Vec<u64>) -> Result<(), &'static str> {
    for field in
        entries.chunks_exact(ENTRY).take_while(|entry| entry[0] != 0).flat_map(|e| e.chunks_exact(12))
    {
        map.push(number::parse(field).and_then(|value| u64::try_from(value).ok()).ok_or(BAD)?);
    }
    if map.len() > 2 * MAX_PARTS { Err("its sparse map is too long") } else { Ok(()) }
}

/// Decimal lines: the number of parts, then each part's offset and length; filled up to a whole block.
fn read_map<R: Read>(members: &mut Members<R>) -> Result<Vec<u64>, ApplyError> {
    let mut numbers = Vec::new();
    let mut line = Vec::new();
    let mut left = MAX_EXTENSION;
    loop {
        let mut block = [0; BLOCK];
        if members.read(&mut block)? < BLOCK || left == 0 {
            return Err(members.malformed(BAD));
        }
        left -= BLOCK as u64;
        for byte in block {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            numbers.push(decimal(&line).map_err(|why| members.malformed(why))?);
            line.clear();
            let parts = usize::try_from(numbers[0]).ok().filter(|parts| *parts <= MAX_PARTS);
            let parts = parts.ok_or_else(|| members.malformed("its sparse map is too long"))?;
            if numbers.len() == 1 + 2 * parts {
                return Ok(numbers.split_off(1));
            }
        }
    }
}

/// Takes the map if it is in order, fits the file, and accounts for all of the data.
fn finish<R: Read>(
    members: &Members<R>,
    member: &mut Member,
    real: u64,
    map: &[u64],
) -> Result<(), ApplyError> {
    let mut end = 0;
    let mut data = 0_u64;
    let mut parts = Vec::with_capacity(map.len() / 2);
    for pair in map.chunks(2) {
        let [offset, len] = *pair else { return Err(members.malformed(BAD)) };
        let next = offset.checked_add(len).filter(|next| offset >= end && *next <= real);
        end = next.ok_or_else(|| members.malformed(BAD))?;
        data += len;
        parts.push((offset, len));
    }
    if data != members.rest {
        return Err(members.malformed("its sparse map does not match its data"));
    }
    member.size = real;
    member.parts = Some(parts);
    Ok(())
}
