use crate::cancel::Cancel;
use crate::export::fixture::{result, rich, store, tar_of};
use crate::export::{Dest, Output, OutputKind, export};
use std::collections::BTreeMap;
use std::io::Read;

fn flat(epoch: Option<i64>) -> Vec<u8> {
    let (_dir, store) = store();
    let built = result(&store, &rich(), epoch);
    let mut out = Vec::new();
    let output = Output::new(OutputKind::Tar, Some(Dest::Stdout));
    export(&store, &built, &[], &output, &mut out, &Cancel::default()).unwrap();
    out
}

#[test]
fn the_tar_holds_the_merged_root() {
    let bytes = flat(None);
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut found = BTreeMap::new();
    let mut names = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let link = entry.link_name_bytes().map(|l| String::from_utf8(l.into_owned()).unwrap());
        let mut xattrs = Vec::new();
        if let Some(pax) = entry.pax_extensions().unwrap() {
            xattrs.extend(
                pax.map(|e| e.unwrap()).map(|e| (e.key().unwrap().to_owned(), e.value_bytes().to_vec())),
            );
        }
        let mut data = String::new();
        entry.read_to_string(&mut data).unwrap();
        let header = entry.header();
        let facts = (
            header.entry_type().as_byte(),
            header.mode().unwrap(),
            header.uid().unwrap(),
            link,
            data,
            xattrs,
        );
        names.push(name.clone());
        found.insert(name, facts);
    }
    assert!(!found.keys().any(|name| name.starts_with("gone")), "{names:?}");
    assert_eq!(found["replaced"].4, "new");
    assert_eq!(found["usr/bin/"], (b'5', 0o750, 1000, None, String::new(), vec![]));
    let note = vec![("SCHILY.xattr.user.note".to_owned(), b"\x00\xffbinary".to_vec())];
    assert_eq!(found["usr/bin/ping"], (b'0', 0o4755, 1000, None, "ping".into(), note));
    assert_eq!(found["usr/bin/tool-too"].3.as_deref(), Some("usr/bin/tool"));
    assert_eq!((found["usr/bin/tool-too"].0, found["usr/lib64"].0), (b'1', b'2'));
    assert_eq!(found["usr/lib64"].3.as_deref(), Some("lib/./x//y/"), "targets are kept byte for byte");
    assert_eq!(found[&format!("usr/{}/end", "long-name-".repeat(12))].4, "deep");
    assert_eq!((found["dev/null"].0, found["run/fifo"].0), (b'3', b'6'));
    assert_eq!(found["tmp/"].1, 0o1777);
    assert!(names.iter().position(|n| n == "usr/") < names.iter().position(|n| n == "usr/bin/"));
}

#[test]
fn equal_roots_give_equal_bytes_dated_no_later_than_the_epoch() {
    let bytes = flat(Some(1_000_000));
    assert_eq!(bytes, flat(Some(1_000_000)));
    let mut archive = tar::Archive::new(bytes.as_slice());
    for entry in archive.entries().unwrap() {
        assert!(entry.unwrap().header().mtime().unwrap() <= 1_000_000);
    }
}

#[test]
fn an_empty_root_is_an_empty_tar() {
    let (_dir, store) = store();
    let built = result(&store, &[tar_of(&[])], None);
    let mut out = Vec::new();
    super::write(&store, &built, &mut out).unwrap();
    assert_eq!(out, [0; 1024]);
}
