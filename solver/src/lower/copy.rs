//! COPY and ADD.

use super::builder::Dispatch;
use super::plan::{Command, Origin};
use super::{MAIN_CONTEXT, expand, names, rules};
use crate::graph::{Chmod, Copy, CopyFrom, CopySource, Op};
use parser::ast::{self, Heredoc, Source, Spanned};
use parser::diagnostic::Diagnostic;
use std::ops::Range;

mod fetch;

impl Dispatch<'_, '_> {
    /// Lowers COPY, or ADD (`add`), to a step.
    pub(super) fn copy(&mut self, command: &Command, copy: &ast::Copy, add: bool) -> Result<(), Diagnostic> {
        let chown = self.flag(command, copy.chown.as_ref())?;
        if let (Some(owner), Some(word)) = (&chown, &copy.chown) {
            self.check_names(owner, &word.span)?;
        }
        let chmod_text = self.flag(command, copy.chmod.as_ref())?;
        let place = copy.chmod.as_ref().map_or(0..0, |chmod| chmod.span.clone());
        let chmod = chmod_text.as_deref().map(|text| parse_chmod(text, &place)).transpose()?;
        let (sources, shown) = self.sources(command, copy, add)?;
        let written_dest = self.word(command, &copy.destination)?;
        let flag = |name, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |v| format!(" {name}={v}"))
        };
        let on = |flag: &Option<Spanned<bool>>| flag.as_ref().is_some_and(|flag| flag.node);
        let parents = on(&copy.parents);
        let flags = flag("--chown", &chown) + &flag("--chmod", &chmod_text);
        let flags = if parents { " --parents".to_owned() + &flags } else { flags };
        let keyword = if add { "ADD" } else { "COPY" };
        let created_by = format!("{keyword}{flags}{shown} {written_dest} # buildkit");
        let from = match command.origin() {
            None => CopyFrom::Context(MAIN_CONTEXT.to_owned()),
            Some(origin) => self.copy_from(command, origin),
        };
        self.warn_outside(command, &sources);
        let op = Op::Copy(Copy {
            from,
            sources,
            dest: names::destination(self.state.cwd(), &written_dest),
            chown,
            // As in BuildKit, --link has no effect beside --chmod.
            link: on(&copy.link) && chmod.is_none(),
            chmod,
            unpack: copy.unpack.as_ref().map_or(add, |flag| flag.node),
            unpack_fetched: on(&copy.unpack),
            parents,
            exclude: copy.exclude.iter().map(|pattern| pattern.node.clone()).collect(),
            whole: false,
        });
        let text = self.display(&command.text, false);
        let name = self.vertex_name(command, &text);
        let step = self.step(command, name, op);
        self.state.commit_layer(created_by, step);
        Ok(())
    }

    /// Where nothing is below, no file can say who has a name: that is an error. Later, unknown names mean root.
    pub(super) fn check_names(&self, owner: &str, at: &Range<usize>) -> Result<(), Diagnostic> {
        let is_name = |part: &str| !part.is_empty() && part.parse::<u32>().is_err();
        if self.state.step.is_some() || !owner.split(':').any(is_name) {
            return Ok(());
        }
        let message = format!("`{owner}` cannot be looked up: the root file system is empty");
        Err(Diagnostic::new(&rules::NO_USERS, at.clone(), message).help("give numbers, as in 1000:1000"))
    }

    /// A flag's value after expansion; an empty one is as good as none.
    pub(super) fn flag(
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
        let mut words = Vec::new();
        for source in &copy.sources {
            match source {
                Source::Path(word) => words.push((self.word(command, word)?, word.span.clone())),
                Source::Heredoc(heredoc) => inline.push(self.inline(command, heredoc)?),
            }
        }
        let mut fetch = self.fetch(command, copy, add)?;
        fetch.check(&words)?;
        for (path, span) in words {
            shown.push_str(&format!(" {path}"));
            paths.push(fetch.source(path, span)?);
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
        if matches!(command.origin(), Some(Origin::Stage(_) | Origin::Image { .. } | Origin::Scratch)) {
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
