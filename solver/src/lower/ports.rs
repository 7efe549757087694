//! EXPOSE: `[ip:][host port:]port[-port][/protocol]`.

/// The `port/protocol` names of one word.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(word: &str) -> Result<Vec<String>, String> {
    let parts: Vec<&str> = word.split(':').collect();
    let (ip, host, container) = match parts.as_slice() {
        [container] => (String::new(), "", *container),
        [host, container] => (String::new(), *host, *container),
        [ip @ .., host, container] => (ip.join(":"), *host, *container),
        [] => (String::new(), "", ""),
    };
    let (range, protocol) = container.split_once('/').unwrap_or((container, ""));
    if range.is_empty() {
        return Err(format!("port `{word}` has no number"));
    }
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "" => "tcp".to_owned(),
        known @ ("tcp" | "udp" | "sctp") => known.to_owned(),
        _ => return Err(format!("port `{word}` has the unknown protocol `{protocol}`")),
    };
    check_ip(&ip)?;
    let (start, end) = self::range(range)?;
    if !host.is_empty() {
        let (host_start, host_end) = self::range(host)?;
        if host_end - host_start != end - start && start != end {
            return Err(format!("ranges `{host}` and `{range}` differ in length"));
        }
    }
    Ok((start..=end).map(|port| format!("{port}/{protocol}")).collect())
}

fn check_ip(ip: &str) -> Result<(), String> {
    let bare = ip.strip_prefix('[').and_then(|ip| ip.strip_suffix(']')).unwrap_or(ip);
    if ip.is_empty() || bare.parse::<core::net::IpAddr>().is_ok() {
        return Ok(());
    }
    Err(format!("`{ip}` is not an IP address"))
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let (start, end) = (number(start)?, number(end)?);
    if end < start {
        return Err(format!("port range `{text}` runs backwards"));
    }
    Ok((start, end))
}

fn number(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("port `{text}` is not a number from 0 to 65535"))
}
