use super::*;
use oci::{BlobDigest, DiffId};
use std::io::Write;
use std::process::{Command, Stdio};

const KINDS: [Compression; 6] = [
    Compression::None,
    Compression::Gzip { level: 1 },
    Compression::GZIP,
    Compression::Gzip { level: 9 },
    Compression::ZSTD,
    Compression::Zstd { level: 1 },
];

/// Half noise, half text, so that blocks differ in how they compress.
fn sample(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..len).map(|at| if at / 100_000 % 2 == 0 { next() } else { b"layer "[at % 6] }).collect()
}

fn compress(bytes: &[u8], compression: Compression, threads: usize, step: usize) -> (Vec<u8>, Digests) {
    let mut writer = CompressedWriter::new(Vec::new(), compression, threads).unwrap();
    bytes.chunks(step).for_each(|part| writer.write_all(part).unwrap());
    writer.finish().unwrap()
}

fn decompress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader(bytes).map_err(io::Error::other)?.read_to_end(&mut out)?;
    Ok(out)
}

#[test]
fn the_bytes_do_not_depend_on_threads_or_on_how_they_are_written() {
    let bytes = sample(9_500_000);
    for compression in KINDS {
        let (one, digests) = compress(&bytes, compression, 1, 1 << 20);
        let (four, again) = compress(&bytes, compression, 4, 77_777);
        assert!(one == four, "{compression:?}");
        assert_eq!(digests, again);
        assert_eq!(digests.blob, BlobDigest::of(&one));
        assert_eq!(digests.diff, DiffId::of(&bytes));
        assert_eq!((digests.size, digests.uncompressed), (one.len() as u64, bytes.len() as u64));
        assert!(decompress(&one).unwrap() == bytes, "{compression:?}");
        if compression != Compression::None {
            assert!(one.len() < bytes.len() * 6 / 10, "{compression:?}: {}", one.len());
        }
    }
}

#[test]
fn lengths_around_a_block_survive() {
    for len in [0, 1, gzip::BLOCK - 1, gzip::BLOCK, gzip::BLOCK + 1, 2 * gzip::BLOCK] {
        let bytes = sample(len);
        for compression in KINDS {
            assert!(
                decompress(&compress(&bytes, compression, 2, 1 << 16).0).unwrap() == bytes,
                "{len} {compression:?}"
            );
        }
    }
}

#[test]
fn other_programs_read_what_is_written() {
    let bytes = sample(3_000_000);
    for (program, compression) in [("gzip", Compression::GZIP), ("zstd", Compression::ZSTD)] {
        let (packed, _) = compress(&bytes, compression, 3, 1 << 16);
        let child = Command::new(program).arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child else { continue }; // not installed here
        let mut input = child.stdin.take().unwrap();
        let feeder = std::thread::spawn(move || input.write_all(&packed).unwrap());
        let output = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        assert!(output.status.success() && output.stdout == bytes, "{program}");
    }
}

#[test]
fn concatenated_streams_are_one() {
    for compression in KINDS {
        let (mut packed, _) = compress(b"first ", compression, 1, 99);
        packed.extend(compress(b"second", compression, 1, 99).0);
        assert_eq!(decompress(&packed).unwrap(), b"first second");
    }
}

#[test]
fn a_cut_or_damaged_stream_is_an_error() {
    let bytes = sample(2_000_000);
    for compression in &KINDS[1..] {
        let (packed, _) = compress(&bytes, *compression, 2, 1 << 16);
        for cut in [20, packed.len() / 2, packed.len() - 1] {
            assert!(decompress(&packed[..cut]).is_err(), "{compression:?} cut at {cut}");
        }
        let mut damaged = packed;
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x55;
        assert!(decompress(&damaged).is_err(), "{compression:?}");
    }
}

#[test]
fn formats_are_told_apart_by_their_first_bytes() {
    assert_eq!(Compression::detect(b"").unwrap(), Compression::None);
    assert_eq!(Compression::detect(b"\x1f\x8b\x08").unwrap(), Compression::GZIP);
    assert_eq!(Compression::detect(b"\x28\xb5\x2f\xfd").unwrap(), Compression::ZSTD);
    assert_eq!(Compression::detect(b"\x50\x2a\x4d\x18").unwrap(), Compression::ZSTD);
    let refused = |start: &[u8]| Compression::detect(start).unwrap_err().to_string();
    assert!(refused(b"BZh9").contains("bzip2") && refused(b"\xfd7zXZ\0").contains("xz"));
    assert!(CompressedWriter::new(Vec::new(), Compression::Gzip { level: 10 }, 1).is_err());
    assert!(CompressedWriter::new(Vec::new(), Compression::Zstd { level: 0 }, 1).is_err());
}

/// An output that is full is reported as such, at once or at the end.
#[test]
fn the_outputs_own_error_is_reported() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let bytes = sample(20_000_000);
    for compression in KINDS {
        let mut writer = CompressedWriter::new(Full(5000), compression, 2).unwrap();
        let error = match writer.write_all(&bytes) {
            Err(error) => error,
            Ok(()) => writer.finish().map(drop).unwrap_err(),
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{compression:?}");
    }
}
