//! Compresses and hashes a stream on several threads.

use super::gzip::{self, Deflated};
use super::{CompressError, Compression};
use flate2::Crc;
use oci::digest::Sha256;
use oci::{BlobDigest, DiffId};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Uncompressed bytes that travel between threads at a time.
const BLOCK: usize = gzip::BLOCK;
/// Blocks that may wait between two threads.
const WAITING: usize = 4;
/// Bytes of input that one zstd job takes. Part of what the output depends on.
const ZSTD_JOB: u32 = 4 << 20;

type Block = Arc<Vec<u8>>;
/// The output, with the digest and number of the bytes written to it.
type Written<W> = io::Result<(W, [u8; 32], u64)>;

/// What is known of a stream once it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// Of the compressed bytes.
    pub blob: BlobDigest,
    /// Number of compressed bytes.
    pub size: u64,
    /// Of the uncompressed bytes.
    pub diff: DiffId,
    /// Number of uncompressed bytes.
    pub uncompressed: u64,
}

/// Compresses what is written to it into `W`, and computes both digests on the way.
///
/// Compression, hashing and writing run on threads of their own; memory is bounded by a few blocks of 1 MiB per
/// thread. The output depends on the input and the [`Compression`] alone. Dropped before [`CompressedWriter::finish`],
/// it leaves the output incomplete.
pub struct CompressedWriter<W> {
    buffer: Vec<u8>,
    lane: Option<Lane>,
    hasher: Option<SyncSender<Block>>,
    diff: Option<JoinHandle<([u8; 32], u64)>>,
    output: Option<JoinHandle<Written<W>>>,
}

/// Where full blocks go.
enum Lane {
    /// Straight to the output thread.
    Serial(SyncSender<Block>),
    /// To the deflating threads; their results reach the output thread in order.
    Gzip { jobs: Sender<Job>, results: SyncSender<Receiver<io::Result<Deflated>>> },
}

struct Job {
    block: Block,
    last: bool,
    reply: SyncSender<io::Result<Deflated>>,
}

impl<W: Write + Send + 'static> CompressedWriter<W> {
    /// Starts the threads: `threads` that compress (at least one), and one each to hash and to write.
    pub fn new(out: W, compression: Compression, threads: usize) -> Result<Self, CompressError> {
        compression.check()?;
        let threads = threads.max(1);
        let out = Hashing { out, hasher: Sha256::default(), total: 0 };
        let (lane, output) = match compression {
            Compression::None => {
                let (send, blocks) = sync_channel(WAITING);
                (Lane::Serial(send), thread::spawn(move || plain(out, &blocks)))
            }
            Compression::Zstd { level } => {
                let (send, blocks) = sync_channel(WAITING);
                let workers = u32::try_from(threads).unwrap_or(1);
                (Lane::Serial(send), thread::spawn(move || zstd_blocks(out, level, workers, &blocks)))
            }
            Compression::Gzip { level } => {
                let (jobs, queue) = channel();
                let (results, ordered) = sync_channel(threads + WAITING);
                let queue = Arc::new(Mutex::new(queue));
                for _ in 0..threads {
                    let queue = Arc::clone(&queue);
                    thread::spawn(move || deflate_jobs(&queue, level));
                }
                (Lane::Gzip { jobs, results }, thread::spawn(move || gzip_blocks(out, &ordered)))
            }
        };
        let (hasher, diff) = match compression {
            Compression::None => (None, None),
            _ => {
                let (send, blocks) = sync_channel::<Block>(WAITING);
                (Some(send), Some(thread::spawn(move || hash(&blocks))))
            }
        };
        let buffer = Vec::with_capacity(BLOCK);
        Ok(Self { buffer, lane: Some(lane), hasher, diff, output: Some(output) })
    }

    /// Ends the stream, waits for the threads, and returns the output and what is known of it.
    ///
    /// On error the output is lost: whatever it wrote is incomplete.
    pub fn finish(mut self) -> io::Result<(W, Digests)> {
        let sent = self.send(true);
        self.lane = None;
        self.hasher = None;
        let output = self.output.take().map(JoinHandle::join);
        let diff = self.diff.take().map(JoinHandle::join).transpose().map_err(|_| died())?;
        // The output's own error says more than that it went away.
        let (out, blob, size) = output.ok_or_else(died)?.map_err(|_| died())??;
        sent?;
        let (diff, uncompressed) = diff.unwrap_or((blob, size));
        let (blob, diff) = (BlobDigest::from_bytes(blob), DiffId::from_bytes(diff));
        Ok((out, Digests { blob, size, diff, uncompressed }))
    }
}

impl<W> CompressedWriter<W> {
    fn send(&mut self, last: bool) -> io::Result<()> {
        let next = if last { Vec::new() } else { Vec::with_capacity(BLOCK) };
        let block = Arc::new(std::mem::replace(&mut self.buffer, next));
        if let Some(hasher) = &self.hasher {
            hasher.send(Arc::clone(&block)).map_err(|_| died())?;
        }
        match &self.lane {
            Some(Lane::Serial(blocks)) => blocks.send(block).map_err(|_| died()),
            Some(Lane::Gzip { jobs, results }) => {
                let (reply, result) = sync_channel(1);
                results.send(result).map_err(|_| died())?;
                jobs.send(Job { block, last, reply }).map_err(|_| died())
            }
            None => Err(died()),
        }
    }
}

impl<W> CompressedWriter<W> {
    /// Why the output thread ended before its input did.
    fn cause(&mut self) -> Option<io::Error> {
        (self.lane, self.hasher) = (None, None);
        self.output.take()?.join().ok()?.err()
    }
}

impl<W> Write for CompressedWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() == BLOCK
            && let Err(error) = self.send(false)
        {
            return Err(self.cause().unwrap_or(error));
        }
        let taken = bytes.len().min(BLOCK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    /// Does nothing: where blocks end must not depend on the writer's habits.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> std::fmt::Debug for CompressedWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompressedWriter").finish_non_exhaustive()
    }
}

struct Hashing<W> {
    out: W,
    hasher: Sha256,
    total: u64,
}

impl<W: Write> Hashing<W> {
    fn finish(mut self) -> Written<W> {
        self.out.flush()?;
        Ok((self.out, self.hasher.finish(), self.total))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.total += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn hash(blocks: &Receiver<Block>) -> ([u8; 32], u64) {
    let (mut hasher, mut total) = (Sha256::default(), 0);
    for block in blocks {
        hasher.update(&block);
        total += block.len() as u64;
    }
    (hasher.finish(), total)
}

fn plain<W: Write>(mut out: Hashing<W>, blocks: &Receiver<Block>) -> Written<W> {
    blocks.iter().try_for_each(|block| out.write_all(&block))?;
    out.finish()
}

fn zstd_blocks<W: Write>(out: Hashing<W>, level: i32, workers: u32, blocks: &Receiver<Block>) -> Written<W> {
    let mut encoder = zstd::stream::write::Encoder::new(out, level)?;
    encoder.include_checksum(true)?;
    // Always with workers: zstd's output differs between none and one, but not between one and many.
    encoder.multithread(workers)?;
    encoder.set_parameter(zstd::zstd_safe::CParameter::JobSize(ZSTD_JOB))?;
    blocks.iter().try_for_each(|block| encoder.write_all(&block))?;
    encoder.finish()?.finish()
}

fn deflate_jobs(queue: &Mutex<Receiver<Job>>, level: u32) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, last, reply }) = job else { return };
        // Nobody waits any more if the output failed.
        if reply.send(gzip::deflate(&block, level, last)).is_err() {
            return;
        }
    }
}

fn gzip_blocks<W: Write>(
    mut out: Hashing<W>,
    results: &Receiver<Receiver<io::Result<Deflated>>>,
) -> Written<W> {
    out.write_all(&gzip::HEADER)?;
    let mut crc = Crc::new();
    for result in results {
        let deflated = result.recv().map_err(|_| died())??;
        out.write_all(&deflated.bytes)?;
        crc.combine(&deflated.crc);
    }
    out.write_all(&gzip::trailer(&crc))?;
    out.finish()
}

fn died() -> io::Error {
    io::Error::other("a compressing thread ended early")
}
