use super::*;
use crate::layer::testing::scratch;
use oci::Kind;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, utimensat};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use tempfile::TempDir;

/// A context directory and the index beside it.
struct Place {
    dir: TempDir,
    index: TempDir,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Place {
        let place = Place { dir: scratch(), index: scratch() };
        files.iter().for_each(|(path, text)| place.write(path, text));
        place
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn index(&self) -> PathBuf {
        self.index.path().join("sub/context.idx")
    }

    fn open(&self, now: SystemTime) -> Context {
        Context::open(self.dir.path(), &KeepAll, Some(&self.index()), now).unwrap()
    }

    /// When the file last changed.
    fn changed(&self, path: &str) -> SystemTime {
        let stat = self.dir.path().join(path).metadata().unwrap();
        let nanos = u32::try_from(stat.ctime_nsec()).unwrap();
        UNIX_EPOCH + Duration::new(u64::try_from(stat.ctime()).unwrap(), nanos)
    }
}

fn digest(context: &Context, path: &str) -> ContentDigest {
    context.content_digest(&RootPath::new(path)).unwrap()
}

fn blake3_of(text: &str) -> ContentDigest {
    ContentDigest::from_bytes(*blake3::hash(text.as_bytes()).as_bytes())
}

/// Whether the context knows the digest without reading.
fn known(context: &Context, path: &str) -> bool {
    let entry = context.lookup(&RootPath::new(path)).unwrap().unwrap();
    matches!(entry.kind, Kind::File { digest: Some(_), .. })
}

const LATER: Duration = Duration::from_secs(3);

#[test]
fn remembers_what_was_hashed() {
    let place = Place::new(&[("d/a", "a"), ("b", "b")]);
    let now = place.changed("b") + LATER;
    let first = place.open(now);
    assert!(!known(&first, "/d/a"));
    assert_eq!(digest(&first, "/d/a"), blake3_of("a"));
    first.save_index().unwrap();
    let second = place.open(now);
    assert!(known(&second, "/d/a") && !known(&second, "/b"), "only what was asked for is hashed");
    assert_eq!(digest(&second, "/d/a"), blake3_of("a"));
    assert_eq!(second.hash_all(&[RootPath::new("/b")]).unwrap(), [blake3_of("b")]);
    second.save_index().unwrap();
    let third = place.open(now);
    assert!(known(&third, "/d/a") && known(&third, "/b"));
    let before = std::fs::metadata(place.index()).unwrap().ino();
    third.save_index().unwrap();
    assert_eq!(std::fs::metadata(place.index()).unwrap().ino(), before, "nothing new, nothing written");
}

#[test]
fn a_file_that_changed_just_now_is_not_trusted() {
    let place = Place::new(&[("f", "old")]);
    for (age, trusted) in [(0, false), (1900, false), (2100, true)] {
        let now = place.changed("f") + Duration::from_millis(age);
        let context = place.open(now);
        digest(&context, "/f");
        context.save_index().unwrap();
        assert_eq!(known(&place.open(now), "/f"), trusted, "{age} ms");
    }
}

#[test]
fn a_change_within_one_tick_is_seen() {
    let place = Place::new(&[("f", "old")]);
    let context = place.open(place.changed("f"));
    assert_eq!(digest(&context, "/f"), blake3_of("old"));
    context.save_index().unwrap();
    // Immediately: the time stamps may well be those of the first write.
    place.write("f", "new");
    assert_eq!(digest(&place.open(place.changed("f") + LATER), "/f"), blake3_of("new"));
}

#[test]
fn the_same_size_and_mtime_do_not_hide_a_change() {
    let place = Place::new(&[("f", "old")]);
    let now = place.changed("f") + LATER;
    let context = place.open(now);
    digest(&context, "/f");
    context.save_index().unwrap();
    assert!(known(&place.open(now), "/f"));
    let path = place.dir.path().join("f");
    let stat = path.metadata().unwrap();
    std::thread::sleep(Duration::from_millis(30));
    place.write("f", "new");
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let mtime = Timespec { tv_sec: stat.mtime(), tv_nsec: stat.mtime_nsec() };
    let times = Timestamps { last_access: omit, last_modification: mtime };
    utimensat(CWD, &path, &times, AtFlags::empty()).unwrap();
    let after = path.metadata().unwrap();
    assert_eq!((stat.mtime_nsec(), stat.len(), stat.ino()), (after.mtime_nsec(), after.len(), after.ino()));
    let context = place.open(now);
    assert!(!known(&context, "/f"));
    assert_eq!(digest(&context, "/f"), blake3_of("new"));
}

#[test]
fn a_replaced_file_is_another_one() {
    let place = Place::new(&[("f", "old"), ("other", "new")]);
    let now = place.changed("other") + LATER;
    let context = place.open(now);
    digest(&context, "/f");
    context.save_index().unwrap();
    std::fs::rename(place.dir.path().join("other"), place.dir.path().join("f")).unwrap();
    assert_eq!(digest(&place.open(now), "/f"), blake3_of("new"));
}

#[test]
fn damaged_and_foreign_indexes_are_ignored() {
    let place = Place::new(&[("f", "f")]);
    let now = place.changed("f") + LATER;
    let context = place.open(now);
    digest(&context, "/f");
    context.save_index().unwrap();
    let good = std::fs::read(place.index()).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x40;
        std::fs::write(place.index(), bad).unwrap();
        assert!(!known(&place.open(now), "/f"), "byte {at} changed");
    }
    for len in 0..good.len() {
        std::fs::write(place.index(), &good[..len]).unwrap();
        assert!(!known(&place.open(now), "/f"), "cut at {len}");
    }
    std::fs::write(place.index(), good).unwrap();
    assert!(known(&place.open(now), "/f"));
}

/// Drops by suffix; directories named `maybe` only count with what is in them.
struct Rules;

impl IgnoreFilter for Rules {
    fn verdict(&self, rel: &[u8], is_dir: bool) -> Verdict {
        if rel.ends_with(b"maybe") && is_dir {
            return Verdict::DropButDescend;
        }
        let drop = rel.ends_with(b".log") || rel.ends_with(b"never");
        if drop { Verdict::Drop } else { Verdict::Keep }
    }
}

#[test]
fn ignored_paths_are_not_there() {
    let files = [
        ("a.log", ""),
        ("d/b.log", ""),
        ("d/b", ""),
        ("never/x", ""),
        ("empty/maybe/x.log", ""),
        ("full/maybe/deep/x", ""),
        ("full/maybe/maybe/x.log", ""),
    ];
    let place = Place::new(&files);
    let context = Context::open(place.dir.path(), &Rules, None, UNIX_EPOCH).unwrap();
    let found: Vec<String> =
        context.walk(&RootPath::root()).unwrap().iter().map(|(path, _)| path.to_string()).collect();
    let expected =
        ["/", "/d", "/d/b", "/empty", "/full", "/full/maybe", "/full/maybe/deep", "/full/maybe/deep/x"];
    assert_eq!(found, expected);
    assert_eq!(context.len(), expected.len());
    assert!(context.lookup(&RootPath::new("/empty/maybe")).unwrap().is_none());
    assert!(matches!(context.children(&RootPath::new("/never")), Err(TreeError::NotFound(_))));
    assert!(matches!(context.children(&RootPath::new("/d/b")), Err(TreeError::NotDirectory(_))));
    assert!(matches!(context.open(&RootPath::new("/d")), Err(TreeError::NotFile(_))));
}

#[test]
fn names_of_one_inode_are_known() {
    let place = Place::new(&[("b/x", "x"), ("alone", "y")]);
    let link = |from: &str, to: &str| {
        std::fs::hard_link(place.dir.path().join(from), place.dir.path().join(to)).unwrap();
    };
    link("b/x", "a-first");
    link("b/x", "b/z");
    let outside = scratch();
    std::fs::hard_link(place.dir.path().join("alone"), outside.path().join("y")).unwrap();
    let context = place.open(UNIX_EPOCH);
    let head = |path: &str| match context.lookup(&RootPath::new(path)).unwrap().unwrap().kind {
        Kind::File { link_to, .. } => link_to.map(|head| head.to_string()),
        _ => panic!("no file"),
    };
    assert_eq!(head("/a-first"), None);
    assert_eq!(head("/b/x").as_deref(), Some("/a-first"));
    assert_eq!(head("/b/z").as_deref(), Some("/a-first"));
    assert_eq!(head("/alone"), None);
}

#[test]
fn pipes_are_never_waited_for() {
    let place = Place::new(&[]);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(CWD, place.dir.path().join("pipe"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let context = place.open(UNIX_EPOCH);
    assert_eq!(context.lookup(&RootPath::new("/pipe")).unwrap().unwrap().kind, Kind::Fifo);
    assert!(matches!(context.open(&RootPath::new("/pipe")), Err(TreeError::NotFile(_))));
    assert!(matches!(context.content_digest(&RootPath::new("/pipe")), Err(TreeError::NotFile(_))));
}

#[test]
fn a_file_that_becomes_a_pipe_or_a_link_is_an_error_that_names_it() {
    let place = Place::new(&[("d/f", "f"), ("g", "g")]);
    let context = place.open(UNIX_EPOCH);
    std::fs::remove_file(place.dir.path().join("g")).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(CWD, place.dir.path().join("g"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let error = context.content_digest(&RootPath::new("/g")).unwrap_err();
    assert_eq!(error.to_string(), "read /g");
    let outside = Place::new(&[("f", "secret")]);
    std::fs::remove_dir_all(place.dir.path().join("d")).unwrap();
    std::os::unix::fs::symlink(outside.dir.path(), place.dir.path().join("d")).unwrap();
    let error = context.open(&RootPath::new("/d/f")).unwrap_err();
    assert_eq!(error.to_string(), "open /d/f");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "it was removed during the build");
}

#[test]
fn what_is_missing_is_named() {
    let gone = scratch();
    let path = gone.path().join("gone");
    let error = Context::open(&path, &KeepAll, None, UNIX_EPOCH).unwrap_err();
    assert_eq!(error.to_string(), format!("open the context {}", path.display()));
    std::fs::write(&path, "a file").unwrap();
    assert!(Context::open(&path, &KeepAll, None, UNIX_EPOCH).is_err());
}

#[test]
fn many_names_deep_paths_and_bytes() {
    let place = Place::new(&[]);
    for number in 0..3000 {
        std::fs::write(place.dir.path().join(format!("many{number}")), "").unwrap();
    }
    let mut deep = place.dir.path().to_owned();
    for _ in 0..12 {
        deep.push("n".repeat(200));
    }
    std::fs::create_dir_all(&deep).unwrap();
    std::fs::write(deep.join(std::ffi::OsStr::from_bytes(b"\xff")), "deep").unwrap();
    let context = place.open(UNIX_EPOCH);
    assert_eq!(context.len(), 1 + 3000 + 12 + 1);
    let names: Vec<Vec<u8>> =
        context.children(&RootPath::root()).unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(names.is_sorted() && names.len() == 3001);
    let path =
        (0..12).fold(RootPath::root(), |path, _| path.child("n".repeat(200).as_bytes())).child(b"\xff");
    assert_eq!(context.content_digest(&path).unwrap(), blake3_of("deep"));
}
