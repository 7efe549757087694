use super::*;
use crate::layer::scan;
use crate::layer::testing::{Plan, What, layer, plain, plant, planted, scratch};
use crate::tree::resolve;
use oci::{Asked, ObservationSet};
use proptest::prelude::*;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, unmount,
};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use tempfile::TempDir;

fn view(layers: &[TempDir]) -> ChainView {
    ChainView::from_parts(
        layers.iter().map(|dir| (Arc::new(scan(dir.path()).unwrap()), dir.path().to_owned())),
    )
}

fn view_of(layers: &[&[Plan]]) -> (Vec<TempDir>, ChainView) {
    let layers: Vec<TempDir> = layers.iter().map(|plans| planted(plans)).collect();
    let view = view(&layers);
    (layers, view)
}

/// The kernel's own merge of some layers, bottom first; unmounted at the end.
struct Overlay(TempDir);

impl Overlay {
    fn mount(layers: &[TempDir]) -> Overlay {
        let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
        for layer in layers.iter().rev() {
            fsconfig_set_string(&fs, "lowerdir+", layer.path()).unwrap();
        }
        fsconfig_create(&fs).unwrap();
        let mount = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap();
        let at = scratch();
        move_mount(&mount, "", CWD, at.path(), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH).unwrap();
        Overlay(at)
    }
    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        unmount(self.0.path(), UnmountFlags::DETACH).unwrap();
    }
}

/// Takes away whiteouts that remove nothing: overlay shows those as broken names where it merges nothing.
fn settle(below: &[TempDir], layer: &TempDir) {
    let (below, index) = (view(below), scan(layer.path()).unwrap());
    let is_opaque = |path: &RootPath| index.get(path).is_some_and(|e| e.kind == Kind::Dir { opaque: true });
    for (path, _) in index.iter().filter(|(_, entry)| entry.kind == Kind::Whiteout) {
        let mut above = std::iter::successors(path.parent(), RootPath::parent);
        if below.lookup(&path).unwrap().is_none() || above.any(|path| is_opaque(&path)) {
            std::fs::remove_file(layer.path().join(std::ffi::OsStr::from_bytes(path.relative()))).unwrap();
        }
    }
}

fn assert_same(layers: &[TempDir]) {
    let view = view(layers);
    let overlay = Overlay::mount(layers);
    let mut seen = view.walk(&RootPath::root()).unwrap();
    seen.retain(|(path, _)| !path.is_root());
    let kernel = scan(overlay.path()).unwrap();
    let seen = LayerIndex::build(seen);
    assert_eq!(seen.iter().collect::<Vec<_>>(), kernel.iter().collect::<Vec<_>>());
    for (path, entry) in kernel.iter() {
        assert_eq!(view.lookup(&path).unwrap().as_ref().map(|e| &e.kind), Some(&entry.kind), "{path}");
        if entry.is_file() {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut view.open(&path).unwrap(), &mut bytes).unwrap();
            let Kind::File { digest, .. } = entry.kind else { unreachable!() };
            assert_eq!(Some(oci::ContentDigest::of(&bytes)), digest, "{path}");
        }
    }
    for layer in layers {
        for (path, _) in scan(layer.path()).unwrap().iter() {
            let shown = view.lookup(&path).unwrap().is_some();
            assert_eq!(shown, path.is_root() || kernel.get(&path).is_some(), "{path}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The view shows what the kernel's overlay shows.
    #[test]
    fn the_view_is_what_overlay_mounts(plans in prop::collection::vec(layer(), 2..5)) {
        let layers: Vec<TempDir> = plans.iter().map(|plans| planted(plans)).collect();
        (0..layers.len()).for_each(|top| settle(&layers[..top], &layers[top]));
        assert_same(&layers);
    }
}

#[test]
fn more_than_128_layers() {
    let one = |number: usize| {
        planted(&[
            plain("shared", What::Dir { opaque: false }),
            plain(&format!("shared/{number}"), What::File(number.to_string().into())),
            plain(&format!("shared/{}", number / 2), What::Whiteout),
            plain("top", What::File(number.to_string().into())),
        ])
    };
    let layers: Vec<TempDir> = (0..200).map(one).collect();
    (0..layers.len()).for_each(|top| settle(&layers[..top], &layers[top]));
    assert_same(&layers);
}

#[test]
fn what_a_file_or_opaque_directory_covers_is_gone() {
    let file = |path| plain(path, What::File(b"x".to_vec()));
    let (_keep, view) = view_of(&[
        &[file("a/b/c"), file("d/e"), file("g/h")],
        &[file("a"), plain("d", What::Dir { opaque: true }), file("d/f"), plain("g", What::Whiteout)],
        &[file("a/new")],
    ]);
    let names: Vec<String> =
        view.walk(&RootPath::root()).unwrap().iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(names, ["/", "/a", "/a/new", "/d", "/d/f"]);
    assert!(matches!(view.children(&RootPath::new("/d/f")), Err(TreeError::NotDirectory(_))));
    assert!(matches!(view.open(&RootPath::new("/d")), Err(TreeError::NotFile(_))));
    assert!(view.lookup(&RootPath::new("/a/b/c")).unwrap().is_none());
}

#[test]
fn the_root_directory_of_the_topmost_layer_that_has_one_counts() {
    let (first, second, third) = (scratch(), scratch(), scratch());
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
    std::fs::set_permissions(second.path(), mode).unwrap();
    plant(third.path(), &[plain("f", What::Fifo)]);
    let view = view(&[first, second, third]);
    assert_eq!(view.lookup(&RootPath::root()).unwrap().unwrap().mode, 0o1777);
    assert_eq!(ChainView::from_parts([]).walk(&RootPath::root()).unwrap()[0].1, Entry::dir(0o755, 0, 0));
}

#[test]
fn links_are_followed_as_in_a_chroot() {
    let link = |path, target: &str| plain(path, What::Symlink(target.into()));
    let (_keep, view) = view_of(&[
        &[
            plain("usr/lib/x", What::File(vec![1])),
            link("lib", "usr/lib"),
            link("up", "../../../usr/./lib//x"),
        ],
        &[
            link("abs", "/lib/x"),
            link("loop", "loop"),
            link("dangling", "no/../where"),
            link("usr/lib/y", "x"),
        ],
    ]);
    let at = |path, last| resolve(&view, &RootPath::new(path), last).map(|path| path.to_string());
    assert_eq!(at("/lib/x", true).unwrap(), "/usr/lib/x");
    assert_eq!(at("/lib", false).unwrap(), "/lib");
    assert_eq!(at("/up", true).unwrap(), "/usr/lib/x");
    assert_eq!(at("/abs", true).unwrap(), "/usr/lib/x");
    assert_eq!(at("/lib/y", true).unwrap(), "/usr/lib/x");
    assert_eq!(at("/dangling", true).unwrap(), "/where");
    assert_eq!(at("/new/dir", true).unwrap(), "/new/dir");
    assert!(matches!(at("/loop/x", true), Err(TreeError::TooManyLinks(_))));
}

/// Each question is answered alike by trees that differ only in what was not asked.
#[test]
fn answers_cover_exactly_what_was_asked() {
    let base = |content: &str, mode, mtime| {
        let file = Plan { mode, mtime, ..plain("d/f", What::File(content.into())) };
        view_of(&[&[plain("d", What::Dir { opaque: false }), file]])
    };
    let ask = |view: &ChainView, path: &str, asked| {
        view.answer(&Observation { path: RootPath::new(path), asked }).unwrap()
    };
    let (plain_view, content) = (base("one", 0o644, 1), base("two!", 0o644, 1));
    let (mode, time) = (base("one", 0o600, 1), base("one", 0o644, 9));
    let differs = |other: &(Vec<TempDir>, ChainView), path, asked| {
        ask(&plain_view.1, path, asked) != ask(&other.1, path, asked)
    };
    use Asked::{Content, Kind as AskedKind, Listing, Metadata};
    assert!(differs(&content, "d/f", Content) && !differs(&content, "d/f", Metadata));
    assert!(
        differs(&mode, "d/f", Metadata) && !differs(&mode, "d/f", AskedKind) && !differs(&mode, "d", Listing)
    );
    for asked in [Content, AskedKind, Listing, Metadata] {
        assert!(!differs(&time, "d/f", asked) && !differs(&time, "d", asked));
    }
    assert_eq!(plain_view.1.identity(), time.1.identity());
    assert_ne!(plain_view.1.identity(), mode.1.identity());
    let (_keep, once) = view_of(&[&[plain("f", What::File(b"x".to_vec()))], &[]]);
    let (_keep, twice) = view_of(&[&[plain("f", What::File(b"x".to_vec()))], &[], &[]]);
    assert_ne!(once.identity(), twice.identity(), "a step that changed nothing is a step");
    let absent = ask(&plain_view.1, "d/none", Metadata);
    assert_ne!(absent, ask(&plain_view.1, "d/f", Metadata));
}

#[test]
fn a_recording_lists_the_questions_and_hides_what_was_not_asked() {
    let (_keep, view) = view_of(&[&[plain("d/f", What::File(b"bytes".to_vec()))]]);
    let recording = Recording::new(&view);
    let entry = recording.lookup(&RootPath::new("d/f")).unwrap().unwrap();
    assert_eq!(entry.kind, Kind::File { size: 0, digest: None, link_to: None });
    assert_eq!(entry.mtime, Default::default());
    recording.lookup(&RootPath::new("none")).unwrap();
    recording.lookup(&RootPath::new("none")).unwrap();
    assert_eq!(recording.content_digest(&RootPath::new("d/f")).unwrap(), oci::ContentDigest::of(b"bytes"));
    let ObservationSet::Paths(asked) = recording.into_set() else { panic!("paths were asked") };
    let asked: Vec<(String, Asked)> = asked.into_iter().map(|o| (o.path.to_string(), o.asked)).collect();
    assert_eq!(
        asked,
        [
            ("/d/f".into(), Asked::Metadata),
            ("/d/f".into(), Asked::Content),
            ("/none".into(), Asked::Metadata)
        ]
    );
}
