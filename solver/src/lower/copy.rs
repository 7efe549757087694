//! COPY and ADD.

use super::builder::Dispatch;
use super::plan::{Command, Origin};
use super::{MAIN_CONTEXT, expand, names, rules};
use crate::graph::{Chmod, Copy, CopyFrom, CopySource, Op};
use parser::ast::{self, Heredoc, Source, Spanned};
use parser::diagnostic::Diagnostic;
use std::ops::Range;

impl Dispatch<'_, '_> {
    /// Lowers COPY, or ADD (`unpack`), to a step.
    pub(super) fn copy(
        &mut self,
        command: &Command,
        copy: &ast::Copy,
        unpack: bool,
    ) -> Result<(), Diagnostic> {
        refuse(copy)?;
        let chown = self.flag(command, copy.chown.as_ref())?;
        let chmod_text = self.flag(command, copy.chmod.as_ref())?;
        let place = copy.chmod.as_ref().map_or(0..0, |chmod| chmod.span.clone());
        let chmod = chmod_text.as_deref().map(|text| parse_chmod(text, &place)).transpose()?;
        let (sources, shown) = self.sources(command, copy, unpack)?;
        let written_dest = self.word(command, &copy.destination)?;
        let flag = |name, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |v| format!(" {name}={v}"))
        };
        let flags = flag("--chown", &chown) + &flag("--chmod", &chmod_text);
        let keyword = if unpack { "ADD" } else { "COPY" };
        let created_by = format!("{keyword}{flags}{shown} {written_dest} # buildkit");
        let from = match command.from.clone() {
            None => CopyFrom::Context(MAIN_CONTEXT.to_owned()),
            Some(origin) => self.copy_from(command, &origin),
        };
        self.warn_outside(command, &sources);
        let op = Op::Copy(Copy {
            from,
            sources,
            dest: names::destination(self.state.cwd(), &written_dest),
            chown,
            chmod,
            link: copy.link.as_ref().is_some_and(|link| link.node),
            unpack: copy.unpack.as_ref().map_or(unpack, |flag| flag.node),
            unpack_fetched: copy.unpack.as_ref().is_some_and(|flag| flag.node),
            parents: false,
            exclude: Vec::new(),
        });
        let text = self.display(command, &command.text, false);
        let name = self.vertex_name(command, &text);
        let step = self.step(command, name, op);
        self.state.commit_layer(created_by, step);
        Ok(())
    }

    /// A flag's value after expansion; an empty one is as good as none.
    fn flag(
        &mut self,
        command: &Command,
        flag: Option<&Spanned<String>>,
    ) -> Result<Option<String>, Diagnostic> {
        let text = flag.map(|word| self.word(command, word)).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// The sources, paths before here-documents, and how history shows them.
    fn sources(
        &mut self,
        command: &Command,
        copy: &ast::Copy,
        add: bool,
    ) -> Result<(Vec<CopySource>, String), Diagnostic> {
        let (mut paths, mut inline, mut shown) = (Vec::new(), Vec::new(), String::new());
        for source in &copy.sources {
            match source {
                Source::Path(word) => {
                    let path = self.word(command, word)?;
                    check_remote(&path, &word.span, add)?;
                    shown.push_str(&format!(" {path}"));
                    paths.push(CopySource::Path(path, word.span.clone()));
                }
                Source::Heredoc(heredoc) => inline.push(self.inline(command, heredoc)?),
            }
        }
        for source in &inline {
            if let CopySource::Inline(name, _) = source {
                shown.push_str(&format!(" <<{name}"));
            }
        }
        paths.append(&mut inline);
        Ok((paths, shown))
    }

    fn inline(&mut self, command: &Command, heredoc: &Heredoc) -> Result<CopySource, Diagnostic> {
        let name = heredoc.name.clone();
        if name.contains('/') || matches!(name.as_str(), "" | "." | "..") {
            let message = format!("the here-document's name `{name}` is no file name");
            return Err(Diagnostic::new(&rules::BAD_HEREDOC_NAME, heredoc.body.span.clone(), message));
        }
        if !heredoc.expand {
            return Ok(CopySource::Inline(name, heredoc.body.node.clone().into_bytes()));
        }
        let mut warnings = Vec::new();
        let expander = expand::Expander::new('\\', &self.state.env).declared(&self.state.args);
        let data = expander.heredoc(&heredoc.body, &mut warnings);
        warnings.into_iter().for_each(|warning| self.find(command, warning));
        Ok(CopySource::Inline(name, data?.into_bytes()))
    }

    /// `..` stops at the context's root: the file found is another one than the path says.
    fn warn_outside(&mut self, command: &Command, sources: &[CopySource]) {
        if matches!(command.from, Some(Origin::Stage(_) | Origin::Image { .. } | Origin::Scratch)) {
            return;
        }
        for source in sources {
            let CopySource::Path(path, span) = source else { continue };
            if leaves_root(path) {
                let message = format!("`{path}` leaves the build context: `..` stops at its root");
                let finding = Diagnostic::new(&rules::PATH_OUTSIDE_CONTEXT, span.clone(), message).help(
                    "build from the directory above, or give the other one a name with --build-context",
                );
                self.find(command, finding);
            }
        }
    }
}

fn leaves_root(path: &str) -> bool {
    let mut depth = 0i32;
    path.split('/').any(|part| {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        depth < 0
    })
}

/// The flags that are not lowered yet.
fn refuse(copy: &ast::Copy) -> Result<(), Diagnostic> {
    let on = |flag: &Option<Spanned<bool>>| flag.as_ref().filter(|f| f.node).map(|f| f.span.clone());
    let found = [
        ("COPY --parents", on(&copy.parents)),
        ("--exclude", copy.exclude.first().map(|word| word.span.clone())),
        ("ADD --keep-git-dir", on(&copy.keep_git_dir)),
        ("ADD --checksum", copy.checksum.as_ref().map(|word| word.span.clone())),
    ];
    match found.into_iter().find_map(|(name, span)| Some((name, span?))) {
        None => Ok(()),
        Some((name, span)) => {
            Err(Diagnostic::new(&rules::UNSUPPORTED, span, format!("`{name}` is not supported yet")))
        }
    }
}

/// Sources that are fetched: an error for COPY, not supported yet for ADD.
fn check_remote(path: &str, at: &Range<usize>, add: bool) -> Result<(), Diagnostic> {
    let http = path.starts_with("http://") || path.starts_with("https://");
    let bare = path.split('#').next().unwrap_or(path);
    let git = ["git://", "ssh://", "git@"].iter().any(|start| path.starts_with(start))
        || (http && bare.ends_with(".git"));
    let kind = match (git, http) {
        (true, _) => "a git address",
        (false, true) => "a URL",
        (false, false) => return Ok(()),
    };
    let (rule, message) = if add {
        (&rules::UNSUPPORTED, format!("`ADD` of {kind} is not supported yet"))
    } else {
        (&rules::BAD_SOURCE, format!("the source of a COPY cannot be {kind}"))
    };
    Err(Diagnostic::new(rule, at.clone(), message))
}

/// `0` to `7777` in octal, or `chmod`'s symbolic form.
fn parse_chmod(text: &str, at: &Range<usize>) -> Result<Chmod, Diagnostic> {
    let octal = !text.is_empty() && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let parsed = match u32::from_str_radix(text, 8) {
        Ok(mode) if octal && mode <= 0o7777 => Some(Chmod::Octal(mode)),
        _ if is_symbolic(text) => Some(Chmod::Symbolic(text.to_owned())),
        _ => None,
    };
    parsed.ok_or_else(|| {
        let message =
            format!("the mode `{text}` is neither octal from 0 to 7777 nor symbolic, such as u=rwX,go=rX");
        Diagnostic::new(&rules::BAD_MODE, at.clone(), message)
    })
}

/// `[ugoa]*([-+=]([rwxXst]*|[ugo]))+`, separated by commas.
fn is_symbolic(text: &str) -> bool {
    text.split(',').all(|clause| {
        let rest = clause.trim_start_matches(['u', 'g', 'o', 'a']);
        let mut actions = rest.split(['-', '+', '=']);
        // What is before the first operator, which there has to be.
        actions.next() == Some("")
            && rest.contains(['-', '+', '='])
            && actions
                .all(|perms| perms.chars().all(|c| "rwxXst".contains(c)) || matches!(perms, "u" | "g" | "o"))
    })
}
