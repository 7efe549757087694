use super::*;

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[test]
fn numbers_are_octal_or_base_256() {
    assert_eq!(number::parse(b"0000644\0"), Some(0o644));
    assert_eq!(number::parse(b"  644 \0\0"), Some(0o644));
    assert_eq!(number::parse(b"\0\0\0\0\0\0\0\0"), Some(0));
    assert_eq!(number::parse(b"00008\0"), None);
    assert_eq!(number::parse(b"777777777777"), Some(0o777_777_777_777));
    assert_eq!(number::parse(b"\x80\0\0\0\0\0\x01\0"), Some(256));
    assert_eq!(number::parse(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"), Some(-2));
    assert_eq!(number::parse(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"), Some(i64::MAX));
    assert_eq!(number::parse(b"\x80\0\0\0\x80\0\0\0\0\0\0\0"), None);
}

#[test]
fn pax_records_are_read_by_length() {
    let pax =
        Pax::parse(b"30 mtime=1350244992.023960108\n18 path=a=b\nc\n d\xff\n27 SCHILY.xattr.user.k=1\n2\n")
            .unwrap();
    assert_eq!(pax.mtime, Some(Mtime { secs: 1_350_244_992, nanos: 23_960_108 }));
    assert_eq!(pax.path, Some(b"a=b\nc\n d\xff".to_vec()));
    assert_eq!({ pax }.take_xattrs(), [(bytes("user.k"), bytes("1\n2"))]);
    for bad in
        ["", "5 a=b", "99 a=b\n", "6 a=b\n\n", "x a=b\n", "5 ab\n\n", "0 \n", "18446744073709551615 a=b\n"]
    {
        assert!(bad.is_empty() || Pax::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    assert!(Pax::parse(b"10 path=\0\0\n").is_err());
    assert!(Pax::parse(b"11 size=-1\n").is_err() && Pax::parse(b"10 size=+1\n").is_err());
}

#[test]
fn an_empty_archive_and_one_with_bytes_after_it() {
    let zeros = [0; 1024];
    assert!(Members::new(zeros.as_slice(), false).next().unwrap().is_none());
    assert!(Members::new([].as_slice(), true).next().unwrap().is_none());
    assert!(matches!(Members::new([].as_slice(), false).next(), Err(ApplyError::Truncated { .. })));
    let mut members = Members::new(zeros.as_slice(), false);
    assert!(members.next().unwrap().is_none());
    assert!(matches!(members.drain(100), Err(ApplyError::Limit { .. })));
}
