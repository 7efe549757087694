//! The cgroup of a sandbox: a directory of the version 2 hierarchy, which every kernel has, be its controllers
//! there or in version 1 (hybrid mode). It fences devices by a BPF program and names the processes to kill.
//!
//! No version 1 hierarchy is joined: a sandbox has no limits, and joining costs milliseconds
//! (docs/design/sandbox.md). Liveness is an flock on the directory.

use crate::error::{At, Failure, Step};
use crate::sys;
use rustix::fs::{
    AtFlags, FlockOperation, Mode, OFlags, RawDir, flock, fstat, mkdirat, openat, statat, unlinkat,
};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

pub(crate) mod devices;

/// All sandboxes' cgroups lie below it.
const PARENT: &str = "lapstrake";

/// An empty cgroup may stay busy for a moment after its last process was reaped.
const REMOVE_TRIES: u32 = 2000;
const REMOVE_PAUSE: Duration = Duration::from_millis(1);

/// A cgroup that this process made, and holds.
#[derive(Debug)]
pub(crate) struct Cgroup {
    hierarchy: OwnedFd,
    parent: OwnedFd,
    name: String,
    dir: OwnedFd,
}

/// `--cgroup-parent` as a relative path: `/one/two`, or systemd's `a-b.slice`, which lies in `a.slice`. `None` if it is
/// neither.
pub(crate) fn parent_path(text: &str) -> Option<String> {
    let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
    let bad = |name: &&str| matches!(*name, "." | "..") || name.contains(['\0', ':']) || name.len() > 255;
    if names.iter().any(bad) {
        return None;
    }
    match names[..] {
        [slice] if slice.ends_with(".slice") && !text.starts_with('/') => {
            let words: Vec<&str> = slice.trim_end_matches(".slice").split('-').collect();
            let above = (1..=words.len()).map(|end| format!("{}.slice", words[..end].join("-")));
            let no_slice = words.iter().any(|word| word.is_empty());
            (!no_slice).then(|| above.collect::<Vec<_>>().join("/"))
        }
        _ => Some(names.join("/")),
    }
}

/// Moves this process to `path` below a version 1 hierarchy's directory.
pub(crate) fn join_version1(hierarchy: &Path, path: &str) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir = rustix::fs::open(hierarchy, flags, Mode::empty())?;
    for name in path.split('/') {
        let below = make_dir(dir.as_fd(), name)?;
        // A new cpuset takes nobody in before it has CPUs and memory.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            inherit(dir.as_fd(), below.as_fd(), file)?;
        }
        dir = below;
    }
    let procs = openat(&dir, "cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(procs, b"0")?;
    Ok(())
}

/// Copies what `file` says above to where it says nothing.
fn inherit(above: BorrowedFd<'_>, below: BorrowedFd<'_>, file: &str) -> io::Result<()> {
    let open = |dir: BorrowedFd<'_>, how| openat(dir, file, how | OFlags::CLOEXEC, Mode::empty());
    let target = match open(below, OFlags::RDWR) {
        Err(rustix::io::Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let mut text = vec![0; 4096];
    let length = rustix::io::read(&target, &mut text)?;
    if text[..length].trim_ascii().is_empty() {
        let length = rustix::io::read(open(above, OFlags::RDONLY)?, &mut text)?;
        rustix::io::write(&target, &text[..length])?;
    }
    Ok(())
}

impl Cgroup {
    /// Makes `<parent>/lapstrake/<name>` in `hierarchy`, or in one mounted for the purpose.
    pub(crate) fn create(hierarchy: Option<&Path>, parent: &str, name: &str) -> Result<Cgroup, Failure> {
        let subject = || Path::new(parent).join(PARENT).join(name).display().to_string();
        let mut root = open_hierarchy(hierarchy).at(Step::CreateCgroup, subject())?;
        for above in parent.split('/').filter(|name| !name.is_empty()) {
            root = make_dir(root.as_fd(), above).at(Step::CreateCgroup, subject())?;
        }
        if !parent.is_empty() {
            // Of guards that were killed; the caller's sweep looks at the hierarchy's root alone.
            sweep_in(root.as_fd()).at(Step::CreateCgroup, subject())?;
        }
        let (parent, dir) = make_locked(root.as_fd(), name).at(Step::CreateCgroup, subject())?;
        Ok(Cgroup { hierarchy: root, parent, name: name.to_owned(), dir })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Only docker's default devices can be opened from now on.
    pub(crate) fn fence(&self, program: BorrowedFd<'_>) -> Result<(), Failure> {
        sys::attach_device_program(self.fd(), program)
            .at(Step::FenceDevices, format!("{PARENT}/{}", self.name))
    }

    /// Kills what is in it and removes it.
    pub(crate) fn remove(self) -> Result<(), Failure> {
        let subject = format!("{PARENT}/{}", self.name);
        remove(self.parent.as_fd(), &self.name, self.dir.as_fd()).at(Step::RemoveCgroup, subject)?;
        remove_parent(self.hierarchy.as_fd()).at(Step::RemoveCgroup, PARENT)
    }
}

fn open_dir(at: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

fn open_hierarchy(hierarchy: Option<&Path>) -> io::Result<OwnedFd> {
    if let Some(path) = hierarchy {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        return Ok(rustix::fs::open(path, flags, Mode::empty())?);
    }
    let context = fsopen("cgroup2", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    open_dir(mount.as_fd(), ".")
}

fn make_dir(at: BorrowedFd<'_>, name: &str) -> io::Result<OwnedFd> {
    match mkdirat(at, name, Mode::from(0o755)) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => open_dir(at, name),
        Err(error) => Err(error.into()),
    }
}

/// Directory of all sandboxes, and the locked one of `name`. The last sandbox to end may remove the first, and a
/// sweep the second before it is locked: then they are made again.
fn make_locked(root: BorrowedFd<'_>, name: &str) -> io::Result<(OwnedFd, OwnedFd)> {
    loop {
        let Some(parent) = unless_gone(make_dir(root, PARENT))? else { continue };
        match mkdirat(&parent, name, Mode::from(0o755)) {
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::NODEV) => continue,
            other => other?,
        }
        let Some(dir) = unless_gone(open_dir(parent.as_fd(), name))? else { continue };
        flock(&dir, FlockOperation::LockExclusive)?;
        let ours = fstat(&dir)?;
        match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if there.st_ino == ours.st_ino => return Ok((parent, dir)),
            _ => {}
        }
    }
}

fn unless_gone(opened: io::Result<OwnedFd>) -> io::Result<Option<OwnedFd>> {
    match opened {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => Ok(None),
        other => other.map(Some),
    }
}

/// Other sandboxes, or their coming, are no error.
fn remove_parent(root: BorrowedFd<'_>) -> io::Result<()> {
    match unlinkat(root, PARENT, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT | rustix::io::Errno::BUSY | rustix::io::Errno::NOTEMPTY) => {
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn remove(parent: BorrowedFd<'_>, name: &str, dir: BorrowedFd<'_>) -> io::Result<()> {
    let mut killed = false;
    for _ in 0..REMOVE_TRIES {
        match unlinkat(parent, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => return Ok(()),
            Err(rustix::io::Errno::BUSY) => {}
            Err(error) => return Err(error.into()),
        }
        if !killed {
            killed = true;
            kill_all(dir)?;
        }
        std::thread::sleep(REMOVE_PAUSE);
    }
    Err(io::ErrorKind::ResourceBusy.into())
}

fn kill_all(dir: BorrowedFd<'_>) -> io::Result<()> {
    let file = openat(dir, "cgroup.kill", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, b"1")?;
    Ok(())
}

/// Kills every process of the sandbox `name`. Returns whether there is such a sandbox.
pub(crate) fn kill(hierarchy: Option<&Path>, name: &str) -> io::Result<bool> {
    let open = || {
        let root = open_hierarchy(hierarchy)?;
        open_dir(open_dir(root.as_fd(), PARENT)?.as_fd(), name)
    };
    match unless_gone(open())? {
        Some(dir) => kill_all(dir.as_fd()).map(|()| true),
        None => Ok(false),
    }
}

/// Kills and removes the cgroups whose guard is gone. Returns how many there were.
pub(crate) fn sweep(hierarchy: Option<&Path>) -> io::Result<usize> {
    sweep_in(open_hierarchy(hierarchy)?.as_fd())
}

fn sweep_in(root: BorrowedFd<'_>) -> io::Result<usize> {
    let parent = match open_dir(root, PARENT) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    let mut swept = 0;
    for name in directories(parent.as_fd())? {
        let Ok(dir) = open_dir(parent.as_fd(), &name) else { continue };
        if flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok() {
            remove(parent.as_fd(), &name, dir.as_fd())?;
            swept += 1;
        }
    }
    remove_parent(root)?;
    Ok(swept)
}

fn directories(dir: BorrowedFd<'_>) -> io::Result<Vec<String>> {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(dir, &mut buffer);
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type() == rustix::fs::FileType::Directory && name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}
