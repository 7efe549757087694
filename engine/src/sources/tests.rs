//! Fetching, against servers and repositories of the tests.

use super::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::sync::Mutex;

const HELLO_512: &str = "sha512:9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043";
const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// A server that answers each connection with what `reply` makes of the request's head, and remembers the heads.
struct Server {
    url: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(reply: impl Fn(&str) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream: TcpStream = stream.unwrap();
                let mut head = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while reader.read_line(&mut head).unwrap_or(0) > 2 {}
                let answer = reply(&head);
                seen.lock().unwrap().push(head);
                // The other end may have had enough.
                let _ = stream.write_all(&answer);
                if answer.ends_with(b"<stall>") {
                    std::thread::sleep(Duration::from_secs(5));
                }
            }
        });
        Self { url, heads }
    }

    fn text(reply: impl Fn(&str) -> String + Send + 'static) -> Self {
        Self::new(move |head| reply(head).into_bytes())
    }

    fn source(&self, path: &str) -> HttpSource {
        HttpSource { url: format!("{}{path}", self.url), name: "f".into(), checksum: None }
    }

    fn asked(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

fn fetcher() -> (tempfile::TempDir, Fetcher) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store"), "boot").unwrap();
    (dir, Fetcher::new(&store, &Cancel::default()))
}

#[test]
fn a_file_has_its_mode_time_and_digest() {
    let (_dir, fetcher) = fetcher();
    let server = Server::text(|_| ok("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "hello"));
    let fetched = fetcher.http(&server.source("/a")).unwrap();
    let meta = fetched.dir.join(&fetched.path).metadata().unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o600, 784_111_777));
    assert_eq!(
        (fetched.digest.as_str(), fetched.path.as_str(), fetched.time),
        (HELLO, "f", Some(784_111_777))
    );
}

#[test]
fn without_a_time_it_is_of_1970() {
    let (_dir, fetcher) = fetcher();
    let server = Server::text(|_| ok("", "hello"));
    let fetched = fetcher.http(&server.source("/a")).unwrap();
    assert_eq!(fetched.dir.join("f").metadata().unwrap().mtime(), 0);
}

#[test]
fn an_unchanged_file_is_not_loaded_again_and_a_changed_one_is() {
    let (_dir, fetcher) = fetcher();
    let tag = Arc::new(Mutex::new("one".to_owned()));
    let now = Arc::clone(&tag);
    let server = Server::text(move |head| {
        let tag = now.lock().unwrap().clone();
        if head.to_lowercase().contains(&format!("if-none-match: \"{tag}\"")) {
            return "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".into();
        }
        ok(&format!("ETag: \"{tag}\"\r\n"), &tag)
    });
    let first = fetcher.http(&server.source("/a")).unwrap();
    assert_eq!(fetcher.http(&server.source("/a")).unwrap(), first);
    assert_eq!(server.asked(), 2);
    *tag.lock().unwrap() = "two".into();
    let other = fetcher.http(&server.source("/a")).unwrap();
    assert_eq!(std::fs::read(other.dir.join("f")).unwrap(), b"two");
    // What the first build uses is still there.
    assert_eq!(std::fs::read(first.dir.join("f")).unwrap(), b"one");
}

#[test]
fn a_damaged_copy_is_loaded_again() {
    let (_dir, fetcher) = fetcher();
    let server = Server::text(|head| {
        if head.to_lowercase().contains("if-none-match") {
            return "HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".into();
        }
        ok("ETag: \"x\"\r\n", "hello")
    });
    let first = fetcher.http(&server.source("/a")).unwrap();
    std::fs::write(first.dir.join("f"), "hel").unwrap();
    let again = fetcher.http(&server.source("/a")).unwrap();
    assert_eq!(std::fs::read(again.dir.join("f")).unwrap(), b"hello");
}

#[test]
fn a_checksum_that_is_here_needs_no_server() {
    let (_dir, fetcher) = fetcher();
    let server = Server::text(|_| ok("", "hello"));
    for checksum in [HELLO, HELLO_512] {
        let source = HttpSource { checksum: Some(checksum.into()), ..server.source("/a") };
        assert_eq!(fetcher.http(&source).unwrap().digest, HELLO);
    }
    assert_eq!(server.asked(), 1);
}

#[test]
fn a_wrong_checksum_is_told_with_both_digests() {
    let (_dir, fetcher) = fetcher();
    let server = Server::text(|_| ok("", "other"));
    let source = HttpSource { checksum: Some(HELLO.into()), ..server.source("/a") };
    let error = fetcher.http(&source).unwrap_err();
    assert!(
        matches!(&error, FetchError::Checksum { found, expected, .. }
        if expected == HELLO && found.starts_with("sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa")),
        "{error}"
    );
}

#[test]
fn credentials_are_sent_and_never_shown() {
    let (_dir, fetcher) = fetcher();
    let secrets =
        BTreeMap::from([("HTTP_AUTH_TOKEN_127.0.0.1".to_owned(), Secret::Value(b"s3cret\n".to_vec()))]);
    let with = fetcher.clone().with_credentials(&secrets, &BTreeMap::new());
    let server = Server::text(|_| {
        "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into()
    });
    let error = with.http(&server.source("/a")).unwrap_err().to_string();
    assert!(error.contains("401 Unauthorized") && !error.contains("s3cret"), "{error}");
    let url = server.url.replace("http://", "http://me:pa55@");
    let source = HttpSource { url, name: "f".into(), checksum: None };
    let error = fetcher.http(&source).unwrap_err().to_string();
    assert!(!error.contains("pa55"), "{error}");
    let heads = server.heads.lock().unwrap().join("").to_lowercase();
    assert!(
        heads.contains("authorization: bearer s3cret") && heads.contains("authorization: basic bwu6cge1nq=="),
        "{heads}"
    );
    let nobody = HttpSource { url: "http://me:pa55@127.0.0.1:1/x".into(), name: "f".into(), checksum: None };
    let error = fetcher.http(&nobody).unwrap_err().to_string();
    assert!(!error.contains("pa55") && error.contains("refused"), "{error}");
}

#[test]
fn what_breaks_off_or_stalls_or_is_too_large_is_an_error() {
    let (_dir, fetcher) = fetcher();
    let short =
        Server::text(|_| "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhel".into());
    assert!(matches!(fetcher.http(&short.source("/a")), Err(FetchError::Transfer { .. })));
    let limits = Limits { idle: Duration::from_millis(200), connect: Duration::from_millis(300), bytes: 4 };
    let fetcher = fetcher.with_limits(limits);
    let long = Server::text(|_| ok("", "hello"));
    assert!(matches!(fetcher.http(&long.source("/a")), Err(FetchError::TooLarge { limit: 4, .. })));
    let hang = Server::text(|_| "HTTP/1.1 200 OK\r\nX: <stall>".into());
    assert!(matches!(fetcher.http(&hang.source("/a")), Err(FetchError::Stalled { .. })));
    let round = Server::text(|_| {
        "HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()
    });
    let error = fetcher.http(&round.source("/a")).unwrap_err().to_string();
    assert!(error.contains("redirected more than"), "{error}");
}

fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .args(["-c", "user.name=n", "-c", "user.email=e", "-c", "protocol.file.allow=always"])
        .args(["-c", "init.defaultBranch=main"])
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_COMMITTER_DATE", "@1000000000 +0000")
        .output()
        .unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

/// A repository with two commits, a branch and a tag with a message.
fn repository(dir: &Path) -> (GitSource, String, String) {
    let repo = dir.join("repo");
    std::fs::create_dir_all(repo.join("sub")).unwrap();
    git(&repo, &["init", "-q"]);
    std::fs::write(repo.join("a"), "1").unwrap();
    std::fs::write(repo.join("sub/b"), "b").unwrap();
    std::os::unix::fs::symlink("/etc", repo.join("out")).unwrap();
    git(&repo, &["add", "."]);
    git(&repo, &["commit", "-qm", "one"]);
    git(&repo, &["tag", "-a", "v1", "-m", "v1"]);
    let one = git(&repo, &["rev-parse", "HEAD"]);
    std::fs::write(repo.join("a"), "2").unwrap();
    git(&repo, &["commit", "-qam", "two"]);
    let two = git(&repo, &["rev-parse", "HEAD"]);
    (GitSource { remote: format!("file://{}", repo.display()), ..GitSource::default() }, one, two)
}

#[test]
fn references_of_all_kinds_give_their_trees() {
    let (dir, fetcher) = fetcher();
    let (source, one, two) = repository(dir.path());
    let at = |reference: &str| GitSource { reference: Some(reference.to_owned()), ..source.clone() };
    for (source, commit, text) in [
        (source.clone(), &two, "2"),
        (at("main"), &two, "2"),
        (at("refs/heads/main"), &two, "2"),
        (at("v1"), &one, "1"),
        (at("refs/tags/v1"), &one, "1"),
        (at(&one), &one, "1"),
    ] {
        let fetched = fetcher.git(&source).unwrap();
        assert_eq!(&fetched.digest, commit, "{source:?}");
        assert_eq!(std::fs::read_to_string(fetched.dir.join("a")).unwrap(), text, "{source:?}");
        assert!(!fetched.dir.join(".git").exists());
        assert_eq!(fetched.dir.join("a").metadata().unwrap().mode() & 0o7777, 0o644);
        assert_eq!(fetched.time, Some(1_000_000_000));
    }
    let error = fetcher.git(&at("none")).unwrap_err();
    assert!(matches!(&error, FetchError::NoReference { reference, .. } if reference == "none"), "{error}");
}

#[test]
fn options_of_a_repository_are_obeyed() {
    let (dir, fetcher) = fetcher();
    let (source, one, two) = repository(dir.path());
    let sub = fetcher.git(&GitSource { subdir: Some("sub".into()), ..source.clone() }).unwrap();
    assert_eq!(std::fs::read_to_string(sub.dir.join("b")).unwrap(), "b");
    for bad in ["none", "out", "a", "sub/../.."] {
        let error = fetcher.git(&GitSource { subdir: Some(bad.into()), ..source.clone() }).unwrap_err();
        assert!(matches!(error, FetchError::NoSubdir { .. }), "{bad}: {error}");
    }
    let kept = fetcher.git(&GitSource { keep_git_dir: true, ..source.clone() }).unwrap();
    assert_eq!(git(&kept.dir, &["-c", "safe.directory=*", "rev-parse", "HEAD"]), two);
    let timed = fetcher.git(&GitSource { commit_mtime: true, ..source.clone() }).unwrap();
    assert_eq!(timed.dir.join("a").metadata().unwrap().mtime(), 1_000_000_000);
    let good = GitSource { checksum: Some(two[..8].into()), ..source.clone() };
    assert_eq!(fetcher.git(&good).unwrap().digest, two);
    let error = fetcher.git(&GitSource { checksum: Some(one.clone()), ..source.clone() }).unwrap_err();
    assert!(
        matches!(&error, FetchError::Checksum { expected, found, .. } if *expected == one && *found == two)
    );
    let by_commit = GitSource { fetch_by_commit: true, checksum: Some(one.clone()), ..source };
    assert_eq!(fetcher.git(&by_commit).unwrap().digest, one);
}

#[test]
fn a_password_in_an_address_is_sent_and_never_kept() {
    let (dir, fetcher) = fetcher();
    let (_, _, two) = repository(dir.path());
    git(dir.path(), &["clone", "-q", "--bare", "repo", "bare.git"]);
    git(&dir.path().join("bare.git"), &["update-server-info"]);
    let root = dir.path().to_owned();
    let server = Server::new(move |head| {
        // me:pa55word@
        if !head.contains("Authorization: Basic bWU6cGE1NXdvcmRA") {
            return b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec();
        }
        let path = head.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
        let (status, body) = match std::fs::read(root.join(path.trim_start_matches('/'))) {
            Ok(bytes) => ("200 OK", bytes),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    });
    let remote = format!("{}/bare.git", server.url.replace("http://", "http://me:pa55word%40@"));
    let source = GitSource { remote, keep_git_dir: true, ..GitSource::default() };
    let fetched = fetcher.git(&source).unwrap();
    assert_eq!(fetched.digest, two);
    let found =
        Command::new("grep").args(["-rlaE", "pa55|cGE1NX"]).arg(dir.path().join("store")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn passwords_of_addresses_are_told_apart() {
    let of = |url: &str| auth::without_password(url).unwrap();
    assert_eq!(of("https://h/a.git"), ("https://h/a.git".to_owned(), None));
    assert_eq!(of("git@h:a.git"), ("git@h:a.git".to_owned(), None));
    assert_eq!(of("ssh://git:pw@h/a.git").0, "ssh://git@h/a.git");
    let (plain, authorization) = of("https://me:a%3Ab@h:8080/x/a.git");
    assert_eq!(plain, "https://h:8080/x/a.git");
    let authorization = authorization.unwrap();
    assert_eq!(authorization.scope, "https://h:8080/");
    assert_eq!(authorization.header, "Authorization: Basic bWU6YTpi");
}

#[test]
fn an_archive_has_the_time_of_its_newest_file() {
    let (dir, fetcher) = fetcher();
    let path = dir.path().join("files");
    std::fs::create_dir_all(path.join("d")).unwrap();
    for (name, time) in [("d/a", "@1000000000"), ("b", "@900000000"), ("d", "@1100000000")] {
        let made = if name == "d" { Ok(()) } else { std::fs::write(path.join(name), name) };
        made.unwrap();
        assert!(Command::new("touch").args(["-d", time]).arg(path.join(name)).status().unwrap().success());
    }
    let body = Command::new("tar").args(["-cz", "-C"]).arg(&path).arg(".").output().unwrap().stdout;
    let server = Server::new(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    });
    let fetched = fetcher.http(&server.source("/a")).unwrap();
    assert_eq!((fetched.time, fetcher.time_inside(&fetched)), (None, Some(1_000_000_000)));
    let plain = Server::text(|_| ok("", "hello"));
    let fetched = fetcher.http(&plain.source("/a")).unwrap();
    assert_eq!(fetcher.time_inside(&fetched), None);
}

#[test]
fn a_commit_that_is_here_needs_no_remote() {
    let (dir, fetcher) = fetcher();
    let (source, one, _) = repository(dir.path());
    let source = GitSource { reference: Some(one.clone()), ..source };
    fetcher.git(&source).unwrap();
    std::fs::remove_dir_all(dir.path().join("repo")).unwrap();
    assert_eq!(fetcher.git(&source).unwrap().digest, one);
}

#[test]
fn a_cancelled_fetch_ends() {
    let (_dir, fetcher) = fetcher();
    let hang = Server::text(|_| "HTTP/1.1 200 OK\r\nX: <stall>".into());
    let cancel = fetcher.cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(100));
        cancel.cancel();
    });
    assert!(matches!(fetcher.http(&hang.source("/a")), Err(FetchError::Canceled)));
}

#[test]
fn contexts_on_standard_input_are_told_apart() {
    let (dir, fetcher) = fetcher();
    let read = |bytes: &[u8]| main_context(&fetcher, "-", &mut &bytes[..], Given::default());
    let lone = read(b"FROM scratch\n").unwrap();
    assert_eq!((lone.dir.as_deref(), lone.dockerfile.as_deref()), (None, Some(&b"FROM scratch\n"[..])));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(12);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append_data(&mut header, "Dockerfile", &b"FROM scratch"[..]).unwrap();
    let context = read(&builder.into_inner().unwrap()).unwrap();
    assert!(context.dockerfile.is_none());
    let root = context.dir.clone().unwrap();
    assert_eq!(std::fs::read(root.join("Dockerfile")).unwrap(), b"FROM scratch");
    drop(context);
    assert!(!root.exists());
    let _ = dir;
}

#[test]
fn named_contexts_are_told_apart() {
    let (_dir, fetcher) = fetcher();
    let of = |text: &str| named_context(&fetcher, text);
    assert_eq!(of("docker-image://alpine:3").unwrap(), NamedFetch::Image("alpine:3".into()));
    assert_eq!(of("oci-layout:///x").unwrap(), NamedFetch::Image("oci-layout:///x".into()));
    assert_eq!(of("../x").unwrap(), NamedFetch::Local("../x".into()));
    assert!(matches!(of("s3://x/y"), Err(FetchError::UnknownContext(_))));
    let server = Server::text(|_| ok("", "hello"));
    let NamedFetch::Dir(context, None) = of(&format!("{}/x.tar", server.url)).unwrap() else { panic!() };
    assert_eq!(std::fs::read(context.path.join("context")).unwrap(), b"hello");
}
