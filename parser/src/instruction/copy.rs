//! `COPY` and `ADD`.

use crate::ast::{Copy, Heredoc, Source, Spanned};
use crate::diagnostic::Diagnostic;
use crate::flags::{Flags, Kind, Spec};
use crate::heredoc;
use crate::rules;
use crate::statement::Statement;
use std::collections::HashMap;

const COPY_FLAGS: &[Spec] = &[
    ("from", Kind::Text),
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Bool),
    ("parents", Kind::Bool),
    ("exclude", Kind::List),
];

const ADD_FLAGS: &[Spec] = &[
    ("chown", Kind::Text),
    ("chmod", Kind::Text),
    ("link", Kind::Bool),
    ("keep-git-dir", Kind::Bool),
    ("checksum", Kind::Text),
    ("unpack", Kind::Bool),
    ("exclude", Kind::List),
];

pub(super) fn copy(
    statement: &Statement<'_, '_>,
    heredocs: Vec<Heredoc>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Copy> {
    build(statement, COPY_FLAGS, heredocs, diagnostics)
}

pub(super) fn add(
    statement: &Statement<'_, '_>,
    heredocs: Vec<Heredoc>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Copy> {
    build(statement, ADD_FLAGS, heredocs, diagnostics)
}

fn build(
    statement: &Statement<'_, '_>,
    specs: &[Spec],
    heredocs: Vec<Heredoc>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Copy> {
    let flags = Flags::read(statement, specs, diagnostics);
    let mut words = statement.list(diagnostics)?;
    let destination = words.pop().filter(|_| !words.is_empty());
    let Some(destination) = destination else {
        let problem = statement.arguments(
            "requires at least two arguments, but only one was provided. Destination could not be determined",
        );
        let name = statement.keyword;
        diagnostics.push(problem.help(format!("Write `{name} source… destination`")));
        return None;
    };
    if let Ok(Some(_)) = heredoc::opening(&destination.node) {
        let message = format!("{} cannot accept a heredoc as a destination", statement.keyword);
        diagnostics.push(Diagnostic::new(&rules::HEREDOC, destination.span, message));
        return None;
    }
    Some(Copy {
        from: flags.text("from"),
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.bool("link"),
        parents: flags.bool("parents"),
        exclude: flags.list("exclude"),
        keep_git_dir: flags.bool("keep-git-dir"),
        checksum: flags.text("checksum"),
        unpack: flags.bool("unpack"),
        sources: sources(words, heredocs),
        destination,
    })
}

/// Words that open a here-document stand for its body. Of two with one name, the later body serves both.
fn sources(words: Vec<Spanned<String>>, heredocs: Vec<Heredoc>) -> Vec<Source> {
    let bodies: HashMap<String, Heredoc> =
        heredocs.into_iter().map(|heredoc| (heredoc.name.clone(), heredoc)).collect();
    let source = |word: Spanned<String>| {
        let opening = heredoc::opening(&word.node).ok().flatten();
        match opening.and_then(|opening| bodies.get(&opening.name)) {
            Some(heredoc) => Source::Heredoc(heredoc.clone()),
            None => Source::Path(word),
        }
    };
    words.into_iter().map(source).collect()
}
