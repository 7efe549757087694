use super::*;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use tempfile::TempDir;

/// A directory whose name is longer than a socket's address.
fn deep() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("d".repeat(120));
    std::fs::create_dir(&deep).unwrap();
    (dir, deep)
}

/// An agent that answers each byte with the next one.
fn counter(dir: &Path) -> PathBuf {
    let path = dir.join("agent");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut byte = [0];
            while stream.read(&mut byte).unwrap() == 1 {
                stream.write_all(&[byte[0] + 1]).unwrap();
            }
        }
    });
    path
}

fn socket() -> Socket {
    Socket { name: "step".to_owned(), mode: 0o660, uid: 7, gid: 8 }
}

#[test]
fn connections_reach_the_agent_and_end_with_the_step() {
    let (top, dir) = deep();
    let agent = SshAgent::Socket(counter(top.path()));
    let running = Agent::start(Known { id: "a", agent: &agent }, &dir, &socket()).unwrap();
    let found = std::fs::metadata(dir.join("step")).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!((found.mode() & 0o7777, found.uid(), found.gid()), (0o660, 7, 8));
    let mut open = connect(&dir.join("step")).unwrap();
    for byte in [1, 5] {
        open.write_all(&[byte]).unwrap();
        let mut answer = [0];
        open.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [byte + 1]);
    }
    drop(running);
    assert_eq!(open.read(&mut [0]).unwrap(), 0, "the connection is closed");
    assert!(connect(&dir.join("step")).is_err(), "nobody listens any more");
}

#[test]
fn an_agent_that_is_not_there_is_named() {
    let (top, dir) = deep();
    let agent = SshAgent::Socket(top.path().join("nothing"));
    let error = Agent::start(Known { id: "git", agent: &agent }, &dir, &socket()).unwrap_err();
    assert!(error.to_string().starts_with("reach the SSH agent `git` at "), "{error}");
}

#[test]
fn keys_get_an_agent_of_their_own_that_ends_with_it() {
    let (top, dir) = deep();
    let key = top.path().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).output();
    let Ok(made) = made else { return eprintln!("no ssh-keygen here") };
    assert!(made.status.success(), "{made:?}");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let agent = SshAgent::Keys(vec![key.clone()]);
    let running = Agent::start(Known { id: "a", agent: &agent }, &dir, &socket()).unwrap();
    let address = short(&dir, "step").unwrap();
    let listed = Command::new("ssh-add").arg("-L").env("SSH_AUTH_SOCK", &address.path).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).starts_with("ssh-ed25519 "), "{listed:?}");
    let own = dir.join("own-step");
    assert!(connect(&own).is_ok());
    drop(running);
    let began = Instant::now();
    while connect(&own).is_ok() {
        assert!(began.elapsed() < PATIENCE, "the agent ends");
        std::thread::sleep(PAUSE);
    }
    std::fs::write(&key, "no key").unwrap();
    let error = Agent::start(Known { id: "a", agent: &agent }, &dir, &socket()).unwrap_err();
    assert!(matches!(&error, MountFailure::Key { key: named, .. } if *named == key), "{error:?}");
    assert!(error.help().is_some());
}
