//! A store: everything that lapstrake keeps, under one directory. `docs/formats/store.md` describes the files.

pub(crate) mod root;

use crate::caches::Caches;
use crate::content::LocalContent;
use crate::db::Db;
use crate::error::StoreError;
use crate::failed::FailedSteps;
use crate::gc::{self, GcReport};
use crate::images::Images;
use crate::layers::Layers;
use crate::lock::{Locks, StepLock};
use crate::steps::Steps;
use crate::work::{WorkDir, Works};
use oci::KeyDigest;
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open store. Any number of threads and processes may have it open at once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    works: Works,
    content: LocalContent,
    layers: Layers,
    steps: Steps,
    images: Images,
    db: Arc<Db>,
    notices: Vec<String>,
    /// Last: dropped after everything that it covers.
    locks: Locks,
}

impl Store {
    /// Opens the store at `root`, or makes it. `boot_id` names the run of the kernel that this process lives in
    /// (`/proc/sys/kernel/random/boot_id`). What killed processes left is removed.
    ///
    /// Waits while another process collects garbage.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::NotAStore`], [`StoreError::ReadOnly`], [`StoreError::Full`].
    pub fn open(root: &Path, boot_id: &str) -> Result<Store, StoreError> {
        let root = std::path::absolute(root).map_err(StoreError::io("find", root))?;
        Self::open_at(&root, boot_id).map_err(|error| root::explain(&root, error))
    }

    fn open_at(root: &Path, boot_id: &str) -> Result<Store, StoreError> {
        root::prepare(root)?;
        let locks = Locks::open(&root.join("lock"))?;
        let (db, notice) = Db::open(root.join("db.sqlite"), boot_id, &locks)?;
        let db = Arc::new(db);
        let works = Works::new(root.join("work"));
        works.sweep()?;
        let content = LocalContent::new(root.join("blobs/sha256"), works.clone(), Arc::clone(&db));
        let layers = Layers::new(root.join("layers"), works.clone(), Arc::clone(&db), content.clone());
        let steps = Steps::new(Arc::clone(&db), layers.clone());
        let images = Images::new(Arc::clone(&db));
        let notices = notice.into_iter().collect();
        Ok(Store(Arc::new(Inner {
            root: root.to_owned(),
            works,
            content,
            layers,
            steps,
            images,
            db,
            notices,
            locks,
        })))
    }

    /// The directory, as an absolute path.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// What the user must be told: that something was found damaged, and what is lost. Empty but after an accident.
    pub fn notices(&self) -> &[String] {
        &self.0.notices
    }

    /// The blobs.
    pub fn content(&self) -> &LocalContent {
        &self.0.content
    }

    /// The layers.
    pub fn layers(&self) -> &Layers {
        &self.0.layers
    }

    /// The results of steps.
    pub fn steps(&self) -> &Steps {
        &self.0.steps
    }

    /// The images.
    pub fn images(&self) -> &Images {
        &self.0.images
    }

    /// A new directory to make something in.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn work(&self) -> Result<WorkDir, StoreError> {
        self.0.works.create()
    }

    /// Where the stat indexes of build contexts lie.
    pub fn contexts_dir(&self) -> PathBuf {
        self.0.root.join("contexts")
    }

    /// The directories of cache mounts.
    pub fn caches(&self) -> Caches {
        Caches::new(self.0.root.join("caches"))
    }

    /// The file systems of failed steps.
    pub fn failed(&self) -> FailedSteps {
        FailedSteps::new(self.0.root.join("failed"))
    }

    /// Where the outputs of steps lie.
    pub fn logs_dir(&self) -> PathBuf {
        self.0.root.join("logs")
    }

    /// Waits until nobody else, here or in another process, makes the step `weak`, and keeps others from it until the
    /// lock is dropped. Then look the step up once more: who held the lock has probably made it.
    ///
    /// A thread must hold one such lock at a time, or two builds may wait for each other; and rayon's threads none, or
    /// a step may wait for the work that it blocks.
    ///
    /// # Errors
    /// If the lock file cannot be opened.
    pub fn lock_step(&self, weak: &KeyDigest) -> Result<StepLock, StoreError> {
        self.0.locks.step(weak)
    }

    /// As [`Store::lock_step`], but `None` where that would wait.
    ///
    /// # Errors
    /// If the lock file cannot be opened.
    pub fn try_lock_step(&self, weak: &KeyDigest) -> Result<Option<StepLock>, StoreError> {
        self.0.locks.try_step(weak)
    }

    /// Makes everything that was written so far survive a power loss. What is not synced then is read and checked
    /// before it is used, or made again. Costs nothing if this process has written nothing; otherwise it waits for the
    /// disk, so call it when the user has the result, or in the background.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), StoreError> {
        let Inner { root, db, .. } = &*self.0;
        if !db.take_dirty() {
            return Ok(());
        }
        let upto = db.marks()?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(root, flags, Mode::empty()).map_err(StoreError::io("open", root))?;
        rustix::fs::syncfs(dir).map_err(StoreError::io("sync", root))?;
        db.mark_synced(upto)?;
        db.checkpoint()?;
        // The marks are not news: without them more is checked.
        db.take_dirty();
        Ok(())
    }

    /// Removes what neither an image nor a step's result leads to: layers, blobs, logs, dead work directories. Only if
    /// nobody else has the store open, no clone of this one exists, and none of its work directories; the report says
    /// so otherwise.
    ///
    /// # Errors
    /// If something cannot be removed. All before that is gone then, and the store is in order.
    pub fn gc(&self) -> Result<GcReport, StoreError> {
        let busy = GcReport { busy: true, ..GcReport::default() };
        let Inner { works, content, locks, .. } = &*self.0;
        if Arc::strong_count(&self.0) > 1 || works.live() > content.ingesting() {
            return Ok(busy);
        }
        locks.alone(|| gc::collect(self, &self.0.db, works))?.unwrap_or(Ok(busy))
    }
}

#[cfg(test)]
mod tests;
