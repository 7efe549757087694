use super::*;

fn ok(text: &str) -> Output {
    text.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn path(text: &str) -> Option<Dest> {
    Some(Dest::Path(text.into()))
}

#[test]
fn short_forms_are_local_and_tar() {
    let dir = ok("out/dir");
    assert_eq!((dir.kind, dir.dest), (OutputKind::Local, path("out/dir")));
    let stdout = ok("-");
    assert_eq!((stdout.kind, stdout.dest.clone()), (OutputKind::Tar, Some(Dest::Stdout)));
    assert!(stdout.to_stdout());
}

#[test]
fn every_option_is_understood() {
    let out = ok("type=oci,dest=a.tar,name=x:1,compression=zstd,compression-level=9,force-compression=true");
    assert_eq!((out.kind, out.dest, out.tar), (OutputKind::Oci, path("a.tar"), true));
    assert_eq!(out.names[0].familiar(), "x:1");
    assert_eq!((out.compression, out.force_compression), (Compression::Zstd { level: 9 }, true));
    assert_eq!(out.flavor, Flavor::Oci);
    let out = ok("type=docker");
    assert!(out.to_store() && !out.to_stdout());
    assert_eq!(out.flavor, Flavor::Docker);
    let out = ok("type=docker,dest=-,oci-mediatypes=true");
    assert_eq!((out.to_store(), out.to_stdout(), out.flavor), (false, true, Flavor::Oci));
    let out = ok("type=oci,dest=d,tar=false,compression=uncompressed");
    assert_eq!((out.tar, out.compression), (false, Compression::None));
    let out =
        ok("type=oci,dest=d,annotation.a.b=c=d,annotation-manifest.e=f,annotation-manifest-descriptor.g=h");
    let of = |kind| Annotation::of(&out.annotations, kind, None);
    assert_eq!(of(AnnotationKind::Manifest), [("a.b".into(), "c=d".into()), ("e".into(), "f".into())].into());
    assert_eq!(of(AnnotationKind::ManifestDescriptor), [("g".into(), "h".into())].into());
    // Docker's manifests have no annotations.
    assert_eq!(ok("type=docker,dest=d,annotation.a=b").flavor, Flavor::Oci);
    assert!(ok("type=image,name=x,push=false").to_store());
    assert_eq!(ok("type=oci,dest=d,rewrite-timestamp=true").compression, Compression::GZIP);
    assert_eq!(ok("type=tar,dest=x.tar").dest, path("x.tar"));
    assert_eq!(ok("TYPE=oci,Dest=X").dest, path("X"));
}

#[test]
fn fields_are_those_of_a_csv_record() {
    let out = ok(r#"type=oci,"name=a:1,b:2","dest=a,""b"".tar""#);
    assert_eq!(out.names.iter().map(Reference::familiar).collect::<Vec<_>>(), ["a:1", "b:2"]);
    assert_eq!(out.dest, path(r#"a,"b".tar"#));
    assert_eq!(ok("out=put,type=local,dest=x".trim_start_matches("out=put,")).dest, path("x"));
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("", "empty"),
        ("type=local", "`dest` is required for type local"),
        ("type=tar", "`dest` is required for type tar"),
        ("type=oci", "`dest` is required for type oci"),
        ("type=oci,dest=", "`dest` is empty"),
        ("dest=x", "`type` is required"),
        ("type=registry,name=x", "type `registry` is not supported"),
        ("type=zip", "none of"),
        ("type=local,dest=-", "not standard output"),
        ("type=local,dest=x,name=y", "`name` is not an option of type local"),
        ("type=tar,dest=x,compression=gzip", "`compression` is not an option of type tar"),
        ("type=image,dest=x", "no `dest`"),
        ("type=image,push=true", "cannot be pushed"),
        ("type=image,compression=zstd", "need `dest`"),
        ("type=docker,force-compression=true", "need `dest`"),
        ("type=docker,tar=false", "needs a directory"),
        ("type=oci,dest=-,tar=false", "needs a directory"),
        ("type=oci,dest=x,tar=maybe", "true and false"),
        ("type=oci,dest=x,compression=estargz", "`estargz` is not supported"),
        ("type=oci,dest=x,compression=lzma", "`lzma` is not supported"),
        ("type=oci,dest=x,compression=gzip,compression-level=10", "levels 1 to 9"),
        ("type=oci,dest=x,compression=zstd,compression-level=0", "levels 1 to 22"),
        ("type=oci,dest=x,compression-level=high", "not a number"),
        ("type=oci,dest=x,compression=uncompressed,compression-level=1", "no compression-level"),
        ("type=oci,dest=x,annotation.=b", "name is empty"),
        ("type=oci,dest=x,annotation.a=b,oci-mediatypes=false", "no annotations"),
        ("type=oci,dest=x,unpack=true", "`unpack=true` is not supported"),
        ("type=oci,dest=x,rewrite-timestamp=false", "leave `rewrite-timestamp` out"),
        ("type=oci,dest=x,name=UPPER", "lower case"),
        ("type=oci,dest=x,dest=y", "`dest` is given twice"),
        ("type=oci,nonsense", "not of the form key=value"),
        ("type=oci,\"dest=x", "quote is not closed"),
        ("type=oci,\"dest=x\"y", "comma is missing"),
        ("type=oci,de\"st=x", "quote the whole field"),
    ] {
        let Err(error) = text.parse::<Output>() else { panic!("`{text}` was accepted") };
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}
