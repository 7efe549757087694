//! HCL and JSON files to blocks and attributes, nothing evaluated.

use crate::error::{Error, Place};
use crate::eval::Expr;
use hcl_edit::Span;
use hcl_edit::expr::{Array, Expression, Object, ObjectKey};
use hcl_edit::structure::{Body as HclBody, Structure};
use hcl_edit::template::StringTemplate;
use hcl_edit::{Decorated, Formatted, Number};
use serde_json::Value as Json;
use std::ops::Range;
use std::rc::Rc;

/// One attribute.
#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: Expr,
    pub(crate) place: Place,
}

/// One block with its label, if it has one.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) labels: Vec<String>,
    pub(crate) body: Body,
    pub(crate) place: Place,
}

/// What a file or a block holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Body {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) blocks: Vec<Block>,
}

impl Body {
    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }
}

/// Reads HCL.
pub(crate) fn hcl(text: &str, file: usize) -> Result<Body, Error> {
    let body = hcl_edit::parser::parse_body(text).map_err(|error| {
        let at = floor(text, error.location().offset());
        Error::new(error.message().to_owned()).at(Some(&Place { file, at: at..at }))
    })?;
    hcl_body(&body, file)
}

fn hcl_body(body: &HclBody, file: usize) -> Result<Body, Error> {
    let mut out = Body::default();
    for part in body {
        match part {
            Structure::Attribute(attribute) => {
                let at = attribute.key.span().unwrap_or_default();
                let (name, value) = (attribute.key.as_str().to_owned(), attribute.value.clone());
                let place = Place { file, at };
                if out.attribute(&name).is_some() {
                    return Err(Error::new(format!("`{name}` is set twice")).at(Some(&place)));
                }
                let value = Expr { tree: Rc::new(value), file, at: None };
                out.attributes.push(Attribute { name, value, place });
            }
            Structure::Block(block) => {
                let at = block.ident.span().unwrap_or_default();
                let end = block.labels.last().and_then(Span::span).map_or(at.end, |span| span.end);
                out.blocks.push(Block {
                    kind: block.ident.as_str().to_owned(),
                    labels: block.labels.iter().map(|label| label.as_str().to_owned()).collect(),
                    body: hcl_body(&block.body, file)?,
                    place: Place { file, at: at.start..end },
                });
            }
        }
    }
    Ok(out)
}

/// The byte before or at `at` where a character begins.
fn floor(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// Kinds of blocks and whether they are labelled.
const BLOCKS: [(&str, bool); 5] =
    [("group", true), ("target", true), ("variable", true), ("function", true), ("validation", false)];

/// Reads the JSON form.
pub(crate) fn json(text: &str, file: usize) -> Result<Body, Error> {
    let value: Json = serde_json::from_str(text).map_err(|error| {
        let start: usize =
            text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let at = floor(text, start + error.column().saturating_sub(1));
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        Error::new(format!("this is no JSON: {message}")).at(Some(&Place { file, at: at..at }))
    })?;
    let Json::Object(root) = &value else {
        return Err(Error::new("an object is required").at(Some(&Place { file, at: 0..0 })));
    };
    JsonFile { text, file }.body(root, &[])
}

struct JsonFile<'a> {
    text: &'a str,
    file: usize,
}

impl JsonFile<'_> {
    fn body(&self, members: &serde_json::Map<String, Json>, path: &[&str]) -> Result<Body, Error> {
        let mut body = Body::default();
        for (name, value) in members {
            let here = [path, &[name]].concat();
            match BLOCKS.iter().find(|(kind, _)| kind == name).filter(|(kind, _)| self.here(kind, path)) {
                Some((kind, labelled)) => self.blocks(kind, *labelled, value, &here, &mut body)?,
                None if name == "//" => {}
                None => {
                    let place = Place { file: self.file, at: self.find(&here) };
                    let tree = expression(value).map_err(|error| error.at(Some(&place)))?;
                    let value = Expr { tree: Rc::new(tree), file: self.file, at: Some(place.at.clone()) };
                    body.attributes.push(Attribute { name: name.clone(), value, place });
                }
            }
        }
        Ok(body)
    }

    /// Whether blocks of this kind stand at `path`.
    #[expect(clippy::unused_self, reason = "beside the others")]
    fn here(&self, kind: &str, path: &[&str]) -> bool {
        match kind {
            "validation" => path.first() == Some(&"variable"),
            _ => path.is_empty(),
        }
    }

    fn blocks(
        &self,
        kind: &str,
        labelled: bool,
        value: &Json,
        path: &[&str],
        body: &mut Body,
    ) -> Result<(), Error> {
        let place = Place { file: self.file, at: self.find(path) };
        match value {
            Json::Array(items) => {
                items.iter().try_for_each(|item| self.blocks(kind, labelled, item, path, body))
            }
            Json::Object(members) if labelled => {
                for (label, value) in members {
                    let here = [path, &[label]].concat();
                    let before = body.blocks.len();
                    self.blocks(kind, false, value, &here, body)?;
                    for block in &mut body.blocks[before..] {
                        block.labels = vec![label.clone()];
                    }
                }
                Ok(())
            }
            Json::Object(members) => {
                let inner = self.body(members, path)?;
                body.blocks.push(Block { kind: kind.to_owned(), labels: Vec::new(), body: inner, place });
                Ok(())
            }
            _ => Err(Error::new(format!("an object is required for `{kind}`")).at(Some(&place))),
        }
    }

    /// Where the member `path` begins: its names, searched for one after the other.
    fn find(&self, path: &[&str]) -> Range<usize> {
        let mut at = 0..0;
        for name in path {
            let quoted = Json::from(*name).to_string();
            if let Some(found) = self.text[at.end..].find(&quoted) {
                at = at.end + found..at.end + found + quoted.len();
            }
        }
        at
    }
}

/// JSON as an expression: its strings are templates.
fn expression(json: &Json) -> Result<Expression, Error> {
    Ok(match json {
        Json::Null => Expression::null(),
        Json::Bool(value) => Expression::Bool(Decorated::new(*value)),
        Json::Number(number) => {
            let number =
                number.as_i64().map(Number::from).or_else(|| number.as_f64().and_then(Number::from_f64));
            Expression::Number(Formatted::new(number.ok_or_else(|| Error::new("the number is too large"))?))
        }
        Json::String(text) => template(text)?,
        Json::Array(items) => {
            let mut array = Array::new();
            for item in items {
                array.push(expression(item)?);
            }
            Expression::Array(array)
        }
        Json::Object(members) => {
            let mut object = Object::new();
            for (name, value) in members {
                object.insert(ObjectKey::Expression(template(name)?), expression(value)?);
            }
            Expression::Object(object)
        }
    })
}

fn template(text: &str) -> Result<Expression, Error> {
    if !text.contains("${") && !text.contains("%{") {
        return Ok(Expression::String(Decorated::new(text.to_owned())));
    }
    let parsed = hcl_edit::parser::parse_template(text);
    let parsed = parsed.map_err(|error| Error::new(format!("in `{text}`: {}", error.message())))?;
    let mut elements = StringTemplate::new();
    for element in parsed.iter() {
        elements.push(element.clone());
    }
    Ok(Expression::StringTemplate(elements))
}
