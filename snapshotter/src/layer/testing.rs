//! Random layers on disk, for tests.

use crate::layer::xattr::{self, Target};
use oci::RootPath;
use proptest::prelude::*;
use rustix::fd::AsFd;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, chmodat, chownat, makedev, mknodat,
    utimensat,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What a random path is.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Dir {
        opaque: bool,
    },
    File(Vec<u8>),
    /// To an earlier file, by number.
    Link(usize),
    Symlink(Vec<u8>),
    Char(u32, u32),
    Fifo,
    Whiteout,
}

/// One random path.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) path: Vec<u8>,
    pub(crate) what: What,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) mtime: i64,
    pub(crate) xattr: Option<Vec<u8>>,
}

/// Random layers whose paths often meet.
pub(crate) fn layer() -> impl Strategy<Value = Vec<Plan>> {
    prop::collection::vec(plan(), 0..14)
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let long = vec![b'n'; 200];
    let names: Vec<Vec<u8>> =
        vec![b"a".into(), b"b".into(), b"c".into(), b"a-b".into(), b"\xff\xfe".into(), b".x".into(), long];
    prop::sample::select(names)
}

fn plan() -> impl Strategy<Value = Plan> {
    let path = prop::collection::vec(name(), 1..4).prop_map(|parts| parts.join(&b'/'));
    let what = prop_oneof![
        4 => any::<bool>().prop_map(|opaque| What::Dir { opaque }),
        4 => prop_oneof![Just(0_usize), 1..2000_usize, Just(65_536), Just(70_001)].prop_map(|n| What::File(bytes(n))),
        2 => (0..8_usize).prop_map(What::Link),
        2 => prop_oneof![Just(b"a".to_vec()), Just(b"/b/c".to_vec()), Just(vec![b't'; 150])].prop_map(What::Symlink),
        1 => Just(What::Char(1, 3)),
        1 => Just(What::Fifo),
        3 => Just(What::Whiteout),
    ];
    let mode = prop::sample::select(vec![0o755, 0o644, 0o4755, 0o1777, 0o2750, 0o0]);
    let owner = prop::sample::select(vec![(0, 0), (1000, 1000), (0, 42), (3_000_000, 4_000_000_000)]);
    let xattr = prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..40));
    (path, what, mode, owner, 0..2_000_000_000_i64, xattr)
        .prop_map(|(path, what, mode, owner, mtime, xattr)| Plan { path, what, mode, owner, mtime, xattr })
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| at.to_le_bytes()[0] ^ len.to_le_bytes()[0]).collect()
}

/// Makes the layer below `dir`. What contradicts an earlier path is left out.
pub(crate) fn plant(dir: &Path, plans: &[Plan]) {
    let mut dirs: BTreeMap<Vec<u8>, Option<Plan>> = BTreeMap::new();
    let mut files: Vec<PathBuf> = Vec::new();
    for plan in plans {
        let parent = RootPath::new(&plan.path).parent().unwrap();
        let full = dir.join(OsStr::from_bytes(&plan.path));
        if std::fs::create_dir_all(dir.join(OsStr::from_bytes(parent.relative()))).is_err() {
            continue;
        }
        let mut at = RootPath::root();
        for name in parent.components() {
            at = at.child(name);
            dirs.entry(at.relative().to_vec()).or_insert(None);
        }
        if let What::Dir { .. } = plan.what {
            if std::fs::create_dir(&full).is_ok() || full.symlink_metadata().unwrap().is_dir() {
                dirs.insert(plan.path.clone(), Some(plan.clone()));
            }
            continue;
        }
        if full.symlink_metadata().is_err() && make(&full, &plan.what, &mut files) {
            finish(&full, plan);
        }
    }
    for (path, plan) in dirs.iter().rev() {
        let plain = Plan {
            path: path.clone(),
            what: What::Dir { opaque: false },
            mode: 0o755,
            owner: (0, 0),
            mtime: 1_000_000_000,
            xattr: None,
        };
        finish(&dir.join(OsStr::from_bytes(path)), plan.as_ref().unwrap_or(&plain));
    }
}

fn make(path: &Path, what: &What, files: &mut Vec<PathBuf>) -> bool {
    let node = |kind, mode, device| mknodat(CWD, path, kind, Mode::from_raw_mode(mode), device).unwrap();
    match what {
        What::Dir { .. } => unreachable!("made before"),
        What::File(bytes) => {
            std::fs::write(path, bytes).unwrap();
            files.push(path.to_owned());
        }
        What::Link(number) => match files.get(*number) {
            Some(file) => std::fs::hard_link(file, path).unwrap(),
            None => return false,
        },
        What::Symlink(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), path).unwrap(),
        What::Char(major, minor) => node(FileType::CharacterDevice, 0o600, makedev(*major, *minor)),
        What::Fifo => node(FileType::Fifo, 0o600, 0),
        What::Whiteout => node(FileType::CharacterDevice, 0, 0),
    }
    true
}

fn finish(path: &Path, plan: &Plan) {
    if matches!(plan.what, What::Whiteout) {
        return;
    }
    let (uid, gid) = (Uid::from_raw(plan.owner.0), Gid::from_raw(plan.owner.1));
    chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW).unwrap();
    if !matches!(plan.what, What::Symlink(_)) {
        chmodat(CWD, path, Mode::from_raw_mode(plan.mode), AtFlags::empty()).unwrap();
    }
    let time = Timespec { tv_sec: plan.mtime, tv_nsec: 0 };
    if let (Some(value), What::File(_) | What::Dir { .. }) = (&plan.xattr, &plan.what) {
        let fd = std::fs::File::open(path).unwrap();
        xattr::set(Target::Fd(fd.as_fd()), b"user.test", value).unwrap();
    }
    if let What::Dir { opaque: true } = plan.what {
        let fd = std::fs::File::open(path).unwrap();
        xattr::set(Target::Fd(fd.as_fd()), xattr::OPAQUE, b"y").unwrap();
    }
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// A fresh directory `0755 0:0`.
pub(crate) fn scratch() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    chmodat(CWD, dir.path(), Mode::from_raw_mode(0o755), AtFlags::empty()).unwrap();
    dir
}

/// A fresh directory that holds the layer.
pub(crate) fn planted(plans: &[Plan]) -> tempfile::TempDir {
    let dir = scratch();
    plant(dir.path(), plans);
    dir
}

/// A plan with plain metadata.
pub(crate) fn plain(path: &str, what: What) -> Plan {
    let mode = if matches!(what, What::Dir { .. }) { 0o755 } else { 0o644 };
    Plan { path: path.into(), what, mode, owner: (0, 0), mtime: 1_500_000_000, xattr: None }
}
