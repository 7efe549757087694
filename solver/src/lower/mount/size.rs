//! Sizes as docker writes them: `64m`, `1.5GiB`, `100 kb`.

/// Bytes.
pub(super) fn parse(text: &str) -> Option<u64> {
    let digits = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
    let number = if text[digits..].starts_with(' ') { &text[..digits] } else { &text[..=digits] };
    let unit = text[digits + 1..].to_ascii_lowercase();
    let power = match unit.as_str() {
        "" | "b" => 0,
        unit => {
            let power = "kmgtp".find(unit.chars().next()?)?;
            if !matches!(&unit[1..], "" | "b" | "ib") {
                return None;
            }
            power + 1
        }
    };
    scaled(number, 1 << (10 * power))
}

/// A decimal number times `unit`, without what is behind the point then.
fn scaled(number: &str, unit: u128) -> Option<u64> {
    let number = number.strip_prefix('+').unwrap_or(number);
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    // More digits than these tell nothing about bytes.
    if whole.len() + part.len() == 0 || whole.len() > 18 || part.len() > 18 {
        return None;
    }
    let digits = |text: &str| match text {
        "" => Some(0),
        text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse::<u128>().ok(),
        _ => None,
    };
    let places = 10u128.pow(u32::try_from(part.len()).ok()?);
    u64::try_from(digits(whole)? * unit + digits(part)? * unit / places).ok()
}

#[cfg(test)]
mod tests;
