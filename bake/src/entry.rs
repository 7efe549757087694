//! What is written as `key=value,key=value` or as an object: outputs, caches, secrets and such.

use crate::error::Error;
use crate::value::Value;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// One output, cache, attestation or policy.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Entry(pub BTreeMap<String, Json>);

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Secret {
    /// Its name in the Dockerfile.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The file that holds it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub src: String,
    /// The variable that holds it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub env: String,
}

/// An ssh agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Ssh {
    /// Its name in the Dockerfile.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Sockets or keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

impl Entry {
    /// The text of one field.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Json::as_str)
    }

    /// Its type.
    pub fn kind(&self) -> &str {
        self.get("type").unwrap_or_default()
    }

    /// As a flag takes it: `type=…,key=value`.
    pub fn text(&self) -> String {
        let field = |(name, value): (&String, &Json)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            quoted(&format!("{name}={value}"))
        };
        let (first, rest): (Vec<_>, Vec<_>) = self.0.iter().partition(|(name, _)| *name == "type");
        first.into_iter().chain(rest).map(field).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn of<const N: usize>(fields: [(&str, &str); N]) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name.to_owned(), Json::from(value))).collect())
    }
}

impl Secret {
    /// As `--secret` takes it.
    pub fn text(&self) -> String {
        let fields = [("id", &self.id), ("src", &self.src), ("env", &self.env)];
        let fields = fields.iter().filter(|(_, value)| !value.is_empty());
        fields.map(|(name, value)| quoted(&format!("{name}={value}"))).collect::<Vec<_>>().join(",")
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut secret = Self::default();
        let mut kind = "";
        let fields = fields(text)?;
        for field in &fields {
            let (name, value) = pair(field)?;
            match name.to_ascii_lowercase().as_str() {
                "type" if value == "file" || value == "env" => kind = value,
                "type" => return Err(Error::new(format!("there are no secrets of type `{value}`"))),
                "id" => value.clone_into(&mut secret.id),
                "source" | "src" => value.clone_into(&mut secret.src),
                "env" => value.clone_into(&mut secret.env),
                other => {
                    let error = Error::new(format!("a secret has no `{other}`"));
                    return Err(error.near(other, ["type", "id", "src", "env"]));
                }
            }
        }
        if kind == "env" && secret.env.is_empty() {
            secret.env = std::mem::take(&mut secret.src);
        }
        Ok(secret)
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Error> {
        let Value::Object(members) = value else { return Self::parse(&value.text()?) };
        let text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(value) => value.text(),
        };
        Ok(Self { id: text("id")?, src: text("src")?, env: text("env")? })
    }
}

impl Ssh {
    /// As `--ssh` takes it.
    pub fn text(&self) -> String {
        match self.paths.is_empty() {
            true => self.id.clone(),
            false => format!("{}={}", self.id, self.paths.join(",")),
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        let (id, paths) = text.split_once('=').map_or((text, None), |(id, paths)| (id, Some(paths)));
        let paths = paths.map(|paths| paths.split(',').map(str::to_owned).collect());
        Self { id: id.to_owned(), paths: paths.unwrap_or_default() }
    }

    pub(crate) fn from_value(value: &Value) -> Result<Self, Error> {
        let Value::Object(members) = value else { return Ok(Self::parse(&value.text()?)) };
        let id = members.get("id").filter(|value| **value != Value::Null).map(Value::text);
        let paths = members.get("paths").filter(|value| **value != Value::Null);
        let paths = paths.map(|paths| paths.list()?.iter().map(Value::text).collect::<Result<_, _>>());
        Ok(Self { id: id.transpose()?.unwrap_or_default(), paths: paths.transpose()?.unwrap_or_default() })
    }
}

/// Which kind of [`Entry`] a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Output,
    Cache,
    Attest,
    Policy,
}

impl Kind {
    /// The entries of `text`: more than one for a list of cache images.
    pub(crate) fn parse(self, text: &str) -> Result<Vec<Entry>, Error> {
        let fields = fields(text)?;
        match self {
            Self::Cache if !text.contains('=') => {
                return Ok(fields
                    .iter()
                    .map(|name| Entry::of([("ref", name), ("type", "registry")]))
                    .collect());
            }
            Self::Output if text == "-" => return Ok(vec![Entry::of([("dest", "-"), ("type", "tar")])]),
            Self::Output if matches!(fields.as_slice(), [one] if one == text && !text.starts_with("type=")) =>
            {
                return Ok(vec![Entry::of([("dest", text), ("type", "local")])]);
            }
            _ => {}
        }
        let mut entry = BTreeMap::new();
        for field in &fields {
            let (name, value) = pair(field)?;
            let name = if self == Self::Attest { name.to_owned() } else { name.trim().to_ascii_lowercase() };
            let value = match (self, name.as_str()) {
                (Self::Attest, "disabled") | (Self::Policy, "disabled" | "strict") => {
                    Json::Bool(go_bool(value).ok_or_else(|| Error::new(format!("`{field}` is no bool")))?)
                }
                _ => Json::from(value),
            };
            entry.insert(name, value);
        }
        if self == Self::Attest && entry.get("disabled") == Some(&Json::Bool(false)) {
            entry.remove("disabled");
        }
        self.checked(Entry(entry), text).map(|entry| vec![entry])
    }

    pub(crate) fn read(self, value: &Value) -> Result<Vec<Entry>, Error> {
        let Value::Object(members) = value else { return self.parse(&value.text()?) };
        let mut entry = BTreeMap::new();
        for (name, value) in members.iter().filter(|(_, value)| **value != Value::Null) {
            let value = match (self, name.as_str()) {
                (Self::Attest, "disabled") => match value.bool()? {
                    true => Json::Bool(true),
                    false => continue,
                },
                (Self::Policy, _) => value.json(),
                _ => Json::String(value.text()?),
            };
            entry.insert(name.clone(), value);
        }
        let shown = serde_json::to_string(&entry).unwrap_or_default();
        self.checked(Entry(entry), &shown).map(|entry| vec![entry])
    }

    fn checked(self, entry: Entry, text: &str) -> Result<Entry, Error> {
        if self != Self::Policy && entry.kind().is_empty() {
            return Err(Error::new(format!("`{text}` has no type")).help("write `type=…` in front"));
        }
        Ok(entry)
    }
}

/// A bool as Go's strconv reads it.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn pair(field: &str) -> Result<(&str, &str), Error> {
    field.split_once('=').ok_or_else(|| Error::new(format!("`{field}` is not of the form KEY=VALUE")))
}

fn quoted(field: &str) -> String {
    match field.contains([',', '"', '\n']) {
        true => format!("\"{}\"", field.replace('"', "\"\"")),
        false => field.to_owned(),
    }
}

/// The fields of one line of CSV.
pub(crate) fn fields(text: &str) -> Result<Vec<String>, Error> {
    split(text, ',')
}

/// The fields of one line, with this between them.
pub(crate) fn split(text: &str, comma: char) -> Result<Vec<String>, Error> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, next) = match rest.strip_prefix('"') {
            Some(inner) => quoted_field(inner, comma)
                .ok_or_else(|| Error::new(format!("a quote is missing in `{text}`")))?,
            None => match rest.split_once(comma) {
                Some((field, next)) => (field.to_owned(), Some(next)),
                None => (rest.to_owned(), None),
            },
        };
        fields.push(field);
        match next {
            Some(next) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// The field whose opening quote is before `text`, and what follows its comma.
fn quoted_field(text: &str, comma: char) -> Option<(String, Option<&str>)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        field.push_str(part);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None if after.is_empty() => return Some((field, None)),
            None => return after.strip_prefix(comma).map(|after| (field, Some(after))),
        }
    }
}
