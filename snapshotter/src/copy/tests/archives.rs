//! ADD of archives.

use super::*;
use crate::layer::testing::scratch;
use std::io::Write;
use std::process::Command;

const TIME: u64 = 1_111_111_111;

/// A tar in the making.
struct Tar(tar::Builder<Vec<u8>>);

impl Tar {
    fn new() -> Tar {
        Tar(tar::Builder::new(Vec::new()))
    }

    fn put(mut self, name: &str, kind: tar::EntryType, link: &str, mode: u32, data: &str) -> Self {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(21);
        header.set_gid(22);
        header.set_mtime(TIME);
        header.set_size(data.len() as u64);
        // Raw: names that the crate would refuse are what some cases are about.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        if kind == tar::EntryType::Char {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        }
        header.set_cksum();
        self.0.append(&header, data.as_bytes()).unwrap();
        self
    }

    fn file(self, name: &str, data: &str) -> Self {
        self.put(name, tar::EntryType::Regular, "", 0o644, data)
    }

    fn dir(self, name: &str, mode: u32) -> Self {
        self.put(name, tar::EntryType::Directory, "", mode, "")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.put(name, tar::EntryType::Symlink, target, 0o777, "")
    }

    fn link(self, name: &str, target: &str, mode: u32) -> Self {
        self.put(name, tar::EntryType::Link, target, mode, "")
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A context that holds `bytes` as `name`.
fn context(files: &[(&str, &[u8])]) -> Source {
    let source = Source::new("f = plain");
    for (name, bytes) in files {
        std::fs::write(source.path(name), bytes).unwrap();
    }
    source.date("");
    source
}

fn add<'i>(image: &'i mut Image, ctx: &Source, words: &str) -> &'i mut Image {
    image.copy_with(ctx, words, |req| req.unpack = true)
}

fn fails(base: &str, tar: Tar) -> CopyError {
    let ctx = context(&[("t.tar", &tar.bytes())]);
    let req = request("t.tar /t/", |req| req.unpack = true);
    Image::of(Source::new(base)).try_copy(&ctx.open(), &req).unwrap_err()
}

fn sample() -> Vec<u8> {
    Tar::new()
        .dir("d/", 0o755)
        .dir("d/e/", 0o2755)
        .file("d/e/g", "g")
        .put("d/f", tar::EntryType::Regular, "", 0o640, "f")
        .link("d/h", "d/f", 0o640)
        .symlink("d/s", "f")
        .bytes()
}

fn compress(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .arg("-c")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}

fn unpacked(top: &str, owner: &str) -> String {
    format!(
        "dir 0755 {owner} {top}/d @{TIME}
        dir 2755 {owner} {top}/d/e @{TIME}
        file 0644 {owner} {top}/d/e/g @{TIME}
        file 0640 {owner} {top}/d/f @{TIME}
        file 0640 {owner} {top}/d/h == {top}/d/f @{TIME}
        link 0777 {owner} {top}/d/s -> f @{TIME}\n"
    )
}

#[test]
fn archives_are_known_by_their_content() {
    let plain = sample();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(&plain[..], 1).unwrap();
    let ctx = context(&[
        ("a.tar", &plain),
        ("misnamed.txt", &gzip),
        ("a.zst", &zstd),
        ("a.bz2", &compress("bzip2", &plain)),
        ("a.xz", &compress("xz", &plain)),
    ]);
    for name in ["a.tar", "misnamed.txt", "a.zst", "a.bz2", "a.xz"] {
        let mut image = Image::scratch();
        add(&mut image, &ctx, &format!("{name} /x"));
        expect(&image.list(), &format!("dir 0755 0:0 /x\n{}", unpacked("/x", "21:22")));
    }
    let mut image = Image::scratch();
    image.copy(&ctx, "a.tar /copied/");
    expect(&image.list(), "dir 0755 0:0 /copied\n file 0644 0:0 /copied/a.tar @a.tar");
}

#[test]
fn what_only_looks_like_an_archive_is_copied() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"single").unwrap();
    let ctx = context(&[
        ("fake.tar.gz", b"not an archive"),
        ("only.gz", &gzip.finish().unwrap()),
        ("empty.tar", &[0; 10240]),
        ("nothing", b""),
        ("a.tar", &sample()),
    ]);
    let mut image = Image::scratch();
    add(&mut image, &ctx, "fake.tar.gz only.gz empty.tar nothing f a.tar /several/");
    expect(
        &image.list(),
        &format!(
            "dir 0755 0:0 /several\n{}
            file 0644 0:0 /several/empty.tar @empty.tar
            file 0644 0:0 /several/f @f
            file 0644 0:0 /several/fake.tar.gz @fake.tar.gz
            file 0644 0:0 /several/nothing @nothing
            file 0644 0:0 /several/only.gz @only.gz",
            unpacked("/several", "21:22")
        ),
    );
}

#[test]
fn chown_reaches_the_contents_and_chmod_does_not() {
    let ctx = context(&[("a.tar", &sample())]);
    let mut image = Image::scratch();
    image.copy_with(&ctx, "a.tar /x/", |req| {
        (req.unpack, req.owner) = (true, Ownership::Named("11:12".into()));
        req.chmod = Some(Mode::Octal(0o700));
    });
    expect(&image.list(), &format!("dir 0755 11:12 /x\n{}", unpacked("/x", "11:12")));
}

#[test]
fn every_kind_of_member() {
    let tar = Tar::new()
        .file("x/y/noparents", "n")
        .put("fifo", tar::EntryType::Fifo, "", 0o644, "")
        .put("null", tar::EntryType::Char, "", 0o666, "")
        .put("suid", tar::EntryType::Regular, "", 0o6755, "s")
        .link("hl", "suid", 0o644)
        .symlink("abslink", "/etc/passwd")
        .dir("ro", 0o555)
        .file("ro/in", "in")
        .file("twice", "1")
        .file("twice", "22")
        .file("/lead/ing", "l")
        .file("./dot/../f", "f");
    let mut image = Image::scratch();
    add(&mut image, &context(&[("t", &tar.bytes())]), "t /l/");
    expect(
        &image.list(),
        &"dir 0755 0:0 /l
        link 0777 21:22 /l/abslink -> /etc/passwd @T
        file 0644 21:22 /l/f @T
        fifo 0644 21:22 /l/fifo @T
        file 0644 21:22 /l/hl @T
        dir 0755 0:0 /l/lead
        file 0644 21:22 /l/lead/ing @T
        char 0666 21:22 /l/null @T
        dir 0555 21:22 /l/ro @T
        file 0644 21:22 /l/ro/in @T
        file 0644 21:22 /l/suid == /l/hl @T
        file 0644 21:22 /l/twice @T
        dir 0755 0:0 /l/x
        dir 0755 0:0 /l/x/y
        file 0644 21:22 /l/x/y/noparents @T"
            .replace("@T", &format!("@{TIME}")),
    );
    assert_eq!(image.content("/l/twice"), "22");
}

#[test]
fn over_what_is_there() {
    let mut image = Image::of(
        Source::new("o/d/f = old\no/d/kept = k\no/lnk -> /real\nreal/\no/was/dir = x\no/file = f")
            .chmod("o/d", 0o700),
    );
    let tar = Tar::new()
        .dir("d", 0o755)
        .file("d/f", "new")
        .file("lnk/through", "t")
        .file("was", "a file now")
        .dir("file", 0o711)
        .link("again", "d/kept", 0o600);
    add(&mut image, &context(&[("t", &tar.bytes())]), "t /o");
    let found: String =
        image.list().lines().map(|line| line.split(" @").next().unwrap().to_owned() + "\n").collect();
    expect(
        &found,
        "dir 0755 0:0 /o
        file 0600 21:22 /o/again
        dir 0755 21:22 /o/d
        file 0644 21:22 /o/d/f
        file 0600 21:22 /o/d/kept == /o/again
        dir 0711 21:22 /o/file
        link 0777 0:0 /o/lnk -> /real
        dir 0755 0:0 /o/real
        file 0644 21:22 /o/real/through
        file 0644 21:22 /o/was
        dir 0755 0:0 /real",
    );
    assert_eq!((image.content("/o/d/kept"), image.content("/o/d/f")), ("k".into(), "new".into()));
}

#[test]
fn directories_that_are_not_listed_belong_to_root() {
    let mut image = Image::scratch();
    let ctx = context(&[("t", &Tar::new().file("d/e/f", "x").bytes())]);
    image.copy_with(&ctx, "t /o/", |req| {
        req.unpack = true;
        req.owner = Ownership::Named("3:4".to_owned());
    });
    let owner = |path: &str| {
        let entry = image.view().lookup(&RootPath::new(path)).unwrap().unwrap();
        (entry.uid, entry.gid)
    };
    assert_eq!(
        [owner("/o"), owner("/o/d"), owner("/o/d/e"), owner("/o/d/e/f")],
        [(3, 4), (0, 0), (0, 0), (3, 4)]
    );
}

#[test]
fn a_directory_that_was_replaced_twice_hides_the_first() {
    let mut image = Image::of(Source::new("o/d/old = old"));
    let tar = Tar::new().file("d", "now a file").dir("d", 0o755).file("d/new", "n");
    add(&mut image, &context(&[("t", &tar.bytes())]), "t /o");
    assert!(image.list().contains("/o/d/new") && !image.list().contains("/o/d/old"), "{}", image.list());
    assert_eq!(image.layers[1].0.get(&RootPath::new("/o/d")).unwrap().kind, Kind::Dir { opaque: true });
}

#[test]
fn nothing_is_written_outside() {
    let outside = scratch();
    let target = outside.path().to_str().unwrap().to_owned();
    let tar = Tar::new().symlink("out", &target).file("out/file", "x").file("abs", "y");
    let mut image = Image::scratch();
    add(&mut image, &context(&[("t", &tar.bytes())]), "t /");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert_eq!(image.content(&format!("{target}/file")), "x", "followed within the image");
    for tar in [
        Tar::new().file("../up", "x"),
        Tar::new().file("a/../../up", "x"),
        Tar::new().link("l", "../up", 0o644),
    ] {
        let error = fails("up = u", tar);
        assert!(matches!(&error, CopyError::Member { why, .. } if why.contains("outside")), "{error}");
    }
}

#[test]
fn archives_that_cannot_be_unpacked() {
    let error = fails("", Tar::new().link("l", "missing", 0o644));
    assert_eq!(error.to_string(), "unpack /t.tar: its member `l` links to what does not exist");
    let error = fails("t/f = f", Tar::new().file("f/x", "x"));
    assert!(error.to_string().contains("no directory"), "{error}");
    let mut cut = Tar::new().file("whole", "w").file("cut", "x").bytes();
    cut.truncate(512 * 3 + 100);
    let ctx = context(&[("t", &cut)]);
    let error =
        Image::scratch().try_copy(&ctx.open(), &request("t /t/", |req| req.unpack = true)).unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn an_archive_that_changes_between_key_and_copy_is_refused() {
    let stage = Image::of(context(&[("a.tar", &sample())]));
    let req = request("/a.tar /x/", |req| req.unpack = true);
    let selection = select(&stage.view(), &req).unwrap();
    std::fs::write(stage.layers[0].1.path().join("a.tar"), Tar::new().file("other", "o").bytes()).unwrap();
    let (dir, parent) = (scratch(), Image::scratch());
    let error = write(&stage.view(), &selection, &parent.view(), &req, dir.path(), UNIX_EPOCH).unwrap_err();
    assert!(matches!(error, CopyError::Changed(_)), "{error}");
}

#[test]
fn nothing_of_the_unpacking_stays_behind() {
    let mut image = Image::scratch();
    add(&mut image, &context(&[("t", &Tar::new().file("a", "1").file("a", "2").bytes())]), "t /");
    let names: Vec<_> =
        std::fs::read_dir(image.layers[0].1.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["a"]);
}

#[test]
fn an_archive_of_any_depth_is_unpacked() {
    let deep = "d/".repeat(3000) + "f";
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(1);
    tar.append_data(&mut header, &deep, &b"x"[..]).unwrap();
    let ctx = context(&[("t.tar", &tar.into_inner().unwrap())]);
    // As the threads of a build are.
    let work = move || {
        let mut image = Image::of(Source::new(""));
        add(&mut image, &ctx, "t.tar /");
        image.list().contains("/d/d/f ")
    };
    assert!(std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap());
}

/// A file of `size` bytes, of which the archive has the first.
fn sparse(size: u64) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let size = size.to_string();
    let extensions = [("GNU.sparse.name", "big"), ("GNU.sparse.size", &size), ("GNU.sparse.map", "0,1")];
    tar.append_pax_extensions(extensions.map(|(name, value)| (name, value.as_bytes()))).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(1);
    header.set_path("stored").unwrap();
    header.set_cksum();
    tar.append(&header, &b"x"[..]).unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn holes_of_an_archive_are_never_written() {
    use std::os::unix::fs::MetadataExt;
    // More than may be written here: a hole that is filled, if only for a moment, makes it fail.
    let ctx = context(&[("t.tar", &sparse(1 << 30))]);
    let mut image = Image::of(Source::new(""));
    add(&mut image, &ctx, "t.tar /");
    let big = image.layers.last().unwrap().1.path().join("big").metadata().unwrap();
    assert_eq!(big.len(), 1 << 30);
    assert!(big.blocks() * 512 < 1 << 20, "{}", big.blocks());
}

#[test]
fn an_archive_that_claims_too_much_is_refused() {
    let ctx = context(&[("t.tar", &sparse(1 << 62))]);
    let req = request("t.tar /t/", |req| req.unpack = true);
    let error = Image::of(Source::new("")).try_copy(&ctx.open(), &req).unwrap_err();
    assert!(error.to_string().contains("makes more than 1099511627776 bytes"), "{error}");
}

#[test]
fn what_was_fetched_is_unpacked_or_not_by_itself() {
    let one = Tar::new().file("one", "1").bytes();
    let two = Tar::new().file("two", "2").bytes();
    let ctx = context(&[("1.tar", &one), ("2.tar", &two)]);
    let fetched = |unpack| SourceSpec::Fetched { path: "2.tar".to_owned(), unpack };
    let files = |unpack: bool, others: bool| {
        let mut image = Image::scratch();
        image.copy_with(&ctx, "1.tar /", |req| {
            req.unpack = unpack;
            req.sources.push(fetched(others));
        });
        ["/one", "/1.tar", "/two", "/2.tar"]
            .map(|path| image.view().lookup(&RootPath::new(path)).unwrap().is_some())
    };
    assert_eq!(files(true, false), [true, false, false, true]);
    assert_eq!(files(false, true), [false, true, true, false]);
    let digest = |unpack, others| {
        let mut req = request("1.tar /", |req| req.unpack = unpack);
        req.sources.push(fetched(others));
        let tree = ctx.open();
        select(&tree, &req).unwrap().digest(&tree).unwrap()
    };
    assert_ne!(digest(true, false), digest(false, true));
}

#[test]
fn a_whole_directory_brings_its_own_mode() {
    let source = Source::new("d/f = x").chmod("d", 0o710);
    let mut image = Image::scratch();
    image.copy_with(&source, "d /d", |req| req.whole = true).copy(&source, "d /e");
    assert_eq!((image.entry("/d").mode, image.entry("/e").mode), (0o710, 0o755));
}
