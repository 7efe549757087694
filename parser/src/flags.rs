//! `--name=value` flags of an instruction: known or not, given once, with a value that fits.

use crate::ast::Spanned;
use crate::diagnostic::Diagnostic;
use crate::from_pairs;
use crate::rules;
use crate::statement::Statement;

/// What kind of value a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// None, `true` or `false`.
    Bool,
    /// Any. Given at most once; the empty one counts as not given.
    Text,
    /// Any, any number of times.
    List,
}

/// A flag's name and kind.
pub(crate) type Spec = (&'static str, Kind);

/// The flags of one instruction that were understood.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    found: Vec<(Spec, Spanned<String>)>,
}

impl Flags {
    /// Checks the flags of `statement` against `specs`.
    pub(crate) fn read(
        statement: &Statement<'_, '_>,
        specs: &[Spec],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut flags = Self::default();
        for flag in &statement.flags {
            match flags.check(statement, specs, flag) {
                Ok(found) => flags.found.push(found),
                Err(problem) => diagnostics.push(*problem),
            }
        }
        flags
    }

    fn check(
        &self,
        statement: &Statement<'_, '_>,
        specs: &[Spec],
        flag: &from_pairs::Flag,
    ) -> Result<(Spec, Spanned<String>), Box<Diagnostic>> {
        let name = statement.slice(&flag.name);
        let Some(spec) = specs.iter().find(|(known, _)| *known == name) else {
            return Err(Box::new(unknown(statement, specs, flag)));
        };
        let bad = |message: String| {
            Box::new(Diagnostic::new(&rules::BAD_FLAG, statement.span(&flag.whole), message))
        };
        if spec.1 != Kind::List && self.found.iter().any(|(found, _)| found == spec) {
            return Err(bad(format!("the flag `--{name}` is given twice")).help_with("Keep one of them"));
        }
        let value = flag.value.as_ref().map(|at| unquote(statement.slice(at), statement.escape));
        let place = flag.value.as_ref().filter(|at| !at.is_empty()).unwrap_or(&flag.whole);
        let node = match (spec.1, value) {
            (Kind::Bool, None) => "true".to_owned(),
            (Kind::Bool, Some(value)) => match value.to_ascii_lowercase().as_str() {
                "true" => "true".to_owned(),
                "false" => "false".to_owned(),
                _ => {
                    return Err(bad(format!("the flag `--{name}` is `true` or `false`, not `{value}`"))
                        .help_with(&format!("Write `--{name}`, or leave it out")));
                }
            },
            (Kind::Text | Kind::List, None) => {
                return Err(bad(format!("the flag `--{name}` has no value"))
                    .help_with(&format!("Write `--{name}=VALUE`, without blanks")));
            }
            (Kind::Text | Kind::List, Some(value)) => value,
        };
        Ok((*spec, Spanned { node, span: statement.span(place) }))
    }

    /// The value of a text flag that is not empty.
    pub(crate) fn text(&self, name: &str) -> Option<Spanned<String>> {
        self.all(name).find(|value| !value.node.is_empty()).cloned()
    }

    /// The value of a text flag, empty or not.
    pub(crate) fn given(&self, name: &str) -> Option<&Spanned<String>> {
        self.found.iter().find(|((found, _), _)| *found == name).map(|(_, value)| value)
    }

    /// The value of a boolean flag.
    pub(crate) fn bool(&self, name: &str) -> Option<Spanned<bool>> {
        self.all(name).next().map(|value| Spanned { node: value.node == "true", span: value.span.clone() })
    }

    /// All values of a list flag.
    pub(crate) fn list(&self, name: &str) -> Vec<Spanned<String>> {
        self.all(name).cloned().collect()
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Spanned<String>> {
        self.found.iter().filter(move |((found, _), _)| *found == name).map(|(_, value)| value)
    }
}

fn unknown(statement: &Statement<'_, '_>, specs: &[Spec], flag: &from_pairs::Flag) -> Diagnostic {
    let name = statement.slice(&flag.name);
    let place = statement.span(&(flag.whole.start..flag.name.end));
    let message = format!("unknown flag `--{name}` of {}", statement.keyword);
    let known: Vec<_> = specs.iter().map(|(known, _)| *known).collect();
    let help = match crate::suggest::closest(name, &known) {
        Some(close) => format!("did you mean `--{close}`?"),
        None if known.is_empty() => {
            format!(
                "{} takes no flags; write ` -- ` before arguments that start with `--`",
                statement.keyword
            )
        }
        None => format!("{} knows --{}", statement.keyword, known.join(", --")),
    };
    Diagnostic::new(&rules::UNKNOWN_FLAG, place, message).help(help)
}

/// Removes quotes and escapes, the latter in both kinds of quotes.
fn unquote(value: &str, escape: char) -> String {
    let mut out = String::with_capacity(value.len());
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            _ if c == escape => out.extend(chars.next()),
            _ if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => quote = Some(c),
            _ => out.push(c),
        }
    }
    out
}

trait HelpWith {
    fn help_with(self, help: &str) -> Self;
}

impl HelpWith for Box<Diagnostic> {
    fn help_with(mut self, help: &str) -> Self {
        self.help = Some(help.to_owned());
        self
    }
}
