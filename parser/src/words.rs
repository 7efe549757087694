//! Quotes, escapes and `${}` of one word or line, as Docker's own lexer treats them: a subset of `sh` with its own
//! corners. Nothing here splits an instruction into words; it says what a word becomes.
//!
//! | form | when `x` is unset | when `x` is empty | else |
//! |---|---|---|---|
//! | `$x` `${x}` | nothing | nothing | value |
//! | `${x-w}` / `${x:-w}` | `w` | nothing / `w` | value |
//! | `${x+w}` / `${x:+w}` | nothing | `w` / nothing | `w` |
//! | `${x?e}` / `${x:?e}` | error `e` | nothing / error `e` | value |
//! | `${x#p}` `${x##p}` `${x%p}` `${x%%p}` | nothing | nothing | value without the shortest or longest match of `p` at its start or end |
//! | `${x/p/r}` `${x//p/r}` | nothing | `p` may match the empty text | value with the first or each longest match replaced |
//!
//! `w`, `p` and `r` may hold quotes and further `${}`. Patterns know `*`, `?` and `\` before `* ? \ } /`, and no anchors.

mod lexer;
mod pattern;
#[cfg(test)]
mod tests;

use lexer::{Lexer, Mode};
use std::collections::BTreeSet;

/// Why a word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExpandError {
    /// A quote is not closed.
    #[error("no closing {0} quote")]
    UnterminatedQuote(&'static str),
    /// `${` without its `}`.
    #[error("missing `}}` in a substitution")]
    MissingBrace,
    /// `${x/p` without the second `/`.
    #[error("missing `/` in a substitution")]
    MissingSlash,
    /// `${}`, `${:…}` or `${{…}`.
    #[error("bad substitution: no variable name after `${{`")]
    NoName,
    /// `${x` and then a sign that means nothing.
    #[error("unsupported modifier `{0}` in a substitution")]
    Modifier(String),
    /// `${x?message}` of an unset, or `${x:?message}` of an empty variable.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The word after `?`, or a fixed one.
        message: String,
    },
    /// A pattern with a `\` before a character that needs none.
    #[error("invalid pattern `{0}` in a substitution")]
    Pattern(String),
    /// More text than [`MAX_LENGTH`].
    #[error("substitutions give more than {} KiB of text", MAX_LENGTH >> 10)]
    TooLong,
    /// More `${` inside each other than [`MAX_DEPTH`].
    #[error("substitutions nest deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// How deep `${…${…}…}` may nest.
pub const MAX_DEPTH: usize = 100;

/// How many bytes all substitutions of one word may give together, 1 MiB: Linux passes no longer variables on. The
/// substitutions of a heredoc may give 16 times as many.
pub const MAX_LENGTH: usize = 1 << 20;

/// What a word became, and which variables it named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expansion {
    /// The text.
    pub text: String,
    /// The text split at blanks that are neither quoted nor escaped, after substitution. Empty words vanish.
    pub words: Vec<String>,
    /// Every variable that was asked for, set or not.
    pub used: BTreeSet<String>,
    /// Those of [`Self::used`] that are not set.
    pub unset: BTreeSet<String>,
}

/// Gives a variable's value, or `None` where it is not set.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Expands `word`: substitutes variables, removes quotes and escapes.
///
/// # Errors
/// A quote or brace that is not closed, an unknown form of `${}`, `${x?}` of an unset variable.
pub fn expand_word(word: &str, escape: char, env: Env<'_>) -> Result<String, ExpandError> {
    Ok(expand(word, escape, env)?.text)
}

/// As [`expand_word`], then splits at blanks that were neither quoted nor escaped (EXPOSE does so).
///
/// # Errors
/// As [`expand_word`].
pub fn expand_words(word: &str, escape: char, env: Env<'_>) -> Result<Vec<String>, ExpandError> {
    Ok(expand(word, escape, env)?.words)
}

/// As [`expand_word`], and reports the names it met.
///
/// # Errors
/// As [`expand_word`].
pub fn expand(word: &str, escape: char, env: Env<'_>) -> Result<Expansion, ExpandError> {
    Lexer::new(word, escape, env, Mode::default()).expand()
}

/// Expands the body of a heredoc of COPY or ADD: quotes mean nothing and stay, the escape is always `\`.
///
/// # Errors
/// As [`expand_word`], but for quotes.
pub fn expand_heredoc(body: &str, env: Env<'_>) -> Result<Expansion, ExpandError> {
    let mode = Mode { plain_quotes: true, ..Mode::default() };
    Lexer::new(body, '\\', env, mode).limit(16 * MAX_LENGTH).expand()
}

/// Expands `line` for display: quotes stay, and variables that are not set stay as written.
///
/// # Errors
/// As [`expand_word`].
pub fn expand_display(line: &str, escape: char, env: Env<'_>) -> Result<Expansion, ExpandError> {
    Lexer::new(line, escape, env, Mode { keep_quotes: true, keep_unset: true, ..Mode::default() }).expand()
}

/// Splits a command line into words as a shell would, changing nothing in them.
pub(crate) fn split_raw(line: &str) -> Result<Vec<String>, ExpandError> {
    let mode = Mode { keep_quotes: true, keep_escapes: true, keep_unset: true, ..Mode::default() };
    Ok(Lexer::new(line, '\\', &|_| None, mode).expand()?.words)
}

/// Words of `text` with variables left as written: first with quotes removed, then with quotes kept.
pub(crate) fn split_both(text: &str) -> Result<(Vec<String>, Vec<String>), ExpandError> {
    let mode = Mode { keep_unset: true, ..Mode::default() };
    let plain = Lexer::new(text, '\\', &|_| None, mode).expand()?.words;
    let mode = Mode { keep_quotes: true, keep_unset: true, ..Mode::default() };
    let quoted = Lexer::new(text, '\\', &|_| None, mode).expand()?.words;
    Ok((plain, quoted))
}
