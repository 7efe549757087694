//! What is wrong with a definition, and where.

use std::ops::Range;

/// Bytes of one file of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Index of the file.
    pub file: usize,
    /// Bytes of its text.
    pub at: Range<usize>,
}

/// Why a definition cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What is wrong, with the subject in it.
    pub message: String,
    /// Where, if it is about a file.
    pub place: Option<Place>,
    /// What the user can do.
    pub help: Option<String>,
    /// Whether too much work was asked for: nothing goes on behind it.
    pub(crate) spent: bool,
}

impl Error {
    /// An error without a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, help: None, spent: false }
    }

    /// Too much work was asked for.
    pub(crate) fn spent(message: impl Into<String>) -> Self {
        Self { spent: true, ..Self::new(message) }
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the place, unless it is known already: the innermost one stays.
    #[must_use]
    pub fn at(mut self, place: Option<&Place>) -> Self {
        if self.place.is_none() {
            self.place = place.cloned();
        }
        self
    }

    /// Adds the one of `names` that `name` was probably meant to be.
    #[must_use]
    pub(crate) fn near<'a>(self, name: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let most = (name.chars().count() / 3).clamp(1, 3);
        let near = names
            .into_iter()
            .map(|other| (strsim::damerau_levenshtein(name, other), other))
            .filter(|(distance, _)| *distance <= most)
            .min();
        match near {
            Some((_, other)) => self.help(format!("did you mean `{other}`?")),
            None => self,
        }
    }
}
