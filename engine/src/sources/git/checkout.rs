//! From a commit in a repository to a tree of files.

use super::Git;
use crate::sources::FetchError;
use crate::sources::auth::redact;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use solver::graph::GitSource;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What is checked out, and where.
pub(super) struct Checkout<'a> {
    pub(super) git: &'a Git<'a>,
    pub(super) bare: &'a Path,
    /// An empty directory of ours.
    pub(super) scratch: &'a Path,
    pub(super) commit: &'a str,
    /// The commit's.
    pub(super) time: Option<i64>,
}

impl Checkout<'_> {
    /// The files alone.
    pub(super) fn plain(&self, source: &GitSource) -> Result<PathBuf, FetchError> {
        let tree = self.tree()?;
        let index = self.scratch.join("index");
        self.git.in_tree(&tree, self.bare, Some(&index), &["read-tree", "--reset", "-u", self.commit])?;
        self.submodules(&tree, self.bare, Some(&index), source)?;
        self.finish(&tree, source, false)?;
        Ok(tree)
    }

    /// With a repository of its own, which holds that commit and knows the remote.
    pub(super) fn with_git_dir(
        &self,
        object: &str,
        name: Option<&str>,
        source: &GitSource,
    ) -> Result<PathBuf, FetchError> {
        let tree = self.tree()?;
        let own = tree.join(".git");
        let git = |args: &[&str]| self.git.in_tree(&tree, &own, None, args);
        git(&["init", "--quiet", "--template="])?;
        git(&["remote", "add", "origin", &redact(&source.remote)])?;
        // Through the protocol: a local clone would link to files of the cache.
        let from = format!("file://{}", self.bare.display());
        let kept = format!("refs/lapstrake/{object}");
        let refspec = name.map_or_else(|| kept.clone(), |name| format!("{kept}:{name}"));
        git(&["fetch", "--quiet", "-u", "--no-tags", "--depth=1", "--", &from, &refspec])?;
        git(&["checkout", "--quiet", "FETCH_HEAD"])?;
        git(&["reflog", "expire", "--all", "--expire=now"])?;
        let head = own.join("FETCH_HEAD");
        std::fs::remove_file(&head).map_err(FetchError::io("remove", &head))?;
        self.submodules(&tree, &own, None, source)?;
        self.finish(&tree, source, true)?;
        Ok(tree)
    }

    fn tree(&self) -> Result<PathBuf, FetchError> {
        let tree = self.scratch.join("tree");
        let made = DirBuilder::new().mode(0o755).create(&tree);
        made.map_err(FetchError::io("make the directory", &tree))?;
        Ok(tree)
    }

    fn submodules(
        &self,
        tree: &Path,
        repository: &Path,
        index: Option<&Path>,
        source: &GitSource,
    ) -> Result<(), FetchError> {
        if source.skip_submodules || !tree.join(".gitmodules").is_file() {
            return Ok(());
        }
        // A submodule's address may be relative to that of the repository.
        self.git.in_tree(tree, repository, index, &["config", "remote.origin.url", &self.git.remote])?;
        let args = ["submodule", "--quiet", "update", "--init", "--recursive", "--depth=1"];
        let updated = self.git.in_tree(tree, repository, index, &args);
        let url = if source.keep_git_dir { redact(&source.remote) } else { String::new() };
        self.git.in_tree(tree, repository, index, &["config", "remote.origin.url", &url])?;
        updated.map(drop)
    }

    fn finish(&self, tree: &Path, source: &GitSource, keep: bool) -> Result<(), FetchError> {
        let time = self.time.filter(|_| source.commit_mtime);
        normalize(tree, time, keep, 0).map_err(FetchError::io("finish the checkout", tree))
    }
}

/// Modes that no umask had a say in; times; and without a repository, no files that point to one.
fn normalize(dir: &Path, time: Option<i64>, keep: bool, depth: usize) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let (entry, path) = entry.map(|entry| {
            let path = entry.path();
            (entry, path)
        })?;
        let kind = entry.file_type()?;
        if entry.file_name() == ".git" {
            if !keep && kind.is_file() && depth > 0 {
                std::fs::remove_file(&path)?;
            } else if let Some(time) = time {
                set_time(&path, time)?;
            }
        } else if kind.is_dir() {
            normalize(&path, time, keep, depth + 1)?;
        } else {
            if kind.is_file() {
                let runs = entry.metadata()?.permissions().mode() & 0o111 != 0;
                std::fs::set_permissions(&path, Permissions::from_mode(if runs { 0o755 } else { 0o644 }))?;
            }
            if let Some(time) = time {
                set_time(&path, time)?;
            }
        }
    }
    std::fs::set_permissions(dir, Permissions::from_mode(0o755))?;
    time.map_or(Ok(()), |time| set_time(dir, time))
}

fn set_time(path: &Path, seconds: i64) -> io::Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from)
}

/// The directory `subdir` of a checkout; through no link.
pub(super) fn subdir(
    tree: &Path,
    subdir: &str,
    source: &GitSource,
    commit: &str,
) -> Result<PathBuf, FetchError> {
    let mut dir = tree.to_owned();
    for part in subdir.split('/').filter(|part| !part.is_empty() && *part != ".") {
        dir.push(part);
        if part == ".." || !dir.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            return Err(FetchError::NoSubdir {
                url: redact(&source.remote),
                subdir: subdir.to_owned(),
                commit: commit.to_owned(),
            });
        }
    }
    Ok(dir)
}
