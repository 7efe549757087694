//! The one place that calls the parser's word expansion.

use super::{rules, suggest};
use parser::ast::{Instruction, Spanned};
use parser::diagnostic::Diagnostic;
use parser::words::{self, ExpandError, Expansion};
use std::collections::{BTreeMap, HashMap};

/// Variables by name.
pub(super) type Env = BTreeMap<String, String>;

/// As many names are looked at for one that may have been meant.
const MAX_NAMES: usize = 1000;

/// Expands words of one text with one set of variables.
#[derive(Debug)]
pub(super) struct Expander<'a> {
    escape: char,
    env: &'a Env,
    declared: Option<&'a Declared>,
}

/// Names that ARGs have declared, in the order of the first time, with the last value of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Declared {
    list: Vec<(String, Option<String>)>,
    places: HashMap<String, usize>,
}

impl Declared {
    /// Declares `name`, once more maybe.
    pub(super) fn insert(&mut self, name: &str, value: Option<String>) {
        if let Some(place) = self.places.get(name) {
            self.list[*place].1 = value;
            return;
        }
        self.places.insert(name.to_owned(), self.list.len());
        self.list.push((name.to_owned(), value));
    }

    /// Whether it is declared.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Names and values.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, (String, Option<String>)> {
        self.list.iter()
    }
}

impl<'a> Expander<'a> {
    /// `escape` is the text's escape character.
    pub(super) fn new(escape: char, env: &'a Env) -> Self {
        Self { escape, env, declared: None }
    }

    /// With names that an ARG declares: to use them unset is no slip.
    pub(super) fn declared(self, declared: &'a Declared) -> Self {
        Self { declared: Some(declared), ..self }
    }

    /// One word to one string.
    pub(super) fn word(
        &self,
        word: &Spanned<String>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<String, Diagnostic> {
        let done =
            words::expand(&word.node, self.escape, &self.lookup()).map_err(|e| bad(word, &e, self.env))?;
        self.warn(word, &done, warnings);
        Ok(done.text)
    }

    /// One word, and the variables that it names.
    pub(super) fn expansion(&self, word: &Spanned<String>) -> Option<Expansion> {
        words::expand(&word.node, self.escape, &self.lookup()).ok()
    }

    /// One word to several strings, at the blanks outside quotes.
    pub(super) fn words(&self, word: &Spanned<String>) -> Result<Vec<String>, Diagnostic> {
        words::expand_words(&word.node, self.escape, &self.lookup()).map_err(|e| bad(word, &e, self.env))
    }

    /// A here-document's body: variables and escaped dollars, no quotes.
    pub(super) fn heredoc(
        &self,
        body: &Spanned<String>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<String, Diagnostic> {
        let done = words::expand_heredoc(&body.node, &self.lookup()).map_err(|e| bad(body, &e, self.env))?;
        self.warn(body, &done, warnings);
        Ok(done.text)
    }

    /// A line for display, with quotes gone where `quotes` is false; as it is where it cannot be expanded.
    pub(super) fn display(&self, line: &str, quotes: bool) -> String {
        let expand = if quotes { words::expand_display } else { words::expand };
        expand(line, self.escape, &self.lookup()).map_or_else(|_| line.to_owned(), |done| done.text)
    }

    fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        |name| self.env.get(name).cloned()
    }

    fn warn(&self, word: &Spanned<String>, done: &Expansion, warnings: &mut Vec<Diagnostic>) {
        warnings.extend(done.unset.iter().filter_map(|name| self.undefined(name, word)));
    }

    fn undefined(&self, name: &str, word: &Spanned<String>) -> Option<Diagnostic> {
        if self.declared.is_some_and(|declared| declared.contains(name)) {
            return None;
        }
        let message = format!("the variable `{name}` is not set");
        let finding = Diagnostic::new(&rules::UNDEFINED_VAR, word.span.clone(), message);
        // Among very many one is not likely the only one meant, and looking at all of them each time takes long.
        let known = self.env.keys().take(MAX_NAMES).map(String::as_str);
        let help = suggest::did_you_mean(name, known);
        Some(Diagnostic { help, ..finding })
    }
}

fn bad(word: &Spanned<String>, error: &ExpandError, env: &Env) -> Diagnostic {
    let shown = word.node.lines().next().unwrap_or_default();
    let found =
        Diagnostic::new(&rules::BAD_SUBSTITUTION, word.span.clone(), format!("expand `{shown}`: {error}"));
    let help = match error {
        ExpandError::UnterminatedQuote(_) => "close it, or put the escape character before it".to_owned(),
        ExpandError::MissingBrace => "close it, or write `\\$` for a dollar sign".to_owned(),
        ExpandError::Required { name, .. } => {
            let close = suggest::did_you_mean(name, env.keys().map(String::as_str));
            close.unwrap_or_else(|| format!("set it by ARG or ENV above, or with `--build-arg {name}=…`"))
        }
        _ => return found,
    };
    found.help(help)
}

/// The instruction that an ONBUILD trigger holds. Its spans point into `text`.
pub(super) fn trigger(text: &str) -> Result<Spanned<Instruction>, Diagnostic> {
    let trigger = parser::parse_trigger(text);
    let error = trigger.diagnostics.into_iter().find(Diagnostic::is_error);
    match (trigger.instruction, error) {
        (Some(instruction), None) => Ok(instruction),
        (_, Some(error)) => Err(error),
        (None, None) => Err(Diagnostic::new(&rules::BAD_TRIGGER, 0..text.len(), "it is no instruction")),
    }
}
