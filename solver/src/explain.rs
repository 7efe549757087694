//! Why a step has to run.

use crate::key::Preimage;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Why the cache has no result for a step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum Miss {
    /// No earlier run of a step like this is known.
    FirstBuild,
    /// The step is the same; what it saw of the tree below is not.
    ParentChanged,
    /// The step itself differs from the closest earlier one.
    Changed {
        /// By field, in the order of the key table.
        changes: Vec<Change>,
    },
    /// `--no-cache`
    NoCache,
}

/// One difference between an earlier step and today's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// Field name, as in the key table. For a variable: `env NAME`.
    pub field: String,
    /// Before; `None` where there was none.
    pub old: Option<String>,
    /// Now; `None` where there is none.
    pub new: Option<String>,
}

impl Miss {
    /// Why `today` was not found, where `earlier` are the stored fields of candidates: earlier steps at this place.
    pub fn find<'a>(today: &Preimage, earlier: impl IntoIterator<Item = &'a Preimage>) -> Self {
        let closest = earlier.into_iter().map(|old| compare(old, today)).min_by_key(Vec::len);
        match closest {
            None => Self::FirstBuild,
            Some(changes) if changes.is_empty() => Self::ParentChanged,
            Some(changes) if changes.iter().any(|c| c.field == "op") => Self::FirstBuild,
            Some(changes) => Self::Changed { changes },
        }
    }
}

impl std::fmt::Display for Miss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::FirstBuild => f.write_str("first build"),
            Self::ParentChanged => f.write_str("a step before it changed"),
            Self::NoCache => f.write_str("--no-cache"),
            Self::Changed { changes } => {
                let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
                write!(f, "{} changed", fields.join(", "))
            }
        }
    }
}

/// The fields that differ.
pub fn compare(old: &Preimage, new: &Preimage) -> Vec<Change> {
    let (old, new) = (grouped(old), grouped(new));
    let mut names: Vec<&String> = new.iter().map(|(name, _)| name).collect();
    names.extend(old.iter().map(|(name, _)| name).filter(|name| !new.iter().any(|(n, _)| n == *name)));
    let value = |list: &[(String, String)], name: &str| {
        list.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone())
    };
    names
        .into_iter()
        .map(|name| Change { field: name.clone(), old: value(&old, name), new: value(&new, name) })
        .filter(|change| change.old != change.new)
        .collect()
}

/// One entry per field: the variables apart, other lists joined.
fn grouped(preimage: &Preimage) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    for field in &preimage.fields {
        let (name, value) = match field.value.split_once('=') {
            Some((var, value)) if field.name == "env" => (format!("env {var}"), value.to_owned()),
            _ => (field.name.clone(), field.value.clone()),
        };
        match place.get(&name) {
            Some(at) => {
                out[*at].1.push(' ');
                out[*at].1.push_str(&value);
            }
            None => {
                place.insert(name.clone(), out.len());
                out.push((name, value));
            }
        }
    }
    out
}
