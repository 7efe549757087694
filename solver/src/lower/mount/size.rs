//! Sizes as docker writes them: `64m`, `1.5GiB`, `100 kb`.

/// Bytes.
pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
    let number = if text[digits..].starts_with(' ') { &text[..digits] } else { &text[..=digits] };
    let unit = text[digits + 1..].to_ascii_lowercase();
    // Names such as `inf` are numbers to the parser, and no sizes.
    let plain = number.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '+');
    let number: f64 = number.parse().ok().filter(|_| plain)?;
    let power = match unit.as_str() {
        "" | "b" => 0,
        unit => {
            let power = "kmgtp".find(&unit[..1])?;
            if !matches!(&unit[1..], "" | "b" | "ib") {
                return None;
            }
            power + 1
        }
    };
    let bytes = (0..power).fold(number, |bytes, _| bytes * 1024.0);
    // Nothing that fits a file system is cut off by this.
    (bytes < 9e18).then_some(bytes as u64)
}
