//! A small HTTP server of one directory.

use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::UNIX_EPOCH;

/// Serves a directory until it is dropped. `NAME.headers` beside a file is JSON with headers of its own.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `dir` on a free port.
    pub fn start(dir: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listen on a port")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let (dir, stopped) = (dir.to_owned(), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let dir = dir.clone();
                // A client that went away is its own matter.
                std::thread::spawn(move || {
                    stream.map_err(Into::into).and_then(|stream| answer(&dir, stream)).ok()
                });
            }
        });
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread; it is ended by nothing else.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn answer(dir: &Path, mut stream: TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = request.split_whitespace();
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default().split('?').next().unwrap_or_default();
    let file: PathBuf = dir.join(path.trim_start_matches('/'));
    if path.contains("..") || !file.is_file() {
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        return Ok(());
    }
    let data = std::fs::read(&file)?;
    let mut head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n", data.len());
    for (name, value) in headers(&file)? {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if method != "HEAD" {
        stream.write_all(&data)?;
    }
    Ok(())
}

fn headers(file: &Path) -> Result<Vec<(String, String)>> {
    let modified = file.metadata()?.modified()?.duration_since(UNIX_EPOCH)?.as_secs();
    let mut own = PathBuf::from(file).into_os_string();
    own.push(".headers");
    let mut headers = vec![("Last-Modified".to_owned(), http_date(i64::try_from(modified)?)?)];
    if let Ok(text) = std::fs::read_to_string(own) {
        let given: serde_json::Map<String, Value> = serde_json::from_str(&text).context("parse headers")?;
        for (name, value) in given {
            headers.retain(|(other, _)| *other != name);
            match value {
                Value::String(text) => headers.push((name, text)),
                Value::Number(time) => headers.push((name, http_date(time.as_i64().context("a time")?)?)),
                _ => {}
            }
        }
    }
    Ok(headers)
}

fn http_date(seconds: i64) -> Result<String> {
    Ok(jiff::Timestamp::from_second(seconds)?.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}
