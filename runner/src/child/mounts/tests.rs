use super::*;
use std::fs;
use std::path::PathBuf;

fn open(path: &Path) -> OwnedFd {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

/// In a thread with mounts of its own, so that nothing is left of them.
fn overlay(layers: usize, mount: fn(&Overlay<'_>, &Path) -> io::Result<OwnedFd>) -> io::Result<Vec<String>> {
    let dir = tempfile::tempdir_in("/var/tmp").unwrap();
    let sub = |name: &str| {
        fs::create_dir(dir.path().join(name)).unwrap();
        dir.path().join(name)
    };
    let lower: Vec<PathBuf> = (0..layers)
        .map(|number| {
            let layer = sub(&format!("layer{number}"));
            fs::write(layer.join("top"), number.to_string()).unwrap();
            layer
        })
        .collect();
    let (upper, work, at) = (sub("upper"), sub("work"), sub("at"));
    let seen = std::thread::scope(|scope| {
        let seen = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS)?;
            make_all_private()?;
            // Overlay takes directories of its own namespace only.
            let lower: Vec<OwnedFd> = lower.iter().map(|layer| open(layer)).collect();
            let changes = [&open(&upper), &open(&work)];
            let overlay = Overlay { lower: &lower, changes: Some(changes) };
            let root = mount(&overlay, &at)?;
            let through_fd = fs::read_to_string(format!("/proc/thread-self/fd/{}/top", root.as_raw_fd()))?;
            Ok(vec![fs::read_to_string(at.join("top"))?, through_fd])
        });
        seen.join().unwrap()
    });
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "the mount went with its thread");
    seen
}

#[test]
fn the_last_layer_is_the_top_by_either_interface() {
    assert_eq!(overlay(3, |overlay, at| overlay.mount(at)).unwrap(), ["2", "2"]);
    assert_eq!(overlay(3, |overlay, at| overlay.mount_by_options(at)).unwrap(), ["2", "2"]);
    assert_eq!(overlay(150, |overlay, at| overlay.mount_by_options(at)).unwrap(), ["149", "149"]);
}

#[test]
fn too_many_layers_for_the_older_interface_are_an_error_of_their_own() {
    assert_eq!(
        overlay(300, |overlay, at| overlay.mount_by_options(at)).unwrap_err().raw_os_error(),
        Some(libc::E2BIG)
    );
    assert_eq!(overlay(300, |overlay, at| overlay.mount(at)).unwrap(), ["299", "299"]);
}

#[test]
fn attributes_have_names() {
    let all = attribute_bits("ro,nosuid,nodev,noexec").unwrap();
    assert_eq!(all, 1 | 2 | 4 | 8);
    assert_eq!(attribute_bits("").unwrap(), 0);
    assert!(attribute_bits("exec").is_err());
}
