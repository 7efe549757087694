//! Where copies end up, and with which modes and times.

use super::*;

fn source() -> Source {
    Source::new("f = f\nf2 = 2\nd/x = x\nd/s/y = y")
}

#[test]
fn destinations() {
    let ctx = source();
    let mut image = Image::of(Source::new("m/"));
    let m = image.layers[0].1.path().join("m");
    std::os::unix::fs::chown(&m, Some(3), Some(3)).unwrap();
    std::fs::set_permissions(&m, PermissionsExt::from_mode(0o700)).unwrap();
    image.layers[0].0 = Arc::new(scan(image.layers[0].1.path()).unwrap());
    image.workdir("/w/v", "");
    for words in [
        "f /w/v/new",
        "f /w/v/newdir/",
        "f /w/v/.",
        "f /w/v/dot/",
        "f /w/up",
        "f /../../../root-clamped",
        "f /abs//double///slash",
        "d /w/v/existing",
        "d /w/v/existing",
        "d/ /w/v/",
        "d /d1",
        "d /d2/",
        "d/. /d3",
        "d/./x /d4",
        "f d /both/",
        "f f2 /w/",
        "d /m",
        "f /m",
        "./d/../f /dotdot",
        "../../f /clamped",
    ] {
        image.copy(&ctx, words);
    }
    expect(
        &image.list(),
        "dir 0755 0:0 /abs
        dir 0755 0:0 /abs/double
        file 0644 0:0 /abs/double/slash @f
        dir 0755 0:0 /both @d
        file 0644 0:0 /both/f @f
        dir 0755 0:0 /both/s @d/s
        file 0644 0:0 /both/s/y @d/s/y
        file 0644 0:0 /both/x @d/x
        file 0644 0:0 /clamped @f
        dir 0755 0:0 /d1 @d
        dir 0755 0:0 /d1/s @d/s
        file 0644 0:0 /d1/s/y @d/s/y
        file 0644 0:0 /d1/x @d/x
        dir 0755 0:0 /d2 @d
        dir 0755 0:0 /d2/s @d/s
        file 0644 0:0 /d2/s/y @d/s/y
        file 0644 0:0 /d2/x @d/x
        dir 0755 0:0 /d3 @d
        dir 0755 0:0 /d3/s @d/s
        file 0644 0:0 /d3/s/y @d/s/y
        file 0644 0:0 /d3/x @d/x
        file 0644 0:0 /d4 @d/x
        file 0644 0:0 /dotdot @f
        dir 0700 3:3 /m
        file 0644 0:0 /m/f @f
        dir 0755 0:0 /m/s @d/s
        file 0644 0:0 /m/s/y @d/s/y
        file 0644 0:0 /m/x @d/x
        file 0644 0:0 /root-clamped @f
        dir 0755 0:0 /w
        file 0644 0:0 /w/f @f
        file 0644 0:0 /w/f2 @f2
        file 0644 0:0 /w/up @f
        dir 0755 0:0 /w/v @d
        dir 0755 0:0 /w/v/dot
        file 0644 0:0 /w/v/dot/f @f
        dir 0755 0:0 /w/v/existing @d
        dir 0755 0:0 /w/v/existing/s @d/s
        file 0644 0:0 /w/v/existing/s/y @d/s/y
        file 0644 0:0 /w/v/existing/x @d/x
        file 0644 0:0 /w/v/f @f
        file 0644 0:0 /w/v/new @f
        dir 0755 0:0 /w/v/newdir
        file 0644 0:0 /w/v/newdir/f @f
        dir 0755 0:0 /w/v/s @d/s
        file 0644 0:0 /w/v/s/y @d/s/y
        file 0644 0:0 /w/v/x @d/x",
    );
}

#[test]
fn several_files_onto_one_name_leave_the_last() {
    let mut image = Image::scratch();
    image.copy(&source(), "f f2 /dest");
    expect(&image.list(), "file 0644 0:0 /dest @f2");
    assert_eq!(image.content("/dest"), "2");
}

#[test]
fn the_whole_context() {
    let mut image = Image::scratch();
    image.copy(&source(), ". /a/").copy(&source(), "/ /b");
    for top in ["/a", "/b"] {
        for path in ["d", "d/s", "d/s/y", "d/x", "f", "f2"] {
            assert_eq!(image.entry(&format!("{top}/{path}")).mtime.secs, time_of(path));
        }
    }
}

#[test]
fn patterns() {
    let ctx = Source::new(
        "a.txt = a\nb.txt = b\n.hidden = h\nbr[1].txt = br\nd1/x = x1\nd1/s1/y = y\nd1/s1/deep = deep\nd2/x = x2
        sp ace.txt = sp\nback\\slash = b",
    );
    let mut image = Image::scratch();
    for words in [
        "*.txt /a/",
        "?.txt /b/",
        "[a-b].txt /c/",
        "[^a].txt /d/",
        "d*/ /e/",
        "d*/s* /f/",
        "* /g/",
        ".h* /h/",
        "br[[]1].txt /i/",
        "d1/**/deep /j/",
        "d?/x d?/x /k/",
        "./d1/../*.txt /n/",
        "back\\slash /o/",
        "d[12] /p/",
        "*/x /q/",
        "no* /nothing/",
    ] {
        image.copy(&ctx, words);
    }
    let names: Vec<String> =
        image.list().lines().map(|line| line[line.find('/').unwrap()..].to_owned()).collect();
    let names: Vec<&str> = names.iter().map(|name| name.split(" @").next().unwrap()).collect();
    let expected = "/a /a/a.txt /a/b.txt /a/br[1].txt /a/sp_ace.txt /b /b/a.txt /b/b.txt /c /c/a.txt /c/b.txt /d \
        /d/b.txt /e /e/s1 /e/s1/deep /e/s1/y /e/x /f /f/deep /f/y /g /g/.hidden /g/a.txt /g/b.txt /g/back\\slash \
        /g/br[1].txt /g/s1 /g/s1/deep /g/s1/y /g/sp_ace.txt /g/x /h /h/.hidden /i /i/br[1].txt /j /j/deep /k /k/x \
        /n /n/a.txt /n/b.txt /n/br[1].txt /n/sp_ace.txt /o /o/back\\slash /p /p/s1 /p/s1/deep /p/s1/y /p/x /q /q/x";
    let expected: Vec<String> = expected.split_whitespace().map(|name| name.replace('_', " ")).collect();
    assert_eq!(names, expected);
    for path in ["/e/x", "/g/x", "/k/x", "/p/x", "/q/x"] {
        assert_eq!(image.content(path), "x2", "{path}: the last match wins");
    }
    assert_eq!(image.entry("/e").mtime.secs, time_of("d2"));
    assert_eq!(image.entry("/f").mtime.secs, time_of("d1/s1"));
}

#[test]
fn in_line_files_come_last_with_the_clock_as_their_time() {
    let mut image = Image::scratch();
    image.copy_with(&source(), "f /x/", |req| {
        req.sources.insert(0, SourceSpec::Inline("f".into(), b"in line".to_vec()));
        req.sources.push(SourceSpec::Inline("EOF".into(), Vec::new()));
    });
    image.copy_with(&source(), "/mode", |req| {
        req.sources.push(SourceSpec::Inline("EOF".into(), Vec::new()));
        (req.owner, req.chmod) = (Ownership::Named("1:33".into()), Some(Mode::Octal(0o751)));
    });
    image.copy_with(&source(), "/added/", |req| {
        req.sources.push(SourceSpec::Inline("EOF".into(), b"x".to_vec()));
        (req.unpack, req.chmod) = (true, Some(Mode::Octal(0o4755)));
    });
    expect(
        &image.list(),
        "dir 0755 0:0 /added
        file 4755 0:0 /added/EOF
        file 0751 1:33 /mode
        dir 0755 0:0 /x
        file 0644 0:0 /x/EOF
        file 0644 0:0 /x/f",
    );
    assert_eq!(image.content("/x/f"), "in line");
}

#[test]
fn modes_of_directories() {
    let ctx = Source::new("d/in/f = f").chmod("d", 0o1777).chmod("d/in", 0o2700).chmod("d/in/f", 0o4600);
    let mut image = Image::scratch();
    image.copy(&ctx, "d /plain");
    image.copy_with(&ctx, "d /octal/deep", |req| req.chmod = Some(Mode::Octal(0o1777)));
    image.copy_with(&ctx, "d /symbolic", |req| req.chmod = Some(Mode::Symbolic("go+rX".into())));
    expect(
        &image.list(),
        "dir 0777 0:0 /octal
        dir 0777 0:0 /octal/deep @d
        dir 1777 0:0 /octal/deep/in @d/in
        file 1777 0:0 /octal/deep/in/f @d/in/f
        dir 0755 0:0 /plain @d
        dir 2700 0:0 /plain/in @d/in
        file 4600 0:0 /plain/in/f @d/in/f
        dir 0755 0:0 /symbolic @d
        dir 2755 0:0 /symbolic/in @d/in
        file 4644 0:0 /symbolic/in/f @d/in/f",
    );
}

#[test]
fn inner_directories_that_exist_take_the_sources_metadata() {
    let mut image = Image::of(Source::new("t/in/old = o").chmod("t", 0o700).chmod("t/in", 0o700));
    image.copy(&Source::new("d/in/new = n").chmod("d/in", 0o751), "d /t");
    expect(
        &image.list(),
        "dir 0700 0:0 /t @d
        dir 0751 0:0 /t/in @d/in
        file 0644 0:0 /t/in/new @d/in/new
        file 0644 0:0 /t/in/old @t/in/old",
    );
}

#[test]
fn workdir_makes_what_is_missing_and_nothing_else() {
    let mut image = Image::of(Source::new("etc/passwd = app:x:5:6::/:/bin/sh\nhome/\nlnk -> home"));
    image.workdir("/lnk/a/b", "app").workdir("/home", "app").workdir("/num", "7").workdir("/unknown", "who");
    expect(
        &image.list(),
        "dir 0755 0:0 /etc @etc
        file 0644 0:0 /etc/passwd @etc/passwd
        dir 0755 0:0 /home
        dir 0755 5:6 /home/a
        dir 0755 5:6 /home/a/b
        link 0777 0:0 /lnk -> home @lnk
        dir 0755 7:7 /num
        dir 0755 0:0 /unknown",
    );
    assert!(image.layers[2].0.is_empty(), "nothing to make, nothing in the layer");
    assert_eq!(image.warnings, [Warning::UnknownUser("who".into())]);
}

#[test]
fn a_root_that_is_not_plain_is_part_of_the_layer() {
    let mut image = Image::of(Source::new("a = a").chmod("", 0o711));
    image.copy(&source(), "f /b");
    assert_eq!(image.entry("/").mode, 0o711);
    assert_eq!(image.layers[1].0.get(&RootPath::root()).unwrap().mode, 0o711);
}
