//! Symbolic and hard links, attributes, devices, holes.

use super::*;
use crate::layer::xattr::{self, Target};
use rustix::fd::AsFd;
use rustix::fs::{CWD, FileType, makedev, mknodat};
use std::os::unix::fs::{FileExt, MetadataExt};

#[test]
fn links_as_sources() {
    let stage = Image::of(Source::new(
        "d/real/f = r\nd/ldir -> real\nd/lfile -> real/f\nd/dangling -> nowhere\nd/abs -> /d/real/f\nd/up -> ../d",
    ));
    let mut image = Image::scratch();
    for words in [
        "/d /whole",
        "/d/ldir /dirlink",
        "/d/ldir/ /dirlinkslash/",
        "/d/ldir/f /through",
        "/d/lfile /filelink",
        "/d/lfile /filelinkdir/",
        "/d/abs /abs",
        "/d/l* /glob/",
    ] {
        image.copy_from(&stage, words);
    }
    expect(
        &image.list(),
        "file 0644 0:0 /abs @d/real/f
        dir 0755 0:0 /dirlink @d/real
        file 0644 0:0 /dirlink/f @d/real/f
        dir 0755 0:0 /dirlinkslash @d/real
        file 0644 0:0 /dirlinkslash/f @d/real/f
        file 0644 0:0 /filelink @d/real/f
        dir 0755 0:0 /filelinkdir
        file 0644 0:0 /filelinkdir/lfile @d/real/f
        dir 0755 0:0 /glob
        file 0644 0:0 /glob/f @d/real/f
        file 0644 0:0 /glob/lfile @d/real/f
        file 0644 0:0 /through @d/real/f
        dir 0755 0:0 /whole @d
        link 0777 0:0 /whole/abs -> /d/real/f @d/abs
        link 0777 0:0 /whole/dangling -> nowhere @d/dangling
        link 0777 0:0 /whole/ldir -> real @d/ldir
        link 0777 0:0 /whole/lfile -> real/f @d/lfile
        dir 0755 0:0 /whole/real @d/real
        file 0644 0:0 /whole/real/f @d/real/f
        link 0777 0:0 /whole/up -> ../d @d/up",
    );
}

#[test]
fn links_on_the_way_to_the_destination() {
    let mut image = Image::of(Source::new(
        "t/real/f = old\nt/l -> real\nt/labs -> /t/real\nt/real/lf -> f\nt/esc -> ../../../../t/real\ndang -> /../n/ew",
    ));
    let ctx = Source::new("new = new\nd2/a = a");
    for words in ["new /t/l/", "new /t/labs/n2", "new /t/real/lf", "d2 /t/l", "new /t/esc/n3", "new /dang"] {
        image.copy(&ctx, words);
    }
    image.workdir("/t/l/wd", "").copy(&ctx, "new /t/l/wd/");
    expect(
        &image.list(),
        "link 0777 0:0 /dang -> /../n/ew @dang
        dir 0755 0:0 /n
        file 0644 0:0 /n/ew @new
        dir 0755 0:0 /t @t
        link 0777 0:0 /t/esc -> ../../../../t/real @t/esc
        link 0777 0:0 /t/l -> real @t/l
        link 0777 0:0 /t/labs -> /t/real @t/labs
        dir 0755 0:0 /t/real
        file 0644 0:0 /t/real/a @d2/a
        file 0644 0:0 /t/real/f @new
        link 0777 0:0 /t/real/lf -> f @t/real/lf
        file 0644 0:0 /t/real/n2 @new
        file 0644 0:0 /t/real/n3 @new
        file 0644 0:0 /t/real/new @new
        dir 0755 0:0 /t/real/wd
        file 0644 0:0 /t/real/wd/new @new",
    );
}

#[test]
fn a_file_in_a_directory_replaces_a_link_of_its_name() {
    let mut image = Image::of(Source::new("d/f -> /etc/passwd"));
    image.copy(&Source::new("f = new"), "f /d/");
    assert_eq!(image.content("/d/f"), "new");
}

#[test]
fn hard_links_stay_within_one_source() {
    let ctx = Source::new("ctx/a = a\nctx/b == ctx/a\nctx/s/c == ctx/a\nother == ctx/a\nctx/lone = l");
    let mut image = Image::scratch();
    image
        .copy(&ctx, "ctx /ctx")
        .copy(&ctx, "ctx/a ctx/b /two/")
        .copy(&ctx, "ctx/s /tail")
        .copy(&ctx, "ctx ctx /x");
    expect(
        &image.list(),
        "dir 0755 0:0 /ctx @ctx
        file 0644 0:0 /ctx/a @other
        file 0644 0:0 /ctx/b == /ctx/a @other
        file 0644 0:0 /ctx/lone @ctx/lone
        dir 0755 0:0 /ctx/s @ctx/s
        file 0644 0:0 /ctx/s/c == /ctx/a @other
        dir 0755 0:0 /tail @ctx/s
        file 0644 0:0 /tail/c @other
        dir 0755 0:0 /two
        file 0644 0:0 /two/a @other
        file 0644 0:0 /two/b @other
        dir 0755 0:0 /x @ctx
        file 0644 0:0 /x/a @other
        file 0644 0:0 /x/b == /x/a @other
        file 0644 0:0 /x/lone @ctx/lone
        dir 0755 0:0 /x/s @ctx/s
        file 0644 0:0 /x/s/c == /x/a @other",
    );
}

#[test]
fn hard_links_whose_head_is_elsewhere_stay_links() {
    let ctx = Source::new("a = a\nz/b == a\nz/c == a");
    let mut image = Image::scratch();
    image.copy(&ctx, "z /z");
    expect(&image.list(), "dir 0755 0:0 /z @z\n file 0644 0:0 /z/b @z/c\n file 0644 0:0 /z/c == /z/b @z/c");
}

#[test]
fn whether_files_are_one_is_part_of_the_key() {
    let digest = |lines: &str| {
        let source = Source::new(lines);
        let ctx = source.open();
        select(&ctx, &request("d /d", |_| {})).unwrap().digest(&ctx).unwrap()
    };
    let apart = digest("d/a = a\nd/b = a\nd/c = a");
    let pair = digest("d/a = a\nd/b == d/a\nd/c = a");
    assert_ne!(apart, pair);
    assert_ne!(pair, digest("d/a = a\nd/b = a\nd/c == d/a"));
    assert_eq!(pair, digest("d/a = a\nd/b == d/a\nd/c = a"));
    assert_eq!(
        apart,
        digest("other = a\nd/a == other\nd/b = a\nd/c = a"),
        "a link to elsewhere does not count"
    );
}

#[test]
fn attributes_and_capabilities_are_kept() {
    let ctx = Source::new("d/f = f\nd/in/g = g");
    // Version 2, effective, cap_net_raw.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let file = std::fs::File::open(ctx.path("d/f")).unwrap();
    xattr::set(Target::Fd(file.as_fd()), b"security.capability", &capability).unwrap();
    xattr::set(Target::Fd(file.as_fd()), b"user.note", b"n").unwrap();
    let dir = std::fs::File::open(ctx.path("d/in")).unwrap();
    xattr::set(Target::Fd(dir.as_fd()), b"user.dir", b"d").unwrap();
    let before = select(&ctx.open(), &request("d /d", |_| {})).unwrap().digest(&ctx.open()).unwrap();
    let mut image = Image::scratch();
    image.copy_with(&ctx, "d /d", |req| req.owner = Ownership::Named("5:6".into()));
    let kept =
        [(b"security.capability".to_vec(), capability.to_vec()), (b"user.note".to_vec(), b"n".to_vec())];
    assert_eq!(image.entry("/d/f").xattrs, kept);
    assert_eq!(image.entry("/d/in").xattrs, [(b"user.dir".to_vec(), b"d".to_vec())]);
    xattr::set(Target::Fd(file.as_fd()), b"user.note", b"m").unwrap();
    let after = select(&ctx.open(), &request("d /d", |_| {})).unwrap().digest(&ctx.open()).unwrap();
    assert_ne!(before, after, "attributes are part of the key");
}

#[test]
fn devices_pipes_and_sockets() {
    let ctx = Source::new("d/f = f");
    let node = |name: &str, kind, device| mknodat(CWD, ctx.path(name), kind, 0o640.into(), device).unwrap();
    node("d/null", FileType::CharacterDevice, makedev(1, 3));
    node("d/disk", FileType::BlockDevice, makedev(7, 0));
    node("d/pipe", FileType::Fifo, 0);
    node("d/sock", FileType::Socket, 0);
    ctx.date("");
    let mut image = Image::scratch();
    image.copy(&ctx, "d /d").copy_with(&ctx, "d/pipe /p", |req| req.unpack = true);
    expect(
        &image.list(),
        "dir 0755 0:0 /d @d
        block 0640 0:0 /d/disk @d/disk
        file 0644 0:0 /d/f @d/f
        char 0640 0:0 /d/null @d/null
        fifo 0640 0:0 /d/pipe @d/pipe
        fifo 0640 0:0 /p @d/pipe",
    );
    assert_eq!(image.warnings, [Warning::Socket(RootPath::new("/d/sock"))]);
}

#[test]
fn holes_stay_holes() {
    let ctx = Source::new("d/small = s");
    let size = 64 << 20;
    let file = std::fs::File::create(ctx.path("d/huge")).unwrap();
    file.set_len(size).unwrap();
    file.write_at(b"in the middle", 20 << 20).unwrap();
    file.write_at(&vec![7; 100_000], 40 << 20).unwrap();
    let mut image = Image::scratch();
    image.copy(&ctx, "d /d");
    let copy = std::fs::File::open(image.layers[0].1.path().join("d/huge")).unwrap();
    let stat = copy.metadata().unwrap();
    assert_eq!(stat.len(), size);
    assert!(stat.blocks() * 512 < 1 << 20, "{} blocks", stat.blocks());
    let mut part = [0; 13];
    copy.read_exact_at(&mut part, 20 << 20).unwrap();
    assert_eq!(&part, b"in the middle");
}

#[test]
fn names_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let ctx = Source::new("d/");
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    std::fs::write(ctx.path("d").join(name), "x").unwrap();
    let mut image = Image::scratch();
    image.copy(&ctx, "d /d").copy(&ctx, "d/* /e/");
    for dir in ["/d", "/e"] {
        assert!(image.view().lookup(&RootPath::new(dir).child(b"\xff\xfe")).unwrap().is_some());
    }
}
