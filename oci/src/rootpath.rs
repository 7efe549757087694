//! Paths inside an image.

use std::fmt;

/// An absolute path below an image's root: bytes, normalised, without `.`, `..`, empty parts or a trailing slash.
///
/// The root itself is `/`. `..` is clamped to the root, as a chroot does. Ordered component by component, so that a
/// directory comes directly before everything below it (`/a`, `/a/b`, `/a-b`).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RootPath(Vec<u8>);

impl RootPath {
    /// `/`.
    pub fn root() -> Self {
        Self(b"/".to_vec())
    }

    /// Normalises `path`, absolute or not, against `/`.
    pub fn new(path: impl AsRef<[u8]>) -> Self {
        Self::root().join(path)
    }

    /// `path` taken relative to `self`; an absolute `path` replaces `self`.
    #[must_use]
    pub fn join(&self, path: impl AsRef<[u8]>) -> Self {
        let path = path.as_ref();
        let mut out = if path.first() == Some(&b'/') { Vec::new() } else { self.0.clone() };
        if out == b"/" {
            out.clear();
        }
        for part in path.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    let end = out.iter().rposition(|b| *b == b'/').unwrap_or(0);
                    out.truncate(end);
                }
                name => {
                    out.push(b'/');
                    out.extend_from_slice(name);
                }
            }
        }
        if out.is_empty() {
            out.push(b'/');
        }
        Self(out)
    }

    /// One more component. `name` must be a plain file name.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        debug_assert!(!name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/'));
        let mut out = if self.is_root() { Vec::with_capacity(name.len() + 1) } else { self.0.clone() };
        out.push(b'/');
        out.extend_from_slice(name);
        Self(out)
    }

    /// Whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0 == b"/"
    }

    /// The bytes, with the leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes without the leading slash: `""` for the root.
    pub fn relative(&self) -> &[u8] {
        &self.0[1..]
    }

    /// The last component, or `None` for the root.
    pub fn name(&self) -> Option<&[u8]> {
        self.components().last()
    }

    /// The directory that holds this path, or `None` for the root.
    pub fn parent(&self) -> Option<RootPath> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|b| *b == b'/').unwrap_or(0);
        Some(if cut == 0 { Self::root() } else { Self(self.0[..cut].to_vec()) })
    }

    /// The components, from the root downwards.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|b| *b == b'/').filter(|part| !part.is_empty())
    }

    /// Whether `self` is `other` or lies below it.
    pub fn starts_with(&self, other: &RootPath) -> bool {
        other.is_root()
            || self.0.strip_prefix(other.0.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

impl Ord for RootPath {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // A slash sorts before every other byte: then a directory's contents follow it directly.
        let key = |b: &u8| if *b == b'/' { 0u16 } else { u16::from(*b) + 1 };
        self.0.iter().map(key).cmp(other.0.iter().map(key))
    }
}

impl PartialOrd for RootPath {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl serde::Serialize for RootPath {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        serde::Serialize::serialize(&self.0, s)
    }
}

impl<'de> serde::Deserialize<'de> for RootPath {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Self::new(<Vec<u8>>::deserialize(d)?))
    }
}

#[cfg(test)]
mod tests;
