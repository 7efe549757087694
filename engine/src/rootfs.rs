//! What a build step and a container both need to know of a chain of layers before they run on it.

use oci::{Entry, LayerId, RootPath};
use runner::spec::User;
use runner::user::{self, UserError};
use snapshotter::layer::LayerIndex;
use snapshotter::store::Store;
use snapshotter::tree::{Tree, TreeError, resolve};
use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Larger passwd and group files are not read: they come from an image.
const MAX_PASSWD: u64 = 16 << 20;

/// Why a user could not be looked up.
#[derive(Debug, thiserror::Error)]
pub enum UserLookupError {
    /// There is none of that name.
    #[error(transparent)]
    User(#[from] UserError),
    /// The image's files cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// The directories of `chain` for an overlay, lowest first. Layers that change nothing are left out, and so is a layer
/// that stands further up again: what it sets is set there, and an overlay refuses to have a directory twice.
pub fn lower_dirs(store: &Store, chain: &[LayerId]) -> Vec<PathBuf> {
    static EMPTY: OnceLock<LayerId> = OnceLock::new();
    let empty = EMPTY.get_or_init(|| LayerIndex::build(Vec::new()).id());
    let mut seen = HashSet::new();
    let needed = chain.iter().rev().filter(|layer| *layer != empty && seen.insert(**layer));
    let mut dirs: Vec<PathBuf> = needed.map(|layer| store.layers().diff_dir(*layer)).collect();
    dirs.reverse();
    dirs
}

/// Gives an overlay's empty upper directory the root directory's own metadata: an overlay shows that of the upper one.
///
/// # Errors
/// If the directory cannot be changed.
pub fn adopt_root(upper: &Path, root: &Entry) -> std::io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    std::os::unix::fs::chown(upper, Some(root.uid), Some(root.gid))?;
    std::fs::set_permissions(upper, std::fs::Permissions::from_mode(root.mode))?;
    for (name, value) in &root.xattrs {
        rustix::fs::setxattr(
            upper,
            std::ffi::OsStr::from_bytes(name),
            value,
            rustix::fs::XattrFlags::empty(),
        )?;
    }
    Ok(())
}

/// Looks `spec` (`user[:group]`, empty for root) up in the tree's `/etc/passwd` and `/etc/group`.
///
/// # Errors
/// An unknown name, or a tree that cannot be read. Missing files, and what is no regular file, hold no names.
pub fn user(tree: &dyn Tree, spec: &str) -> Result<User, UserLookupError> {
    let (passwd, group) = (small_file(tree, "/etc/passwd")?, small_file(tree, "/etc/group")?);
    Ok(user::resolve(spec, passwd.as_deref(), group.as_deref())?)
}

fn small_file(tree: &dyn Tree, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
    let path = match resolve(tree, &RootPath::new(path), true) {
        Ok(path) => path,
        Err(TreeError::NotFound(_) | TreeError::NotDirectory(_) | TreeError::TooManyLinks(_)) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if !tree.lookup(&path)?.is_some_and(|entry| entry.is_file()) {
        return Ok(None);
    }
    let mut text = Vec::new();
    tree.open(&path)?.take(MAX_PASSWD).read_to_end(&mut text).map_err(TreeError::io("read", &path))?;
    Ok(Some(text))
}
