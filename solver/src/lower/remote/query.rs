//! The query of a git address.

/// What fragment and query ask for.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) reference: String,
    pub(super) subdir: String,
    pub(super) checksum: String,
    pub(super) keep_git_dir: Option<bool>,
    pub(super) submodules: Option<bool>,
    pub(super) commit_mtime: bool,
    pub(super) fetch_by_commit: bool,
}

const KNOWN: [&str; 10] = [
    "ref",
    "tag",
    "branch",
    "subdir",
    "checksum",
    "commit",
    "keep-git-dir",
    "submodules",
    "mtime",
    "fetch-by-commit",
];

/// Those that may stand without a value.
const SWITCHES: [&str; 3] = ["submodules", "keep-git-dir", "fetch-by-commit"];

impl Query {
    /// Adds what `text` says; a contradiction is an error.
    pub(super) fn read(&mut self, text: &str) -> Result<(), String> {
        let mut seen: Vec<String> = Vec::new();
        let (mut tag, mut branch) = (String::new(), String::new());
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            // Go leaves such pairs out.
            let (Some(key), Some(value)) = (decode(key, true), decode(value, true)) else { continue };
            if pair.contains(';') {
                continue;
            }
            if seen.contains(&key) {
                return Err(format!("the query `{key}` is given twice"));
            }
            if value.is_empty() && KNOWN.contains(&key.as_str()) && !SWITCHES.contains(&key.as_str()) {
                return Err(format!("the query `{key}` has no value"));
            }
            match key.as_str() {
                "ref" => agree("ref", &mut self.reference, value)?,
                "tag" => tag = value,
                "branch" => branch = value,
                "subdir" => agree("subdir", &mut self.subdir, value)?,
                "checksum" | "commit" => self.checksum = value,
                "keep-git-dir" => self.keep_git_dir = Some(switch(&key, &value)?),
                "submodules" => self.submodules = Some(switch(&key, &value)?),
                "fetch-by-commit" => self.fetch_by_commit = switch(&key, &value)?,
                "mtime" => self.commit_mtime = mtime(&value)?,
                _ => return Err(unknown(&key)),
            }
            seen.push(key);
        }
        self.name(tag, branch)
    }

    /// A tag or a branch is a reference, too.
    fn name(&mut self, tag: String, branch: String) -> Result<(), String> {
        let full = |prefix: &str, name: String| {
            if name.starts_with(prefix) { name } else { prefix.to_owned() + &name }
        };
        if !tag.is_empty() && !branch.is_empty() {
            return Err("the query names a branch and a tag".to_owned());
        }
        if !tag.is_empty() {
            agree("ref", &mut self.reference, full("refs/tags/", tag))?;
        }
        if !branch.is_empty() {
            agree("ref", &mut self.reference, full("refs/heads/", branch))?;
        }
        Ok(())
    }
}

fn unknown(key: &str) -> String {
    match super::super::suggest::did_you_mean(key, KNOWN) {
        Some(help) => format!("a git address has no query `{key}`; {help}"),
        None => format!("a git address has no query `{key}`: it knows {}", KNOWN.join(", ")),
    }
}

fn agree(name: &str, old: &mut String, new: String) -> Result<(), String> {
    if !old.is_empty() && *old != new {
        return Err(format!("the address names two {name}s, `{old}` and `{new}`"));
    }
    *old = new;
    Ok(())
}

fn switch(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("the query `{key}` is true or false, not `{value}`")),
    }
}

fn mtime(value: &str) -> Result<bool, String> {
    match value {
        "commit" => Ok(true),
        "checkout" => Ok(false),
        _ => Err(format!("the query `mtime` is checkout or commit, not `{value}`")),
    }
}

/// Puts bytes in place of `%41`; in queries a plus is a blank. `None` where the escapes are wrong.
pub(super) fn decode(text: &str, query: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
                out.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if query => out.push(b' '),
            byte => out.push(byte),
        }
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}
