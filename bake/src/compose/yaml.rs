//! YAML to nodes that know their places: aliases expanded within bounds, merge keys merged.

use crate::error::{Error, Place};
use saphyr_parser::{Event, Parser, ScalarStyle};
use std::collections::BTreeMap;
use std::ops::Range;

/// What aliases may expand to, in about as many bytes.
const MAX_EXPANDED: usize = 16 << 20;

/// Deeper than this no definition is.
const MAX_DEPTH: usize = 64;

/// What stands at a place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) at: Range<usize>,
}

/// One scalar, list or map.
#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// Its text, and whether it is without quotes.
    Scalar(String, bool),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// Bytes, with something for each node.
    fn weight(&self) -> usize {
        64 + match &self.kind {
            Kind::Scalar(text, _) => text.len(),
            Kind::List(items) => items.iter().map(Self::weight).sum(),
            Kind::Map(members) => members.iter().map(|(name, node)| name.len() + node.weight()).sum(),
        }
    }

    fn depth(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar(..) => 0,
            Kind::List(items) => items.iter().map(Self::depth).max().unwrap_or(0),
            Kind::Map(members) => members.iter().map(|(_, node)| node.depth()).max().unwrap_or(0),
        }
    }
}

/// The first document of `text`.
pub(super) fn parse(text: &str, file: usize) -> Result<Node, Error> {
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let byte = |index: usize| offsets.get(index).copied().unwrap_or(text.len());
    let mut reader = Reader { file, anchors: BTreeMap::new(), open: Vec::new(), expanded: 0, root: None };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = byte(error.marker().index());
            Error::new(format!("this is no YAML: {}", error.info())).at(Some(&Place { file, at: at..at }))
        })?;
        let at = byte(span.start.index())..byte(span.end.index());
        documents += usize::from(matches!(event, Event::DocumentStart(_)));
        if documents > 1 {
            let error = Error::new("a Compose file is one YAML document");
            return Err(error.at(Some(&Place { file, at })));
        }
        reader.event(event, at)?;
    }
    let empty = Node { kind: Kind::Map(Vec::new()), at: 0..0 };
    Ok(reader.root.unwrap_or(empty))
}

/// A list or map that is not at its end.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<(String, Range<usize>)>,
    /// What `<<` brings in.
    merged: Vec<Node>,
}

struct Reader {
    file: usize,
    anchors: BTreeMap<usize, Node>,
    open: Vec<Open>,
    expanded: usize,
    root: Option<Node>,
}

impl Reader {
    fn error(&self, message: impl Into<String>, at: &Range<usize>) -> Error {
        Error::new(message).at(Some(&Place { file: self.file, at: at.clone() }))
    }

    fn event(&mut self, event: Event<'_>, at: Range<usize>) -> Result<(), Error> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.put(Node { kind: Kind::Scalar(text.into_owned(), plain), at }, anchor)
            }
            Event::SequenceStart(anchor, _) => self.begin(Kind::List(Vec::new()), anchor, at),
            Event::MappingStart(anchor, _) => self.begin(Kind::Map(Vec::new()), anchor, at),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(mut node) = self.anchors.get(&anchor).cloned() else {
                    return Err(self.error("this alias is part of what it stands for", &at));
                };
                self.expanded += node.weight();
                if self.expanded > MAX_EXPANDED {
                    return Err(self.error("aliases expand to more than 16 MiB", &at));
                }
                if self.open.len() + node.depth() > MAX_DEPTH {
                    return Err(self.error(format!("this is nested more than {MAX_DEPTH} deep"), &at));
                }
                node.at = at;
                self.put(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, kind: Kind, anchor: usize, at: Range<usize>) -> Result<(), Error> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.error(format!("this is nested more than {MAX_DEPTH} deep"), &at));
        }
        self.open.push(Open { node: Node { kind, at }, anchor, key: None, merged: Vec::new() });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Error> {
        let Some(mut open) = self.open.pop() else { return Ok(()) };
        for merged in std::mem::take(&mut open.merged) {
            let sources = match merged.kind {
                Kind::List(items) => items,
                _ => vec![merged],
            };
            for source in sources {
                let (Kind::Map(mine), Kind::Map(theirs)) = (&mut open.node.kind, source.kind) else {
                    return Err(self.error("`<<` takes a map or a list of maps", &source.at));
                };
                for (name, node) in theirs {
                    if mine.iter().all(|(known, _)| *known != name) {
                        mine.push((name, node));
                    }
                }
            }
        }
        self.put(open.node, open.anchor)
    }

    fn put(&mut self, node: Node, anchor: usize) -> Result<(), Error> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let file = self.file;
        let fail = |message: String, at: &Range<usize>| {
            Err(Error::new(message).at(Some(&Place { file, at: at.clone() })))
        };
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut open.node.kind, open.key.take()) {
            (Kind::List(items), _) => items.push(node),
            (Kind::Map(_), None) => match node.kind {
                Kind::Scalar(text, _) => open.key = Some((text, node.at)),
                _ => return fail("a key is a string".into(), &node.at),
            },
            (Kind::Map(_), Some((name, _))) if name == "<<" => open.merged.push(node),
            (Kind::Map(members), Some((name, at))) => {
                if members.iter().any(|(known, _)| *known == name) {
                    return fail(format!("`{name}` is set twice"), &at);
                }
                members.push((name, node));
            }
            (Kind::Scalar(..), _) => {}
        }
        Ok(())
    }
}
