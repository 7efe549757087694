use super::*;
use std::collections::BTreeMap;

/// A tree from a list: tests only what the trait's own methods add.
struct Listed(BTreeMap<RootPath, Entry>);

impl Tree for Listed {
    fn lookup(&self, path: &RootPath) -> Result<Option<Entry>, TreeError> {
        Ok(self.0.get(path).cloned())
    }
    fn children(&self, dir: &RootPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError> {
        let child = |(path, entry): (&RootPath, &Entry)| {
            (path.parent().as_ref() == Some(dir)).then(|| (path.name().unwrap().to_vec(), entry.clone()))
        };
        Ok(self.0.iter().filter_map(child).collect())
    }
    fn open(&self, path: &RootPath) -> Result<std::fs::File, TreeError> {
        Err(TreeError::NotFile(path.clone()))
    }
    fn content_digest(&self, path: &RootPath) -> Result<ContentDigest, TreeError> {
        Err(TreeError::NotFile(path.clone()))
    }
}

fn listed(paths: &[(&str, Entry)]) -> Listed {
    Listed(paths.iter().map(|(path, entry)| (RootPath::new(path), entry.clone())).collect())
}

#[test]
fn a_walk_is_sorted_by_component() {
    let dir = Entry::dir(0o755, 0, 0);
    let paths = ["/", "/a", "/a/b", "/a/b/c", "/a-b", "/b"];
    let tree = listed(&paths.map(|path| (path, dir.clone())));
    let walked: Vec<String> =
        tree.walk(&RootPath::root()).unwrap().iter().map(|(p, _)| p.to_string()).collect();
    assert_eq!(walked, paths);
    assert!(matches!(tree.walk(&RootPath::new("/c")), Err(TreeError::NotFound(_))));
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let link = |target: String| Entry { kind: Kind::Symlink(target.into_bytes()), ..Entry::dir(0o777, 0, 0) };
    let chain = |len: usize| {
        Listed((0..len).map(|at| (RootPath::new(format!("/{at}")), link(format!("{}", at + 1)))).collect())
    };
    assert_eq!(resolve(&chain(40), &RootPath::new("/0"), true).unwrap(), RootPath::new("/40"));
    assert!(matches!(resolve(&chain(41), &RootPath::new("/0"), true), Err(TreeError::TooManyLinks(_))));
}
