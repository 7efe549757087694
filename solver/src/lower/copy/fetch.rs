//! Sources that are fetched, and the flags that are about them.

use crate::graph::CopySource;
use crate::lower::builder::Dispatch;
use crate::lower::plan::Command;
use crate::lower::remote::{self, Remote};
use crate::lower::rules;
use parser::ast::{self, Spanned};
use parser::diagnostic::Diagnostic;
use std::ops::Range;

/// What an ADD says about its fetched sources.
pub(super) struct Fetch {
    add: bool,
    keep_git_dir: Option<bool>,
    checksum: Option<Spanned<String>>,
}

impl Dispatch<'_, '_> {
    pub(super) fn fetch(
        &mut self,
        command: &Command,
        copy: &ast::Copy,
        add: bool,
    ) -> Result<Fetch, Diagnostic> {
        let span = copy.checksum.as_ref().map(|word| word.span.clone()).unwrap_or_default();
        let checksum = self.flag(command, copy.checksum.as_ref())?;
        Ok(Fetch {
            add,
            keep_git_dir: copy.keep_git_dir.as_ref().map(|flag| flag.node),
            checksum: checksum.map(|node| Spanned { node, span }),
        })
    }
}

impl Fetch {
    /// A checksum belongs to one source, which has to be a fetched one.
    pub(super) fn check(&self, sources: &[(String, Range<usize>)]) -> Result<(), Diagnostic> {
        let Some(checksum) = &self.checksum else { return Ok(()) };
        let bad = |message: &str| Diagnostic::new(&rules::BAD_CHECKSUM, checksum.span.clone(), message);
        match sources {
            [(path, span)] => match classify(path, span)? {
                Remote::Local => {
                    Err(bad("`--checksum` is for files from http(s) URLs and commits of git addresses"))
                }
                _ => Ok(()),
            },
            _ => Err(bad("`--checksum` needs exactly one source")
                .help("write an ADD for each source, with its own checksum")),
        }
    }

    /// One source, as a path or as something to fetch.
    pub(super) fn source(&mut self, path: String, span: Range<usize>) -> Result<CopySource, Diagnostic> {
        let refuse = |what: &str| {
            let message = format!("the source of a COPY cannot be {what}");
            Err(Diagnostic::new(&rules::BAD_SOURCE, span.clone(), message).help("use ADD, which fetches it"))
        };
        match classify(&path, &span)? {
            Remote::Local => Ok(CopySource::Path(path, span)),
            Remote::Http(_) if !self.add => refuse("a URL"),
            Remote::Git(..) if !self.add => refuse("a git address"),
            Remote::Http(mut source) => {
                if let Some(checksum) = &self.checksum {
                    remote::check_digest(&checksum.node).map_err(|message| {
                        let at = checksum.span.clone();
                        Diagnostic::new(&rules::BAD_CHECKSUM, at, message)
                            .help("write `sha256:` and the digest that `sha256sum` prints")
                    })?;
                    source.checksum = Some(checksum.node.clone());
                }
                Ok(CopySource::Http(source, span))
            }
            Remote::Git(mut source, keep) => {
                if let (Some(flag), Some(query)) = (self.keep_git_dir, keep)
                    && flag != query
                {
                    let message = "`--keep-git-dir` and the address say different things";
                    return Err(Diagnostic::new(&rules::BAD_REMOTE, span, message));
                }
                // As in BuildKit, what one address says holds for those after it.
                self.keep_git_dir = keep.or(self.keep_git_dir);
                source.keep_git_dir = self.keep_git_dir.unwrap_or(false);
                if let (Some(flag), Some(query)) = (&self.checksum, &source.checksum)
                    && flag.node != *query
                {
                    let message = format!("`--checksum={}` is not the address's `{query}`", flag.node);
                    return Err(Diagnostic::new(&rules::BAD_CHECKSUM, flag.span.clone(), message));
                }
                source.checksum = source.checksum.or_else(|| self.checksum.as_ref().map(|c| c.node.clone()));
                Ok(CopySource::Git(source, span))
            }
        }
    }
}

fn classify(path: &str, span: &Range<usize>) -> Result<Remote, Diagnostic> {
    remote::classify(path).map_err(|message| Diagnostic::new(&rules::BAD_REMOTE, span.clone(), message))
}
