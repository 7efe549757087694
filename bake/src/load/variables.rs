//! Variables: defaults, what overrides them, what validates them.

use super::{Loader, no_blocks};
use crate::definition::Variable;
use crate::entry::{go_bool, split};
use crate::error::{Error, Place};
use crate::eval::{Expr, World, eval};
use crate::file::{Block, Body};
use crate::types::Type;
use crate::value::Value;
use std::collections::BTreeMap;

/// A `variable` block.
#[derive(Debug)]
pub(super) struct VariableBlock {
    pub(super) name: String,
    pub(super) place: Place,
    default: Option<Expr>,
    /// `None` if nothing is said.
    of: Option<Type>,
    description: String,
    validations: Vec<Validation>,
}

#[derive(Debug)]
struct Validation {
    condition: Expr,
    message: Option<Expr>,
}

impl VariableBlock {
    pub(super) fn new(name: &str, block: Block) -> Result<Self, Error> {
        let place = block.place;
        let mut out = Self {
            name: name.to_owned(),
            place,
            default: None,
            of: None,
            description: String::new(),
            validations: Vec::new(),
        };
        for attribute in block.body.attributes {
            match attribute.name.as_str() {
                "default" => out.default = Some(attribute.value),
                "type" if attribute.value.tree.is_null() => {}
                "type" => {
                    let of = Type::parse(&attribute.value.tree);
                    out.of = Some(of.map_err(|error| error.at(attribute.value.place().as_ref()))?);
                }
                "description" => {
                    let text = attribute.value.tree.as_str();
                    let text = text.ok_or_else(|| Error::new("a description is a string without `${…}`"));
                    text.map_err(|error| error.at(Some(&attribute.place)))?.clone_into(&mut out.description);
                }
                other => {
                    let error = Error::new(format!("a variable has no attribute `{other}`"));
                    return Err(error
                        .near(other, ["default", "type", "description"])
                        .at(Some(&attribute.place)));
                }
            }
        }
        for block in block.body.blocks {
            if block.kind != "validation" {
                let error = Error::new(format!("a variable has no `{}` blocks", block.kind));
                return Err(error.near(&block.kind, ["validation"]).at(Some(&block.place)));
            }
            out.validations.push(validation(block.body, &block.place)?);
        }
        Ok(out)
    }
}

fn validation(body: Body, place: &Place) -> Result<Validation, Error> {
    no_blocks(&body)?;
    let (mut condition, mut message) = (None, None);
    for attribute in body.attributes {
        match attribute.name.as_str() {
            "condition" => condition = Some(attribute.value),
            "error_message" => message = Some(attribute.value),
            other => {
                let error = Error::new(format!("a validation has no attribute `{other}`"));
                return Err(error.near(other, ["condition", "error_message"]).at(Some(&attribute.place)));
            }
        }
    }
    let condition = condition.ok_or_else(|| Error::new("a validation has a `condition`").at(Some(place)))?;
    Ok(Validation { condition, message })
}

impl Loader<'_> {
    /// The value of a variable; `local` is an attribute of the same name, which stands for its default.
    pub(super) fn value_of(&self, block: &VariableBlock, local: Option<&Expr>) -> Result<Value, Error> {
        let name = &block.name;
        let of = block.of.as_ref().filter(|_| local.is_none());
        let default = match local.or(block.default.as_ref()) {
            None => None,
            Some(expr) => {
                let value = eval(self, expr, &Vec::new())?;
                let value = of.map_or(Ok(value.clone()), |of| of.convert(value));
                Some(value.map_err(|error| error.at(expr.place().as_ref()))?)
            }
        };
        let Some((text, json)) = self.over(name, of.is_some()) else {
            return Ok(default.unwrap_or(if of.is_some() { Value::Null } else { "".into() }));
        };
        let value = match (of, &default) {
            (Some(of), _) if json => {
                let value = serde_json::from_str(&text);
                let value = value.map_err(|error| Error::new(format!("`{text}` is no JSON: {error}")));
                value.and_then(|value| of.convert(Value::from_json(&value)))
            }
            (Some(of), _) => typed(of, &text),
            (None, Some(Value::Bool(_))) => primitive(&Type::Bool, &text),
            (None, Some(Value::Number(_))) => primitive(&Type::Number, &text),
            (None, None | Some(Value::Null | Value::String(_))) => Ok(Value::String(text)),
            (None, Some(other)) => Err(Error::new(format!(
                "a variable with a default of type {} is not taken from the environment",
                other.kind()
            ))
            .help("say its `type`")),
        };
        value.map_err(|error| Error { message: format!("the value given for `{name}`: {error}"), ..error })
    }

    /// What the command line or the environment says for a variable, and whether it is JSON.
    fn over(&self, name: &str, typed: bool) -> Option<(String, bool)> {
        let plain = (self.lookup)(name);
        let json = format!("{name}_JSON");
        if (plain.is_none() || typed)
            && !self.variables.contains_key(&json)
            && let Some(text) = (self.lookup)(&json)
        {
            return Some((text, true));
        }
        plain.map(|text| (text, false))
    }

    pub(super) fn validate(&self, block: &VariableBlock) -> Result<(), Error> {
        for rule in &block.validations {
            let place = rule.condition.place();
            let at = |error: Error| error.at(place.as_ref().or(Some(&block.place)));
            if eval(self, &rule.condition, &Vec::new())?.bool().map_err(at)? {
                continue;
            }
            let message = match &rule.message {
                Some(message) => eval(self, message, &Vec::new())?.text().map_err(at)?,
                None => "the condition does not hold".to_owned(),
            };
            return Err(at(Error::new(format!("the variable `{}` is not valid: {message}", block.name))));
        }
        Ok(())
    }

    pub(super) fn listed(&self, block: &VariableBlock) -> Variable {
        let value = self.variable(&block.name).ok().filter(|value| *value != Value::Null);
        let value = value.map(|value| match (&block.of, value.text()) {
            (Some(Type::String) | None, Ok(text)) => text,
            _ => value.json().to_string(),
        });
        Variable {
            name: block.name.clone(),
            description: block.description.clone(),
            kind: block.of.as_ref().map(Type::name).unwrap_or_default(),
            value,
        }
    }
}

fn typed(of: &Type, text: &str) -> Result<Value, Error> {
    match of {
        Type::List(of) | Type::Set(of) if of.is_primitive() => {
            let items = split(text, ',')?.iter().map(|item| primitive(of, item)).collect::<Result<_, _>>()?;
            let list = Value::List(items);
            Type::List(of.clone()).convert(list)
        }
        Type::Tuple(types) if types.iter().all(Type::is_primitive) => {
            let fields = split(text, ',')?;
            if fields.len() != types.len() {
                let (want, got) = (types.len(), fields.len());
                return Err(Error::new(format!("{want} elements are expected, not {got}")));
            }
            let items = types.iter().zip(&fields).map(|(of, item)| primitive(of, item));
            items.collect::<Result<_, _>>().map(Value::List)
        }
        Type::Map(of) if of.is_primitive() => {
            let mut members = BTreeMap::new();
            for field in split(text, ',')? {
                match split(&field, ':')?.as_slice() {
                    [name, value] => drop(members.insert(name.clone(), primitive(of, value)?)),
                    _ => return Err(Error::new(format!("`{field}` is not of the form KEY:VALUE"))),
                }
            }
            Ok(Value::Object(members))
        }
        Type::Any => Ok(Value::String(text.to_owned())),
        of if of.is_primitive() => primitive(of, text),
        of => Err(Error::new(format!("a value of type {} is not read from plain text", of.name()))
            .help("give it as JSON in the variable with `_JSON` at the end of its name")),
    }
}

fn primitive(of: &Type, text: &str) -> Result<Value, Error> {
    match of {
        Type::Bool => {
            let value = go_bool(text).ok_or_else(|| Error::new(format!("`{text}` is no bool")));
            value.map(Value::Bool)
        }
        Type::Number => Value::String(text.to_owned()).number().map(Value::Number),
        _ => Ok(Value::String(text.to_owned())),
    }
}
