use super::*;
use crate::fixture::{put, shown, special};
use std::io::Write;

fn index(tar: tar::Builder<Vec<u8>>) -> Result<TarFiles, Error> {
    index_bytes(&tar.into_inner().unwrap())
}

fn index_bytes(bytes: &[u8]) -> Result<TarFiles, Error> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    TarFiles::index(file, "the archive")
}

fn text(files: &TarFiles, name: &str) -> Option<String> {
    let mut out = String::new();
    files.open(name).unwrap()?.reader.read_to_string(&mut out).unwrap();
    Some(out)
}

#[test]
fn members_are_found_by_their_plain_names() {
    let mut tar = tar::Builder::new(Vec::new());
    special(&mut tar, "./", EntryType::Directory, "", b"");
    special(&mut tar, "a/", EntryType::Directory, "", b"");
    special(&mut tar, "a/", EntryType::Directory, "", b"");
    put(&mut tar, "./a/one", b"1");
    put(&mut tar, "two", b"22");
    special(&mut tar, "b/link", EntryType::Symlink, "../a/one", b"");
    special(&mut tar, "hard", EntryType::Link, "a/one", b"");
    let files = index(tar).unwrap();
    assert_eq!(text(&files, "a/one").as_deref(), Some("1"));
    assert_eq!(text(&files, "two").as_deref(), Some("22"));
    assert_eq!(text(&files, "b/link").as_deref(), Some("1"));
    assert_eq!(text(&files, "hard").as_deref(), Some("1"));
    assert_eq!(text(&files, "b"), None);
    assert!(files.open("a").is_err(), "a directory is no file");
    assert!(files.exists("two").unwrap() && !files.exists("three").unwrap());
}

#[test]
fn hostile_members_are_refused() {
    use EntryType as T;
    type Case<'a> = (&'a [(&'a str, EntryType, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        (&[("../x", T::Regular, "")], "leads out of the archive"),
        (&[("a/../../x", T::Regular, "")], "leads out of the archive"),
        (&[("/etc/passwd", T::Regular, "")], "leads out of the archive"),
        (&[("x", T::Symlink, "/etc/passwd")], "outside of the archive"),
        (&[("x", T::Symlink, "../../etc/passwd")], "outside of the archive"),
        (&[("a/x", T::Symlink, "../../y")], "outside of the archive"),
        (&[("a/x", T::Link, "../y")], "outside of the archive"),
        (&[("x", T::Link, "/etc/passwd")], "outside of the archive"),
        (&[("x", T::Symlink, "")], "outside of the archive"),
        (&[("x", T::Regular, ""), ("x", T::Regular, "")], "holds `x` twice"),
        (&[("x", T::Regular, ""), ("./x", T::Regular, "")], "holds `x` twice"),
        (&[("x", T::Regular, ""), ("x", T::Symlink, "y")], "holds `x` twice"),
        (&[("x", T::Regular, ""), ("x/", T::Directory, "")], "holds `x` twice"),
        (&[("x", T::Char, "")], "which no image archive holds"),
        (&[("x", T::Fifo, "")], "which no image archive holds"),
        (&[(".", T::Regular, "")], "empty name"),
    ];
    for (members, expected) in cases {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, kind, target) in *members {
            special(&mut tar, name, *kind, target, b"");
        }
        let error = shown(&index(tar).expect_err(expected));
        assert!(error.contains(expected), "{members:?}: {error}");
    }
}

#[test]
fn links_in_a_circle_end() {
    let mut tar = tar::Builder::new(Vec::new());
    special(&mut tar, "a", EntryType::Symlink, "b", b"");
    special(&mut tar, "b", EntryType::Symlink, "a", b"");
    let files = index(tar).unwrap();
    assert!(shown(&files.open("a").err().unwrap()).contains("too many links"));
}

#[test]
fn a_member_that_reaches_beyond_the_end_is_a_truncated_archive() {
    let mut tar = tar::Builder::new(Vec::new());
    put(&mut tar, "big", &[7; 5000]);
    let bytes = tar.into_inner().unwrap();
    assert!(index_bytes(&bytes[..5512]).is_ok(), "all that is missing is padding and the end mark");
    for cut in [512, 513, 5000, 5511] {
        let error = shown(&index_bytes(&bytes[..cut]).expect_err("it is cut"));
        assert!(error.contains("truncated"), "{cut}: {error}");
    }
    for cut in [1, 100, 511] {
        assert!(index_bytes(&bytes[..cut]).is_err(), "{cut}");
    }
}

#[test]
fn a_size_near_the_end_of_numbers_does_not_wrap() {
    let mut header = tar::Header::new_gnu();
    header.set_path("x").unwrap();
    header.set_entry_type(EntryType::Regular);
    header.set_size(u64::MAX - 100);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend([0; 1024]);
    assert!(index_bytes(&bytes).is_err());
}
