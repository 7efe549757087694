//! Archives from outside, at random and from the fuzzer's corpus: none reaches beyond its directory, and what is
//! unpacked is what the index says.

use oci::{Entry, RootPath};
use proptest::prelude::*;
use snapshotter::layer::{ApplyLimits, LayerIndex, TarOptions, apply, scan, verify, write_tar};
use std::path::Path;
use tar::{EntryType, Header};

/// A file and a directory beside the one that is unpacked into: they must stay as they are.
struct Beside(tempfile::TempDir);

impl Beside {
    fn new() -> Self {
        let outer = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(outer.path().join("diff")).unwrap();
        std::fs::create_dir_all(outer.path().join("dir/inner")).unwrap();
        std::fs::write(outer.path().join("victim"), "safe").unwrap();
        Self(outer)
    }
    fn diff(&self) -> std::path::PathBuf {
        self.0.path().join("diff")
    }
    fn others(&self) -> Vec<(RootPath, Entry)> {
        let diff = RootPath::new("diff");
        let all = scan(self.0.path()).unwrap();
        all.iter().filter(|(path, _)| !path.starts_with(&diff) && !path.is_root()).collect()
    }
}

/// Unpacks `archive`; whether it was accepted.
fn check(archive: &[u8]) -> bool {
    let beside = Beside::new();
    let before = beside.others();
    let limits = ApplyLimits { max_bytes: 1 << 24, max_entries: 10_000, ..ApplyLimits::default() };
    let result = apply(&mut &archive[..], &beside.diff(), &limits);
    assert_eq!(beside.others(), before, "something outside was touched");
    let Ok(index) = result else { return false };
    assert!(verify(&index, &beside.diff()).unwrap(), "the index is not what is on disk: {:?}", list(&index));
    let mut packed = Vec::new();
    if write_tar(&index, &beside.diff(), &TarOptions::default(), &mut packed).is_ok() {
        let again = Beside::new();
        let found = apply(&mut packed.as_slice(), &again.diff(), &limits).unwrap();
        assert_eq!(list(&found), list(&index));
        assert_eq!(found.id(), index.id());
    }
    true
}

fn list(index: &LayerIndex) -> Vec<String> {
    index.iter().map(|(path, entry)| format!("{path} {:?}", entry.kind)).collect()
}

fn member(out: &mut Vec<u8>, kind: u8, name: &[u8], link: &[u8], data: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::new(kind));
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000);
    header.set_size(data.len() as u64);
    header.set_device_major(1).unwrap();
    header.set_device_minor(5).unwrap();
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(512), 0);
}

fn name() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "a",
        "b",
        "b",
        "c",
        "victim",
        "dir",
        "diff",
        ".",
        "",
        ".wh.a",
        ".wh.b",
        ".wh..wh..opq",
        ".wh..wh.plnk",
    ]);
    let safe = prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    let tricks =
        vec!["..", "../victim", "/victim", "a/../../victim", "../dir", "b/..", "/", "./a", "a/", "../../etc"];
    prop_oneof![9 => safe, 1 => prop::sample::select(tricks).prop_map(str::to_owned)]
}

fn archive() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(b"0001122335567xLK".to_vec());
    let data = prop::collection::vec(any::<u8>(), 0..700);
    prop::collection::vec((kind, name(), name(), data), 1..12).prop_map(|members| {
        let mut out = Vec::new();
        for (kind, name, link, data) in members {
            let data = match kind {
                b'0' => data,
                b'L' | b'K' => link.clone().into_bytes(),
                b'x' => format!("{} path={link}\n", link.len() + 9).into_bytes(),
                _ => Vec::new(),
            };
            member(&mut out, kind, name.trim_start_matches("//").as_bytes(), link.as_bytes(), &data);
        }
        out.resize(out.len() + 1024, 0);
        out
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_archive_reaches_outside(archive in archive()) {
        check(&archive);
    }
}

/// The fuzzer's corpus, as it is and with each header byte of the first members changed.
#[test]
fn the_corpus_is_harmless() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/apply_layer");
    let mut accepted = 0;
    let mut seen = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        seen += 1;
        accepted += usize::from(check(&bytes));
        for at in (0..bytes.len().min(1024)).step_by(37) {
            let mut changed = bytes.clone();
            changed[at] = changed[at].wrapping_add(0x31);
            check(&changed);
            check(&bytes[..at]);
        }
    }
    assert!(seen >= 10 && accepted >= 3, "{accepted} of {seen} accepted");
}
