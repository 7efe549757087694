//! The only reader of the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The environment of this process, as it was at the start.
#[derive(Debug, Default)]
pub(crate) struct Env {
    args: Vec<OsString>,
    cwd: Option<PathBuf>,
    vars: BTreeMap<OsString, OsString>,
}

/// The client's proxy settings, which every build is given unless a flag says otherwise. Both spellings count.
const PROXIES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

impl Env {
    /// Of this process.
    pub(crate) fn read() -> Self {
        let (args, vars) = (std::env::args_os().collect(), std::env::vars_os().collect());
        Self { args, cwd: std::env::current_dir().ok(), vars }
    }

    #[cfg(test)]
    pub(crate) fn of(vars: &[(&str, &str)]) -> Self {
        let vars = vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Self { args: Vec::new(), cwd: Some("/work".into()), vars }
    }

    /// The program and its arguments.
    pub(crate) fn args(&self) -> &[OsString] {
        &self.args
    }

    /// Where relative paths begin.
    pub(crate) fn cwd(&self) -> PathBuf {
        self.cwd.clone().unwrap_or_else(|| "/".into())
    }

    /// A variable's value; `None` if it is not set, or not UTF-8.
    pub(crate) fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(std::ffi::OsStr::new(name))?.to_str()
    }

    /// A variable's value, whatever is in it.
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        Some(std::os::unix::ffi::OsStrExt::as_bytes(self.vars.get(std::ffi::OsStr::new(name))?.as_os_str()))
    }

    /// A variable's value, unless it is empty.
    fn filled(&self, name: &str) -> Option<&str> {
        self.var(name).filter(|value| !value.is_empty())
    }

    /// The directories of PATH.
    pub(crate) fn program_dirs(&self) -> Vec<PathBuf> {
        let path = self.vars.get(std::ffi::OsStr::new("PATH"));
        path.map(|path| std::env::split_paths(path).filter(|dir| dir.is_absolute()).collect())
            .unwrap_or_default()
    }

    /// Directory of the store where no `--root` names one.
    pub(crate) fn root(&self) -> PathBuf {
        let own = self.vars.get(std::ffi::OsStr::new("LAPSTRAKE_ROOT")).filter(|path| !path.is_empty());
        own.map_or_else(|| PathBuf::from("/var/lib/lapstrake"), PathBuf::from)
    }

    /// Whether colours are unwanted.
    pub(crate) fn no_color(&self) -> bool {
        self.filled("NO_COLOR").is_some() || self.var("TERM") == Some("dumb")
    }

    /// `BUILDKIT_PROGRESS`: the default of `--progress`.
    pub(crate) fn progress(&self) -> Option<&str> {
        self.filled("BUILDKIT_PROGRESS")
    }

    /// `SOURCE_DATE_EPOCH`, as written.
    pub(crate) fn source_date_epoch(&self) -> Option<&str> {
        self.filled("SOURCE_DATE_EPOCH")
    }

    /// `DOCKER_DEFAULT_PLATFORM`: the default of `--platform`.
    pub(crate) fn platform(&self) -> Option<&str> {
        self.filled("DOCKER_DEFAULT_PLATFORM")
    }

    /// Proxy settings: name as found, value. One whose name is written in small letters wins over its twin.
    pub(crate) fn proxies(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for name in PROXIES {
            let upper = name.to_ascii_uppercase();
            if let Some(value) = self.filled(name).or_else(|| self.filled(&upper)) {
                found.insert(upper, value.to_owned());
            }
        }
        found
    }
}
