//! The store's directory: made, recognised, refused.

use crate::error::{StoreError, is_read_only};
use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// Of the directory's layout, in the file `version`. A change that an older lapstrake cannot live with makes it one
/// more.
const VERSION: u32 = 1;

/// Directories and their modes. Layers have set-user-id programs, blobs the files that only root may read in an image:
/// other users of the machine reach none of them, even where the store's own directory lets them in.
const DIRS: [(&str, u32); 7] = [
    ("blobs", 0o710),
    ("blobs/sha256", 0o710),
    ("layers", 0o710),
    ("work", 0o710),
    ("contexts", 0o700),
    ("logs", 0o700),
    ("caches", 0o710),
];
/// Names of files that make a version file.
const NEW: &str = ".version-";

/// Makes the directory a store if it is empty or missing, and checks that it is one.
pub(super) fn prepare(root: &Path) -> Result<(), StoreError> {
    if !check(root)? {
        make(root).map_err(StoreError::io("make", root))?;
        // Whoever was faster has made it a store meanwhile.
        if !is_empty(root)? && !check(root)? {
            return Err(StoreError::NotAStore { root: root.to_owned() });
        }
        write_version(root).map_err(StoreError::io("write the version of", root))?;
    }
    for (name, mode) in DIRS {
        let path = root.join(name);
        match DirBuilder::new().mode(mode).create(&path) {
            Ok(()) => std::fs::set_permissions(&path, Permissions::from_mode(mode))
                .map_err(StoreError::io("set the mode of", &path))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::io("make the directory", &path)(error)),
        }
    }
    Ok(())
}

/// Removes what a kill during the creation may have left.
pub(crate) fn clear(root: &Path) -> Result<(), StoreError> {
    for entry in std::fs::read_dir(root).map_err(StoreError::io("list", root))? {
        let entry = entry.map_err(StoreError::io("list", root))?;
        if entry.file_name().to_string_lossy().starts_with(NEW) {
            std::fs::remove_file(entry.path()).map_err(StoreError::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// Says of an error that it means: nothing can be written there.
pub(super) fn explain(root: &Path, error: StoreError) -> StoreError {
    match error {
        StoreError::Io { source, .. } if is_read_only(&source) => {
            StoreError::ReadOnly { root: root.to_owned(), source }
        }
        other => other,
    }
}

/// Other users may not enter it. Directories above are made as usual.
fn make(root: &Path) -> io::Result<()> {
    if let Some(parent) = root.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o710).create(root) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && root.is_dir() => Ok(()),
        made => made,
    }
}

/// Whether it is a store that this version can use; `false` if it is none yet.
fn check(root: &Path) -> Result<bool, StoreError> {
    let file = root.join("version");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        Err(error) => return Err(StoreError::io("read", &file)(error)),
    };
    match text.trim().parse::<u32>() {
        Ok(VERSION) => Ok(true),
        Ok(found) if found > VERSION => {
            Err(StoreError::Newer { root: root.to_owned(), found, known: VERSION })
        }
        _ => Err(StoreError::NotAStore { root: root.to_owned() }),
    }
}

fn is_empty(root: &Path) -> Result<bool, StoreError> {
    for entry in std::fs::read_dir(root).map_err(StoreError::io("list", root))? {
        let name = entry.map_err(StoreError::io("list", root))?.file_name();
        let name = name.to_string_lossy();
        if name != "lost+found" && !name.starts_with(NEW) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Once in a store's life: worth a sync.
fn write_version(root: &Path) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(NEW).tempfile_in(root)?;
    writeln!(file, "{VERSION}")?;
    file.as_file().set_permissions(Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(root.join("version"))?;
    std::fs::File::open(root)?.sync_all()
}
