use super::*;
use crate::layer::testing::{What, plain, planted, scratch};
use crate::layer::{dirfd, scan};
use crate::view::ChainView;
use oci::ContentDigest;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::process::Command;
use std::sync::Arc;
use tar::{EntryType, Header};

/// An archive made by hand: its names are taken as they are.
#[derive(Default)]
struct Archive(Vec<u8>);

impl Archive {
    fn add(mut self, kind: EntryType, name: &str, link: &str, mode: u32, data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_mode(mode);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1_234_567_890);
        header.set_size(data.len() as u64);
        if let Some(gnu) = header.as_gnu_mut() {
            gnu.set_device_major(1);
            gnu.set_device_minor(3);
        }
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }
    fn file(self, name: &str, data: &str) -> Self {
        self.add(EntryType::Regular, name, "", 0o644, data.as_bytes())
    }
    fn dir(self, name: &str) -> Self {
        self.add(EntryType::Directory, name, "", 0o750, b"")
    }
    fn symlink(self, name: &str, target: &str) -> Self {
        self.add(EntryType::Symlink, name, target, 0o777, b"")
    }
    fn hard(self, name: &str, target: &str) -> Self {
        self.add(EntryType::Link, name, target, 0o644, b"")
    }
    fn pax(self, records: &[(&str, &str)]) -> Self {
        let mut data = String::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let len =
                (1..).map(|digits| rest + digits).find(|len| len.to_string().len() + rest == *len).unwrap();
            data += &format!("{len} {key}={value}\n");
        }
        self.add(EntryType::XHeader, "pax", "", 0o644, data.as_bytes())
    }
    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

/// Unpacks into a directory beside a bystander, which must stay as it is.
struct Unpacked {
    outer: tempfile::TempDir,
    result: Result<LayerIndex, ApplyError>,
}

fn unpack_with(archive: &[u8], limits: &ApplyLimits) -> Unpacked {
    let outer =
        planted(&[plain("victim", What::File(b"safe".to_vec())), plain("diff", What::Dir { opaque: false })]);
    let result = apply(&mut &archive[..], &outer.path().join("diff"), limits);
    assert_eq!(std::fs::read(outer.path().join("victim")).unwrap(), b"safe");
    let names = dirfd::names(dirfd::open_root(outer.path()).unwrap()).unwrap();
    assert_eq!(names, [c"diff".to_owned(), c"victim".to_owned()]);
    Unpacked { outer, result }
}

fn unpack(archive: Archive) -> Unpacked {
    unpack_with(&archive.end(), &ApplyLimits::default())
}

impl Unpacked {
    fn index(&self) -> &LayerIndex {
        self.result.as_ref().unwrap()
    }
    fn error(self) -> String {
        self.result.unwrap_err().to_string()
    }
    fn dir(&self) -> std::path::PathBuf {
        self.outer.path().join("diff")
    }
    fn list(&self) -> Vec<String> {
        // What is on disk is what the index says.
        assert_eq!(scan(&self.dir()).unwrap().id(), self.index().id());
        let show = |(path, entry): (RootPath, Entry)| match entry.kind {
            Kind::Whiteout => format!("-{path}"),
            Kind::Dir { opaque: true } => format!("{path}/!"),
            Kind::Dir { .. } => format!("{path}/"),
            Kind::Symlink(target) => format!("{path}>{}", String::from_utf8_lossy(&target)),
            Kind::File { link_to: Some(head), .. } => format!("{path}={head}"),
            _ => path.to_string(),
        };
        self.index().iter().map(show).collect()
    }
}

#[test]
fn names_that_lead_out_are_refused_by_name() {
    let new = Archive::default;
    let cases = [
        (new().file("../victim", "x"), "`../victim`: it leads upwards"),
        (new().file("a/../../victim", "x"), "`a/../../victim`: it leads upwards"),
        (new().file("a/..", "x"), "`a/..`: it leads upwards"),
        (new().dir(".."), "`..`: it leads upwards"),
        (new().file("/victim", "x"), "`/victim`: it is absolute"),
        (new().file("../.wh.victim", ""), "leads upwards"),
        (new().file(".wh...", ""), "`.wh...`: it removes no valid name"),
        (new().file(".wh..", ""), "`.wh..`: it removes no valid name"),
        (new().file(".wh.", ""), "`.wh.`: it removes no valid name"),
        (new().file("..//.wh..wh..opq", ""), "leads upwards"),
        (new().symlink("s", "..").file("s/victim", "x"), "`s/victim`: /s is a symbolic link"),
        (new().symlink("s", "/").file("s/d/e", "x"), "`s/d/e`: /s is a symbolic link"),
        (new().symlink("s", "..").file("s/.wh.victim", ""), "/s is a symbolic link"),
        (new().symlink("s", "..").file("s/.wh..wh..opq", ""), "/s is a symbolic link"),
        (new().dir("d").symlink("d/s", "../..").dir("d/s/x"), "/d/s is a symbolic link"),
        (new().hard("h", "../victim"), "`h`: its target leads upwards"),
        (new().hard("h", "victim"), "links `h` to `victim`, which is not in the layer before it"),
        (new().symlink("s", "..").hard("h", "s/victim"), "which is not in the layer before it"),
        (new().hard("h", "/etc/passwd"), "which is not in the layer before it"),
        (new().dir("d").hard("h", "d"), "links `h` to `d`, which is a directory"),
        (new().file("f", "").file("f/g", ""), "`f/g`: /f is no directory"),
        (new().pax(&[("path", "../victim")]).file("fine", "x"), "`../victim`: it leads upwards"),
        (new().pax(&[("linkpath", "../victim")]).hard("h", "fine"), "its target leads upwards"),
        (new().file(".wh.d/x", ""), "`.wh.d/x`: it lies below a removed path"),
        (new().file(".", ""), "`.`: only a directory can be the root"),
        (new().file("", ""), "it is empty"),
    ];
    for (archive, expected) in cases {
        let error = unpack(archive).error();
        assert!(error.contains(expected), "{error} (expected {expected})");
    }
}

/// A symbolic link that points outside is only ever replaced, never written through.
#[test]
fn links_in_the_last_place_are_replaced() {
    let through = unpack(Archive::default().symlink("s", "../victim").file("s", "mine"));
    assert_eq!(through.list(), ["/s"]);
    assert_eq!(std::fs::read(through.dir().join("s")).unwrap(), b"mine");
    let dir = unpack(Archive::default().symlink("s", "..").dir("s").file("s/victim", "mine"));
    assert_eq!(dir.list(), ["/s/", "/s/victim"]);
    let linked = unpack(Archive::default().symlink("s", "../victim").hard("h", "s").file("h", "mine"));
    assert_eq!(linked.list(), ["/h", "/s>../victim"]);
}

#[test]
fn later_entries_win() {
    let archive = Archive::default()
        .dir("d")
        .file("d/x/deep", "1")
        .file("d", "now a file")
        .file("f", "file")
        .dir("f")
        .file("f/in", "2")
        .file("twice", "first")
        .file("twice", "second")
        .dir("kept")
        .file("kept/in", "3")
        .add(EntryType::Directory, "kept", "", 0o711, b"");
    let unpacked = unpack(archive);
    assert_eq!(unpacked.list(), ["/d", "/f/", "/f/in", "/kept/", "/kept/in", "/twice"]);
    assert_eq!(std::fs::read(unpacked.dir().join("twice")).unwrap(), b"second");
    assert_eq!(unpacked.index().get(&RootPath::new("kept")).unwrap().mode, 0o711);
}

#[test]
fn whiteouts_and_opaque_marks_become_overlays_in_any_order() {
    let marks = |archive: Archive| {
        archive
            .file("d/.wh.gone", "")
            .file(".wh.both", "")
            .file(".wh.dir", "")
            .file("o/.wh..wh..opq", "")
            .file(".wh..wh.plnk", "")
    };
    let rest = |archive: Archive| archive.file("both", "x").dir("dir").file("o/in", "y");
    for archive in [marks(rest(Archive::default())), rest(marks(Archive::default()))] {
        let unpacked = unpack(archive);
        assert_eq!(unpacked.list(), ["/both", "/d/", "-/d/gone", "/dir/!", "/o/!", "/o/in"]);
        let device = std::fs::symlink_metadata(unpacked.dir().join("d/gone")).unwrap();
        assert!(device.file_type().is_char_device() && device.rdev() == 0);
    }
    let replaced =
        Archive::default().file("d/.wh.gone", "").file("d", "file").file("o/.wh..wh..opq", "").file("o", "");
    assert_eq!(unpack(replaced).list(), ["/d", "/o"]);
}

#[test]
fn metadata_is_taken_over() {
    let archive = Archive::default()
        .add(EntryType::Regular, "suid", "", 0o4755, b"#!")
        .add(EntryType::Char, "null", "", 0o666, b"")
        .add(EntryType::Fifo, "fifo", "", 0o622, b"")
        .pax(&[
            ("SCHILY.xattr.user.k", "v"),
            ("SCHILY.xattr.trusted.overlay.opaque", "y"),
            ("mtime", "-1.25"),
            ("uid", "4000000000"),
        ])
        .add(EntryType::Directory, "implicit/dir/", "", 0o1777, b"")
        .hard("suid2", "./suid");
    let unpacked = unpack(archive);
    assert_eq!(unpacked.list(), ["/fifo", "/implicit/", "/implicit/dir/", "/null", "/suid", "/suid2=/suid"]);
    let get = |path: &str| unpacked.index().get(&RootPath::new(path)).unwrap();
    assert_eq!(get("suid").mode, 0o644, "the last header of an inode counts");
    assert_eq!((get("null").kind, get("null").mode), (Kind::CharDevice(1, 3), 0o666));
    assert_eq!((get("implicit").mode, get("implicit").uid, get("implicit").gid), (0o755, 0, 0));
    let dir = get("implicit/dir");
    assert_eq!((dir.mode, dir.uid, dir.gid), (0o1777, 4_000_000_000, 8));
    assert_eq!(dir.xattrs, [(b"user.k".to_vec(), b"v".to_vec())]);
    assert_eq!(dir.mtime, oci::entry::Mtime { secs: -2, nanos: 750_000_000 });
    let disk = std::fs::metadata(unpacked.dir().join("implicit/dir")).unwrap();
    assert_eq!((disk.mtime(), disk.mtime_nsec()), (-2, 750_000_000));
    let suid = unpack(Archive::default().add(EntryType::Regular, "s", "", 0o6755, b""));
    assert_eq!(std::fs::metadata(suid.dir().join("s")).unwrap().mode() & 0o7777, 0o6755);
}

#[test]
fn cut_archives_are_refused_wherever_they_are_cut() {
    let whole =
        Archive::default().file("a", &"x".repeat(700)).pax(&[("path", "b")]).file("b", "y").dir("c").end();
    for cut in (0..whole.len() - 1024).step_by(64).chain([whole.len() - 1024]) {
        let result = unpack_with(&whole[..cut], &ApplyLimits::default()).result;
        assert!(matches!(result, Err(ApplyError::Truncated { .. })), "{cut}: {result:?}");
    }
    let lenient = ApplyLimits { allow_missing_end: true, ..ApplyLimits::default() };
    assert_eq!(unpack_with(&whole[..whole.len() - 1024], &lenient).index().len(), 3);
    assert!(unpack_with(&whole[..whole.len() - 1600], &lenient).result.is_err());
}

#[test]
fn limits_hold() {
    let limits = |max_bytes, max_entries, max_name| ApplyLimits {
        max_bytes,
        max_entries,
        max_name,
        ..Default::default()
    };
    let archive = Archive::default().file("a/b/c", "12345").file("d", "67890").end();
    assert!(unpack_with(&archive, &limits(10, 4, 5)).result.is_ok());
    for bad in [limits(9, 4, 5), limits(10, 3, 5), limits(10, 4, 4)] {
        assert!(matches!(unpack_with(&archive, &bad).result, Err(ApplyError::Limit { .. })), "{bad:?}");
    }
    let huge = Archive::default().add(EntryType::XHeader, "pax", "", 0, &vec![b'x'; 2 << 20]).end();
    assert!(unpack_with(&huge, &ApplyLimits::default()).error().contains("bytes in one extended header"));
    let claims = Archive::default().pax(&[("size", "9000000000000000000")]).file("f", "").end();
    assert!(matches!(unpack_with(&claims, &ApplyLimits::default()).result, Err(ApplyError::Limit { .. })));
}

#[test]
fn what_layers_do_not_have_is_refused_by_name() {
    let odd = Archive::default().add(EntryType::new(b'V'), "label", "", 0, b"");
    assert!(unpack(odd).error().contains("`label` of unknown type `V`"));
    let mut damaged = Archive::default().file("f", "x").end();
    damaged[0] ^= 1;
    assert!(unpack_with(&damaged, &ApplyLimits::default()).error().contains("does not match its checksum"));
    assert!(unpack_with(&[b'x'; 2048], &ApplyLimits::default()).error().contains("no valid checksum"));
    let mut zero = Archive::default().add(EntryType::Char, "dev", "", 0, b"").0;
    let mut header = Header::from_byte_slice(&zero).clone();
    header.as_gnu_mut().unwrap().set_device_major(0);
    header.as_gnu_mut().unwrap().set_device_minor(0);
    header.set_cksum();
    zero = header.as_bytes().to_vec();
    assert!(unpack(Archive(zero)).error().contains("character device 0:0"));
    let occupied = planted(&[plain("there", What::Fifo)]);
    let result = apply(&mut Archive::default().end().as_slice(), occupied.path(), &ApplyLimits::default());
    assert!(matches!(result, Err(ApplyError::NotEmpty)));
}

#[test]
fn on_top_of_other_layers_unlisted_directories_look_as_they_do_there() {
    let mut tmp = plain("tmp", What::Dir { opaque: false });
    tmp.mode = 0o1777;
    let below = planted(&[tmp, plain("old/f", What::Fifo), plain("keep", What::Fifo)]);
    let view = ChainView::from_parts([(Arc::new(scan(below.path()).unwrap()), below.path().to_owned())]);
    let archive = Archive::default().file("tmp/f", "x").file(".wh.none", "").file("old/.wh.f", "").end();
    let to = scratch();
    let index = apply_on(&mut archive.as_slice(), to.path(), &ApplyLimits::default(), &view).unwrap();
    assert_eq!(index.get(&RootPath::new("tmp")).unwrap().mode, 0o1777);
    assert_eq!(index.get(&RootPath::new("old/f")).unwrap().kind, Kind::Whiteout);
    assert!(index.get(&RootPath::new("none")).is_none(), "it removes nothing");
    let to = scratch();
    let archive = Archive::default().file(".wh..wh..opq", "").file("old/new", "x").end();
    let index = apply_on(&mut archive.as_slice(), to.path(), &ApplyLimits::default(), &view).unwrap();
    let kinds: Vec<(String, Kind)> = index.iter().map(|(p, e)| (p.to_string(), e.kind)).take(2).collect();
    assert_eq!(kinds, [("/keep".into(), Kind::Whiteout), ("/old".into(), Kind::Dir { opaque: true })]);
    assert_eq!(index.get(&RootPath::new("tmp")).unwrap().kind, Kind::Whiteout);
}

/// Archives that GNU tar makes, in each of its formats, of a tree with long names, a sparse file and a hard link.
#[test]
fn gnu_tars_archives_are_read() {
    let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
    let from = planted(&[
        plain("hole", What::File(Vec::new())),
        plain(&long, What::File(b"long".to_vec())),
        plain("linked", What::Link(1)),
        plain("sym", What::Symlink(vec![b't'; 140])),
    ]);
    let hole = std::fs::OpenOptions::new().write(true).open(from.path().join("hole")).unwrap();
    hole.set_len(5_000_000).unwrap();
    for at in 0..40 {
        std::os::unix::fs::FileExt::write_all_at(&hole, b"data", at * 100_000).unwrap();
    }
    let expected = scan(from.path()).unwrap();
    let formats: [&[&str]; 6] = [
        &["--format=gnu"],
        &["--format=gnu", "--sparse"],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=pax", "--sparse", "--sparse-version=1.0"],
        &["--format=pax"],
    ];
    for format in formats {
        let output = Command::new("tar")
            .args(format)
            .args(["-C"])
            .arg(from.path())
            .args(["-cf", "-", "."])
            .output()
            .unwrap();
        assert!(output.status.success(), "{format:?}");
        let to = scratch();
        let mut found = apply(&mut output.stdout.as_slice(), to.path(), &ApplyLimits::default()).unwrap();
        found = LayerIndex::build(found.iter().filter(|(path, _)| !path.is_root()).collect());
        assert_eq!(found.id(), expected.id(), "{format:?}");
        let blocks = std::fs::metadata(to.path().join("hole")).unwrap().blocks();
        assert!(blocks * 512 < 4_000_000, "{format:?}: holes stay holes");
    }
}

#[test]
fn zeros_become_holes_and_the_digest_stays() {
    let data = [vec![0; 400_000], b"end".to_vec(), vec![0; 300_000]].concat();
    let unpacked = unpack(Archive::default().add(EntryType::Regular, "f", "", 0o644, &data));
    let Kind::File { digest, size, .. } = unpacked.index().get(&RootPath::new("f")).unwrap().kind else {
        panic!()
    };
    assert_eq!((digest, size), (Some(ContentDigest::of(&data)), data.len() as u64));
    assert!(std::fs::read(unpacked.dir().join("f")).unwrap() == data);
    assert!(std::fs::metadata(unpacked.dir().join("f")).unwrap().blocks() * 512 < 200_000);
}
