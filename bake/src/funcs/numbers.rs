//! Numbers, comparisons and logic.

use super::{Function, MANY, whole};
use crate::error::Error;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    ("absolute", 1, 1, |a, _| number(a[0].number()?.abs())),
    ("add", 2, 2, |a, _| number(a[0].number()? + a[1].number()?)),
    ("and", 2, 2, |a, _| Ok(Value::Bool(a[0].bool()? && a[1].bool()?))),
    ("ceil", 1, 1, |a, _| number(a[0].number()?.ceil())),
    ("divide", 2, 2, |a, _| number(a[0].number()? / divisor(&a[1])?)),
    ("equal", 2, 2, |a, _| Ok(Value::Bool(a[0] == a[1]))),
    ("floor", 1, 1, |a, _| number(a[0].number()?.floor())),
    ("greaterthan", 2, 2, |a, _| Ok(Value::Bool(a[0].number()? > a[1].number()?))),
    ("greaterthanorequalto", 2, 2, |a, _| Ok(Value::Bool(a[0].number()? >= a[1].number()?))),
    ("int", 1, 1, |a, _| number(a[0].number()?.trunc())),
    ("lessthan", 2, 2, |a, _| Ok(Value::Bool(a[0].number()? < a[1].number()?))),
    ("lessthanorequalto", 2, 2, |a, _| Ok(Value::Bool(a[0].number()? <= a[1].number()?))),
    ("log", 2, 2, |a, _| number(a[0].number()?.ln() / a[1].number()?.ln())),
    ("max", 1, MANY, |a, _| fold(a, f64::max)),
    ("min", 1, MANY, |a, _| fold(a, f64::min)),
    ("modulo", 2, 2, |a, _| number(a[0].number()? % divisor(&a[1])?)),
    ("multiply", 2, 2, |a, _| number(a[0].number()? * a[1].number()?)),
    ("negate", 1, 1, |a, _| number(-a[0].number()?)),
    ("not", 1, 1, |a, _| Ok(Value::Bool(!a[0].bool()?))),
    ("notequal", 2, 2, |a, _| Ok(Value::Bool(a[0] != a[1]))),
    ("or", 2, 2, |a, _| Ok(Value::Bool(a[0].bool()? || a[1].bool()?))),
    ("parseint", 2, 2, |a, _| parse(&a[0].text()?, whole(&a[1])?)),
    ("pow", 2, 2, |a, _| number(a[0].number()?.powf(a[1].number()?))),
    ("signum", 1, 1, |a, _| {
        let of = a[0].number()?;
        number(if of == 0.0 { 0.0 } else { of.signum() })
    }),
    ("subtract", 2, 2, |a, _| number(a[0].number()? - a[1].number()?)),
];

fn number(number: f64) -> Result<Value, Error> {
    match number.is_finite() {
        true => Ok(Value::Number(number)),
        false => Err(Error::new("the result is no number")),
    }
}

fn divisor(value: &Value) -> Result<f64, Error> {
    match value.number()? {
        0.0 => Err(Error::new("division by zero")),
        other => Ok(other),
    }
}

fn fold(args: &[Value], of: fn(f64, f64) -> f64) -> Result<Value, Error> {
    let mut numbers = args.iter().map(Value::number);
    let first = numbers.next().unwrap_or(Ok(0.0))?;
    numbers.try_fold(first, |one, other| Ok(of(one, other?))).map(Value::Number)
}

fn parse(text: &str, base: i64) -> Result<Value, Error> {
    let radix = u32::try_from(base).ok().filter(|base| (2..=36).contains(base));
    let radix = radix.ok_or_else(|| Error::new("the base is from 2 to 36"))?;
    let number = i64::from_str_radix(text, radix);
    let number = number.map_err(|_| Error::new(format!("`{text}` is no number of base {base}")))?;
    #[expect(clippy::cast_precision_loss, reason = "as all numbers here")]
    Ok(Value::Number(number as f64))
}
