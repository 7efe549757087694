//! One line an address.

use super::*;

fn shown(source: &str) -> String {
    match classify(source) {
        Ok(Remote::Local) => "local".into(),
        Ok(Remote::Http(http)) => format!("http {}", http.name),
        Ok(Remote::Git(git, keep)) => {
            let mut text = format!("git {}", git.remote);
            let mut put = |name: &str, value: Option<String>| {
                text.extend(value.map(|value| format!(" {name}={value}")));
            };
            put("ref", git.reference);
            put("subdir", git.subdir);
            put("checksum", git.checksum);
            put("keep", keep.map(|keep| keep.to_string()));
            put("submodules", git.skip_submodules.then(|| "no".into()));
            put("mtime", git.commit_mtime.then(|| "commit".into()));
            put("fetch", git.fetch_by_commit.then(|| "commit".into()));
            text
        }
        Err(error) => format!("error {error}"),
    }
}

#[test]
fn sources_are_told_apart() {
    let cases = [
        ("a/b", "local"),
        ("./git@host:x", "local"),
        ("github.com/foo/bar", "local"),
        ("ftp://host/x", "local"),
        ("git:x", "local"),
        ("a@b c:d", "local"),
        ("http://h/a.tar", "http a.tar"),
        ("https://h/a/b%20c?x=1#y", "http b c"),
        ("https://h/dir/", "http dir"),
        ("https://h", "http __unnamed__"),
        ("https://h/?a=b", "http __unnamed__"),
        (
            "https://h/a.git?x",
            "error a git address has no query `x`: it knows ref, tag, branch, subdir, checksum, commit, keep-git-dir, submodules, mtime, fetch-by-commit",
        ),
        ("HTTPS://h/a", "local"),
        ("HTTPS://h/a.git", "git https://h/a.git"),
        ("https://h/a.git/", "http a.git"),
        ("https://u:p@h:8443/a.git#v1:sub/../dir", "git https://u:p@h:8443/a.git ref=v1 subdir=dir"),
        ("https://h/a.git#:sub", "git https://h/a.git subdir=sub"),
        ("git://h/a", "git git://h/a"),
        ("ssh://git@h:22/a", "git ssh://git@h:22/a"),
        ("ssh://git@h:org/a", "local"),
        ("git@github.com:foo/bar.git#main", "git git@github.com:foo/bar.git ref=main"),
        ("me@h:p?branch=b#", "git me@h:p ref=refs/heads/b"),
        ("git://h/a?tag=v1", "git git://h/a ref=refs/tags/v1"),
        ("git://h/a?tag=refs/tags/v1", "git git://h/a ref=refs/tags/v1"),
        ("git://h/a?branch=b&subdir=c&commit=abc", "git git://h/a ref=refs/heads/b subdir=c checksum=abc"),
        (
            "git://h/a?checksum=abc&keep-git-dir&submodules=0",
            "git git://h/a checksum=abc keep=true submodules=no",
        ),
        ("git://h/a?mtime=commit&fetch-by-commit=true", "git git://h/a mtime=commit fetch=commit"),
        ("git://h/a?ref=b#b", "git git://h/a ref=b"),
        ("git://h/a?ref=b#c", "error the address names two refs, `c` and `b`"),
        ("git://h/a?tag=b&branch=c", "error the query names a branch and a tag"),
        ("git://h/a?ref=", "error the query `ref` has no value"),
        ("git://h/a?ref=a&ref=a", "error the query `ref` is given twice"),
        ("git://h/a?mtime=now", "error the query `mtime` is checkout or commit, not `now`"),
        ("git://h/a?submodules=maybe", "error the query `submodules` is true or false, not `maybe`"),
        ("git://h/a?brunch=b", "error a git address has no query `brunch`; did you mean `branch`?"),
        ("git://h/%zz", "local"),
    ];
    for (source, expected) in cases {
        assert_eq!(shown(source), expected, "{source}");
    }
}

#[test]
fn checksums_of_files_have_an_algorithm_and_its_length() {
    assert_eq!(check_digest(&format!("sha256:{}", "a".repeat(64))), Ok(()));
    assert_eq!(check_digest(&format!("sha512:{}", "0".repeat(128))), Ok(()));
    for bad in ["", "abc", "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:"] {
        assert!(check_digest(bad).is_err(), "{bad}");
    }
    assert!(check_digest(&format!("sha256:{}", "A".repeat(64))).is_err());
}
