//! The functions that definitions can call.

mod collections;
mod format;
mod numbers;
mod strings;
mod times;

use crate::Facts;
use crate::error::Error;
use crate::value::{Value, integer};
use std::cmp::Ordering;

type Args<'a> = &'a [Value];
type Outcome = Result<Value, Error>;
type Run = fn(Args<'_>, &Facts) -> Outcome;

/// A function: name, least and most arguments, and itself.
type Function = (&'static str, usize, usize, Run);

const MANY: usize = usize::MAX;

fn tables() -> [&'static [Function]; 5] {
    [collections::TABLE, format::TABLE, numbers::TABLE, strings::TABLE, times::TABLE]
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    tables().into_iter().flatten().map(|(name, ..)| *name)
}

/// Calls a function, if there is one of this name.
pub(crate) fn call(name: &str, args: Args<'_>, facts: &Facts) -> Option<Outcome> {
    let (_, least, most, run) = tables().into_iter().flatten().find(|(known, ..)| *known == name)?;
    if args.len() < *least || args.len() > *most {
        let wanted = match (*least, *most) {
            (least, MANY) => format!("at least {least}"),
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        return Some(Err(Error::new(format!("`{name}` has {wanted} arguments, not {}", args.len()))));
    }
    Some(run(args, facts).map_err(|error| Error { message: format!("{name}: {error}"), ..error }))
}

/// A count as a value.
#[expect(clippy::cast_precision_loss, reason = "nothing has so many items")]
pub(crate) fn count(count: usize) -> Value {
    Value::Number(count as f64)
}

/// An order of all values: numbers by size, strings by bytes.
pub(crate) fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.total_cmp(right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (left, right) => left.json().to_string().cmp(&right.json().to_string()),
    }
}

fn whole(value: &Value) -> Result<i64, Error> {
    integer(value.number()?).ok_or_else(|| Error::new("a whole number is required"))
}

fn size(value: &Value) -> Result<usize, Error> {
    usize::try_from(whole(value)?).map_err(|_| Error::new("a number that is not negative is required"))
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}
