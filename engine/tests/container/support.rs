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

const APPLETS: [&str; 24] = [
    "sh", "true", "cat", "ls", "id", "env", "echo", "sleep", "hostname", "stat", "touch", "mkdir", "rm",
    "pwd", "test", "wc", "head", "tr", "sort", "tty", "stty", "kill", "chmod", "mount",
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

fn archive() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let add = |tar: &mut tar::Builder<Vec<u8>>, path: &str, kind, mode, uid, data: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(uid);
        header.set_gid(uid);
        header.set_mtime(1_600_000_000);
        header.set_size(data.len() as u64);
        tar.append_data(&mut header, path, data).unwrap();
    };
    use tar::EntryType::{Directory, Regular};
    for dir in ["bin", "etc", "home", "tmp"] {
        add(&mut tar, dir, Directory, 0o755, 0, b"");
    }
    add(
        &mut tar,
        "bin/busybox",
        Regular,
        0o755,
        0,
        &fs::read("/bin/busybox").expect("busybox-static is installed"),
    );
    for applet in APPLETS {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        tar.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
    }
    let passwd = b"root:x:0:0:root:/root:/bin/sh\nann:x:1000:1001::/home/ann:/bin/sh\n";
    add(&mut tar, "etc/passwd", Regular, 0o644, 0, passwd);
    add(&mut tar, "etc/group", Regular, 0o644, 0, b"root:x:0:\nann:x:1001:\naudio:x:63:ann\n");
    add(&mut tar, "seed", Directory, 0o1770, 1000, b"");
    add(&mut tar, "seed/file", Regular, 0o4755, 1000, b"from the image\n");
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_mode(0o4755);
    header.set_uid(1000);
    header.set_gid(1000);
    header.set_mtime(1_600_000_000);
    header.set_size(0);
    tar.append_link(&mut header, "seed/again", "seed/file").unwrap();
    tar.into_inner().unwrap()
}
