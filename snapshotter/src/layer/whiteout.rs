//! The two spellings of "removed": OCI's in tars, overlay's on disk.

/// What the name of a tar member says (image-spec, layer.md, "Whiteouts").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark<'a> {
    /// An ordinary name.
    None,
    /// The directory that holds this member hides what lower layers have in it.
    Opaque,
    /// The sibling of this name is removed.
    Removed(&'a [u8]),
    /// AUFS's own bookkeeping (`.wh..wh.plnk` and its like): means nothing to anyone else.
    Ignored,
}

pub(crate) const PREFIX: &[u8] = b".wh.";
pub(crate) const OPAQUE: &[u8] = b".wh..wh..opq";
const META: &[u8] = b".wh..wh.";

/// Reads the last component of a member's name.
pub(crate) fn mark(name: &[u8]) -> Mark<'_> {
    if name == OPAQUE {
        return Mark::Opaque;
    }
    if name.starts_with(META) {
        return Mark::Ignored;
    }
    match name.strip_prefix(PREFIX) {
        None => Mark::None,
        Some(removed) => Mark::Removed(removed),
    }
}
