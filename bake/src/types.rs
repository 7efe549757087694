//! Types of variables.

use crate::error::Error;
use crate::value::{Value, wanted};
use hcl_edit::expr::{Expression, ObjectKey};
use std::collections::BTreeMap;

/// A type, as `type = …` says it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Any,
    String,
    Number,
    Bool,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<Type>),
    Tuple(Vec<Type>),
    /// Members by name, and whether one may be missing.
    Object(BTreeMap<String, (Type, bool)>),
}

const NAMES: [&str; 9] = ["any", "string", "number", "bool", "list", "set", "map", "tuple", "object"];

impl Type {
    pub(crate) fn parse(expr: &Expression) -> Result<Self, Error> {
        match expr {
            Expression::Variable(name) => Self::simple(name.as_str()),
            Expression::String(name) => Self::simple(name.value()),
            Expression::FuncCall(call) => {
                let of = call.args.get(0).filter(|_| call.args.len() == 1);
                let of = of.ok_or_else(|| Error::new("a type of collections has one argument"));
                let inner = |of: &Expression| Self::parse(of).map(Box::new);
                match (call.name.name.as_str(), of?) {
                    ("list", of) => inner(of).map(Self::List),
                    ("set", of) => inner(of).map(Self::Set),
                    ("map", of) => inner(of).map(Self::Map),
                    ("tuple", Expression::Array(items)) => {
                        items.iter().map(Self::parse).collect::<Result<_, _>>().map(Self::Tuple)
                    }
                    ("object", Expression::Object(members)) => {
                        let member = |(key, value): (&ObjectKey, &hcl_edit::expr::ObjectValue)| {
                            let name = match key {
                                ObjectKey::Ident(name) => name.as_str().to_owned(),
                                ObjectKey::Expression(key) => {
                                    let name = key.as_str().or_else(|| key.as_variable().map(|n| n.as_str()));
                                    name.ok_or_else(|| Error::new("a name is required"))?.to_owned()
                                }
                            };
                            Ok((name, Self::member(value.expr())?))
                        };
                        members.iter().map(member).collect::<Result<_, _>>().map(Self::Object)
                    }
                    (name, _) => Err(unknown(name)),
                }
            }
            Expression::Parenthesis(inner) => Self::parse(inner.inner()),
            _ => Err(Error::new("this is no type").help(NAMES.join(", "))),
        }
    }

    fn member(expr: &Expression) -> Result<(Self, bool), Error> {
        match expr.as_func_call().filter(|call| call.name.name.as_str() == "optional") {
            Some(call) => {
                let of = call.args.get(0).ok_or_else(|| Error::new("optional(…) wants a type"))?;
                Ok((Self::parse(of)?, true))
            }
            None => Ok((Self::parse(expr)?, false)),
        }
    }

    fn simple(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "any" => Self::Any,
            "string" => Self::String,
            "number" => Self::Number,
            "bool" => Self::Bool,
            "list" => Self::List(Box::new(Self::Any)),
            "set" => Self::Set(Box::new(Self::Any)),
            "map" => Self::Map(Box::new(Self::Any)),
            name => return Err(unknown(name)),
        })
    }

    pub(crate) fn is_primitive(&self) -> bool {
        matches!(self, Self::String | Self::Number | Self::Bool)
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Any => "any".into(),
            Self::String => "string".into(),
            Self::Number => "number".into(),
            Self::Bool => "bool".into(),
            Self::List(of) => format!("list of {}", of.single()),
            Self::Set(of) => format!("set of {}", of.single()),
            Self::Map(of) => format!("map of {}", of.single()),
            Self::Tuple(_) => "tuple".into(),
            Self::Object(_) => "object".into(),
        }
    }

    fn single(&self) -> String {
        match self {
            Self::Any => "any single type".into(),
            other => other.name(),
        }
    }

    /// `value` as a value of this type.
    pub(crate) fn convert(&self, value: Value) -> Result<Value, Error> {
        if value == Value::Null {
            return Ok(value);
        }
        match self {
            Self::Any => Ok(value),
            Self::String => value.text().map(Value::String),
            Self::Number => value.number().map(Value::Number),
            Self::Bool => value.bool().map(Value::Bool),
            Self::List(of) => Ok(Value::List(of.each(&value)?)),
            Self::Set(of) => {
                let mut items: Vec<Value> = Vec::new();
                for item in of.each(&value)? {
                    if !items.contains(&item) {
                        items.push(item);
                    }
                }
                items.sort_by(crate::funcs::order);
                Ok(Value::List(items))
            }
            Self::Map(of) => {
                let members = value.object()?.iter();
                let convert =
                    |(name, value): (&String, &Value)| Ok((name.clone(), of.convert(value.clone())?));
                members.map(convert).collect::<Result<_, _>>().map(Value::Object)
            }
            Self::Tuple(types) => {
                let items = value.list()?;
                if items.len() != types.len() {
                    let (want, got) = (types.len(), items.len());
                    return Err(Error::new(format!("a tuple of {want} is required, not one of {got}")));
                }
                let items = types.iter().zip(items).map(|(of, item)| of.convert(item.clone()));
                items.collect::<Result<_, _>>().map(Value::List)
            }
            Self::Object(types) => {
                let members = value.object().map_err(|_| wanted("object", &value))?;
                let mut all = BTreeMap::new();
                for (name, (of, optional)) in types {
                    let value = match members.get(name) {
                        Some(value) => of.convert(value.clone())?,
                        None if *optional => Value::Null,
                        None => return Err(Error::new(format!("the attribute `{name}` is required"))),
                    };
                    all.insert(name.clone(), value);
                }
                Ok(Value::Object(all))
            }
        }
    }

    fn each(&self, value: &Value) -> Result<Vec<Value>, Error> {
        value.list()?.iter().map(|item| self.convert(item.clone())).collect()
    }
}

fn unknown(name: &str) -> Error {
    Error::new(format!("there is no type `{name}`")).near(name, NAMES).at(None)
}
