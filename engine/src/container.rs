//! `run`: a container of an image, from its creation to its end, and what it leaves.
//!
//! A container is a directory of the store, `containers/<id>/`, locked by whoever runs it: `spec.json`, the overlay's
//! directories, and after the end `exit.json`. The process that runs it owns it: when that dies, the container dies,
//! and the next command sweeps it if it was to be removed. docs/formats/containers.md describes the files.

mod attach;
mod config;
mod error;
mod fill;
mod names;
mod signals;
mod state;
mod volume;

pub use attach::Attach;
pub use error::ContainerError;
pub(crate) use state::tidy;
pub use state::{Row, Status, images_in_use, list, remove};
pub use volume::{Volume, VolumeError};

use crate::images::access;
use crate::rootfs;
use oci::mount::RootMount;
use oci::{Entry, RootPath};
use runner::spec::{Mount, Network, Spec, User};
use runner::{Sandbox, caps};
use snapshotter::store::Store;
use snapshotter::tree::Tree;
use snapshotter::view::ChainView;
use state::{Live, Record};

/// What `run` was asked for. Every option that is `None` or empty leaves the choice to the image.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Name or id.
    pub image: String,
    /// Argv behind the entrypoint, in place of the image's command.
    pub command: Vec<String>,
    /// In place of the image's entrypoint; empty for none at all. The image's command is not used then.
    pub entrypoint: Option<String>,
    /// `NAME=value` sets, `NAME` removes.
    pub env: Vec<String>,
    /// Absolute path.
    pub workdir: Option<String>,
    /// `user[:group]`.
    pub user: Option<String>,
    /// `-v`.
    pub volumes: Vec<Volume>,
    /// Of the container; one is made up.
    pub name: Option<String>,
    /// The first 12 digits of the container's id.
    pub hostname: Option<String>,
    /// Network mode.
    pub network: Network,
    /// Remove the container and its anonymous volumes when it ends.
    pub remove: bool,
    /// A terminal inside.
    pub terminal: bool,
    /// Nothing but volumes and memory file systems can be written.
    pub read_only: bool,
}

/// Runs a container to its end and returns its exit code: the program's, or 128 and the signal that killed it.
///
/// Signals that this process gets go to the container; the third request to end (SIGINT, SIGTERM) kills it.
///
/// # Errors
/// The container did not run; [`ContainerError::exit_code`] is docker's.
pub fn run(store: &Store, request: &RunRequest, attach: Attach) -> Result<u8, ContainerError> {
    attach.check(request)?;
    let (live, spec) = create(store, request)?;
    let io = attach.io(&spec);
    let ended = match Sandbox::spawn(&spec, io) {
        Ok(running) => attach.follow(running),
        Err(error) => Err(ContainerError::Sandbox(error)),
    };
    let code = match &ended {
        Ok(code) => *code,
        Err(error) => error.exit_code(),
    };
    live.end(store, code)?;
    ended
}

/// Everything before the first process: image, names, volumes, directories.
fn create(store: &Store, request: &RunRequest) -> Result<(Live, Spec), ContainerError> {
    let image = access::resolve(store, &request.image)?;
    let (_, config) = access::config(store, &image.id)?;
    let chain: Vec<_> = image.layers.iter().map(|layer| layer.layer).collect();
    let tree = store.layers().view(&chain).map_err(ContainerError::Store)?;
    let user = rootfs::user(&tree, request.user.as_deref().unwrap_or(&config.config.user))?;
    let process = config::process(request, &config.config)?;
    let volumes = volume::all(&request.volumes, &config.config)?;
    let id = state::new_id()?;
    let record = Record {
        id: id.clone(),
        name: String::new(),
        image: request.image.clone(),
        image_id: image.id,
        command: process.argv.clone(),
        created: crate::clock::unix_seconds(crate::clock::now()),
        remove: request.remove,
        anonymous: volumes.iter().filter_map(|mount| mount.anonymous.clone()).collect(),
    };
    let live = state::create(store, record, request.name.as_deref())?;
    let (upper, mounts) = match prepare(store, &live, &tree, &volumes) {
        Ok(prepared) => prepared,
        Err(error) => {
            live.end(store, error.exit_code())?;
            return Err(error);
        }
    };
    let work = live.dir().join("work");
    let root = RootMount::Overlay { lower: rootfs::lower_dirs(store, &chain), upper, work };
    let hostname = request.hostname.clone().unwrap_or_else(|| id[..12].to_owned());
    let env = config::environment(request, &config.config, &hostname);
    let spec = spec(request, &live, root, hostname);
    let config::Process { argv, cwd } = process;
    Ok((live, Spec { id: state::sandbox_id(&id), argv, env, cwd, user, mounts, ..spec }))
}

/// What does not depend on the image's config.
fn spec(request: &RunRequest, live: &Live, root: RootMount, hostname: String) -> Spec {
    Spec {
        id: String::new(),
        root,
        scratch: live.dir().join("scratch"),
        read_only_root: request.read_only,
        argv: Vec::new(),
        env: Vec::new(),
        cwd: String::new(),
        user: User::default(),
        hostname,
        network: request.network,
        mounts: Vec::new(),
        capabilities: caps::default_names(),
        seccomp: true,
        no_new_privileges: false,
        remove_stubs: false,
        terminal: request.terminal,
        extra_hosts: Vec::new(),
        privileged: false,
        shm_size: None,
        ulimits: Vec::new(),
        cgroup_parent: None,
    }
}

/// The overlay's directories, and the volumes with what the image has in their places.
fn prepare(
    store: &Store,
    live: &Live,
    tree: &ChainView,
    volumes: &[volume::Mount],
) -> Result<(std::path::PathBuf, Vec<Mount>), ContainerError> {
    for name in ["upper", "work", "scratch"] {
        let dir = live.dir().join(name);
        std::fs::create_dir(&dir).map_err(ContainerError::io("make directory", &dir))?;
    }
    let upper = live.dir().join("upper");
    let top = tree.lookup(&RootPath::root())?.unwrap_or_else(|| Entry::dir(0o755, 0, 0));
    rootfs::adopt_root(&upper, &top).map_err(ContainerError::io("prepare directory", &upper))?;
    let mounts = volumes.iter().map(|mount| mount.prepare(store, tree));
    Ok((upper, mounts.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests;
