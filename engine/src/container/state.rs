//! Containers on disk: `containers/<id>/`, each held by a lock while its process lives.

use super::ContainerError;
use super::names;
use oci::BlobDigest;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock, openat};
use serde::{Deserialize, Serialize};
use snapshotter::store::Store;
use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a forced removal waits for the container's owner to let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// `spec.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) name: String,
    /// As given.
    pub(super) image: String,
    pub(super) image_id: BlobDigest,
    pub(super) command: Vec<String>,
    /// Unix seconds.
    pub(super) created: i64,
    pub(super) remove: bool,
    /// Names of its anonymous volumes.
    pub(super) anonymous: Vec<String>,
}

/// `exit.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Ended {
    code: u8,
    /// Unix seconds.
    finished: i64,
}

/// How a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its process lives.
    Running,
    /// It ended, with this exit code, at this time in Unix seconds.
    Exited(u8, i64),
    /// Whoever ran it was killed.
    Dead,
}

/// A line of `ps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// As given to `run`.
    pub image: String,
    /// The image's id.
    pub image_id: BlobDigest,
    /// Argv.
    pub command: Vec<String>,
    /// Unix seconds.
    pub created: i64,
    /// How it stands.
    pub status: Status,
}

/// A container of this process. Dropped without [`Live::end`], it is dead.
#[derive(Debug)]
pub(super) struct Live {
    dir: PathBuf,
    record: Record,
    /// Held for its lock.
    _lock: OwnedFd,
}

fn containers(store: &Store) -> PathBuf {
    store.root().join("containers")
}

/// 64 hexadecimal digits.
pub(super) fn new_id() -> Result<String, ContainerError> {
    Ok(random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn random<const N: usize>() -> Result<[u8; N], ContainerError> {
    let mut bytes = [0; N];
    let source = Path::new("/dev/urandom");
    let read = fs::File::open(source).and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(ContainerError::io("read", source))?;
    Ok(bytes)
}

/// Opens and locks a directory; the lock goes with the descriptor.
pub(super) fn lock_dir(dir: &Path, how: FlockOperation) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = openat(CWD, dir, flags, Mode::empty())?;
    flock(&fd, how)?;
    Ok(fd)
}

/// The directory of containers, made if missing, and its lock: who holds it alone may give out names.
fn enter(store: &Store) -> Result<(PathBuf, OwnedFd), ContainerError> {
    let dir = containers(store);
    DirBuilder::new()
        .recursive(true)
        .mode(0o710)
        .create(&dir)
        .map_err(ContainerError::io("make directory", &dir))?;
    let lock =
        lock_dir(&dir, FlockOperation::LockExclusive).map_err(ContainerError::io("lock directory", &dir))?;
    Ok((dir, lock))
}

/// Gives `record` its name and a directory. What killed processes left is removed on the way.
pub(super) fn create(store: &Store, mut record: Record, name: Option<&str>) -> Result<Live, ContainerError> {
    if let Some(bad) = name.filter(|name| !names::valid(name)) {
        return Err(ContainerError::Name(bad.to_owned()));
    }
    let (dir, _names) = enter(store)?;
    sweep(store, &dir)?;
    let rows = rows(&dir)?;
    record.name = match name {
        Some(name) => match rows.iter().find(|row| row.name == name) {
            Some(row) => {
                return Err(ContainerError::NameInUse { name: name.to_owned(), id: row.id.clone() });
            }
            None => name.to_owned(),
        },
        None => names::make_up(random()?, |name| rows.iter().any(|row| row.name == name)),
    };
    let place = dir.join(&record.id);
    let io = ContainerError::io("make directory", &place);
    DirBuilder::new().mode(0o710).create(&place).map_err(io)?;
    let lock = lock_dir(&place, FlockOperation::LockExclusive)
        .map_err(ContainerError::io("lock directory", &place))?;
    write(&place, "spec.json", &record)?;
    Ok(Live { dir: place, record, _lock: lock })
}

fn write(dir: &Path, name: &str, value: &impl Serialize) -> Result<(), ContainerError> {
    let (new, path) = (dir.join(format!("{name}.new")), dir.join(name));
    let written = serde_json::to_vec(value)
        .map_err(io::Error::from)
        .and_then(|bytes| fs::write(&new, bytes))
        .and_then(|()| fs::rename(&new, &path));
    written.map_err(ContainerError::io("write", &path))
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>, ContainerError> {
    let io = || ContainerError::io("read", path);
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from).map_err(io()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io()(error)),
    }
}

impl Live {
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Records the end, or removes the container if that was asked for.
    pub(super) fn end(self, store: &Store, code: u8) -> Result<(), ContainerError> {
        if self.record.remove {
            return discard(store, &self.dir, &self.record);
        }
        let finished = crate::clock::unix_seconds(crate::clock::now());
        write(&self.dir, "exit.json", &Ended { code, finished })
    }
}

/// Removes a container that nobody runs, and its anonymous volumes. Its record goes last: until then a killed removal
/// can be taken up again.
fn discard(store: &Store, dir: &Path, record: &Record) -> Result<(), ContainerError> {
    for name in &record.anonymous {
        remove_dir(&store.root().join("volumes").join(name))?;
    }
    for name in ["upper", "work", "scratch"] {
        remove_dir(&dir.join(name))?;
    }
    remove_dir(dir)
}

/// Removes a directory with all that is in it. None there is no error.
pub(super) fn remove_dir(dir: &Path) -> Result<(), ContainerError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ContainerError::io("remove directory", dir)(error))
        }
        _ => Ok(()),
    }
}

/// Directories of containers, whatever they hold.
fn directories(dir: &Path) -> Result<Vec<PathBuf>, ContainerError> {
    let all = fs::read_dir(dir).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    all.map_err(ContainerError::io("list", dir))
}

/// Removes what nobody holds and nobody can ask for: containers that were to be removed, or never got a record.
fn sweep(store: &Store, dir: &Path) -> Result<(), ContainerError> {
    for place in directories(dir)? {
        let Ok(_lock) = lock_dir(&place, FlockOperation::NonBlockingLockExclusive) else { continue };
        match read::<Record>(&place.join("spec.json"))? {
            Some(record) if record.remove => discard(store, &place, &record)?,
            Some(_) => {}
            None => remove_dir(&place)?,
        }
    }
    Ok(())
}

/// The same whenever a store is opened, unless somebody else is at it. Nothing depends on it.
pub(crate) fn tidy(store: &Store) {
    let dir = containers(store);
    let Ok(_names) = lock_dir(&dir, FlockOperation::NonBlockingLockExclusive) else { return };
    if let Err(error) = sweep(store, &dir) {
        tracing::debug!(%error, "remove what killed containers left");
    }
}

fn rows(dir: &Path) -> Result<Vec<Row>, ContainerError> {
    let mut rows = Vec::new();
    for place in directories(dir)? {
        // Gone meanwhile, or not there yet.
        let Some(record) = read::<Record>(&place.join("spec.json"))? else { continue };
        let held = matches!(
            lock_dir(&place, FlockOperation::NonBlockingLockShared),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock
        );
        let status = match (held, read::<Ended>(&place.join("exit.json"))?) {
            (true, _) => Status::Running,
            (false, Some(Ended { code, finished })) => Status::Exited(code, finished),
            (false, None) => Status::Dead,
        };
        let Record { id, name, image, image_id, command, created, .. } = record;
        rows.push(Row { id, name, image, image_id, command, created, status });
    }
    rows.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    Ok(rows)
}

/// All containers, newest first. What killed processes left, and was to be removed, is removed.
///
/// # Errors
/// If the store cannot be read.
pub fn list(store: &Store) -> Result<Vec<Row>, ContainerError> {
    let (dir, _names) = enter(store)?;
    sweep(store, &dir)?;
    rows(&dir)
}

/// The images that containers were made of, with the containers' names: what `rmi` must not take away.
///
/// # Errors
/// If the store cannot be read.
pub fn images_in_use(store: &Store) -> Result<Vec<(BlobDigest, String)>, ContainerError> {
    Ok(list(store)?.into_iter().map(|row| (row.image_id, row.name)).collect())
}

/// Removes the container of this name, id, or beginning of an id, and with `volumes` its anonymous volumes. One that
/// runs is killed if `force`. Returns its id.
///
/// # Errors
/// [`ContainerError::NotFound`], [`ContainerError::Ambiguous`], [`ContainerError::Running`].
pub fn remove(store: &Store, text: &str, force: bool, volumes: bool) -> Result<String, ContainerError> {
    let (dir, _names) = enter(store)?;
    sweep(store, &dir)?;
    let row = find(rows(&dir)?, text)?;
    let place = dir.join(&row.id);
    if row.status == Status::Running {
        if !force {
            return Err(ContainerError::Running(row.name));
        }
        runner::Sandbox::kill(&sandbox_id(&row.id))?;
    }
    let Some(_lock) = wait_for_lock(&place)? else { return Ok(row.id) };
    if let Some(mut record) = read::<Record>(&place.join("spec.json"))? {
        if !volumes && !record.remove {
            record.anonymous.clear();
        }
        discard(store, &place, &record)?;
    }
    Ok(row.id)
}

/// Name of a container's sandbox.
pub(super) fn sandbox_id(container: &str) -> String {
    format!("run-{container}")
}

/// None: its owner has removed it.
fn wait_for_lock(place: &Path) -> Result<Option<OwnedFd>, ContainerError> {
    let start = Instant::now();
    loop {
        match lock_dir(place, FlockOperation::NonBlockingLockExclusive) {
            Ok(lock) => return Ok(Some(lock)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && start.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(ContainerError::io("lock directory", place)(error)),
        }
    }
}

fn find(rows: Vec<Row>, text: &str) -> Result<Row, ContainerError> {
    if let Some(row) = rows.iter().find(|row| row.name == text || row.id == text) {
        return Ok(row.clone());
    }
    let mut fitting = rows.into_iter().filter(|row| !text.is_empty() && row.id.starts_with(text));
    match (fitting.next(), fitting.next()) {
        (Some(row), None) => Ok(row),
        (Some(_), Some(_)) => Err(ContainerError::Ambiguous(text.to_owned())),
        (None, _) => Err(ContainerError::NotFound(text.to_owned())),
    }
}
