//! Tars: the base image's, and what is in those that the binary writes.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;
use std::process::Command;
use tar::{Archive, Builder, EntryType, Header};

/// 2006-01-02T22:04:05Z, the time of everything in the base image.
pub(crate) const BASE_TIME: u64 = 1_136_239_445;

/// A root file system of one static busybox: hard links for the applets, some users, /tmp, /dev, and `more_dirs`.
pub(crate) fn busybox(more_dirs: &[&str]) -> Vec<u8> {
    let program = std::fs::read("/bin/busybox").expect("read /bin/busybox: install busybox-static");
    let list = Command::new("/bin/busybox").arg("--list").output().expect("run /bin/busybox");
    let applets = String::from_utf8(list.stdout).unwrap();
    let mut tar = Builder::new(Vec::new());
    for dir in
        ["./", "bin/", "dev/", "etc/", "lib/", "root/", "sbin/", "tmp/", "usr/", "usr/bin/", "usr/sbin/"]
            .into_iter()
            .chain(["var/", "var/spool/", "var/spool/mail/", "var/www/"])
            .chain(more_dirs.iter().copied())
    {
        let mode = match dir {
            "root/" => 0o700,
            "tmp/" => 0o1777,
            _ => 0o755,
        };
        append(&mut tar, dir, EntryType::Directory, mode, b"");
    }
    let mut home = header(EntryType::Directory, 0o755, 0);
    home.set_uid(65534);
    home.set_gid(65534);
    tar.append_data(&mut home, "home/", &b""[..]).unwrap();
    append(&mut tar, "bin/busybox", EntryType::Regular, 0o755, &program);
    for applet in applets.lines().filter(|applet| *applet != "busybox") {
        let mut header = header(EntryType::Link, 0o755, 0);
        tar.append_link(&mut header, format!("bin/{applet}"), "bin/busybox").unwrap();
    }
    let passwd = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
                  www-data:x:33:33:www-data:/var/www:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n";
    let group = "root:x:0:\ndaemon:x:1:\ntty:x:5:\nwww-data:x:33:\nusers:x:100:\nnogroup:x:65534:\n";
    for (link, target) in [("usr/bin/env", "../../bin/env"), ("usr/sbin/addgroup", "adduser")] {
        tar.append_link(&mut header(EntryType::Symlink, 0o777, 0), link, target).unwrap();
    }
    append(&mut tar, "usr/sbin/adduser", EntryType::Regular, 0o755, &[b'#'; 1015]);
    append(&mut tar, "etc/os-release", EntryType::Regular, 0o644, b"ID=lapstrake-test-img\n");
    append(&mut tar, "etc/shadow", EntryType::Regular, 0o640, b"root:*:13150:0:99999:7:::\n#####\n");
    append(&mut tar, "etc/passwd", EntryType::Regular, 0o644, passwd.as_bytes());
    append(&mut tar, "etc/group", EntryType::Regular, 0o644, group.as_bytes());
    tar.into_inner().unwrap()
}

fn header(kind: EntryType, mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(BASE_TIME);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u32, data: &[u8]) {
    let mut header = header(kind, mode, data.len());
    tar.append_data(&mut header, path, data).unwrap();
}

/// A tar of regular files, links (`target` of those is the data) and directories, with paths that no writer would
/// let through.
pub(crate) fn raw(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for (path, kind, data) in entries {
        let link = matches!(kind, EntryType::Symlink | EntryType::Link);
        let mut header = header(*kind, 0o644, if link { 0 } else { data.len() });
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        if link {
            let target = &mut header.as_old_mut().linkname;
            target[..data.len()].copy_from_slice(data.as_bytes());
        }
        header.set_cksum();
        tar.append(&header, if link { &b""[..] } else { data.as_bytes() }).unwrap();
    }
    tar.into_inner().unwrap()
}

/// One entry of a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) mtime: u64,
    pub(crate) size: u64,
    pub(crate) link: Option<String>,
    pub(crate) data: Vec<u8>,
}

/// All entries of the tar at `path`, by absolute path without a slash at the end. Hard links have their target's data.
pub(crate) fn read(path: &Path) -> BTreeMap<String, Entry> {
    read_bytes(&std::fs::read(path).unwrap())
}

/// As [`read`].
pub(crate) fn read_bytes(bytes: &[u8]) -> BTreeMap<String, Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for entry in Archive::new(Cursor::new(bytes)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = absolute(&String::from_utf8_lossy(&entry.path_bytes()));
        let link = entry.link_name_bytes().map(|link| String::from_utf8_lossy(&link).into_owned());
        let header = entry.header().clone();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        let size = entry.size();
        let mut read = Entry {
            kind: header.entry_type(),
            mode: header.mode().unwrap(),
            uid: header.uid().unwrap(),
            gid: header.gid().unwrap(),
            mtime: header.mtime().unwrap(),
            size,
            link,
            data,
        };
        if read.kind == EntryType::Link {
            let target = &entries[&absolute(read.link.as_deref().unwrap())];
            read = target.clone();
        }
        entries.insert(name, read);
    }
    entries
}

fn absolute(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    format!("/{}", path.trim_matches('/'))
}
