//! The key table, line by line.

use super::*;
use crate::graph::{
    CacheMount, CopyFrom, InlineFile, Mount, MountKind, SecretMount, Seed, Sharing, StepId, Ulimit,
};
use oci::{LayerId, Observation, Platform, RootPath};
use proptest::prelude::*;

fn digest(byte: u8) -> KeyDigest {
    KeyDigest::from_bytes([byte; 32])
}

fn run() -> Run {
    Run {
        argv: vec!["/bin/sh".into(), "-c".into(), "make".into()],
        env: vec!["A=1".into(), "B=2".into()],
        proxy_env: vec![],
        cwd: "/src".into(),
        user: "www".into(),
        network: Network::Host,
        hostname: "buildkitsandbox".into(),
        extra_hosts: vec![("db".into(), "10.0.0.1".into())],
        files: vec![InlineFile { path: "/dev/pipes/EOF".into(), data: b"#!/bin/sh".to_vec() }],
        platform: "linux/amd64".parse().unwrap(),
        mounts: vec![],
        security: crate::graph::Security::Sandbox,
        shm_size: None,
        ulimits: vec![],
    }
}

fn copy() -> Copy {
    Copy {
        from: CopyFrom::Context("context".into()),
        sources: vec![CopySource::Path("a".into(), 0..1), CopySource::Inline("n".into(), b"data".to_vec())],
        dest: "/d/".into(),
        chown: Some("1:1".into()),
        chmod: Some(Chmod::Octal(0o644)),
        link: false,
        unpack: false,
        unpack_fetched: false,
        parents: false,
        exclude: vec!["*.o".into()],
        whole: false,
    }
}

fn source(digest: KeyDigest) -> Inputs {
    Inputs { source: Some(digest), ..Inputs::default() }
}

type Edit<T> = (&'static str, bool, fn(&mut T));

/// Whether each edit changes the key must be as said, and no two keys may be equal that need not.
fn check<T: Clone>(base: T, edits: &[Edit<T>], key: impl Fn(T) -> KeyDigest) {
    let mut seen = vec![("base", key(base.clone()))];
    for (name, changes, edit) in edits {
        let mut edited = base.clone();
        edit(&mut edited);
        let edited = key(edited);
        if *changes {
            let equal = seen.iter().find(|(_, other)| *other == edited);
            assert_eq!(equal, None, "{name} must change the key");
            seen.push((name, edited));
        } else {
            assert_eq!(edited, seen[0].1, "{name} must not change the key");
        }
    }
}

#[test]
fn every_field_of_run_is_treated_as_the_table_says() {
    let edits: &[Edit<Run>] = &[
        ("argv", true, |r| r.argv[2].push('x')),
        ("argv split", true, |r| r.argv = vec!["/bin/sh".into(), "-cmake".into()]),
        ("argv order", true, |r| r.argv.swap(0, 1)),
        ("shell", true, |r| r.argv[0] = "/bin/bash".into()),
        ("env value", true, |r| r.env[0] = "A=2".into()),
        ("env gone", true, |r| drop(r.env.pop())),
        ("env more", true, |r| r.env.push("C=".into())),
        ("env to argv", true, |r| r.argv.push(r.env.remove(0))),
        ("env order", false, |r| r.env.reverse()),
        ("proxy", false, |r| r.proxy_env.push("http_proxy=x".into())),
        ("cwd", true, |r| r.cwd = "/".into()),
        ("user", true, |r| r.user = String::new()),
        ("cwd for user", true, |r| std::mem::swap(&mut r.cwd, &mut r.user)),
        ("network", true, |r| r.network = Network::None),
        ("hostname", true, |r| r.hostname = "other".into()),
        ("extra host", true, |r| r.extra_hosts[0].0.push('2')),
        ("extra host's address", true, |r| r.extra_hosts[0].1.push('2')),
        ("no extra host", true, |r| r.extra_hosts.clear()),
        ("file path", true, |r| r.files[0].path.push('2')),
        ("file bytes", true, |r| r.files[0].data.push(0)),
        ("file gone", true, |r| r.files.clear()),
        ("platform", true, |r| r.platform = Platform { variant: Some("v2".into()), ..r.platform.clone() }),
    ];
    check(run(), edits, |run| weak_key(&Op::Run(run), &Inputs::default()));
}

fn mounted(kind: MountKind) -> Run {
    Run { mounts: vec![Mount { target: "/m".into(), kind, span: 0..4 }], ..run() }
}

/// The key of a RUN whose mounts show what `digests` say.
fn shows(run: Run, digests: &[u8]) -> KeyDigest {
    let mounts = digests.iter().map(|byte| digest(*byte)).collect();
    weak_key(&Op::Run(run), &Inputs { source: None, mounts })
}

fn bind() -> MountKind {
    MountKind::Bind { from: CopyFrom::Step(Some(StepId(1))), source: "src".into(), writable: false }
}

fn cache() -> CacheMount {
    let seed = Seed { from: CopyFrom::Step(None), source: "a".into() };
    CacheMount {
        id: "/m".into(),
        sharing: Sharing::Shared,
        seed: Some(seed),
        mode: 0o755,
        uid: 0,
        gid: 0,
        read_only: false,
        subdir: String::new(),
    }
}

fn secret() -> SecretMount {
    SecretMount { id: "s".into(), env: None, required: false, mode: 0o400, uid: 0, gid: 0 }
}

#[test]
fn limits_and_privileges_are_treated_as_the_table_says() {
    let limit = |name: &str, soft, hard| Ulimit { name: name.into(), soft, hard };
    let mut base = run();
    base.ulimits = vec![limit("nofile", 1, 2)];
    let edits: &[Edit<Run>] = &[
        ("security", true, |r| r.security = Security::Insecure),
        ("shm size", true, |r| r.shm_size = Some(1)),
        ("other shm size", true, |r| r.shm_size = Some(2)),
        ("ulimit name", true, |r| r.ulimits[0].name = "core".into()),
        ("ulimit soft", true, |r| r.ulimits[0].soft = -1),
        ("ulimit hard", true, |r| r.ulimits[0].hard = -1),
        ("no ulimit", true, |r| r.ulimits.clear()),
    ];
    check(base, edits, |run| shows(run, &[]));
}

#[test]
fn a_mount_counts_by_what_it_shows_and_where() {
    let edits: &[Edit<Run>] = &[
        ("whose tree", false, |r| {
            let from = CopyFrom::Step(Some(StepId(7)));
            r.mounts[0].kind = MountKind::Bind { from, source: "src".into(), writable: false };
        }),
        ("place in the file", false, |r| r.mounts[0].span = 9..12),
        ("target", true, |r| r.mounts[0].target = "/n".into()),
        ("source", true, |r| {
            let from = CopyFrom::Step(Some(StepId(1)));
            r.mounts[0].kind = MountKind::Bind { from, source: "other".into(), writable: false };
        }),
        ("access", true, |r| {
            let from = CopyFrom::Step(Some(StepId(1)));
            r.mounts[0].kind = MountKind::Bind { from, source: "src".into(), writable: true };
        }),
        ("kind", true, |r| r.mounts[0].kind = MountKind::Tmpfs { size: None }),
        ("size", true, |r| r.mounts[0].kind = MountKind::Tmpfs { size: Some(1) }),
        ("no mount", true, |r| r.mounts.clear()),
    ];
    check(mounted(bind()), edits, |run| shows(run, &[1]));
    assert_ne!(shows(mounted(bind()), &[1]), shows(mounted(bind()), &[2]), "what a bind shows");
    let mut two = mounted(bind());
    two.mounts.insert(0, Mount { target: "/a".into(), kind: MountKind::Tmpfs { size: None }, span: 0..1 });
    two.mounts.push(Mount { target: "/z".into(), kind: bind(), span: 0..1 });
    assert_ne!(shows(two.clone(), &[1, 2]), shows(two, &[2, 1]), "which mount shows what");
}

#[test]
fn caches_count_by_their_definition() {
    let edits: &[Edit<CacheMount>] = &[
        ("id", true, |c| c.id.push('2')),
        ("sharing", true, |c| c.sharing = Sharing::Locked),
        ("private", true, |c| c.sharing = Sharing::Private),
        ("mode", true, |c| c.mode = 0o700),
        ("uid", true, |c| c.uid = 1),
        ("gid", true, |c| c.gid = 1),
        ("access", true, |c| c.read_only = true),
        ("no seed", true, |c| c.seed = None),
        ("seed's tree", false, |c| c.seed.as_mut().unwrap().from = CopyFrom::Step(Some(StepId(3)))),
        ("subdir", true, |c| c.subdir.push('d')),
        ("seed's path", true, |c| c.seed.as_mut().unwrap().source.push('b')),
    ];
    check(cache(), edits, |cache| shows(mounted(MountKind::Cache(cache)), &[1]));
    let key = |byte| shows(mounted(MountKind::Cache(cache())), &[byte]);
    assert_ne!(key(1), key(2), "what a cache starts with");
}

#[test]
fn secrets_and_agents_count_by_their_definition() {
    let edits: &[Edit<SecretMount>] = &[
        ("id", true, |s| s.id.push('2')),
        ("env", true, |s| s.env = Some("S".into())),
        ("required", true, |s| s.required = true),
        ("mode", true, |s| s.mode = 0o444),
        ("uid", true, |s| s.uid = 1),
        ("gid", true, |s| s.gid = 1),
    ];
    check(secret(), edits, |secret| shows(mounted(MountKind::Secret(secret)), &[]));
    let agent = |id: &str, required, mode, uid, gid| {
        shows(mounted(MountKind::Ssh { id: id.into(), required, mode, uid, gid }), &[])
    };
    let base = agent("default", false, 0o600, 0, 0);
    assert_eq!(base, agent("default", false, 0o600, 0, 0));
    let others = [
        agent("other", false, 0o600, 0, 0),
        agent("default", true, 0o600, 0, 0),
        agent("default", false, 0o666, 0, 0),
        agent("default", false, 0o600, 1, 0),
        agent("default", false, 0o600, 0, 1),
        shows(mounted(MountKind::Secret(SecretMount { id: "default".into(), mode: 0o600, ..secret() })), &[]),
    ];
    assert!(others.iter().all(|other| *other != base));
}

#[test]
fn fetched_sources_count_by_what_was_fetched() {
    use crate::graph::{GitSource, HttpSource};
    let key = |source: CopySource| {
        let copy = Copy { sources: vec![source], ..copy() };
        weak_key(&Op::Copy(copy), &self::source(digest(1)))
    };
    let http = |url: &str| {
        let source = HttpSource { url: url.into(), name: "f".into(), checksum: None };
        key(CopySource::Http(source, 0..1))
    };
    let git = GitSource { remote: "git://h/r".into(), ..GitSource::default() };
    assert_eq!(http("http://a/f"), http("http://b/f"), "the same file from elsewhere");
    assert_eq!(http("http://a/f"), key(CopySource::Git(git, 0..1)));
}

#[test]
fn every_field_of_copy_is_treated_as_the_table_says() {
    let edits: &[Edit<Copy>] = &[
        ("from", false, |c| c.from = CopyFrom::Step(Some(StepId(3)))),
        ("pattern", false, |c| c.sources[0] = CopySource::Path("./a".into(), 9..10)),
        ("inline name", true, |c| c.sources[1] = CopySource::Inline("m".into(), b"data".to_vec())),
        ("inline bytes", true, |c| c.sources[1] = CopySource::Inline("n".into(), b"dat".to_vec())),
        ("inline gone", true, |c| drop(c.sources.pop())),
        ("dest", true, |c| c.dest = "/d".into()),
        ("chown", true, |c| c.chown = Some("1".into())),
        ("no chown", true, |c| c.chown = None),
        ("empty chown", true, |c| c.chown = Some(String::new())),
        ("chmod", true, |c| c.chmod = Some(Chmod::Octal(0o755))),
        ("symbolic chmod", true, |c| c.chmod = Some(Chmod::Symbolic("644".into()))),
        ("no chmod", true, |c| c.chmod = None),
        ("link", true, |c| c.link = true),
        ("unpack", true, |c| c.unpack = true),
        ("unpack fetched", true, |c| c.unpack_fetched = true),
        ("parents", true, |c| c.parents = true),
        ("exclude", true, |c| c.exclude.clear()),
        ("whole", true, |c| c.whole = true),
    ];
    check(copy(), edits, |copy| weak_key(&Op::Copy(copy), &source(digest(1))));
    let op = Op::Copy(copy());
    assert_ne!(weak_key(&op, &source(digest(1))), weak_key(&op, &source(digest(2))));
    assert_ne!(weak_key(&op, &source(digest(1))), weak_key(&op, &Inputs::default()));
}

#[test]
fn patterns_count_where_they_make_paths() {
    let key = |pattern: &str| {
        let sources = vec![CopySource::Path(pattern.into(), 0..1)];
        weak_key(&Op::Copy(Copy { parents: true, sources, ..copy() }), &source(digest(1)))
    };
    assert_ne!(key("a/b"), key("a/./b"));
}

#[test]
fn kinds_of_steps_never_share_a_key() {
    let mkdir = |path: &str, user: &str| {
        weak_key(&Op::Mkdir(Mkdir { path: path.into(), user: user.into() }), &Inputs::default())
    };
    assert_ne!(mkdir("/a", ""), mkdir("/a", "b"));
    assert_ne!(mkdir("/a", "b"), mkdir("/b", "a"));
    let base = |byte: u8, reference: &str| {
        let layers = vec![LayerId::from_bytes([byte; 32])];
        weak_key(&Op::Base { reference: reference.into(), layers }, &Inputs::default())
    };
    assert_eq!(base(1, "busybox"), base(1, "alpine"));
    assert_ne!(base(1, "busybox"), base(2, "busybox"));
    let all = [
        mkdir("/a", ""),
        base(1, ""),
        weak_key(&Op::Run(run()), &Inputs::default()),
        weak_key(&Op::Copy(copy()), &Inputs::default()),
    ];
    let unique: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!(unique.len(), all.len());
}

#[test]
fn strong_keys_depend_on_the_set_and_each_answer() {
    let weak = digest(1);
    let at = |path: &str, asked| Observation { path: RootPath::new(path), asked };
    let set = ObservationSet::Paths(vec![at("/a", Asked::Kind), at("/b", Asked::Content)]);
    let key = strong_key(&weak, &set, &[digest(2), digest(3)]);
    assert_eq!(key, strong_key(&weak, &set, &[digest(2), digest(3)]));
    assert_ne!(key, strong_key(&digest(9), &set, &[digest(2), digest(3)]));
    assert_ne!(key, strong_key(&weak, &set, &[digest(3), digest(2)]));
    assert_ne!(key, strong_key(&weak, &set, &[digest(2)]));
    assert_ne!(key, strong_key(&weak, &ObservationSet::Everything, &[digest(2), digest(3)]));
    let other = ObservationSet::Paths(vec![at("/a", Asked::Listing), at("/b", Asked::Content)]);
    assert_ne!(key, strong_key(&weak, &other, &[digest(2), digest(3)]));
    assert_ne!(
        weak_key(&Op::Run(run()), &Inputs::default()),
        strong_key(&weak, &ObservationSet::Everything, &[])
    );
}

#[test]
fn stored_fields_keep_no_secrets_and_survive_the_store() {
    let mut step = run();
    step.env = [
        "API_TOKEN=hunter2",
        "PATH=/bin",
        "db_password=x",
        "KEYBOARD=us",
        "http_proxy=http://me:hunter2@host",
    ]
    .map(Into::into)
    .into();
    step.env.push("SITE=http://host:80/a@b".into());
    let fields = preimage(&Op::Run(step), &Inputs::default());
    let env: Vec<&str> = fields.values("env").collect();
    assert!(env.contains(&"PATH=/bin") && env.contains(&"KEYBOARD=us"), "{env:?}");
    assert!(env.contains(&"SITE=http://host:80/a@b"), "{env:?}");
    assert!(!format!("{fields:?}").contains("hunter2"));
    assert!(env.iter().any(|var| var.starts_with("API_TOKEN=blake3:")), "{env:?}");
    assert!(env.iter().any(|var| var.starts_with("db_password=blake3:")), "{env:?}");
    assert_eq!(Preimage::from_bytes(&fields.to_bytes()).unwrap(), fields);
    assert!(Preimage::from_bytes(b"{").is_err());
}

#[test]
fn the_recorder_sees_the_same_walk_as_the_hasher() {
    let fields = preimage(&Op::Copy(copy()), &source(digest(0xab)));
    let names: Vec<&str> = fields.fields.iter().map(|field| field.name.as_str()).collect();
    let expected = [
        "epoch",
        "op",
        "dest",
        "chown",
        "chmod",
        "link",
        "unpack",
        "unpack-fetched",
        "parents",
        "exclude",
        "inline",
        "inline-data",
        "source",
    ];
    assert_eq!(names, expected);
    assert_eq!(fields.values("source").collect::<Vec<_>>(), [digest(0xab).to_string()]);
    assert_eq!(fields.values("link").collect::<Vec<_>>(), ["0"]);
}

fn fields() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop::sample::select(vec!["a", "ab", "b", "argv", "env"]);
    // Few bytes and short values, so that concatenations do coincide.
    let value = prop::collection::vec(prop::sample::select(vec![0u8, 1, 8, b'a', b'b']), 0..4);
    prop::collection::vec((name, value), 0..5)
}

fn hash(fields: &[(&'static str, Vec<u8>)]) -> KeyDigest {
    let mut hasher = Hasher::new(b"test");
    fields.iter().for_each(|(name, value)| hasher.field(name, value));
    hasher.finish()
}

proptest! {
    #[test]
    fn different_field_lists_never_collide(one in fields(), other in fields()) {
        prop_assert_eq!(one == other, hash(&one) == hash(&other));
    }

    #[test]
    fn the_order_of_the_environment_does_not_matter(env in prop::collection::vec("[A-C]=[a-z]{0,2}", 0..6)) {
        let mut reversed = env.clone();
        reversed.reverse();
        let key = |env| weak_key(&Op::Run(Run { env, ..run() }), &Inputs::default());
        prop_assert_eq!(key(env), key(reversed));
    }
}
