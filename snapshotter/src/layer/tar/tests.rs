use super::*;
use crate::layer::testing::{What, layer, plain, planted, scratch};
use crate::layer::{ApplyLimits, apply, scan, verify};
use oci::entry::Mtime;
use proptest::prelude::*;
use std::process::{Command, Stdio};

fn tar_of(index: &LayerIndex, dir: &Path) -> Vec<u8> {
    let mut out = Vec::new();
    write_tar(index, dir, &TarOptions::default(), &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a layer holds survives being packed and unpacked: names, kinds, modes, owners, times, attributes,
    /// contents, hard links, whiteouts.
    #[test]
    fn unpacking_a_layers_tar_gives_the_layer(plans in layer()) {
        let (from, to) = (planted(&plans), scratch());
        let index = scan(from.path()).unwrap();
        let tar = tar_of(&index, from.path());
        let unpacked = apply(&mut tar.as_slice(), to.path(), &ApplyLimits::default()).unwrap();
        let list = |index: &LayerIndex| index.iter().collect::<Vec<_>>();
        prop_assert_eq!(list(&unpacked), list(&index));
        prop_assert_eq!(list(&scan(to.path()).unwrap()), list(&index));
        prop_assert!(verify(&index, to.path()).unwrap());
        prop_assert!(tar_of(&unpacked, to.path()) == tar, "the second tar differs from the first");
    }
}

#[test]
fn gnu_tar_reads_what_is_written() {
    let long = "d/".repeat(60) + &"x".repeat(120);
    let from = planted(&[
        plain("d", What::Dir { opaque: true }),
        plain("d/file", What::File(vec![7; 70_000])),
        plain("d/link", What::Link(0)),
        plain(&long, What::File(b"deep".to_vec())),
        plain("d/gone", What::Whiteout),
        plain("s", What::Symlink(vec![b'y'; 130])),
    ]);
    let tar = tar_of(&scan(from.path()).unwrap(), from.path());
    let mut child =
        Command::new("tar").args(["-tf", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&tar).unwrap();
    let listed = child.wait_with_output().unwrap();
    assert!(listed.status.success());
    let names = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(names[..3], ["d/", "d/.wh..wh..opq", "d/d/"]);
    assert_eq!(names[names.len() - 5..], [&long, "d/file", "d/.wh.gone", "d/link", "s"]);
}

#[test]
fn times_are_whole_seconds_between_1970_and_the_epoch() {
    let dir = scratch();
    let files = [("early", -5, 0), ("exact", 100, 999_999_999), ("late", 5000, 1)];
    let entry = |(name, secs, nanos): (&str, i64, u32)| {
        std::fs::write(dir.path().join(name), "").unwrap();
        let kind = Kind::File { size: 0, digest: None, link_to: None };
        (RootPath::new(name), Entry { kind, mtime: Mtime { secs, nanos }, ..Entry::dir(0o644, 0, 0) })
    };
    let index = LayerIndex::build(files.map(entry).to_vec());
    let mut out = Vec::new();
    write_tar(&index, dir.path(), &TarOptions { epoch: Some(1000) }, &mut out).unwrap();
    let to = scratch();
    let found = apply(&mut out.as_slice(), to.path(), &ApplyLimits::default()).unwrap();
    let times: Vec<Mtime> = found.iter().map(|(_, entry)| entry.mtime).collect();
    assert_eq!(times, [0, 100, 1000].map(|secs| Mtime { secs, nanos: 0 }));
}

#[test]
fn a_file_that_changed_is_refused_by_name() {
    for (old, new) in [(10, 11), (10, 9), (200_000, 200_001), (200_000, 10)] {
        let dir = planted(&[plain("f", What::File(vec![1; old]))]);
        let index = scan(dir.path()).unwrap();
        std::fs::write(dir.path().join("f"), vec![1; new]).unwrap();
        let error = write_tar(&index, dir.path(), &TarOptions::default(), &mut Vec::new()).unwrap_err();
        assert!(matches!(&error, LayerError::Changed { path, .. } if path.to_string() == "/f"), "{error}");
        assert!(!verify(&index, dir.path()).unwrap());
    }
}

#[test]
fn a_name_that_would_mean_a_removal_is_refused() {
    let dir = planted(&[plain("d/.wh.x", What::File(Vec::new()))]);
    let index = scan(dir.path()).unwrap();
    let error = write_tar(&index, dir.path(), &TarOptions::default(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("/d/.wh.x has a name"), "{error}");
}

#[test]
fn sizes_over_eight_gibibytes_have_a_form() {
    let kind = Kind::File { size: 9 << 30, digest: None, link_to: None };
    let entry = Entry { kind, ..Entry::dir(0o644, 0, 0) };
    let mut out = Vec::new();
    Member::new(&RootPath::new("big"), &entry, None).unwrap().append_to(&mut out);
    out.extend_from_slice(b"the data");
    let mut members = crate::layer::members::Members::new(out.as_slice(), false);
    assert_eq!(members.next().unwrap().unwrap().size, 9 << 30);
}

/// Deeper than any path that the kernel takes at once.
#[test]
fn paths_may_be_longer_than_the_kernel_takes() {
    let from = scratch();
    let mut path = RootPath::root();
    let mut fd = crate::layer::dirfd::open_root(from.path()).unwrap();
    for _ in 0..60 {
        let name = "l".repeat(100);
        rustix::fs::mkdirat(&fd, name.as_str(), Mode::RWXU).unwrap();
        fd = open_dir(&fd, name.as_bytes()).unwrap();
        path = path.child(name.as_bytes());
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    rustix::io::write(openat(&fd, "leaf", flags, Mode::RUSR).unwrap(), b"bottom").unwrap();
    let index = scan(from.path()).unwrap();
    let leaf = path.child(b"leaf");
    assert!(leaf.as_bytes().len() > 6000);
    assert!(index.get(&leaf).is_some_and(|entry| entry.is_file()));
    let to = scratch();
    let tar = tar_of(&index, from.path());
    let found = apply(&mut tar.as_slice(), to.path(), &ApplyLimits::default()).unwrap();
    assert_eq!(found.id(), index.id());
    for dir in [from.path(), to.path()] {
        assert!(
            Command::new("rm")
                .arg("-rf")
                .args(dir.read_dir().unwrap().map(|e| e.unwrap().path()))
                .status()
                .unwrap()
                .success()
        );
    }
}
