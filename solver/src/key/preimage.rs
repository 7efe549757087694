//! The recording sink: a step's fields in a form that can be stored, compared and shown.

use super::KeySink;

/// Longer values are kept as digests: the preimage is for people.
const MAX_VALUE: usize = 4096;

/// The fields of one step, as stored beside its record.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Preimage {
    /// In the order of the walk.
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Field {
    /// As in the key table.
    pub name: String,
    /// The value, or `blake3:…` in place of one that is secret-looking, binary or long.
    pub value: String,
}

/// Stored bytes are no preimage.
#[derive(Debug, thiserror::Error)]
#[error("read a step's stored fields")]
pub struct PreimageError(#[from] serde_json::Error);

impl Preimage {
    /// For the store.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings in a list always serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From the store.
    ///
    /// # Errors
    /// The bytes are none that [`Preimage::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PreimageError> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// The values of the field `name`, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |f| f.name == name).map(|f| f.value.as_str())
    }
}

impl KeySink for Preimage {
    fn field(&mut self, name: &'static str, value: &[u8]) {
        let value = match name {
            "epoch" | "link" | "unpack" | "unpack-fetched" | "parents" | "whole" => {
                value.iter().map(u8::to_string).collect()
            }
            "layer" | "source" | "mount-content" => hex(value),
            "file-data" | "inline-data" => digest(value),
            _ => match std::str::from_utf8(value) {
                Ok(text) if name == "env" => env_value(text),
                Ok(text) if text.len() <= MAX_VALUE => text.to_owned(),
                _ => digest(value),
            },
        };
        self.fields.push(Field { name: name.to_owned(), value });
    }
}

fn env_value(text: &str) -> String {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    if looks_secret(name) || has_password(value) || text.len() > MAX_VALUE {
        return format!("{name}={}", digest(value.as_bytes()));
    }
    text.to_owned()
}

/// Whether a URL with a user's password is in `value`, as in those of proxies.
fn has_password(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or_default();
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    })
}

/// A digest's own bytes.
fn hex(value: &[u8]) -> String {
    let digits: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("blake3:{digits}")
}

fn digest(value: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(value).to_hex())
}

/// Whether a variable of this name probably holds a secret.
pub(crate) fn looks_secret(name: &str) -> bool {
    const ALLOWED: [&str; 1] = ["public"];
    const WORDS: [&str; 11] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
        "pass",
    ];
    let lower = name.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(['_', '-', '.']).collect();
    let secret = words.iter().any(|word| WORDS.contains(word))
        || ["password", "passwd", "secret", "token", "apikey"].iter().any(|word| lower.contains(word));
    secret && !words.iter().any(|word| ALLOWED.contains(word))
}
