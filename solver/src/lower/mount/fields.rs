//! The fields of one `--mount`, read as BuildKit reads them: in order, each checked against the type so far.

use super::{bad, size};
use crate::graph::Sharing;
use crate::lower::suggest;
use parser::ast::{MountFields, Spanned};
use parser::diagnostic::Diagnostic;
use std::ops::Range;

/// `type`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    #[default]
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

const KINDS: [(&str, Kind); 5] = [
    ("bind", Kind::Bind),
    ("cache", Kind::Cache),
    ("tmpfs", Kind::Tmpfs),
    ("secret", Kind::Secret),
    ("ssh", Kind::Ssh),
];

const SHARINGS: [(&str, Sharing); 3] =
    [("shared", Sharing::Shared), ("private", Sharing::Private), ("locked", Sharing::Locked)];

const KEYS: [&str; 19] = [
    "type",
    "from",
    "source",
    "target",
    "readonly",
    "id",
    "sharing",
    "required",
    "size",
    "mode",
    "uid",
    "gid",
    "src",
    "dst",
    "destination",
    "ro",
    "rw",
    "readwrite",
    "env",
];

/// What was written, after expansion; the later of two fields of one name wins.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) kind: Kind,
    pub(super) from: String,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) read_only: bool,
    pub(super) size: Option<u64>,
    pub(super) id: String,
    pub(super) sharing: Option<Sharing>,
    pub(super) required: bool,
    pub(super) env: Option<String>,
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    access_given: bool,
}

impl Fields {
    /// Reads and checks all fields; `expand` puts variables in.
    pub(super) fn read(
        written: &Spanned<MountFields>,
        mut expand: impl FnMut(&str) -> Result<String, Diagnostic>,
    ) -> Result<Self, Diagnostic> {
        let mut fields = Self::default();
        let at = &written.span;
        for (key, value) in &written.node {
            match value {
                None => fields.switch(key, at)?,
                Some(value) => fields.set(key, &expand(value)?, at)?,
            }
        }
        fields.check(at)?;
        if !fields.access_given {
            fields.read_only = !matches!(fields.kind, Kind::Cache | Kind::Tmpfs);
        }
        Ok(fields)
    }

    /// A key without a value.
    fn switch(&mut self, key: &str, at: &Range<usize>) -> Result<(), Diagnostic> {
        match key {
            "readonly" | "ro" | "readwrite" | "rw" | "required" => self.set(key, "true", at),
            "" => Err(bad(at, "a field of the mount is empty".to_owned())
                .help("separate fields by single commas, without blanks")),
            _ if KEYS.contains(&key) => {
                Err(bad(at, format!("the mount's `{key}` has no value")).help(format!("write `{key}=VALUE`")))
            }
            _ => Err(unknown(key, at)),
        }
    }

    fn set(&mut self, key: &str, value: &str, at: &Range<usize>) -> Result<(), Diagnostic> {
        match key {
            "type" => self.kind = one_of("type", value, &KINDS, at)?,
            "from" => self.from = value.to_owned(),
            "source" | "src" => self.source = value.to_owned(),
            "target" | "dst" | "destination" => self.target = value.to_owned(),
            "readonly" | "ro" => self.access(boolean(key, value, at)?),
            "readwrite" | "rw" => self.access(!boolean(key, value, at)?),
            "required" => {
                self.only_for(key, &[Kind::Secret, Kind::Ssh], at)?;
                self.required = boolean(key, value, at)?;
            }
            "size" => {
                self.only_for(key, &[Kind::Tmpfs], at)?;
                let size = size::parse(value).ok_or_else(|| {
                    wrong(key, value, at).help("write bytes, or a number with k, m, g, t or p behind it")
                })?;
                self.size = Some(size);
            }
            "id" => self.id = value.to_owned(),
            "sharing" => self.sharing = Some(one_of(key, value, &SHARINGS, at)?),
            "mode" => {
                let mode = number(value, 8).ok_or_else(|| wrong(key, value, at).help("write it in octal"))?;
                self.mode = Some(mode);
            }
            "uid" => self.uid = Some(number(value, 10).ok_or_else(|| wrong(key, value, at))?),
            "gid" => self.gid = Some(number(value, 10).ok_or_else(|| wrong(key, value, at))?),
            "env" => self.env = Some(value.to_owned()),
            _ => return Err(unknown(key, at)),
        }
        Ok(())
    }

    fn access(&mut self, read_only: bool) {
        self.read_only = read_only;
        self.access_given = true;
    }

    fn name(&self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self.kind).map_or("bind", |(name, _)| name)
    }

    fn only_for(&self, key: &str, kinds: &[Kind], at: &Range<usize>) -> Result<(), Diagnostic> {
        if kinds.contains(&self.kind) {
            return Ok(());
        }
        let names: Vec<String> = KINDS
            .iter()
            .filter(|(_, kind)| kinds.contains(kind))
            .map(|(name, _)| format!("`type={name}`"))
            .collect();
        let message = format!("`{key}` does not fit a mount of type {}", self.name());
        Err(bad(at, message)
            .help(format!("it belongs to {}, which has to come before it", names.join(" and "))))
    }

    /// What depends on several fields.
    fn check(&self, at: &Range<usize>) -> Result<(), Diagnostic> {
        let owned = [("mode", self.mode), ("uid", self.uid), ("gid", self.gid)];
        if matches!(self.kind, Kind::Bind | Kind::Tmpfs)
            && let Some((key, _)) = owned.iter().find(|(_, value)| value.is_some())
        {
            return Err(bad(at, format!("`{key}` does not fit a mount of type {}", self.name())));
        }
        if self.kind == Kind::Secret {
            if !self.from.is_empty() {
                return Err(bad(at, "a mount of type secret has no `from`".to_owned()));
            }
            if self.source.is_empty() && self.target.is_empty() && self.id.is_empty() {
                let finding = bad(at, "the mount names no secret".to_owned());
                return Err(finding.help("write `id=NAME`, with the name given to `--secret`"));
            }
            if !self.source.is_empty() && !self.id.is_empty() {
                return Err(bad(at, "`source` and `id` both name the secret".to_owned()).help("keep `id`"));
            }
        }
        if self.sharing.is_some() && self.kind != Kind::Cache {
            return Err(bad(at, format!("`sharing` does not fit a mount of type {}", self.name())));
        }
        Ok(())
    }
}

fn unknown(key: &str, at: &Range<usize>) -> Diagnostic {
    let finding = bad(at, format!("a mount has no field `{key}`"));
    Diagnostic { help: suggest::did_you_mean(key, KEYS), ..finding }
}

fn wrong(key: &str, value: &str, at: &Range<usize>) -> Diagnostic {
    bad(at, format!("`{value}` is no value for the mount's `{key}`"))
}

fn one_of<T: Copy>(key: &str, value: &str, known: &[(&str, T)], at: &Range<usize>) -> Result<T, Diagnostic> {
    let lower = value.to_lowercase();
    if let Some((_, found)) = known.iter().find(|(name, _)| *name == lower) {
        return Ok(*found);
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let help = suggest::did_you_mean(value, names.iter().copied());
    Err(wrong(key, value, at).help(help.unwrap_or_else(|| format!("it is one of {}", names.join(", ")))))
}

/// As Go reads it.
fn boolean(key: &str, value: &str, at: &Range<usize>) -> Result<bool, Diagnostic> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(wrong(key, value, at).help("it is true or false")),
    }
}

/// Digits alone, as Go reads them.
fn number(text: &str, radix: u32) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| u32::from_str_radix(text, radix).ok()).flatten()
}
