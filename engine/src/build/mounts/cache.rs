//! Cache mounts. All of a step are asked for in one order, so that two steps never wait for each other.

use super::super::Shared;
use super::super::error::StepFailure;
use super::{MountFailure, Mounted, step};
use oci::RootPath;
use runner::spec;
use snapshotter::caches::{self, CacheRequest, Seed, Sharing};
use snapshotter::view::ChainView;
use solver::graph::{self, CacheMount, Mount, MountKind};
use std::path::PathBuf;

/// One cache mount, and what a new directory for it begins with.
struct Wanted<'a> {
    mount: &'a Mount,
    cache: &'a CacheMount,
    seed: Option<(ChainView, RootPath)>,
}

impl Wanted<'_> {
    fn request(&self) -> CacheRequest<'_> {
        let CacheMount { id, sharing, mode, uid, gid, .. } = self.cache;
        let seed = self.seed.as_ref();
        CacheRequest {
            id,
            sharing: match sharing {
                graph::Sharing::Shared => Sharing::Shared,
                graph::Sharing::Private => Sharing::Private,
                graph::Sharing::Locked => Sharing::Locked,
            },
            mode: *mode,
            uid: *uid,
            gid: *gid,
            seed: seed.map(|(tree, source)| Seed { tree, identity: tree.identity(), source }),
        }
    }
}

/// Adds all caches of `mounts`.
pub(super) fn add(shared: &Shared, mounts: &[Mount], mounted: &mut Mounted) -> Result<(), StepFailure> {
    let mut wanted = Vec::new();
    for mount in mounts {
        if let MountKind::Cache(cache) = &mount.kind {
            let seed = seed(shared, cache).map_err(|failure| failure.at(mount))?;
            wanted.push(Wanted { mount, cache, seed });
        }
    }
    // Of two mounts of one cache the stricter is asked for first: the other one is covered by it.
    let strictness = |sharing| u8::from(sharing == Sharing::Shared);
    wanted.sort_by_cached_key(|one| {
        let request = one.request();
        (*caches::order(&request).as_bytes(), strictness(request.sharing))
    });
    let stop = || shared.stop.is_canceled() || shared.cancel.is_canceled();
    let mut held: Option<([u8; 32], PathBuf)> = None;
    for one in &wanted {
        let request = one.request();
        let key = *caches::order(&request).as_bytes();
        let dir = match &held {
            Some((known, dir)) if *known == key && request.sharing != Sharing::Private => dir.clone(),
            _ => {
                let id = one.cache.id.clone();
                let dir = shared.store.caches().acquire(&request, &stop);
                let dir = dir.map_err(|source| MountFailure::Cache { id, source }.at(one.mount))?;
                let data = dir.data();
                mounted.caches.push(dir);
                held = Some((key, data.clone()));
                data
            }
        };
        mounted.mounts.push(spec::Mount::Bind {
            source: dir,
            below: one.cache.subdir.clone(),
            target: one.mount.target.clone(),
            read_only: one.cache.read_only,
        });
    }
    Ok(())
}

fn seed(shared: &Shared, cache: &CacheMount) -> Result<Option<(ChainView, RootPath)>, MountFailure> {
    let Some(seed) = &cache.seed else { return Ok(None) };
    let chain = shared.chain(step(&seed.from)?);
    let view = shared.store.layers().view(&chain).map_err(MountFailure::Store)?;
    Ok(Some((view, RootPath::new(&seed.source))))
}
