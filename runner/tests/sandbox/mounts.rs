//! The mount table, masks, binds and generated files.

use crate::Case;
use crate::support::{Store, output, says, try_output, upper};
use runner::Step;
use runner::spec::{Contents, Exit, Mount, User};
use std::fs;
use std::path::Path;

pub(crate) const CASES: &[Case] = &[
    ("mounts::the_table_is_dockers", the_table_is_dockers),
    ("mounts::no_host_path_shows", no_host_path_shows),
    ("mounts::sensitive_paths_are_masked", sensitive_paths_are_masked),
    ("mounts::kernel_parameters_are_read_only", kernel_parameters_are_read_only),
    ("mounts::cgroups_are_read_only", cgroups_are_read_only),
    ("mounts::binds_take_files_and_directories", binds_take_files_and_directories),
    ("mounts::read_only_binds_and_files_refuse_writes", read_only_binds_and_files_refuse_writes),
    ("mounts::a_missing_source_is_named", a_missing_source_is_named),
    ("mounts::a_read_only_root_leaves_dev_writable", a_read_only_root_leaves_dev_writable),
    ("mounts::three_hundred_layers", three_hundred_layers),
    ("mounts::scratch_is_an_empty_root", scratch_is_an_empty_root),
    ("mounts::a_directory_moves_by_copy", a_directory_moves_by_copy),
];

/// Target, type and the options that matter, of every mount.
fn table(text: &str) -> Vec<(String, String, String)> {
    let rows = text.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[1].to_owned(), words[2].to_owned(), words[3].to_owned())
    });
    rows.collect()
}

fn the_table_is_dockers() {
    let store = Store::new();
    let text = says(&store.shell("cat /proc/mounts"));
    let table = table(&text);
    let find =
        |target: &str| table.iter().find(|row| row.0 == target).unwrap_or_else(|| panic!("{target}\n{text}"));
    for (target, kind, options) in [
        ("/", "overlay", "rw"),
        ("/proc", "proc", "rw,nosuid,nodev,noexec"),
        ("/dev", "tmpfs", "rw,nosuid,size=65536k,mode=755"),
        ("/dev/pts", "devpts", "rw,nosuid,noexec,gid=5,mode=620,ptmxmode=666"),
        ("/dev/mqueue", "mqueue", "rw,nosuid,nodev,noexec"),
        ("/dev/shm", "tmpfs", "rw,nosuid,nodev,noexec,size=65536k"),
        ("/sys", "sysfs", "ro,nosuid,nodev,noexec"),
    ] {
        let row = find(target);
        assert_eq!(row.1, kind, "{target}");
        for option in options.split(',') {
            assert!(row.2.split(',').any(|found| found == option), "{target}: {option} in {}", row.2);
        }
    }
    let inside = ["/proc", "/dev", "/sys", "/etc/resolv.conf", "/etc/hosts"];
    let known = |target: &str| target == "/" || inside.iter().any(|top| Path::new(target).starts_with(top));
    assert!(table.iter().all(|row| known(&row.0)), "the host's tree is gone: {text}");
    let shared = says(&store.shell("grep -c shared: /proc/self/mountinfo || true"));
    assert_eq!(shared.trim(), "0");
}

fn no_host_path_shows() {
    let store = Store::new();
    let text = says(&store.shell("grep ' / / ' /proc/self/mountinfo"));
    assert!(!text.contains(store.dir.path().to_str().unwrap()), "{text}");
}

fn sensitive_paths_are_masked() {
    let store = Store::new();
    let script = "test -d /sys/firmware && ls -A /sys/firmware; test -d /proc/acpi && ls -A /proc/acpi; \
                  test -e /proc/keys && cat /proc/keys; test -e /proc/interrupts && cat /proc/interrupts; true";
    assert_eq!(says(&store.shell(script)), "");
    assert!(!fs::read_to_string("/proc/interrupts").unwrap().is_empty(), "the host's is not empty");
    let (text, _) = output(&store.shell("touch /sys/firmware/x"));
    assert!(text.contains("Read-only"), "{text}");
}

fn kernel_parameters_are_read_only() {
    let store = Store::new();
    for path in ["/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/irq/default_smp_affinity"] {
        if !Path::new(path).exists() {
            continue;
        }
        let (text, exit) = output(&store.shell(&format!("echo x > {path}")));
        assert_ne!(exit, Exit::Code(0));
        assert!(text.contains("Read-only file system"), "{path}: {text}");
    }
}

fn cgroups_are_read_only() {
    let store = Store::new();
    let (text, exit) = output(&store.shell("ls /sys/fs/cgroup | wc -l; mkdir /sys/fs/cgroup/x"));
    assert_ne!(exit, Exit::Code(0));
    assert!(text.contains("Read-only file system"), "{text}");
    assert_ne!(text.lines().next().unwrap().trim(), "0");
    let own = says(&store.shell("grep ^0:: /proc/self/cgroup"));
    assert_eq!(own.trim(), "0::/", "its cgroup is the root of its namespace");
}

fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount::Bind { source: source.to_owned(), target: target.to_owned(), read_only, below: String::new() }
}

fn binds_take_files_and_directories() {
    let store = Store::new();
    let host = store.dir.path().join("host");
    fs::create_dir(&host).unwrap();
    fs::write(host.join("file"), "from the host\n").unwrap();
    let mut spec = store.shell("cat /data/sub/file /one; echo new > /data/sub/made");
    spec.mounts = vec![bind(&host, "/data/sub", false), bind(&host.join("file"), "/one", false)];
    assert_eq!(says(&spec), "from the host\nfrom the host\n");
    assert_eq!(fs::read_to_string(host.join("made")).unwrap(), "new\n");
}

fn read_only_binds_and_files_refuse_writes() {
    let store = Store::new();
    let host = store.dir.path().join("host");
    fs::create_dir(&host).unwrap();
    let mut spec = store.shell(
        "touch /data/x; echo no > /run/secrets/key; stat -c %a /run/secrets/key; cat /run/secrets/key",
    );
    let key = Mount::File {
        target: "/run/secrets/key".into(),
        data: Contents(b"secret\n".to_vec()),
        mode: 0o400,
        uid: 0,
        gid: 0,
    };
    spec.mounts = vec![bind(&host, "/data", true), key];
    let text = says(&spec);
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
    assert!(text.ends_with("400\nsecret\n"), "{text}");
    assert_eq!(crate::support::tree(&upper(&spec)), ["dev", "proc", "sys"], "no stub, no secret");
}

fn a_missing_source_is_named() {
    let store = Store::new();
    let mut spec = store.spec(&["true"]);
    spec.mounts = vec![bind(Path::new("/nowhere/at/all"), "/data", false)];
    let error = try_output(&spec).unwrap_err();
    assert_eq!(error.step(), Some(Step::OpenSource));
    assert_eq!(error.to_string(), "open mount source /nowhere/at/all");
    assert_eq!(error.exit_code(), 125);
    crate::support::assert_nothing_left(&spec);
}

fn a_read_only_root_leaves_dev_writable() {
    let store = Store::new();
    let mut spec = store.shell("touch /dev/shm/x /dev/y && touch /etc/hosts /x");
    spec.read_only_root = true;
    spec.remove_stubs = false;
    let (text, exit) = output(&spec);
    assert_eq!(exit, Exit::Code(1));
    assert_eq!(text.matches("Read-only file system").count(), 2, "{text}");
    assert!(text.contains("/etc/hosts") && text.contains("/x"), "{text}");
}

fn three_hundred_layers() {
    let store = Store::new();
    let mut lower = vec![store.layer()];
    for number in 0..299 {
        let dir = store.dir.path().join(format!("layer-{number}"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(format!("file-{number}")), "").unwrap();
        fs::write(dir.join("last"), format!("{number}\n")).unwrap();
        lower.push(dir);
    }
    let text = says(&store.spec_over(lower, &["sh", "-c", "ls -d /file-* | wc -l; cat /last"]));
    assert_eq!(text, "299\n298\n");
}

fn scratch_is_an_empty_root() {
    let store = Store::new();
    let spec = store.spec_over(vec![], &["/bin/true"]);
    assert_eq!(try_output(&spec).unwrap_err().exit_code(), 127);
    assert_eq!(crate::support::tree(&upper(&spec)), ["dev", "proc", "sys"]);
}

/// An upper directory must mean the same on every kernel: no redirects, no metadata-only copies.
fn a_directory_moves_by_copy() {
    let store = Store::new();
    fs::create_dir(store.layer().join("old")).unwrap();
    fs::write(store.layer().join("old/file"), "data").unwrap();
    let mut spec = store.shell("mv /old /new && chmod 600 /new/file && chmod 700 /bin/busybox");
    spec.user = User::default();
    says(&spec);
    assert_eq!(fs::read_to_string(upper(&spec).join("new/file")).unwrap(), "data");
    let copied = fs::metadata(upper(&spec).join("bin/busybox")).unwrap();
    assert_eq!(copied.len(), fs::metadata("/bin/busybox").unwrap().len());
    let mut names = vec![0_u8; 4096];
    for path in ["new", "bin/busybox"] {
        let path = upper(&spec).join(path);
        let length = rustix::fs::listxattr(&path, &mut names).unwrap();
        let names = String::from_utf8_lossy(&names[..length]).into_owned();
        assert!(!names.contains("redirect") && !names.contains("metacopy"), "{names}");
    }
}
