use super::fancy::view;
use super::plain::Plain;
use super::rawjson::{RawJson, base64};
use super::*;
use engine::progress::Event;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Bytes that the test can read while the renderer writes.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn queued(id: u32, name: &str) -> Event {
    Event::VertexQueued { id, name: name.into() }
}

fn log(id: u32, data: &str) -> Event {
    Event::VertexLog { id, stream: 1, data: data.into() }
}

fn done(id: u32) -> Event {
    Event::VertexDone { id, duration: Duration::from_millis(440) }
}

/// Times differ from run to run: `#5 0.123 x` becomes `#5 T x`.
fn without_times(text: &str) -> String {
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        match words.get(1) {
            Some(time) if time.contains('.') && time.parse::<f64>().is_ok() => {
                [&[words[0], "T"], &words[2..]].concat().join(" ")
            }
            _ => line.to_owned(),
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn plain_keeps_the_lines_of_each_step_together() {
    let out = Shared::default();
    let plain = Plain::new(out.clone());
    for event in [
        queued(1, "[1/3] FROM x"),
        queued(2, "[2/3] RUN a"),
        queued(3, "[3/3] RUN b"),
        Event::VertexCached { id: 1 },
        Event::VertexStarted { id: 2 },
        Event::VertexStarted { id: 3 },
        log(2, "one\ntw"),
        log(3, "other\r\n"),
        log(2, "o\nthree"),
        done(2),
        Event::VertexFailed { id: 3, message: "exit code: 1".into() },
    ] {
        plain.event(event);
    }
    plain.finish();
    let expected = "#1 [1/3] FROM x\n#1 CACHED\n\n#2 [2/3] RUN a\n#2 T one\n#2 T two\n#2 T three\n#2 DONE 0.4s\n\n\
                    #3 [3/3] RUN b\n#3 T other\n#3 ERROR: exit code: 1\n";
    assert_eq!(without_times(&out.text()), expected);
}

#[test]
fn plain_gives_the_floor_away_after_a_silence() {
    let out = Shared::default();
    let plain = Plain::new(out.clone());
    for event in [
        queued(1, "a"),
        queued(2, "b"),
        Event::VertexStarted { id: 1 },
        Event::VertexStarted { id: 2 },
        log(2, "patience\n"),
    ] {
        plain.event(event);
    }
    assert!(!out.text().contains("patience"), "step 1 has the floor");
    let end = Instant::now() + Duration::from_secs(20);
    while !out.text().contains("patience") {
        assert!(Instant::now() < end, "no event came, and nothing was printed");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(without_times(&out.text()), "#1 a\n#1 ...\n\n#2 b\n#2 T patience");
}

#[test]
fn plain_never_cuts_a_log() {
    let out = Shared::default();
    let plain = Plain::new(out.clone());
    plain.event(queued(1, "a"));
    plain.event(Event::VertexStarted { id: 1 });
    let text: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    for chunk in text.as_bytes().chunks(777) {
        plain.event(Event::VertexLog { id: 1, stream: 2, data: chunk.to_vec() });
    }
    plain.event(done(1));
    let printed = without_times(&out.text());
    let lines = printed.lines().filter_map(|line| line.strip_prefix("#1 T "));
    assert_eq!(lines.map(|line| format!("{line}\n")).collect::<String>(), text);
}

#[test]
fn rawjson_is_one_object_a_line() {
    let out = Shared::default();
    let raw = RawJson::new(out.clone());
    for event in [queued(1, "a"), Event::VertexStarted { id: 1 }, log(1, "hi"), done(1)] {
        raw.event(event);
    }
    let text = out.text();
    let values: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(values.len(), 4);
    assert_eq!(values[2]["logs"][0]["data"], "aGk=");
    assert_eq!(values[3]["vertexes"][0]["name"], "a");
    assert!(values[3]["vertexes"][0]["completed"].is_string());
    assert_eq!(values[3]["vertexes"][0]["digest"], values[2]["logs"][0]["vertex"]);
}

#[test]
fn base64_pads() {
    let encoded = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes()));
    assert_eq!(encoded, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
}

#[test]
fn the_live_view_fits_the_terminal() {
    let began = Instant::now();
    let mut live = view::View::new(began);
    live.take(queued(1, "[1/2] COPY . ."), began, 40);
    live.take(queued(2, "[2/2] RUN a command that is longer than the terminal is wide"), began, 40);
    let copied = live.take(done(1), began, 40).unwrap();
    assert_eq!(console::strip_ansi_codes(&copied), format!(" => [1/2] COPY . .{}0.4s", " ".repeat(18)));
    live.take(Event::VertexStarted { id: 2 }, began, 40);
    for n in 0..9 {
        live.take(log(2, &format!("\u{1b}[31mstale\rline {n}\u{1b}[0m\n")), began, 40);
    }
    let text = live.live(began + Duration::from_millis(1250), 24, 40);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "[+] Building 1.2s (1/2)");
    assert_eq!(lines[1], " => [2/2] RUN a command that is lo… 1.2s");
    assert_eq!(lines[2..], ["3", "4", "5", "6", "7", "8"].map(|n| format!(" => => # line {n}")));
    assert!(lines.iter().all(|line| console::measure_text_width(line) <= 40), "{text}");
    assert_eq!(live.live(began, 5, 40).lines().count(), 3, "a low terminal shows fewer lines");
}

#[test]
fn the_form_follows_flags_environment_and_terminal() {
    let choose = |flag, quiet, env, terminal| Form::choose(flag, quiet, env, terminal);
    assert_eq!(choose(None, false, None, true).unwrap(), Form::Fancy);
    assert_eq!(choose(None, false, None, false).unwrap(), Form::Plain);
    assert_eq!(choose(None, false, Some("plain"), true).unwrap(), Form::Plain);
    assert_eq!(choose(Some(ProgressArg::Rawjson), false, Some("plain"), true).unwrap(), Form::RawJson);
    assert_eq!(choose(Some(ProgressArg::Plain), true, None, true).unwrap(), Form::Quiet);
    assert!(
        choose(Some(ProgressArg::Tty), false, None, false).unwrap_err().text().contains("needs a terminal")
    );
    assert!(choose(None, false, Some("loud"), true).unwrap_err().text().contains("`loud`"));
}
