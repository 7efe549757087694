//! Values of expressions.

use crate::error::Error;
use std::collections::BTreeMap;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    /// Lists, sets and tuples.
    List(Vec<Value>),
    /// Maps and objects.
    Object(BTreeMap<String, Value>),
}

impl Value {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Object(_) => "object",
        }
    }

    /// As a string where one is wanted.
    pub(crate) fn text(&self) -> Result<String, Error> {
        match self {
            Self::String(text) => Ok(text.clone()),
            Self::Number(number) => Ok(number_text(*number)),
            Self::Bool(value) => Ok(value.to_string()),
            other => Err(wanted("string", other)),
        }
    }

    pub(crate) fn number(&self) -> Result<f64, Error> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::String(text) => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(number),
                _ => Err(Error::new(format!("a number is required, not `{text}`"))),
            },
            other => Err(wanted("number", other)),
        }
    }

    pub(crate) fn bool(&self) -> Result<bool, Error> {
        match self {
            Self::Bool(value) => Ok(*value),
            Self::String(text) if text == "true" || text == "1" => Ok(true),
            Self::String(text) if text == "false" || text == "0" => Ok(false),
            Self::String(text) => Err(Error::new(format!("a bool is required, not `{text}`"))),
            other => Err(wanted("bool", other)),
        }
    }

    pub(crate) fn list(&self) -> Result<&[Value], Error> {
        match self {
            Self::List(items) => Ok(items),
            other => Err(wanted("list", other)),
        }
    }

    pub(crate) fn object(&self) -> Result<&BTreeMap<String, Value>, Error> {
        match self {
            Self::Object(members) => Ok(members),
            other => Err(wanted("object", other)),
        }
    }

    /// How much there is of it: bytes and items.
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::String(text) => 1 + text.len() / 16,
            Self::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Self::Object(members) => {
                1 + members.iter().map(|(name, value)| 1 + name.len() / 16 + value.size()).sum::<usize>()
            }
            _ => 1,
        }
    }

    /// As JSON, as `jsonencode` writes it.
    pub(crate) fn json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(number) => number_json(*number),
            Self::String(text) => Json::String(text.clone()),
            Self::List(items) => Json::Array(items.iter().map(Self::json).collect()),
            Self::Object(members) => {
                Json::Object(members.iter().map(|(name, value)| (name.clone(), value.json())).collect())
            }
        }
    }

    /// What JSON says, as it is.
    pub(crate) fn from_json(json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(number.as_f64().unwrap_or(0.0)),
            Json::String(text) => Self::String(text.clone()),
            Json::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Json::Object(members) => Self::Object(
                members.iter().map(|(name, value)| (name.clone(), Self::from_json(value))).collect(),
            ),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

pub(crate) fn wanted(kind: &str, value: &Value) -> Error {
    Error::new(format!("a {kind} is required, not a value of type {}", value.kind()))
}

/// The largest number up to which every integer is exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// `number` as an integer if it is one.
pub(crate) fn integer(number: f64) -> Option<i64> {
    let whole = number.fract() == 0.0 && number.abs() <= EXACT;
    #[expect(clippy::cast_possible_truncation, reason = "checked before")]
    whole.then_some(number as i64)
}

/// `number` in decimal, without an exponent.
pub(crate) fn number_text(number: f64) -> String {
    // Fifteen digits are exact: what follows is of the binary form.
    let rounded = format!("{number:.14e}").parse().unwrap_or(number);
    integer(number).map_or_else(|| f64::to_string(&rounded), |number| number.to_string())
}

fn number_json(number: f64) -> serde_json::Value {
    match integer(number) {
        Some(number) => number.into(),
        None => serde_json::Number::from_f64(number).map_or(serde_json::Value::Null, Into::into),
    }
}
