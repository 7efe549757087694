//! One JSON object a line, each in the form of BuildKit's `SolveStatus`.

use engine::progress::{Event, Progress, VertexId};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Prints events as JSON.
#[derive(Debug)]
pub(super) struct RawJson<W>(Mutex<State<W>>);

#[derive(Debug)]
struct State<W> {
    out: W,
    vertices: BTreeMap<VertexId, Value>,
}

impl<W: Write> RawJson<W> {
    pub(super) fn new(out: W) -> Self {
        Self(Mutex::new(State { out, vertices: BTreeMap::new() }))
    }
}

impl<W: Write + Send> Progress for RawJson<W> {
    fn event(&self, event: Event) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let time = jiff::Timestamp::try_from(engine::clock::now()).unwrap_or_default().to_string();
        let status = state.status(event, &time);
        // A build does not fail because nobody watches it.
        writeln!(state.out, "{status}").unwrap_or_default();
    }
}

impl<W> State<W> {
    fn status(&mut self, event: Event, time: &str) -> Value {
        match event {
            Event::VertexQueued { id, name } => self.change(id, &[("name", json!(name))]),
            Event::VertexStarted { id } => self.change(id, &[("started", json!(time))]),
            Event::VertexCached { id } => self.end(id, time, &[("cached", json!(true))]),
            Event::VertexDone { id, .. } => self.end(id, time, &[]),
            Event::VertexFailed { id, message } => self.end(id, time, &[("error", json!(message))]),
            Event::VertexCanceled { id } => self.end(id, time, &[("error", json!("context canceled"))]),
            Event::VertexLog { id, stream, data } => {
                let data = base64(&data);
                json!({"logs": [{"vertex": digest(id), "stream": stream, "data": data, "timestamp": time}]})
            }
            Event::VertexReason { id, text } => warning(Some(id), &text),
            Event::Warning { text } => warning(None, &text),
        }
    }

    fn change(&mut self, id: VertexId, fields: &[(&str, Value)]) -> Value {
        let vertex = self.vertices.entry(id).or_insert_with(|| json!({"digest": digest(id)}));
        for (name, value) in fields {
            vertex[*name] = value.clone();
        }
        json!({"vertexes": [vertex]})
    }

    fn end(&mut self, id: VertexId, time: &str, fields: &[(&str, Value)]) -> Value {
        let vertex = self.vertices.entry(id).or_insert_with(|| json!({"digest": digest(id)}));
        if vertex["started"].is_null() {
            vertex["started"] = json!(time);
        }
        vertex["completed"] = json!(time);
        self.change(id, fields)
    }
}

fn warning(id: Option<VertexId>, text: &str) -> Value {
    json!({"warnings": [{"vertex": id.map(digest), "level": 1, "short": base64(text.as_bytes())}]})
}

/// Readers want a digest: it names the vertex within this build, nothing else.
fn digest(id: VertexId) -> String {
    format!("sha256:{id:064x}")
}

/// RFC 4648, section 4.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for digit in 0..4 {
            let value = (bits >> (18 - 6 * digit)) & 63;
            text.push(if digit <= chunk.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}
