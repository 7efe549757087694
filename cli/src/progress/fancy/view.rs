//! What the live view shows, as text. Knows no terminal: its size is an argument.

use console::{Style, measure_text_width, strip_ansi_codes, truncate_str};
use engine::progress::{Event, VertexId};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Last lines of a running step.
const LOG_LINES: usize = 6;
/// A line that does not end is cut here: it is of the view alone, the log has it whole.
const LINE_BYTES: usize = 4096;

/// The state of all steps.
#[derive(Debug)]
pub(in crate::progress) struct View {
    began: Instant,
    names: BTreeMap<VertexId, String>,
    running: BTreeMap<VertexId, Running>,
    ended: usize,
    failed: bool,
}

#[derive(Debug)]
struct Running {
    since: Instant,
    lines: VecDeque<String>,
    /// The beginning of the next line.
    partial: Vec<u8>,
}

impl View {
    pub(in crate::progress) fn new(began: Instant) -> Self {
        Self { began, names: BTreeMap::new(), running: BTreeMap::new(), ended: 0, failed: false }
    }

    /// Takes an event in. Returns the lines that it adds to what scrolls by.
    pub(in crate::progress) fn take(&mut self, event: Event, now: Instant, columns: usize) -> Option<String> {
        match event {
            Event::VertexQueued { id, name } => {
                self.names.insert(id, name);
                None
            }
            Event::VertexStarted { id } => {
                let running = Running { since: now, lines: VecDeque::new(), partial: Vec::new() };
                self.running.insert(id, running);
                None
            }
            Event::VertexLog { id, data, .. } => {
                self.running.get_mut(&id)?.log(&data);
                None
            }
            Event::VertexCached { id } => {
                Some(self.end(id, "CACHED ", Duration::ZERO, &Style::new().cyan(), columns))
            }
            Event::VertexDone { id, duration } => {
                Some(self.end(id, "", duration, &Style::new().cyan(), columns))
            }
            Event::VertexFailed { id, .. } => {
                self.failed = true;
                let duration = self.elapsed(id, now);
                Some(self.end(id, "ERROR ", duration, &Style::new().red(), columns))
            }
            Event::VertexCanceled { id } => {
                self.failed = true;
                let duration = self.elapsed(id, now);
                Some(self.end(id, "CANCELED ", duration, &Style::new().yellow(), columns))
            }
            Event::VertexReason { text, .. } => Some(fit(&format!(" => => rebuilt: {text}"), columns)),
            Event::Warning { text } => Some(format!("warning: {text}")),
        }
    }

    fn elapsed(&self, id: VertexId, now: Instant) -> Duration {
        self.running.get(&id).map_or(Duration::ZERO, |running| now.duration_since(running.since))
    }

    fn end(&mut self, id: VertexId, word: &str, duration: Duration, style: &Style, columns: usize) -> String {
        self.running.remove(&id);
        self.ended += 1;
        let line = step_line(&format!("{word}{}", self.name(id)), duration, columns);
        style.clone().for_stderr().apply_to(line).to_string()
    }

    fn name(&self, id: VertexId) -> &str {
        self.names.get(&id).map_or("", String::as_str)
    }

    /// The live part: a heading, and each running step with its last lines, in at most `rows` lines.
    pub(in crate::progress) fn live(&self, now: Instant, rows: usize, columns: usize) -> String {
        let mut lines = vec![fit(&self.heading(now, ""), columns)];
        // A terminal that is full to its last line scrolls.
        let room = rows.saturating_sub(2).max(1);
        let logs = room.saturating_sub(self.running.len()) / self.running.len().max(1);
        for (id, running) in &self.running {
            lines.push(step_line(self.name(*id), now.duration_since(running.since), columns));
            let skip = running.lines.len().saturating_sub(logs.min(LOG_LINES));
            let log = running.lines.iter().skip(skip);
            lines.extend(log.map(|line| fit(&format!(" => => # {line}"), columns)));
        }
        lines.truncate(room);
        lines.join("\n")
    }

    /// The last line, which stays.
    pub(in crate::progress) fn summary(&self, now: Instant) -> String {
        self.heading(now, if self.failed { " FAILED" } else { " FINISHED" })
    }

    fn heading(&self, now: Instant, word: &str) -> String {
        let seconds = now.duration_since(self.began).as_secs_f64();
        format!("[+] Building {seconds:.1}s ({}/{}){word}", self.ended, self.names.len())
    }
}

impl Running {
    fn log(&mut self, data: &[u8]) {
        for byte in data {
            match byte {
                b'\n' => {
                    let line = clean(&self.partial);
                    self.partial.clear();
                    self.lines.push_back(line);
                    if self.lines.len() > LOG_LINES {
                        self.lines.pop_front();
                    }
                }
                byte if self.partial.len() < LINE_BYTES => self.partial.push(*byte),
                _ => {}
            }
        }
    }
}

/// What a terminal would show of a line in the end: no colours, no control characters, nothing before a return.
fn clean(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text =
        String::from_utf8_lossy(line.rsplit(|byte| *byte == b'\r').next().unwrap_or(line)).into_owned();
    let plain = strip_ansi_codes(&text).replace('\t', "    ");
    plain.chars().filter(|c| !c.is_control()).collect()
}

/// ` => name      1.2s`, the time at the right edge.
fn step_line(name: &str, duration: Duration, columns: usize) -> String {
    let time = format!("{:.1}s", duration.as_secs_f64());
    let room = columns.saturating_sub(time.len() + 1);
    let name = fit(&format!(" => {}", clean(name.as_bytes())), room);
    let pad = room.saturating_sub(measure_text_width(&name));
    format!("{name}{:pad$} {time}", "")
}

fn fit(text: &str, columns: usize) -> String {
    truncate_str(text, columns, "…").into_owned()
}
