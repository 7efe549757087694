//! Trees of git repositories, through the program `git`.

mod checkout;
mod command;

use super::auth::redact;
use super::{FetchError, Fetched, Fetcher, settle, short_hash};
use checkout::Checkout;
use command::Git;
use solver::graph::GitSource;
use std::path::Path;

/// What a reference stands for at the remote.
struct Found {
    /// In full, where it is no commit: `refs/heads/main`.
    name: Option<String>,
    /// The object that it names: a commit, or a tag with a message.
    object: String,
}

/// [`Fetcher::git`].
pub(super) fn fetch(fetcher: &Fetcher, source: &GitSource) -> Result<Fetched, FetchError> {
    let key = short_hash(&source.remote);
    let _lock = fetcher.lock(&format!("git {key}"))?;
    let bare = fetcher.dir("git")?.join(format!("{key}.git"));
    let git = Git::new(fetcher, &source.remote, &bare)?;
    let found = resolve(&git, source)?;
    let keep = source.keep_git_dir && source.subdir.is_none();
    let name = found.name.as_deref().filter(|_| keep).unwrap_or_default();
    let tree = short_hash(&format!(
        "{key} {} {name} {keep} {} {}",
        found.object, source.skip_submodules, source.commit_mtime
    ));
    let place = fetcher.dir("trees")?.join(tree);
    prepare(&git, &bare)?;
    if !place.is_dir() {
        obtain(&git, &bare, &found)?;
    }
    let commit = match git.run(&["rev-parse", &format!("{}^{{commit}}", found.object)]) {
        Ok(commit) => commit,
        // The repository is a cache of its own: it may have been lost without the tree.
        Err(FetchError::Git { .. }) => {
            obtain(&git, &bare, &found)?;
            git.run(&["rev-parse", &format!("{}^{{commit}}", found.object)])?
        }
        Err(error) => return Err(error),
    };
    checked(source, &[&found.object, &commit])?;
    let time = git.run(&["log", "-1", "--format=%ct", &commit])?.parse().ok();
    if !place.is_dir() {
        let work = fetcher.store.work().map_err(FetchError::Store)?;
        let scratch = work.scratch().map_err(FetchError::Store)?;
        let checkout = Checkout { git: &git, bare: &bare, scratch: &scratch, commit: &commit, time };
        let made = if keep {
            checkout.with_git_dir(&found.object, found.name.as_deref(), source)?
        } else {
            checkout.plain(source)?
        };
        settle(&made, &place)?;
    }
    let dir = match &source.subdir {
        Some(subdir) => checkout::subdir(&place, subdir, source, &commit)?,
        None => place,
    };
    Ok(Fetched { dir, path: String::new(), digest: commit, time })
}

/// Fails if a checksum was asked for that is the beginning of none of `objects`.
fn checked(source: &GitSource, objects: &[&str]) -> Result<(), FetchError> {
    match &source.checksum {
        Some(wanted) if !objects.iter().any(|object| object.starts_with(wanted.as_str())) => {
            Err(FetchError::Checksum {
                url: redact(&source.remote),
                found: objects.last().copied().unwrap_or_default().to_owned(),
                expected: wanted.clone(),
            })
        }
        _ => Ok(()),
    }
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What the source names, without fetching it. A commit needs no question.
fn resolve(git: &Git<'_>, source: &GitSource) -> Result<Found, FetchError> {
    if source.fetch_by_commit {
        let commit =
            source.checksum.as_deref().or(source.reference.as_deref()).filter(|text| is_commit(text));
        let object = commit.ok_or_else(|| FetchError::Address {
            url: redact(&source.remote),
            why: "fetch-by-commit needs a whole commit as its checksum".to_owned(),
        })?;
        let name = source.reference.clone().filter(|name| !is_commit(name));
        let name = name.map(|n| if n.starts_with("refs/") { n } else { format!("refs/heads/{n}") });
        return Ok(Found { name, object: object.to_owned() });
    }
    let wanted = match &source.reference {
        Some(commit) if is_commit(commit) => return Ok(Found { name: None, object: commit.clone() }),
        Some(name) => name.clone(),
        None => default_branch(git, source)?,
    };
    let peeled = format!("{wanted}^{{}}");
    let listed = git.run(&["ls-remote", "--", &git.remote, &wanted, &peeled])?;
    let strip = |prefix: &str| wanted.strip_prefix(prefix).unwrap_or(&wanted).to_owned();
    let names = [
        format!("refs/{}", strip("refs/")),
        format!("refs/heads/{}", strip("refs/heads/")),
        format!("refs/tags/{}", strip("refs/tags/")),
    ];
    let lines: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once('\t')).collect();
    let found = names.into_iter().find_map(|name| {
        let (object, _) = lines.iter().find(|(_, listed)| *listed == name)?;
        Some(Found { name: Some(name), object: (*object).to_owned() })
    });
    found
        .filter(|found| is_commit(&found.object))
        .ok_or_else(|| FetchError::NoReference { url: redact(&source.remote), reference: wanted.clone() })
}

fn default_branch(git: &Git<'_>, source: &GitSource) -> Result<String, FetchError> {
    let listed = git.run(&["ls-remote", "--symref", "--", &git.remote, "HEAD"])?;
    let name = listed.lines().find_map(|line| line.strip_prefix("ref: ")?.strip_suffix("\tHEAD"));
    name.map(str::to_owned)
        .ok_or_else(|| FetchError::NoReference { url: redact(&source.remote), reference: "HEAD".to_owned() })
}

/// Makes the repository that others are fetched into. Its address is kept nowhere.
fn prepare(git: &Git<'_>, bare: &Path) -> Result<(), FetchError> {
    if !bare.join("HEAD").is_file() {
        git.bare_less(&["init", "--quiet", "--bare", "--template=", &bare.to_string_lossy()])?;
    }
    // What a killed git left.
    for lock in ["shallow.lock", "config.lock", "packed-refs.lock"] {
        match std::fs::remove_file(bare.join(lock)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(FetchError::io("remove", &bare.join(lock))(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Brings the object here: alone where the server lets it, else with all of the history.
fn obtain(git: &Git<'_>, bare: &Path, found: &Found) -> Result<(), FetchError> {
    let kept = format!("refs/lapstrake/{}", found.object);
    let exists = format!("{}^{{commit}}", found.object);
    let here = || git.run(&["cat-file", "-e", &exists]).is_ok();
    if !here() {
        let (remote, object) = (git.remote.as_str(), found.object.as_str());
        let by_object = git.run(&["fetch", "--quiet", "--no-tags", "--depth=1", "--", remote, object]);
        match by_object {
            Err(FetchError::Git { .. }) => {
                if let Some(name) = &found.name {
                    // Servers of plain files know no depth: all is fetched then.
                    match git.run(&["fetch", "--quiet", "--no-tags", "--depth=1", "--", remote, name]) {
                        Err(FetchError::Git { .. }) => {}
                        other => drop(other?),
                    }
                }
                if !here() {
                    all(git, bare)?;
                }
            }
            other => drop(other?),
        }
    }
    if !here() {
        return Err(FetchError::NoReference {
            url: redact(&git.remote),
            reference: found.name.clone().unwrap_or_else(|| found.object.clone()),
        });
    }
    git.run(&["update-ref", &kept, &found.object]).map(drop)
}

fn all(git: &Git<'_>, bare: &Path) -> Result<(), FetchError> {
    let mut args = vec!["fetch", "--quiet", "--no-tags", "--force"];
    if bare.join("shallow").exists() {
        args.push("--unshallow");
    }
    args.extend([
        "--",
        &git.remote,
        "refs/heads/*:refs/lapstrake/heads/*",
        "refs/tags/*:refs/lapstrake/tags/*",
    ]);
    git.run(&args).map(drop)
}
