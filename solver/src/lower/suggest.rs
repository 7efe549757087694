//! "Did you mean".

/// The candidate closest to `word`, if it is close enough to be a slip.
pub(super) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let candidates: Vec<&str> = candidates.into_iter().filter(|name| !name.is_empty()).collect();
    parser::suggest::closest(word, &candidates)
}

/// `did you mean …?` for [`closest`].
pub(super) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    closest(word, candidates).map(|name| format!("did you mean `{name}`?"))
}
