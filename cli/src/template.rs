//! `--format`: the part of Go's templates that scripts use: text, `{{.Field.Sub}}` and `{{json .Field}}`.

use crate::error::CliError;
use serde_json::Value;
use std::fmt::Write;

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Field { path: Vec<String>, json: bool },
}

impl Template {
    /// Parses `text`; `json` alone is a whole object as JSON. The escapes `\t` and `\n` are known.
    ///
    /// # Errors
    /// An action that is not known here.
    pub(crate) fn parse(text: &str) -> Result<Self, CliError> {
        if text == "json" {
            return Ok(Self(vec![Part::Field { path: Vec::new(), json: true }]));
        }
        if text.starts_with("table ") {
            return Err(CliError::usage_help("`--format table` is not supported yet", "leave `table` out"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, tail) = after.split_once("}}").ok_or_else(|| {
                CliError::usage(format!("template `{text}`: `{{{{` is not closed by `}}}}`"))
            })?;
            parts.push(Part::Text(unescape(before)));
            parts.push(action_of(action).ok_or_else(|| {
                CliError::usage_help(
                    format!("template `{text}`: `{{{{{action}}}}}` is not supported"),
                    "fields, as in {{.Config.Env}}, and {{json .Config}} are",
                )
            })?);
            rest = tail;
        }
        parts.push(Part::Text(unescape(rest)));
        Ok(Self(parts))
    }

    /// The text for one object.
    ///
    /// # Errors
    /// A field that the object does not have.
    pub(crate) fn render(&self, object: &Value) -> Result<String, CliError> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field { path, json } => {
                    let value = select(object, path)?;
                    if *json { write!(out, "{value}").unwrap_or_default() } else { go(value, &mut out) }
                }
            }
        }
        Ok(out)
    }
}

fn action_of(action: &str) -> Option<Part> {
    let (json, path) = match action.trim().strip_prefix("json ") {
        Some(path) => (true, path.trim()),
        None => (false, action.trim()),
    };
    let inner = path.strip_prefix('.')?;
    let word = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let path: Vec<String> = match inner {
        "" => Vec::new(),
        inner => inner.split('.').map(str::to_owned).collect(),
    };
    path.iter().all(|part| word(part)).then_some(Part::Field { path, json })
}

fn select<'v>(object: &'v Value, path: &[String]) -> Result<&'v Value, CliError> {
    let mut value = object;
    for name in path {
        value = match value {
            Value::Object(fields) => fields.get(name).ok_or_else(|| {
                let known: Vec<&str> = fields.keys().map(String::as_str).collect();
                CliError::usage_help(
                    format!("there is no field `{name}`"),
                    format!("there are {}", known.join(", ")),
                )
            })?,
            _ => return Err(CliError::usage(format!("there is no field `{name}` in a plain value"))),
        };
    }
    Ok(value)
}

/// A value as Go prints it.
fn go(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => out.push_str(text),
        Value::Array(items) => list(out, "[", items.iter(), go),
        Value::Object(fields) => list(out, "map[", fields.iter(), |(name, value), out| {
            out.push_str(name);
            out.push(':');
            go(value, out);
        }),
        Value::Null => out.push_str("<nil>"),
        // Writing to a string does not fail.
        other => write!(out, "{other}").unwrap_or_default(),
    }
}

fn list<T>(out: &mut String, open: &str, items: impl Iterator<Item = T>, print: impl Fn(T, &mut String)) {
    out.push_str(open);
    for (number, item) in items.enumerate() {
        if number > 0 {
            out.push(' ');
        }
        print(item, out);
    }
    out.push(']');
}

fn unescape(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(template: &str) -> Result<String, String> {
        let object = json!({"A": "x", "B": {"C": [1, "y"], "D": null}});
        Template::parse(template).and_then(|template| template.render(&object)).map_err(|error| error.text())
    }

    #[test]
    fn fields_are_filled_in() {
        assert_eq!(render("{{.A}}:{{ .B.C }}\\t{{.B.D}}").unwrap(), "x:[1 y]\t<nil>");
        assert_eq!(render("{{json .B}}").unwrap(), r#"{"C":[1,"y"],"D":null}"#);
        assert_eq!(render("{{.B}}").unwrap(), "map[C:[1 y] D:<nil>]");
        assert_eq!(render("json").unwrap(), r#"{"A":"x","B":{"C":[1,"y"],"D":null}}"#);
        assert_eq!(render("plain").unwrap(), "plain");
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        assert!(render("{{range .A}}").unwrap_err().contains("`{{range .A}}` is not supported"));
        assert!(render("{{.Nope}}").unwrap_err().contains("there are A, B"));
        assert!(render("{{.A").unwrap_err().contains("not closed"));
        assert!(render("{{.A.X}}").unwrap_err().contains("in a plain value"));
    }
}
