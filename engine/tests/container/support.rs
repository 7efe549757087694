//! A store with a busybox image, and runs of it whose output is caught.

use engine::cancel::Cancel;
use engine::container::{Attach, ContainerError, RunRequest, run};
use engine::images::{ImportRequest, Input, import};
use oci::Platform;
use runner::spec::Network;
use snapshotter::store::Store;
use std::fs::{self, File};
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const APPLETS: [&str; 25] = [
    "sh", "true", "cat", "ls", "id", "env", "echo", "sleep", "hostname", "stat", "touch", "mkdir", "rm",
    "pwd", "test", "wc", "head", "tr", "sort", "tty", "stty", "kill", "chmod", "mount", "grep",
];

pub(crate) struct Home {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(&dir.join("store"), &engine::clock::boot_id()).unwrap()
}

impl Home {
    /// With the image `box`: busybox, a user, a directory /seed, and `changes`.
    pub(crate) fn new(changes: &[&str]) -> Home {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let store = open(dir.path());
        let request = ImportRequest {
            input: Input::Stream(Box::new(Cursor::new(archive())), "the test".into()),
            changes: changes.iter().map(|change| (*change).to_owned()).collect(),
            message: String::new(),
            platform: "linux/amd64".parse::<Platform>().unwrap(),
            name: Some("box".parse().unwrap()),
            created: 1_700_000_000,
            epoch: None,
        };
        import(&store, request, &Cancel::default()).unwrap();
        Home { dir, store }
    }

    pub(crate) fn containers(&self) -> Vec<PathBuf> {
        let dir = fs::read_dir(self.dir.path().join("store/containers"));
        dir.map(|dir| dir.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    }

    pub(crate) fn volume(&self, name: &str) -> PathBuf {
        self.dir.path().join("store/volumes").join(name).join("data")
    }

    /// Output (both streams), and exit code.
    pub(crate) fn run(&self, request: &RunRequest) -> Result<(String, u8), ContainerError> {
        self.run_with(request, None)
    }

    pub(crate) fn run_with(
        &self,
        request: &RunRequest,
        input: Option<&str>,
    ) -> Result<(String, u8), ContainerError> {
        let (mut read, write) = std::io::pipe().unwrap();
        let stdin = input.map(|text| {
            let (read, mut write) = std::io::pipe().unwrap();
            write.write_all(text.as_bytes()).unwrap();
            read.into()
        });
        let attach = Attach { stdin, stdout: write.try_clone().unwrap().into(), stderr: write.into() };
        let text = std::thread::spawn(move || {
            let mut text = String::new();
            read.read_to_string(&mut text).unwrap();
            text
        });
        let code = run(&self.store, request, attach);
        let text = text.join().unwrap();
        Ok((text, code?))
    }

    /// Output of what must succeed.
    pub(crate) fn says(&self, request: &RunRequest) -> String {
        let (text, code) = self.run(request).unwrap();
        assert_eq!(code, 0, "{text}");
        text
    }
}

pub(crate) fn null() -> File {
    File::options().write(true).open("/dev/null").unwrap()
}

pub(crate) fn request(command: &[&str]) -> RunRequest {
    RunRequest {
        image: "box".into(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        entrypoint: None,
        env: vec![],
        workdir: None,
        user: None,
        volumes: vec![],
        name: None,
        hostname: None,
        network: Network::Host,
        remove: true,
        terminal: false,
        read_only: false,
    }
}

pub(crate) fn shell(script: &str) -> RunRequest {
    request(&["sh", "-c", script])
}

fn header(kind: tar::EntryType, mode: u32, uid: u64, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(uid);
    header.set_gid(uid);
    header.set_mtime(1_600_000_000);
    header.set_size(size as u64);
    header
}

fn archive() -> Vec<u8> {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let mut tar = tar::Builder::new(Vec::new());
    let busybox = fs::read("/bin/busybox").expect("busybox-static is installed");
    let passwd = b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n";
    let entries: [(&str, tar::EntryType, u32, u64, &[u8]); 9] = [
        ("bin", Directory, 0o755, 0, b""),
        ("etc", Directory, 0o755, 0, b""),
        ("home", Directory, 0o755, 0, b""),
        ("tmp", Directory, 0o755, 0, b""),
        ("bin/busybox", Regular, 0o755, 0, &busybox),
        ("etc/passwd", Regular, 0o644, 0, passwd),
        ("etc/group", Regular, 0o644, 0, b"root:x:0:\nann:x:1001:\naudio:x:63:ann\n"),
        ("seed", Directory, 0o1770, 1000, b""),
        ("seed/file", Regular, 0o4755, 1000, b"from the image\n"),
    ];
    for (path, kind, mode, uid, data) in entries {
        tar.append_data(&mut header(kind, mode, uid, data.len()), path, data).unwrap();
    }
    for applet in APPLETS {
        tar.append_link(&mut header(Symlink, 0o777, 0, 0), format!("bin/{applet}"), "busybox").unwrap();
    }
    tar.append_link(&mut header(Link, 0o4755, 1000, 0), "seed/again", "seed/file").unwrap();
    tar.into_inner().unwrap()
}
