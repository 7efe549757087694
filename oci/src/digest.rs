//! Digests, one type per meaning: most layer bugs confuse two of them.
//!
//! SHA-256 is for what the OCI specifications name (image-spec, descriptor.md, "Digests"); BLAKE3 is for our own
//! identities, which are computed far more often.

use std::fmt;
use std::str::FromStr;

/// Why a string is no digest of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a digest of the form {1}")]
pub struct ParseDigestError(String, &'static str);

macro_rules! digest_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Wraps 32 digest bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
            /// The 32 digest bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
            /// 64 lower-case hexadecimal digits, without an algorithm prefix.
            pub fn hex(&self) -> String {
                hex(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.hex())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "(", $prefix, "{}…)"), &self.hex()[..12])
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;
            fn from_str(s: &str) -> Result<Self, ParseDigestError> {
                s.strip_prefix($prefix)
                    .and_then(unhex)
                    .map(Self)
                    .ok_or_else(|| ParseDigestError(s.to_owned(), concat!($prefix, "<64 hexadecimal digits>")))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest_type!(
    /// SHA-256 of a blob's bytes as stored or sent: what a descriptor or manifest names.
    BlobDigest, "sha256:"
);
digest_type!(
    /// SHA-256 of a layer's uncompressed tar: what an image config lists in `rootfs.diff_ids`.
    DiffId, "sha256:"
);
digest_type!(
    /// SHA-256 of a stack of [`DiffId`]s (image-spec, config.md, "Layer ChainID").
    ChainId, "sha256:"
);
digest_type!(
    /// BLAKE3 identity of a layer: its sorted entries without mtimes. Equal ids are interchangeable layers.
    LayerId, "blake3:"
);
digest_type!(
    /// BLAKE3 of one regular file's bytes.
    ContentDigest, "blake3:"
);
digest_type!(
    /// BLAKE3 of a cache key: weak or strong.
    KeyDigest, "blake3:"
);

impl ChainId {
    /// The chain that `diff` on top of `parent` makes.
    pub fn extend(parent: Option<ChainId>, diff: DiffId) -> ChainId {
        match parent {
            None => ChainId(diff.0),
            Some(parent) => ChainId(Sha256::digest(format!("{parent} {diff}").as_bytes())),
        }
    }
}

impl BlobDigest {
    /// Digest of `bytes` held in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes))
    }
}

impl DiffId {
    /// Digest of an uncompressed tar held in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes))
    }
}

impl ContentDigest {
    /// Digest of file contents held in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// Streaming SHA-256, by the fastest implementation for this processor.
///
/// `sha2` is fastest where the processor has SHA instructions; elsewhere ring's vector code is about twice as fast.
#[derive(Clone)]
pub struct Sha256(Backend);

#[derive(Clone)]
enum Backend {
    Rust(sha2::Sha256),
    Ring(ring::digest::Context),
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sha256(..)")
    }
}

impl Default for Sha256 {
    fn default() -> Self {
        #[cfg(target_arch = "x86_64")]
        let native = std::arch::is_x86_feature_detected!("sha");
        #[cfg(not(target_arch = "x86_64"))]
        let native = true;
        if native {
            Self(Backend::Rust(sha2::Sha256::default()))
        } else {
            Self(Backend::Ring(ring::digest::Context::new(&ring::digest::SHA256)))
        }
    }
}

impl Sha256 {
    /// Feeds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Backend::Rust(h) => sha2::Digest::update(h, bytes),
            Backend::Ring(h) => h.update(bytes),
        }
    }
    /// The digest of everything fed.
    pub fn finish(self) -> [u8; 32] {
        match self.0 {
            Backend::Rust(h) => sha2::Digest::finalize(h).into(),
            Backend::Ring(h) => {
                let mut out = [0; 32];
                out.copy_from_slice(h.finish().as_ref());
                out
            }
        }
    }
    /// The digest of `bytes`.
    pub fn digest(bytes: &[u8]) -> [u8; 32] {
        let mut h = Self::default();
        h.update(bytes);
        h.finish()
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]])
        .map(char::from)
        .collect()
}

/// Lower-case only: the OCI grammar allows no other spelling of a digest.
fn unhex(text: &str) -> Option<[u8; 32]> {
    fn nibble(c: u8) -> Option<u8> {
        match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        }
    }
    let text: &[u8; 64] = text.as_bytes().try_into().ok()?;
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(text.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests;
