//! The fields of a RUN's mounts.

use super::KeySink;
use crate::graph::{CacheMount, Mount, MountKind, SecretMount, Sharing};
use oci::KeyDigest;

/// Puts `mounts` into `to`; `shown` are the digests of those that show a tree.
pub(super) fn walk(mounts: &[Mount], shown: &[KeyDigest], to: &mut impl KeySink) {
    let mut shown = shown.iter();
    for mount in mounts {
        to.field("mount", definition(&mount.kind).as_bytes());
        to.field("mount-target", mount.target.as_bytes());
        match &mount.kind {
            MountKind::Bind { source, .. } => to.field("mount-source", source.as_bytes()),
            MountKind::Cache(cache) => {
                to.field("mount-id", cache.id.as_bytes());
                if let Some(seed) = &cache.seed {
                    to.field("mount-source", seed.source.as_bytes());
                }
                if !cache.subdir.is_empty() {
                    to.field("mount-subdir", cache.subdir.as_bytes());
                }
            }
            MountKind::Tmpfs { .. } => {}
            MountKind::Secret(secret) => {
                to.field("mount-id", secret.id.as_bytes());
                if let Some(name) = &secret.env {
                    to.field("mount-env", name.as_bytes());
                }
            }
            MountKind::Ssh { id, .. } => to.field("mount-id", id.as_bytes()),
        }
        if mount.kind.from().is_some()
            && let Some(digest) = shown.next()
        {
            to.field("mount-content", digest.as_bytes());
        }
    }
}

/// All of a mount that is no free text: those have fields of their own.
fn definition(kind: &MountKind) -> String {
    let access = |writable| if writable { "rw" } else { "ro" };
    let owned = |required: &bool, mode: &u32, uid: &u32, gid: &u32| {
        let required = if *required { "required" } else { "optional" };
        format!("{required} {mode:o} {uid}:{gid}")
    };
    match kind {
        MountKind::Bind { writable, .. } => format!("bind {}", access(*writable)),
        MountKind::Cache(CacheMount { sharing, mode, uid, gid, read_only, .. }) => {
            let sharing = match sharing {
                Sharing::Shared => "shared",
                Sharing::Private => "private",
                Sharing::Locked => "locked",
            };
            format!("cache {} {sharing} {mode:o} {uid}:{gid}", access(!read_only))
        }
        MountKind::Tmpfs { size: Some(size) } => format!("tmpfs {size}"),
        MountKind::Tmpfs { size: None } => "tmpfs".into(),
        MountKind::Secret(SecretMount { required, mode, uid, gid, .. }) => {
            format!("secret {}", owned(required, mode, uid, gid))
        }
        MountKind::Ssh { required, mode, uid, gid, .. } => format!("ssh {}", owned(required, mode, uid, gid)),
    }
}
