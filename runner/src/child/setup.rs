//! The plan, carried out in order in the sandbox's first process.
//!
//! This runs in the guard's memory while the guard waits: what is stored in [`Setup`] the guard sees; what is
//! opened or changed in this process it does not.

use super::mounts::{self, Overlay};
use super::paths::{self, Want};
use super::{Done, exec, sources, terminal};
use crate::error::{At, Failure, Step};
use crate::plan::SetupOp;
use crate::sys::Filter;
use crate::wire::Order;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, mknodat, openat, symlinkat};
use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A detached mount that waits for its place.
pub(super) struct Source {
    pub(super) mount: OwnedFd,
    pub(super) want: Want,
    /// Takes the mode of the directory that it covers.
    pub(super) adopt_mode: bool,
}

/// State of the set-up.
pub(super) struct Setup<'a> {
    pub(super) order: &'a Order,
    pub(super) filter: &'a [Filter],
    pub(super) control: BorrowedFd<'a>,
    /// Standard input, output, error; empty with a terminal until that is made.
    pub(super) streams: &'a [OwnedFd],
    /// The terminal's slave.
    pub(super) terminal: Option<OwnedFd>,
    /// The root, once there is one.
    root: Option<OwnedFd>,
    pub(super) sources: Vec<Source>,
    /// The empty directory over masked directories, once it is mounted somewhere.
    empty: Option<OwnedFd>,
    made: Vec<Vec<u8>>,
    failure: Option<Failure>,
}

impl<'a> Setup<'a> {
    pub(super) fn new(
        order: &'a Order,
        filter: &'a [Filter],
        streams: &'a [OwnedFd],
        control: BorrowedFd<'a>,
    ) -> Setup<'a> {
        Setup {
            order,
            filter,
            control,
            streams,
            terminal: None,
            root: None,
            sources: Vec::new(),
            empty: None,
            made: Vec::new(),
            failure: None,
        }
    }

    /// Carries out the plan. Returns only if a step failed: then with an exit status.
    pub(super) fn run(&mut self) -> i32 {
        let order = self.order;
        self.failure = order.ops.iter().find_map(|op| self.apply(op).err());
        1
    }

    /// What failed, and the stubs that were made in the upper directory. To be asked in the guard; the
    /// descriptors in here belong to the other process.
    pub(super) fn finish(mut self) -> (Option<Failure>, Vec<Vec<u8>>) {
        let result = (self.failure.take(), std::mem::take(&mut self.made));
        std::mem::forget(self);
        result
    }

    fn apply(&mut self, op: &SetupOp) -> Done {
        match op {
            SetupOp::Cgroup { .. } | SetupOp::Namespaces { .. } => Ok(()), // done by the guard
            SetupOp::PrivatePropagation => mounts::make_all_private().at(Step::PrivatePropagation, "/"),
            SetupOp::HostSource { path, below } => self.open_source(path, below),
            SetupOp::JoinCgroup { hierarchy, path } => crate::cgroup::join_version1(hierarchy, path)
                .at(Step::JoinCgroup, show(&hierarchy.join(path))),
            SetupOp::FileSource { path, data, mode } => {
                write_file(path, &data.0, *mode).at(Step::WriteFile, show(path))?;
                self.open_source(path, "")
            }
            SetupOp::Memory { .. }
            | SetupOp::SecretSource { .. }
            | SetupOp::OverlaySource { .. }
            | SetupOp::MemorySource { .. } => sources::open(self, op),
            SetupOp::Stubs { dir, targets } => self.make_stubs(dir, targets),
            SetupOp::Root { lower, upper, work, stubs, at } => {
                self.mount_root(stubs, lower, [upper, work], at)
            }
            SetupOp::PivotRoot { at } => self.pivot(at),
            SetupOp::CgroupNamespace => exec::cgroup_namespace(),
            SetupOp::Hostname(name) => rustix::system::sethostname(name.as_bytes()).at(Step::Hostname, name),
            SetupOp::Loopback => crate::sys::loopback_up().at(Step::Loopback, "lo"),
            SetupOp::Mount { kind, target, options, attributes } => {
                self.mount(kind, target, options, attributes)
            }
            SetupOp::Device { name, block, major, minor } => self.device(name, *block, *major, *minor),
            SetupOp::Symlink { path, to } => self.symlink(path, to),
            SetupOp::Attach { source, target, attributes } => self.attach(*source, target, attributes),
            SetupOp::Terminal => terminal::allocate(self),
            SetupOp::Sysctl { name, value } => self.sysctl(name, value),
            SetupOp::Mask(path) => self.mask(path),
            SetupOp::ReadOnly(path) => self.read_only(path),
            SetupOp::Seal { target, attributes } => {
                let mount = self.resolve(target).at(Step::ReadOnly, target)?;
                mounts::seal(mount.as_fd(), attributes, false).at(Step::ReadOnly, target)
            }
            SetupOp::WorkingDirectory(path) => self.working_directory(path),
            SetupOp::Streams { uid, gid } => exec::streams(self, *uid, *gid),
            SetupOp::Seccomp => crate::sys::load_seccomp(self.filter).at(Step::Seccomp, "the process"),
            op => exec::apply(op),
        }
    }

    pub(super) fn root(&self) -> io::Result<BorrowedFd<'_>> {
        self.root.as_ref().map(AsFd::as_fd).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn resolve(&self, path: &str) -> io::Result<OwnedFd> {
        paths::resolve(self.root()?, path.as_bytes())
    }

    /// Finds or makes a mount point, and remembers what it made.
    pub(super) fn ensure(&mut self, path: &str, want: Want) -> io::Result<OwnedFd> {
        let root = self.root.as_ref().map(AsFd::as_fd).ok_or(io::ErrorKind::NotFound)?;
        paths::ensure(root, path.as_bytes(), want, &mut self.made)
    }

    pub(super) fn open_source(&mut self, path: &Path, below: &str) -> Done {
        let mut place = openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .at(Step::OpenSource, show(path))?;
        if !below.is_empty() {
            place = paths::resolve(place.as_fd(), below.as_bytes()).at(Step::SourcePath, below)?;
        }
        self.copy_source(place.as_fd()).at(Step::OpenSource, show(path))
    }

    /// Takes what `place` refers to, with what is mounted below, as the next source.
    pub(super) fn copy_source(&mut self, place: BorrowedFd<'_>) -> io::Result<()> {
        let directory = FileType::from_raw_mode(fstat(place)?.st_mode) == FileType::Directory;
        let want = if directory { Want::Directory } else { Want::File };
        self.sources.push(Source { mount: mounts::copy(place, true)?, want, adopt_mode: false });
        Ok(())
    }

    fn make_stubs(&mut self, dir: &Path, targets: &[(String, usize)]) -> Done {
        make_dirs(dir).at(Step::MakeStubs, show(dir))?;
        let fd = open_layer(dir)?;
        for (target, source) in targets {
            let want = self.sources.get(*source).map_or(Want::File, |source| source.want);
            // The stubs lie below every layer: where one of these cannot be made, the mount will say why.
            let made = &mut Vec::new();
            match paths::ensure(fd.as_fd(), target.as_bytes(), want, made) {
                // Where the image has no such directory, the tmpfs has its usual mode, not that of a stub.
                Ok(place) if self.sources.get(*source).is_some_and(|source| source.adopt_mode) => {
                    sources::open_to_all(place.as_fd()).at(Step::MakeStubs, target)?;
                }
                Ok(_) => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTDIR | libc::EEXIST)) => {}
                Err(error) => return Err(error).at(Step::MakeStubs, format!("{}{target}", show(dir))),
            }
        }
        Ok(())
    }

    fn mount_root(&mut self, stubs: &Path, lower: &[PathBuf], [upper, work]: [&Path; 2], at: &Path) -> Done {
        let layers = [stubs].into_iter().chain(lower.iter().map(PathBuf::as_path)).map(open_layer);
        let layers = layers.collect::<Result<Vec<_>, _>>()?;
        let (upper, work) = (open_layer(upper)?, open_layer(work)?);
        let overlay = Overlay { lower: &layers, changes: Some([&upper, &work]) };
        self.root = Some(overlay.mount(at).at(Step::MountRoot, show(at))?);
        Ok(())
    }

    fn pivot(&mut self, at: &Path) -> Done {
        let root = self.root().at(Step::PivotRoot, show(at))?;
        rustix::process::fchdir(root).at(Step::PivotRoot, show(at))?;
        // The old root lands on top of the new one; unmounting "." then uncovers the new one.
        rustix::process::pivot_root(".", ".").at(Step::PivotRoot, show(at))?;
        rustix::mount::unmount(".", rustix::mount::UnmountFlags::DETACH).at(Step::DetachHost, show(at))?;
        rustix::process::chdir("/").at(Step::PivotRoot, show(at))
    }

    fn mount(&mut self, kind: &str, target: &str, options: &str, attributes: &str) -> Done {
        let place = paths::real_directory(self.root().at(Step::MountPoint, target)?, target.as_bytes())
            .at(Step::MountPoint, target)?;
        let mount = mounts::new(kind, options, attributes).at(Step::Mount, target)?;
        mounts::attach(mount.as_fd(), place.as_fd()).at(Step::Mount, target)
    }

    fn device(&mut self, name: &str, block: bool, major: u32, minor: u32) -> Done {
        let mut dir = self.resolve("/dev").at(Step::DeviceNode, name)?;
        let (above, last) = paths::split(name.as_bytes());
        if above != b"." {
            let made = paths::ensure(dir.as_fd(), above, Want::Directory, &mut Vec::new());
            dir = made.at(Step::DeviceNode, name)?;
        }
        let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
        let number = rustix::fs::makedev(major, minor);
        mknodat(&dir, last, kind, Mode::from(0o666), number).at(Step::DeviceNode, name)
    }

    fn symlink(&mut self, path: &str, to: &str) -> Done {
        let (dir, name) = paths::split(path.as_bytes());
        let dir = paths::resolve(self.root().at(Step::DeviceLink, path)?, dir).at(Step::DeviceLink, path)?;
        symlinkat(to, &dir, name).at(Step::DeviceLink, path)
    }

    fn attach(&mut self, source: usize, target: &str, attributes: &str) -> Done {
        let want = self.sources.get(source).map_or(Want::File, |source| source.want);
        let made = self.made.len();
        let place = self.ensure(target, want).at(Step::MountPoint, target)?;
        let existed = self.made.len() == made;
        let missing = || Failure::new(Step::Bind, target, &io::ErrorKind::NotFound.into());
        let source = self.sources.get(source).ok_or_else(missing)?;
        let mount = source.mount.as_fd();
        if source.adopt_mode && existed {
            sources::adopt_mode(mount, place.as_fd()).at(Step::Bind, target)?;
        }
        mounts::seal(mount, attributes, true).at(Step::Bind, target)?;
        mounts::attach(mount, place.as_fd()).at(Step::Bind, target)
    }

    fn sysctl(&mut self, name: &str, value: &str) -> Done {
        let proc = self.resolve("/proc/sys").at(Step::Sysctl, name)?;
        let file =
            openat(&proc, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).at(Step::Sysctl, name)?;
        fs::File::from(file).write_all(value.as_bytes()).at(Step::Sysctl, name)
    }

    fn mask(&mut self, path: &str) -> Done {
        let place = match self.resolve(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.at(Step::Mask, path)?,
        };
        let found = fstat(&place).at(Step::Mask, path)?;
        let cover = if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            self.empty_directory()
        } else {
            self.null_device().and_then(|null| mounts::copy(null.as_fd(), false))
        };
        mounts::attach(cover.at(Step::Mask, path)?.as_fd(), place.as_fd()).at(Step::Mask, path)
    }

    /// A detached empty read-only directory; all masks share one file system.
    fn empty_directory(&mut self) -> io::Result<OwnedFd> {
        if let Some(empty) = &self.empty {
            return mounts::copy(empty.as_fd(), false);
        }
        let mount = mounts::new("tmpfs", "size=4k,mode=755", "ro,nosuid,nodev,noexec")?;
        self.empty = Some(mount.try_clone()?);
        Ok(mount)
    }

    /// The container's /dev/null, if it is the real one.
    fn null_device(&self) -> io::Result<OwnedFd> {
        let null = self.resolve("/dev/null")?;
        let found = fstat(&null)?;
        let real = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
            && found.st_rdev == rustix::fs::makedev(1, 3);
        if real { Ok(null) } else { Err(io::Error::from_raw_os_error(libc::ENODEV)) }
    }

    fn read_only(&mut self, path: &str) -> Done {
        let place = match self.resolve(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.at(Step::ReadOnly, path)?,
        };
        let mount = mounts::copy(place.as_fd(), true).at(Step::ReadOnly, path)?;
        mounts::seal(mount.as_fd(), "ro", true).at(Step::ReadOnly, path)?;
        mounts::attach(mount.as_fd(), place.as_fd()).at(Step::ReadOnly, path)
    }

    fn working_directory(&mut self, path: &str) -> Done {
        // What is made here is the image's, not a stub: nothing is remembered.
        let root = self.root().at(Step::WorkingDirectory, path)?;
        let dir = paths::ensure(root, path.as_bytes(), Want::Directory, &mut Vec::new());
        let dir = dir.at(Step::WorkingDirectory, path)?;
        rustix::process::fchdir(&dir).at(Step::WorkingDirectory, path)
    }
}

pub(super) fn show(path: &Path) -> String {
    path.display().to_string()
}

pub(super) fn open_layer(path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(CWD, path.as_os_str().as_bytes(), flags, Mode::empty()).at(Step::OpenLayer, show(path))
}

pub(super) fn make_dirs(dir: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(dir)
}

pub(super) fn write_file(path: &Path, data: &[u8], mode: u32) -> io::Result<()> {
    path.parent().map_or(Ok(()), make_dirs)?;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(data)
}
