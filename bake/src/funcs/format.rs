//! Formatted text.

use super::{Function, MANY, list};
use crate::error::Error;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    ("format", 1, MANY, |a, _| format(&a[0].text()?, &a[1..]).map(Value::String)),
    ("formatlist", 1, MANY, |a, _| {
        let lists = a[1..].iter().filter_map(|arg| arg.list().ok().map(<[Value]>::len));
        let rows = lists.max().unwrap_or(1);
        let row = |at: usize| {
            let args = a[1..].iter().map(|arg| match arg {
                Value::List(items) => items.get(at).cloned(),
                other => Some(other.clone()),
            });
            let args: Option<Vec<Value>> = args.collect();
            let args = args.ok_or_else(|| Error::new("the lists are not equally long"))?;
            format(&a[0].text()?, &args).map(Value::String)
        };
        (0..rows).map(row).collect::<Result<Vec<_>, Error>>().map(list)
    }),
];

/// What stands between `%` and the verb.
#[derive(Default)]
struct Flags {
    left: bool,
    zero: bool,
    plus: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// Wider fields are none.
const MAX_WIDTH: usize = 1024;

fn format(pattern: &str, args: &[Value]) -> Result<String, Error> {
    let mut out = String::new();
    let mut chars = pattern.chars().peekable();
    let mut args = args.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(c) = chars.next_if(|c| "-0+# ".contains(*c)) {
            match c {
                '-' => flags.left = true,
                '0' => flags.zero = true,
                '+' => flags.plus = true,
                _ => flags.sharp = true,
            }
        }
        let number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            let mut digits = String::new();
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse::<usize>().unwrap_or(0).min(MAX_WIDTH)
        };
        flags.width = number(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            flags.precision = Some(number(&mut chars));
        }
        let verb = chars.next().ok_or_else(|| Error::new("the pattern ends within a verb"))?;
        if verb == '%' {
            out.push('%');
            continue;
        }
        let arg = args.next().ok_or_else(|| Error::new(format!("there is no argument for `%{verb}`")))?;
        out.push_str(&padded(&one(verb, &flags, arg)?, &flags, "dbxXofeg".contains(verb)));
    }
    match args.next() {
        None => Ok(out),
        Some(_) => Err(Error::new("there are more arguments than the pattern takes")),
    }
}

fn one(verb: char, flags: &Flags, arg: &Value) -> Result<String, Error> {
    let whole = || super::whole(arg);
    let signed = |text: String| if flags.plus && !text.starts_with('-') { format!("+{text}") } else { text };
    Ok(match verb {
        'v' if flags.sharp || !matches!(arg, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
            arg.json().to_string()
        }
        'v' => arg.text()?,
        's' => {
            let text = arg.text()?;
            flags.precision.map_or(text.clone(), |most| text.chars().take(most).collect())
        }
        'q' => Value::String(arg.text()?).json().to_string(),
        't' => arg.bool()?.to_string(),
        'd' => signed(whole()?.to_string()),
        'b' => format!("{:b}", whole()?),
        'o' => format!("{:o}", whole()?),
        'x' => format!("{:x}", whole()?),
        'X' => format!("{:X}", whole()?),
        'f' => signed(format!("{:.*}", flags.precision.unwrap_or(6), arg.number()?)),
        other => return Err(Error::new(format!("there is no verb `%{other}`"))),
    })
}

fn padded(text: &str, flags: &Flags, number: bool) -> String {
    let missing = flags.width.saturating_sub(text.chars().count());
    match text.strip_prefix('-') {
        _ if flags.left => format!("{text}{}", " ".repeat(missing)),
        Some(digits) if flags.zero && number => format!("-{}{digits}", "0".repeat(missing)),
        None if flags.zero && number => format!("{}{text}", "0".repeat(missing)),
        _ => format!("{}{text}", " ".repeat(missing)),
    }
}
