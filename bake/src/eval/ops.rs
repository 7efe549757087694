//! Operators.

use crate::error::Error;
use crate::value::{Value, integer};
use hcl_edit::expr::{BinaryOperator, UnaryOperator};

pub(super) fn unary(operator: UnaryOperator, value: &Value) -> Result<Value, Error> {
    match operator {
        UnaryOperator::Neg => Ok(Value::Number(-value.number()?)),
        UnaryOperator::Not => Ok(Value::Bool(!value.bool()?)),
    }
}

/// The result if the left side says it already.
pub(super) fn decided(operator: BinaryOperator, left: &Value) -> Result<Option<Value>, Error> {
    Ok(match operator {
        BinaryOperator::And if !left.bool()? => Some(Value::Bool(false)),
        BinaryOperator::Or if left.bool()? => Some(Value::Bool(true)),
        _ => None,
    })
}

pub(super) fn binary(operator: BinaryOperator, left: &Value, right: &Value) -> Result<Value, Error> {
    use BinaryOperator as Op;
    Ok(match operator {
        Op::Eq => Value::Bool(left == right),
        Op::NotEq => Value::Bool(left != right),
        Op::And => Value::Bool(left.bool()? && right.bool()?),
        Op::Or => Value::Bool(left.bool()? || right.bool()?),
        Op::Less => Value::Bool(left.number()? < right.number()?),
        Op::LessEq => Value::Bool(left.number()? <= right.number()?),
        Op::Greater => Value::Bool(left.number()? > right.number()?),
        Op::GreaterEq => Value::Bool(left.number()? >= right.number()?),
        Op::Plus => Value::Number(left.number()? + right.number()?),
        Op::Minus => Value::Number(left.number()? - right.number()?),
        Op::Mul => Value::Number(left.number()? * right.number()?),
        Op::Div | Op::Mod if right.number()? == 0.0 => return Err(Error::new("division by zero")),
        Op::Div => Value::Number(left.number()? / right.number()?),
        Op::Mod => Value::Number(left.number()? % right.number()?),
    })
}

/// `value` as what it is beside `other` where both have one type.
pub(super) fn like(value: Value, other: Option<&Value>) -> Value {
    match (&value, other) {
        (Value::Number(_) | Value::Bool(_), Some(Value::String(_))) => {
            value.text().map_or(value, Value::String)
        }
        _ => value,
    }
}

pub(super) fn attribute(value: &Value, name: &str) -> Result<Value, Error> {
    match value {
        Value::Object(members) => members.get(name).cloned().ok_or_else(|| {
            let error = Error::new(format!("the object has no attribute `{name}`"));
            error.near(name, members.keys().map(String::as_str))
        }),
        other => Err(Error::new(format!("a value of type {} has no attributes", other.kind()))),
    }
}

pub(super) fn index(value: &Value, index: &Value) -> Result<Value, Error> {
    match value {
        Value::Object(_) => attribute(value, &index.text()?),
        Value::List(items) => {
            let at = integer(index.number()?).and_then(|at| usize::try_from(at).ok());
            at.and_then(|at| items.get(at))
                .cloned()
                .ok_or_else(|| Error::new(format!("the list of {} has no such item", items.len())))
        }
        other => Err(Error::new(format!("a value of type {} has no items", other.kind()))),
    }
}
