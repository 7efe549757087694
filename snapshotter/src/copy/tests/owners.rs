//! `--chown`, `--link`, and owners of sources.

use super::*;

fn base() -> Source {
    Source::new("pre/a/")
        .chown("pre", 1, 1)
        .with("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:4321:8765:app:/home/app:/bin/sh\n")
        .with("etc/group", "root:x:0:\nappg:x:8765:\nextra:x:999:\n")
}

impl Source {
    fn with(self, path: &str, text: &str) -> Self {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), text).unwrap();
        self
    }
}

fn named(words: &str) -> Ownership {
    Ownership::Named(words.to_owned())
}

#[test]
fn names_and_numbers() {
    let ctx = Source::new("f = f\nd/x = x").chown("f", 12, 13).chown("d/x", 12, 13);
    let mut image = Image::of(base());
    for (owner, words) in [
        ("app", "f /n1/deep/f"),
        ("app:extra", "f /n2/f"),
        ("4321", "f /n3/f"),
        ("77", "f /n4/f"),
        ("77:extra", "d /n5"),
        ("app:55", "d/ /n6/"),
        ("app:appg", "f /n7"),
        (":extra", "f /n8"),
        ("app", "f /pre/a/b/f"),
    ] {
        image.copy_with(&ctx, words, |req| req.owner = named(owner));
    }
    image.copy(&ctx, "f /plain");
    let found: String = image
        .list()
        .lines()
        .filter(|line| !line.contains("/etc"))
        .fold(String::new(), |all, line| all + line.split(" @").next().unwrap() + "\n");
    expect(
        &found,
        "dir 0755 4321:8765 /n1
        dir 0755 4321:8765 /n1/deep
        file 0644 4321:8765 /n1/deep/f
        dir 0755 4321:999 /n2
        file 0644 4321:999 /n2/f
        dir 0755 4321:4321 /n3
        file 0644 4321:4321 /n3/f
        dir 0755 77:77 /n4
        file 0644 77:77 /n4/f
        dir 0755 77:999 /n5
        file 0644 77:999 /n5/x
        dir 0755 4321:55 /n6
        file 0644 4321:55 /n6/x
        file 0644 4321:8765 /n7
        file 0644 0:999 /n8
        file 0644 0:0 /plain
        dir 0755 1:1 /pre
        dir 0755 0:0 /pre/a
        dir 0755 4321:8765 /pre/a/b
        file 0644 4321:8765 /pre/a/b/f",
    );
    assert_eq!(image.warnings, []);
}

#[test]
fn unknown_names_mean_root_and_are_told() {
    let ctx = Source::new("f = f");
    for mut image in [Image::scratch(), Image::of(base()), Image::of(Source::new("etc/passwd/x = x"))] {
        image.copy_with(&ctx, "f /f", |req| req.owner = named("who:what"));
        let entry = image.entry("/f");
        assert_eq!((entry.uid, entry.gid), (0, 0));
        assert_eq!(
            image.warnings,
            [Warning::UnknownUser("who".into()), Warning::UnknownGroup("what".into())]
        );
    }
}

#[test]
fn the_image_s_passwd_is_never_read_from_the_host() {
    let ctx = Source::new("f = f");
    let mut image =
        Image::of(Source::new("etc/passwd -> ../../../../../../etc/passwd\nreal = app:x:5:6:::\nd/"));
    image.copy_with(&ctx, "f /f", |req| req.owner = named("daemon"));
    assert_eq!(image.entry("/f").uid, 0);
    let mut image = Image::of(Source::new("etc/passwd -> /real\nreal = app:x:5:6:::"));
    image.copy_with(&ctx, "f /f", |req| req.owner = named("app"));
    assert_eq!((image.entry("/f").uid, image.entry("/f").gid), (5, 6));
}

#[test]
fn stages_keep_their_owners() {
    let stage = Image::of(Source::new("home/f = f").chown("home", 65534, 65534).chown("home/f", 7, 8));
    let mut image = Image::scratch();
    image.copy_from(&stage, "/ /all").copy_from(&stage, "/home /top").copy_from(&stage, "/home/f /f");
    expect(
        &image.list(),
        "dir 0755 0:0 /all
        dir 0755 65534:65534 /all/home @home
        file 0644 7:8 /all/home/f @home/f
        file 0644 7:8 /f @home/f
        dir 0755 0:0 /top @home
        file 0644 7:8 /top/f @home/f",
    );
}

#[test]
fn link_copies_do_not_look_at_the_parent() {
    let ctx = Source::new("f = f\nd/x = x\nd/y/z = z");
    let base = Source::new("real/\nlnk -> real\nkeep/old = old").chmod("keep", 0o711).chown("keep", 5, 6);
    let mut image = Image::of(base);
    let link = |req: &mut CopyRequest| req.link = true;
    image
        .copy_with(&ctx, "f /keep/f", link)
        .copy_with(&ctx, "d /keep/sub", link)
        .copy_with(&ctx, "f /lnk/f", link);
    image.copy_with(&ctx, "f /owned/deep/f", |req| {
        (req.link, req.owner, req.chmod) = (true, named("7:8"), Some(Mode::Octal(0o640)));
    });
    expect(
        &image.list(),
        "dir 0755 0:0 /keep
        file 0644 0:0 /keep/f @f
        file 0644 0:0 /keep/old @keep/old
        dir 0755 0:0 /keep/sub @d
        file 0644 0:0 /keep/sub/x @d/x
        dir 0755 0:0 /keep/sub/y @d/y
        file 0644 0:0 /keep/sub/y/z @d/y/z
        dir 0755 0:0 /lnk
        file 0644 0:0 /lnk/f @f
        dir 0640 7:8 /owned
        dir 0640 7:8 /owned/deep
        file 0640 7:8 /owned/deep/f @f
        dir 0755 0:0 /real @real",
    );
    let by_name = request("f /x", |req| (req.link, req.owner) = (true, named("app")));
    let error = image.try_copy(&ctx.open(), &by_name).unwrap_err();
    assert!(matches!(error, CopyError::NameWithLink(name) if name == "app"));
}

#[test]
fn a_set_gid_directory_hands_its_group_on_to_directories_that_are_made() {
    let base = Source::new("s/").chown("s", 7, 50).chmod("s", 0o2775);
    let mut image = Image::of(base);
    let ctx = Source::new("f = f\nd/in/g = g").chmod("d/in", 0o755);
    image.copy(&ctx, "f /s/new/deep/f").copy(&ctx, "d /s/dir");
    image.copy_with(&ctx, "f /s/own/f", |req| req.owner = named("3:4"));
    image.copy_with(&ctx, "f /s/mod/f", |req| req.chmod = Some(Mode::Octal(0o700)));
    let found: String =
        image.list().lines().map(|line| line.split(" @").next().unwrap().to_owned() + "\n").collect();
    expect(
        &found,
        "dir 2775 7:50 /s
        dir 2755 0:50 /s/dir
        dir 0755 0:0 /s/dir/in
        file 0644 0:0 /s/dir/in/g
        dir 2700 0:50 /s/mod
        file 0700 0:0 /s/mod/f
        dir 2755 0:50 /s/new
        dir 2755 0:50 /s/new/deep
        file 0644 0:0 /s/new/deep/f
        dir 2755 3:4 /s/own
        file 0644 3:4 /s/own/f",
    );
}
