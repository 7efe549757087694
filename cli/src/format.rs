//! Sizes, times and ids for people, as docker spells them.

/// Bytes with three digits and a decimal unit: `4.5MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit < UNITS.len() - 1 {
        value /= 1000.0;
        unit += 1;
    }
    let digits = match value {
        value if unit == 0 || value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{}", UNITS[unit])
}

/// A span of time, roughly: `3 minutes`.
pub(crate) fn span(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds.saturating_add(1800) / 3600);
    match () {
        () if seconds < 1 => "Less than a second".to_owned(),
        () if seconds == 1 => "1 second".to_owned(),
        () if seconds < 60 => format!("{seconds} seconds"),
        () if minutes == 1 => "About a minute".to_owned(),
        () if minutes < 60 => format!("{minutes} minutes"),
        () if hours <= 1 => "About an hour".to_owned(),
        () if hours < 48 => format!("{hours} hours"),
        () if hours < 24 * 7 * 2 => format!("{} days", hours / 24),
        () if hours < 24 * 30 * 2 => format!("{} weeks", hours / 24 / 7),
        () if hours < 24 * 365 * 2 => format!("{} months", hours / 24 / 30),
        () => format!("{} years", hours / 24 / 365),
    }
}

/// How long ago `then` is, `now` and `then` in Unix seconds: `3 minutes ago`. `N/A` for no time at all.
pub(crate) fn ago(now: i64, then: i64) -> String {
    if then == 0 { "N/A".to_owned() } else { format!("{} ago", span(now - then)) }
}

/// A time in docker's `CreatedAt`: `2026-01-02 03:04:05 +0000 UTC`.
pub(crate) fn time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

/// The first 12 digits of an id, without its algorithm.
pub(crate) fn short_id(id: &str) -> String {
    let digits = id.split_once(':').map_or(id, |(_, digits)| digits);
    digits.chars().take(12).collect()
}

/// `text` in at most `width` characters, with an ellipsis for what is cut.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let sizes = [0, 999, 1000, 4_261_000, 45_600_000, 987_654_321, 1_500_000_000_000];
        let texts: Vec<String> = sizes.into_iter().map(size).collect();
        assert_eq!(texts, ["0B", "999B", "1kB", "4.26MB", "45.6MB", "988MB", "1.5TB"]);
    }

    #[test]
    fn spans_are_rough() {
        let spans = [0, 1, 59, 60, 120, 3600, 7200, 3 * 86_400, 30 * 86_400, 100 * 86_400, 1000 * 86_400];
        let texts: Vec<String> = spans.into_iter().map(span).collect();
        assert_eq!(
            texts,
            [
                "Less than a second",
                "1 second",
                "59 seconds",
                "About a minute",
                "2 minutes",
                "About an hour",
                "2 hours",
                "3 days",
                "4 weeks",
                "3 months",
                "2 years"
            ]
        );
        assert_eq!(ago(100, 0), "N/A");
        assert_eq!(ago(200, 190), "10 seconds ago");
    }

    #[test]
    fn ids_and_texts_are_cut() {
        assert_eq!(short_id("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(shorten("äbcdef", 4), "äbc…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }
}
