//! A case: files of a context, scripts, and a list of builds.

use anyhow::{Context, Result, ensure};
use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is written for the address of the served directory.
pub(crate) const URL: &str = "@@URL@@";

/// Later times are the clock's, and are replaced.
const LONG_AGO: i64 = 1_600_000_000;

/// Files of a case that are not in its context.
const OWN: [&str; 4] = ["case.json", "setup.sh", "www.sh", "expected"];

/// One build of a case.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Build {
    /// `--target`.
    pub target: Option<String>,
    /// `--build-arg`.
    pub args: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--secret`: id and value.
    pub secrets: BTreeMap<String, String>,
    /// `--ssh default`, with an agent that answers nothing.
    pub ssh: bool,
    /// `--allow`.
    pub allow: Vec<String>,
    /// `--build-context`: a name and a directory of the context.
    pub contexts: BTreeMap<String, String>,
    /// `-f`, `Dockerfile` if none is given.
    pub file: Option<String>,
    /// The directory of the context that is the build's context.
    pub subdir: Option<String>,
    /// `--platform`.
    pub platform: Option<String>,
    /// `--network`.
    pub network: Option<String>,
    /// `fail` where the build must fail.
    pub expect: Option<String>,
    /// The line that it must fail at.
    pub line: Option<u32>,
}

impl Build {
    /// The name of the Dockerfile.
    pub fn file(&self) -> &str {
        self.file.as_deref().unwrap_or("Dockerfile")
    }
}

/// A file of a context.
#[derive(Debug, Clone)]
struct File {
    path: PathBuf,
    data: Vec<u8>,
    executable: bool,
}

/// A case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its folder's name, with that of the group before it.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// Its builds.
    pub builds: Vec<Build>,
    /// What was recorded, if it was.
    pub expected: Option<String>,
    files: Vec<File>,
    setup: Option<String>,
    www: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    about: String,
    #[serde(default = "one_build")]
    builds: Vec<Build>,
}

fn one_build() -> Vec<Build> {
    vec![Build::default()]
}

impl Case {
    /// Reads the folder of a case.
    pub fn folder(name: &str, dir: &Path) -> Result<Self> {
        let own = |file: &str| fs::read_to_string(dir.join(file)).ok();
        let text = own("case.json").with_context(|| format!("read {}/case.json", dir.display()))?;
        let description: Description =
            serde_json::from_str(&text).with_context(|| format!("parse {}/case.json", dir.display()))?;
        let mut files = Vec::new();
        collect(dir, Path::new(""), &mut files)?;
        Ok(Self {
            name: name.to_owned(),
            about: description.about,
            builds: description.builds,
            expected: own("expected"),
            files,
            setup: own("setup.sh"),
            www: own("www.sh"),
        })
    }

    /// Reads a case that is one text: what it shows, then `-- path --` before each file.
    pub fn txtar(name: &str, text: &str, expected: &str) -> Result<Self> {
        let mut about = String::new();
        let mut sections: Vec<(String, String)> = Vec::new();
        for line in text.split_inclusive('\n') {
            match line.trim_end().strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --")) {
                Some(path) => sections.push((path.to_owned(), String::new())),
                None => sections.last_mut().map_or(&mut about, |section| &mut section.1).push_str(line),
            }
        }
        let own = |name: &str| sections.iter().find(|(path, _)| path == name).map(|(_, text)| text.clone());
        let builds = match own("opts.json") {
            Some(text) => {
                serde_json::from_str(&text).with_context(|| format!("parse opts.json of {name}"))?
            }
            None => one_build(),
        };
        let context =
            sections.iter().filter(|(path, _)| !["opts.json", "setup.sh", "www.sh"].contains(&path.as_str()));
        let file = |(path, text): &(String, String)| File {
            path: path.into(),
            data: text.clone().into_bytes(),
            executable: false,
        };
        Ok(Self {
            name: name.to_owned(),
            about,
            builds,
            expected: Some(expected.to_owned()),
            files: context.map(file).collect(),
            setup: own("setup.sh"),
            www: own("www.sh"),
        })
    }

    /// Makes the context in `dir`, and in `www` what is served at `url`.
    pub fn lay_out(&self, dir: &Path, www: &Path, url: &str) -> Result<()> {
        fs::create_dir_all(dir)?;
        fs::create_dir_all(www)?;
        for file in &self.files {
            let path = dir.join(&file.path);
            let parents = path.ancestors().skip(1).take_while(|parent| parent.starts_with(dir));
            fs::create_dir_all(path.parent().unwrap_or(dir))?;
            for parent in parents {
                fs::set_permissions(parent, Permissions::from_mode(0o755))?;
            }
            fs::write(&path, filled(&file.data, url))?;
            fs::set_permissions(&path, Permissions::from_mode(if file.executable { 0o755 } else { 0o644 }))?;
        }
        for (script, place) in [(&self.setup, dir), (&self.www, www)] {
            if let Some(script) = script {
                let mut command = Command::new("sh");
                command
                    .args(["-ec", &format!("umask 022\n{script}")])
                    .current_dir(place)
                    .env("LC_ALL", "C.UTF-8");
                let status = command.status();
                ensure!(status.context("run sh")?.success(), "{}: a script ended in error", self.name);
            }
            date(place, Path::new(""), &self.name)?;
        }
        Ok(())
    }

    /// Whether the case has something to serve.
    pub fn serves(&self) -> bool {
        self.www.is_some()
    }
}

fn collect(dir: &Path, below: &Path, files: &mut Vec<File>) -> Result<()> {
    let mut names: Vec<_> = fs::read_dir(dir.join(below))?.collect::<Result<_, _>>()?;
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = below.join(entry.file_name());
        let meta = entry.metadata()?;
        if meta.is_dir() {
            collect(dir, &path, files)?;
        } else if !OWN.iter().any(|own| Path::new(own) == path) {
            let data = fs::read(entry.path()).with_context(|| format!("read {}", entry.path().display()))?;
            files.push(File { path, data, executable: meta.mode() & 0o100 != 0 });
        }
    }
    Ok(())
}

/// `data` with the address in it.
fn filled(data: &[u8], url: &str) -> Vec<u8> {
    match std::str::from_utf8(data) {
        Ok(text) => text.replace(URL, url).into_bytes(),
        Err(_) => data.to_vec(),
    }
}

/// Gives everything in `dir` a time that comes from its path, but what a script gave an old one.
fn date(dir: &Path, below: &Path, salt: &str) -> Result<()> {
    let path = dir.join(below);
    let meta = path.symlink_metadata()?;
    if meta.is_dir() {
        for entry in fs::read_dir(&path)? {
            date(dir, &below.join(entry?.file_name()), salt)?;
        }
    }
    if meta.mtime() > LONG_AGO {
        let time = TimeSpec::new(time_of(&format!("{salt}/{}", below.display())), 0);
        utimensat(nix::fcntl::AT_FDCWD, &path, &time, &time, UtimensatFlags::NoFollowSymlink)?;
    }
    Ok(())
}

/// A time between 2004 and 2014.
fn time_of(path: &str) -> i64 {
    let hash = path.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    1_100_000_000 + i64::try_from(hash % 300_000_000).unwrap_or(0)
}
