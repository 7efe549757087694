use super::*;

fn text<T: std::fmt::Debug>(result: Result<T, CliError>) -> String {
    result.unwrap_err().text()
}

fn of(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn secrets_are_variables_or_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file,1");
    std::fs::write(&file, "x").unwrap();
    let path = file.display();
    let env = Env::of(&[("TOKEN", "t"), ("a", "from env")]);
    let parse = |text: &str| secrets(&of(&[text]), &env).map(|mut all| all.pop_first());
    let value = |id: &str, text: &str| Some((id.to_owned(), Secret::Value(text.into())));
    assert_eq!(parse("id=a").unwrap(), value("a", "from env"));
    assert_eq!(parse("id=b,env=TOKEN").unwrap(), value("b", "t"));
    assert_eq!(parse("type=env,id=b,src=TOKEN").unwrap(), value("b", "t"));
    assert_eq!(parse("id=b,env=NOT_SET").unwrap(), None);
    let quoted = format!("ID=b,\"source={path}\"");
    assert_eq!(parse(&quoted).unwrap(), Some(("b".into(), Secret::File(file.clone()))));
    assert!(text(parse("id=nowhere")).contains("read nowhere"));
    assert!(text(parse("src=x")).contains("it has no id"));
    assert!(text(parse("a")).contains("write `id=a`"));
    assert!(text(parse("id=a,mode=1")).contains("`mode` is none of"));
    assert!(text(parse("id=a,type=x")).contains("type `x`"));
    assert!(text(parse(&format!("id=a,src={}", dir.path().display()))).contains("is a directory"));
}

#[test]
fn agents_are_sockets_or_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, key) = (dir.path().join("s"), dir.path().join("k"));
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::write(&key, "x").unwrap();
    let env = Env::of(&[("SSH_AUTH_SOCK", "/agent")]);
    let parse = |text: &str| ssh(&of(&[text]), &env);
    assert_eq!(parse("default").unwrap()["default"], SshAgent::Socket("/agent".into()));
    assert!(parse("=x").is_err());
    let with = |id: &str, paths: String| parse(&format!("{id}={paths}"));
    assert_eq!(with("a", socket.display().to_string()).unwrap()["a"], SshAgent::Socket(socket.clone()));
    let two = format!("{},{}", key.display(), key.display());
    assert_eq!(with("a", two).unwrap()["a"], SshAgent::Keys(vec![key.clone(), key.clone()]));
    assert!(text(with("a", format!("{},{}", key.display(), socket.display()))).contains("has to be alone"));
    assert!(text(ssh(&of(&["default"]), &Env::of(&[]))).contains("SSH_AUTH_SOCK is not set"));
}

#[test]
fn numbers_are_dockers() {
    assert_eq!(bytes("--shm-size", "64m").unwrap(), 64 << 20);
    assert_eq!(bytes("--shm-size", "1.5GiB").unwrap(), 3 << 29);
    assert_eq!(bytes("--shm-size", "2 kb").unwrap(), 2048);
    assert_eq!(bytes("--shm-size", "7").unwrap(), 7);
    assert_eq!(bytes("--shm-size", "1t").unwrap(), 1 << 40);
    assert!(text(bytes("--shm-size", "x")).contains("`--shm-size x`"));
    let limit = ulimit("nofile=10:20").unwrap();
    assert_eq!((limit.soft, limit.hard), (10, 20));
    assert_eq!(ulimit("core=-1").unwrap().hard, -1);
    assert!(text(ulimit("nofile=20:10")).contains("above the hard one"));
    assert!(text(ulimit("files=1")).contains("`files` is none of"));
}

#[test]
fn hosts_have_several_addresses() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    assert_eq!(extra_hosts("a=1.2.3.4,[::1]").unwrap(), pairs(&[("a", "1.2.3.4"), ("a", "::1")]));
    assert_eq!(extra_hosts("a:::1").unwrap(), pairs(&[("a", "::1")]));
    assert_eq!(extra_hosts("a:host-gateway").unwrap(), pairs(&[("a", "host-gateway")]));
    assert!(text(extra_hosts("a=x")).contains("no IP address"));
    assert!(text(extra_hosts("a")).contains("NAME=ADDRESS"));
}

#[test]
fn entitlements_are_known_ones() {
    assert_eq!(allow(&of(&["network.host", "security.insecure"])).unwrap().len(), 2);
    assert!(text(allow(&of(&["device=x"]))).contains("not supported yet"));
    assert!(text(allow(&of(&["all"]))).contains("no such entitlement"));
}
