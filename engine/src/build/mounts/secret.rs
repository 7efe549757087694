//! Secrets: files in memory, or variables.

use super::super::request::Secret;
use super::{MountFailure, Mounted, Shared};
use runner::spec::{self, Contents};
use solver::graph::SecretMount;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// As BuildKit.
const MOST: u64 = 500 << 10;

/// Adds what `wanted` asks for. One that is neither given nor required is left out.
pub(super) fn add(
    shared: &Shared,
    wanted: &SecretMount,
    target: &str,
    mounted: &mut Mounted,
) -> Result<(), MountFailure> {
    let SecretMount { id, env, required, mode, uid, gid } = wanted;
    let value = match shared.request.secrets.get(id) {
        Some(Secret::File(path)) => read(id, path)?,
        Some(Secret::Value(value)) => value.clone(),
        None if *required => {
            let similar = similar(id, shared.request.secrets.keys());
            return Err(MountFailure::NoSecret { id: id.clone(), similar });
        }
        None => return Ok(()),
    };
    if let Some(name) = env {
        mounted.env.push((name.clone(), text(id, value.clone())?));
    }
    if !target.is_empty() {
        mounted.mounts.push(spec::Mount::File {
            target: target.to_owned(),
            data: Contents(value),
            mode: mode & 0o777,
            uid: *uid,
            gid: *gid,
        });
    }
    Ok(())
}

fn read(id: &str, path: &Path) -> Result<Vec<u8>, MountFailure> {
    let mut value = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut value));
    read.map_err(|source| MountFailure::Secret { id: id.to_owned(), path: path.to_owned(), source })?;
    if value.len() as u64 > MOST {
        return Err(MountFailure::SecretSize { id: id.to_owned() });
    }
    Ok(value)
}

fn text(id: &str, value: Vec<u8>) -> Result<String, MountFailure> {
    let refuse = |why| MountFailure::SecretText { id: id.to_owned(), why };
    if value.contains(&0) {
        return Err(refuse("has a byte of value zero"));
    }
    String::from_utf8(value).map_err(|_| refuse("is no UTF-8 text"))
}

/// Names close to `name`.
pub(super) fn similar<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    const CLOSE: f64 = 0.75;
    known.filter(|known| strsim::jaro_winkler(name, known) >= CLOSE).cloned().collect()
}
