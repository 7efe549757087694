//! The images that cases start from, as OCI layouts of fixed content.

use crate::image::{Image, read_tar};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::process::Command;
use tar::{Builder, EntryType, Header};

/// 2006-01-02T22:04:05Z, the time of everything in the base images.
pub const BASE_TIME: u64 = 1_136_239_445;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    daemon:x:1:1:daemon:/usr/sbin:/bin/false\n\
    bin:x:2:2:bin:/bin:/bin/false\n\
    sys:x:3:3:sys:/dev:/bin/false\n\
    sync:x:4:100:sync:/bin:/bin/sync\n\
    mail:x:8:8:mail:/var/spool/mail:/bin/false\n\
    www-data:x:33:33:www-data:/var/www:/bin/false\n\
    operator:x:37:37:Operator:/var:/bin/false\n\
    nobody:x:65534:65534:nobody:/home:/bin/false\n";

const GROUP: &str = "root:x:0:\ndaemon:x:1:\nbin:x:2:\nfloppy:x:19:\ntty:x:5:\ndisk:x:6:\nmail:x:8:\nwheel:x:10:root\n\
    www-data:x:33:\noperator:x:37:\nusers:x:100:\nnogroup:x:65534:\n";

/// A base image of one layer.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its name, without a tag.
    pub name: &'static str,
    layer: Vec<u8>,
}

/// Adds entries to a layer.
struct Layer(Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn add(&mut self, path: &str, kind: EntryType, mode: u32, owner: u64, data: &[u8]) -> Result<()> {
        let mut header = header(kind, mode, owner);
        header.set_size(data.len() as u64);
        self.0.append_data(&mut header, path, data).with_context(|| format!("write {path}"))
    }

    fn dir(&mut self, path: &str) -> Result<()> {
        let (mode, owner) = match path {
            "root/" => (0o700, 0),
            "tmp/" => (0o1777, 0),
            "home/" => (0o755, 65534),
            _ => (0o755, 0),
        };
        self.add(path, EntryType::Directory, mode, owner, b"")
    }

    fn file(&mut self, path: &str, mode: u32, data: &[u8]) -> Result<()> {
        self.add(path, EntryType::Regular, mode, 0, data)
    }

    fn link(&mut self, kind: EntryType, path: &str, target: &str) -> Result<()> {
        let mode = if kind == EntryType::Symlink { 0o777 } else { 0o755 };
        self.0.append_link(&mut header(kind, mode, 0), path, target).with_context(|| format!("write {path}"))
    }
}

fn header(kind: EntryType, mode: u32, owner: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(0);
    header.set_mtime(BASE_TIME);
    header.set_uid(owner);
    header.set_gid(owner);
    header
}

/// The static busybox that both images are made of, and the names it goes by.
pub fn busybox() -> Result<(Vec<u8>, Vec<String>)> {
    let program = fs::read("/bin/busybox").context("read /bin/busybox: install busybox-static")?;
    let list = Command::new("/bin/busybox").arg("--list").output().context("run /bin/busybox")?;
    let applets = String::from_utf8(list.stdout).context("read the list of applets")?;
    Ok((program, applets.lines().filter(|applet| *applet != "busybox").map(str::to_owned).collect()))
}

impl Base {
    /// The images that cases name.
    pub fn all() -> Result<Vec<Self>> {
        let (program, applets) = busybox()?;
        Ok(vec![Self::busybox(&program, &applets)?, Self::alpine(&program, &applets)?])
    }

    /// Hard links for the applets.
    fn busybox(program: &[u8], applets: &[String]) -> Result<Self> {
        let mut layer = Layer::new();
        for dir in
            ["./", "bin/", "dev/", "etc/", "home/", "lib/", "root/", "sbin/", "tmp/", "usr/", "usr/bin/"]
        {
            layer.dir(dir)?;
        }
        for dir in ["usr/sbin/", "var/", "var/spool/", "var/spool/mail/", "var/www/"] {
            layer.dir(dir)?;
        }
        layer.file("bin/busybox", 0o755, program)?;
        for applet in applets {
            layer.link(EntryType::Link, &format!("bin/{applet}"), "bin/busybox")?;
        }
        layer.link(EntryType::Symlink, "usr/bin/env", "../../bin/env")?;
        layer.link(EntryType::Symlink, "usr/sbin/addgroup", "adduser")?;
        layer.file("usr/sbin/adduser", 0o755, &[b'#'; 1015])?;
        layer.file("etc/os-release", 0o644, b"ID=lapstrake-test-img\n")?;
        layer.file("etc/shadow", 0o640, b"root:*:13150:0:99999:7:::\n#####\n")?;
        layer.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
        layer.file("etc/group", 0o644, GROUP.as_bytes())?;
        Ok(Self { name: "busybox", layer: layer.0.into_inner()? })
    }

    /// Symlinks for the applets, and mount points for /proc and /sys.
    fn alpine(program: &[u8], applets: &[String]) -> Result<Self> {
        let mut layer = Layer::new();
        for dir in
            ["./", "bin/", "dev/", "etc/", "proc/", "root/", "sys/", "tmp/", "usr/", "usr/bin/", "var/"]
        {
            layer.dir(dir)?;
        }
        layer.file("bin/busybox", 0o755, program)?;
        for applet in applets {
            layer.link(EntryType::Symlink, &format!("bin/{applet}"), "/bin/busybox")?;
        }
        layer.file("etc/alpine-release", 0o644, b"3.99.0\n")?;
        layer.file("etc/passwd", 0o644, PASSWD.as_bytes())?;
        layer.file("etc/group", 0o644, GROUP.as_bytes())?;
        Ok(Self { name: "alpine", layer: layer.0.into_inner()? })
    }

    fn config(&self) -> Value {
        let cmd = if self.name == "busybox" { "sh" } else { "/bin/sh" };
        json!({
            "created": "2006-01-02T22:04:05Z",
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": [cmd],
            },
            "rootfs": { "type": "layers", "diff_ids": [digest(&self.layer)] },
            "history": [{ "created": "2006-01-02T22:04:05Z", "created_by": "made for tests" }],
        })
    }

    /// The image, as results that stand on it are compared with it.
    pub fn image(&self) -> Result<Image> {
        Ok(Image { config: self.config(), tree: read_tar(&self.layer)? })
    }

    /// Writes the image as an OCI layout, and returns its manifest's digest.
    pub fn write_layout(&self, dir: &Path) -> Result<String> {
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs)?;
        let blob = |media_type: &str, data: &[u8]| -> Result<Value> {
            let digest = digest(data);
            fs::write(blobs.join(digest.trim_start_matches("sha256:")), data)?;
            Ok(json!({ "mediaType": media_type, "digest": digest, "size": data.len() }))
        };
        let layer = blob("application/vnd.oci.image.layer.v1.tar", &self.layer)?;
        let config = blob("application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&self.config())?)?;
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config,
            "layers": [layer],
        });
        let mut manifest = blob(media_type, &serde_json::to_vec(&manifest)?)?;
        manifest["annotations"] = json!({
            "io.containerd.image.name": format!("docker.io/library/{}:latest", self.name),
            "org.opencontainers.image.ref.name": "latest",
        });
        let found = manifest["digest"].as_str().unwrap_or_default().to_owned();
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(dir.join("index.json"), serde_json::to_vec(&index)?)?;
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)?;
        Ok(found)
    }
}

fn digest(data: &[u8]) -> String {
    let hex: String = Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
