//! `RUN --mount` and the options of RUN: whole builds, their layers, and what is left in the store.

use crate::Case;
use crate::support::Home;
use engine::build::{BuildError, BuildOutcome, BuildRequest, Secret, StepFailure, build};
use engine::cancel::Cancel;
use engine::contexts::ContextDir;
use engine::progress::{Event, Progress};
use oci::LayerId;
use solver::graph::Network;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub(crate) const CASES: &[Case] = &[
    ("mounts::a_step_sees_its_mounts_and_leaves_none", a_step_sees_its_mounts_and_leaves_none),
    ("mounts::writes_to_a_bind_are_refused_or_thrown_away", writes_to_a_bind_are_refused_or_thrown_away),
    ("mounts::a_cache_outlives_builds_and_is_in_no_layer", a_cache_outlives_builds_and_is_in_no_layer),
    ("mounts::a_cache_begins_with_what_it_is_from", a_cache_begins_with_what_it_is_from),
    ("mounts::steps_with_the_same_locked_caches_end", steps_with_the_same_locked_caches_end),
    ("mounts::a_secret_is_nowhere_after_the_build", a_secret_is_nowhere_after_the_build),
    ("mounts::a_secret_that_is_missing_is_named", a_secret_that_is_missing_is_named),
    ("mounts::what_is_mounted_counts_and_nothing_else", what_is_mounted_counts_and_nothing_else),
    ("mounts::the_mounted_directorys_own_mode_counts", the_mounted_directorys_own_mode_counts),
    ("mounts::a_source_that_is_missing_is_named", a_source_that_is_missing_is_named),
    ("mounts::insecure_and_options_reach_the_step", insecure_and_options_reach_the_step),
    ("mounts::a_foreign_program_needs_an_emulator", a_foreign_program_needs_an_emulator),
];

#[derive(Default)]
struct Cached(Mutex<usize>);

impl Progress for Cached {
    fn event(&self, event: Event) {
        if matches!(event, Event::VertexCached { .. }) {
            *self.0.lock().unwrap() += 1;
        }
    }
}

/// A store with busybox, and a context.
struct Bench {
    home: Home,
    request: BuildRequest,
    /// Steps of the last build that were not run.
    cached: usize,
}

impl Bench {
    fn new() -> Bench {
        let home = Home::new(&[]);
        let context = home.dir.path().join("context");
        fs::create_dir_all(context.join("src")).unwrap();
        fs::write(context.join("src/f"), "1\n").unwrap();
        fs::write(context.join("other"), "").unwrap();
        let request = BuildRequest {
            dockerfile: String::new(),
            dockerfile_name: "Dockerfile".into(),
            context: Some(ContextDir { path: context, ignore: None }),
            named_contexts: BTreeMap::new(),
            context_times: BTreeMap::new(),
            target: None,
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            platforms: vec![],
            no_cache: false,
            network: Network::Host,
            extra_hosts: vec![],
            parallel: 4,
            secrets: BTreeMap::new(),
            ssh: BTreeMap::new(),
            allow: BTreeSet::new(),
            no_cache_filter: BTreeSet::new(),
            shm_size: None,
            ulimits: vec![],
            cgroup_parent: None,
            program_dirs: vec![],
            edits: Default::default(),
            keep_failed: false,
        };
        Bench { home, request, cached: 0 }
    }

    fn context(&self) -> PathBuf {
        self.home.dir.path().join("context")
    }

    fn try_build(&mut self, dockerfile: &str) -> Result<BuildOutcome, BuildError> {
        self.request.dockerfile = dockerfile.to_owned();
        let cached = Arc::new(Cached::default());
        let progress: Arc<dyn Progress> = cached.clone();
        let outcome = build(&self.home.store, &self.request, &progress, &Cancel::default());
        self.cached = *cached.0.lock().unwrap();
        outcome
    }

    /// The directory of the top layer.
    fn build(&mut self, dockerfile: &str) -> PathBuf {
        let outcome = self.try_build(dockerfile).unwrap_or_else(|error| panic!("{}", chain(&error)));
        let top: LayerId = outcome.images[0].layers.last().unwrap().layer;
        self.home.store.layers().diff_dir(top)
    }

    fn fails(&mut self, dockerfile: &str) -> (StepFailure, String, String) {
        match self.try_build(dockerfile) {
            Err(BuildError::Step(error)) => {
                let place = dockerfile[error.span.clone()].to_owned();
                let tail = String::from_utf8_lossy(&error.tail).into_owned();
                (error.failure, place, tail)
            }
            other => panic!("{other:?}"),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(error) = next {
        text += &format!(": {error}");
        next = error.source();
    }
    text
}

fn tree(dir: &Path) -> Vec<String> {
    let mut all = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            all.push(path.strip_prefix(dir).unwrap().display().to_string());
            if path.is_dir() && !path.is_symlink() {
                todo.push(path);
            }
        }
    }
    all.sort();
    all.retain(|path| !["dev", "proc", "sys"].contains(&path.as_str()));
    all
}

fn a_step_sees_its_mounts_and_leaves_none() {
    let mut bench = Bench::new();
    bench.request.secrets.insert("s".into(), Secret::Value(b"hush".to_vec()));
    let layer = bench.build(
        "FROM box AS other\nRUN mkdir /o && echo stage > /o/file\nFROM box\nWORKDIR /w\n\
         RUN --mount=target=/ctx --mount=source=src/f,target=one --mount=from=other,source=o,target=/etc/deep/er \
         --mount=type=cache,target=/var/cache/x --mount=type=tmpfs,target=/tmp/t --mount=type=secret,id=s \
         --mount=type=secret,id=none cat /ctx/src/f one /etc/deep/er/file /run/secrets/s > /out && touch /tmp/t/x",
    );
    assert_eq!(fs::read_to_string(layer.join("out")).unwrap(), "1\n1\nstage\nhush");
    assert_eq!(tree(&layer), ["out"], "no mount point stays");
}

fn writes_to_a_bind_are_refused_or_thrown_away() {
    let mut bench = Bench::new();
    let (_, _, tail) = bench.fails("FROM box\nRUN --mount=target=/c touch /c/new");
    assert!(tail.contains("Read-only file system"), "{tail}");
    let layer =
        bench.build("FROM box\nRUN --mount=target=/c,rw echo 2 > /c/src/f && rm /c/other && ls /c > /out");
    assert_eq!(fs::read_to_string(layer.join("out")).unwrap(), "src\n");
    assert_eq!(tree(&layer), ["out"]);
    assert_eq!(fs::read_to_string(bench.context().join("src/f")).unwrap(), "1\n");
    let again = bench.build("FROM box\nRUN --mount=target=/c cat /c/src/f /c/other > /out");
    assert_eq!(
        fs::read_to_string(again.join("out")).unwrap(),
        "1\n",
        "the next step sees the context as it is"
    );
}

fn a_cache_outlives_builds_and_is_in_no_layer() {
    let mut bench = Bench::new();
    bench.request.no_cache = true;
    let text = "FROM box\nRUN --mount=type=cache,target=/c,id=a echo x >> /c/f && cat /c/f > /out";
    bench.build(text);
    let layer = bench.build(text);
    assert_eq!(fs::read_to_string(layer.join("out")).unwrap(), "x\nx\n");
    assert_eq!(tree(&layer), ["out"]);
    let (_, _, tail) = bench.fails("FROM box\nRUN --mount=type=cache,target=/c,id=a,ro touch /c/f");
    assert!(tail.contains("Read-only"), "{tail}");
    let owned = bench.build(
        "FROM box\nRUN --mount=type=cache,target=/c,uid=7,gid=8,mode=0700 stat -c '%a %u %g' /c > /out && ls /c >> /out",
    );
    assert_eq!(fs::read_to_string(owned.join("out")).unwrap(), "700 7 8\n");
    let caches = bench.home.store.caches().list().unwrap();
    assert!(caches.iter().any(|cache| cache.id.ends_with('a') && !cache.in_use), "{caches:?}");
    assert_eq!(caches.len(), 2);
}

fn a_cache_begins_with_what_it_is_from() {
    let mut bench = Bench::new();
    bench.request.no_cache = true;
    let text = "FROM box AS seed\nRUN mkdir /s && echo 1 > /s/f\nFROM box\n\
                RUN --mount=type=cache,target=/c,from=seed,source=/s cat /c/f > /out; echo 2 > /c/f";
    assert_eq!(fs::read_to_string(bench.build(text).join("out")).unwrap(), "1\n");
    assert_eq!(fs::read_to_string(bench.build(text).join("out")).unwrap(), "2\n", "it is seeded once");
    let other = text.replace("echo 1", "echo 3");
    assert_eq!(
        fs::read_to_string(bench.build(&other).join("out")).unwrap(),
        "3\n",
        "another seed, another cache"
    );
}

fn steps_with_the_same_locked_caches_end() {
    let mut bench = Bench::new();
    let step = |one: &str, two: &str| {
        format!(
            "RUN --mount=type=cache,sharing=locked,id={one},target=/1 \
             --mount=type=cache,sharing=locked,id={two},target=/2 \
             --mount=type=cache,sharing=locked,id={one},target=/3 \
             mkdir /1/lock /2/lock && test -d /3/lock && sleep 0.2 && rm -r /1/lock /2/lock && echo > /x"
        )
    };
    let layer = bench.build(&format!(
        "FROM box AS a\n{}\nFROM box AS b\n{}\nFROM box\nCOPY --from=a /x /a\nCOPY --from=b /x /b",
        step("p", "q"),
        step("q", "p")
    ));
    assert!(layer.join("b").exists());
}

fn a_secret_is_nowhere_after_the_build() {
    let mut bench = Bench::new();
    let value = b"Zahlenschloss-4711".to_vec();
    let file = bench.home.dir.path().join("secret-file");
    fs::write(&file, &value).unwrap();
    bench.request.secrets.insert("file".into(), Secret::File(file));
    bench.request.secrets.insert("env".into(), Secret::Value(value.clone()));
    let layer = bench.build(
        "FROM box\nENV TOKEN=none\nRUN --mount=type=secret,id=file,mode=0444,uid=3,target=/s \
         --mount=type=secret,id=env,env=TOKEN test \"$(cat /s)\" = \"$TOKEN\" && \
         stat -c '%a %u %g' /s > /out && grep -c ^tmpfs /proc/mounts > /dev/null && echo ${#TOKEN} >> /out",
    );
    assert_eq!(fs::read_to_string(layer.join("out")).unwrap(), "444 3 0\n18\n");
    bench.home.store.sync().unwrap();
    let store = bench.home.store.root().to_owned();
    for path in tree(&store) {
        let path = store.join(path);
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(value.len()).any(|part| part == value), "{}", path.display());
        }
    }
    let debug = format!("{:?}", bench.request.secrets["env"]);
    assert!(!debug.contains("Zahlen") && !debug.contains("90, 97"), "{debug}");
    // Another value is no reason to run the step again.
    bench.request.secrets.insert("env".into(), Secret::Value(b"other".to_vec()));
    let text = bench.request.dockerfile.clone();
    bench.build(&text);
    assert_eq!(bench.cached, 1);
}

fn a_secret_that_is_missing_is_named() {
    let mut bench = Bench::new();
    bench.request.secrets.insert("token".into(), Secret::Value(vec![]));
    let (failure, place, _) = bench.fails("FROM box\nRUN --mount=type=secret,id=tokn,required true");
    let StepFailure::Mount(error) = &failure else { panic!("{failure:?}") };
    assert_eq!(failure.to_string(), "the secret `tokn` is not given");
    assert!(error.failure.help().unwrap().contains("did you mean `token`?"));
    assert!(place.contains("type=secret,id=tokn,required") && !place.contains("RUN"), "{place}");
    let big = bench.home.dir.path().join("big");
    fs::write(&big, vec![b'x'; 512_001]).unwrap();
    bench.request.secrets.insert("token".into(), Secret::File(big));
    let (failure, ..) = bench.fails("FROM box\nRUN --mount=type=secret,id=token true");
    assert!(failure.to_string().contains("larger than 500 KiB"), "{failure}");
    let (failure, ..) = bench.fails("FROM box\nRUN --mount=type=ssh,required true");
    assert_eq!(failure.to_string(), "the SSH agent `default` is not given");
}

fn what_is_mounted_counts_and_nothing_else() {
    let mut bench = Bench::new();
    let text = "FROM box\nRUN --mount=source=src,target=/src cat /src/f > /out";
    bench.build(text);
    fs::write(bench.context().join("other"), "changed").unwrap();
    bench.build(text);
    assert_eq!(bench.cached, 2, "no needless miss: the copy and the step stand");
    fs::write(bench.context().join("src/f"), "2\n").unwrap();
    let layer = bench.build(text);
    assert_eq!(fs::read_to_string(layer.join("out")).unwrap(), "2\n", "no stale hit");
    // Of a stage, too, what is mounted counts.
    let stage = |kept: &str, other: &str| {
        format!(
            "FROM box AS s\nRUN mkdir /k && echo {kept} > /k/f && echo {other} > /o\nFROM box\n\
             RUN --mount=from=s,source=k,target=/k cat /k/f > /out"
        )
    };
    bench.build(&stage("1", "1"));
    bench.build(&stage("1", "2"));
    assert_eq!(bench.cached, 1, "the stage ran, the step did not");
    assert_eq!(fs::read_to_string(bench.build(&stage("2", "2")).join("out")).unwrap(), "2\n");
}

fn the_mounted_directorys_own_mode_counts() {
    let mut bench = Bench::new();
    let text = |mode: &str| {
        format!(
            "FROM box AS s\nRUN mkdir /k && chmod {mode} /k\nFROM box\n\
             RUN --mount=from=s,source=k,target=/k stat -c %a /k > /out"
        )
    };
    for mode in ["700", "755"] {
        let layer = bench.build(&text(mode));
        assert_eq!(fs::read_to_string(layer.join("out")).unwrap(), format!("{mode}\n"));
    }
}

fn a_source_that_is_missing_is_named() {
    let mut bench = Bench::new();
    let (failure, place, _) =
        bench.fails("FROM box AS a\nFROM box\nRUN --mount=from=a,source=nowhere,target=/x true");
    assert!(chain(&failure).contains("nowhere"), "{failure:?}");
    assert!(place.contains("from=a,source=nowhere"), "{place}");
}

fn insecure_and_options_reach_the_step() {
    let mut bench = Bench::new();
    bench.request.allow.insert("security.insecure".into());
    bench.request.shm_size = Some(1 << 20);
    bench.request.ulimits = vec![solver::graph::Ulimit { name: "nofile".to_owned(), soft: 64, hard: 128 }];
    bench.request.extra_hosts = vec![("gate".into(), "host-gateway".into())];
    let layer = bench.build(
        "FROM box\nRUN --security=insecure grep CapEff /proc/self/status > /out; ulimit -Sn >> /out; \
         grep /dev/shm /proc/mounts | grep -o size=1024k >> /out; grep gate /etc/hosts >> /out",
    );
    let text = fs::read_to_string(layer.join("out")).unwrap();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let own = status.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
    assert_eq!(text, format!("CapEff:\t{own}\n64\nsize=1024k\n127.0.0.1\tgate\n"));
}

/// An ELF head for arm64, and nothing behind it.
fn foreign() -> Vec<u8> {
    let mut head = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    head.resize(16, 0);
    head.extend([2, 0, 183, 0]);
    head.resize(64, 0);
    head
}

fn a_foreign_program_needs_an_emulator() {
    use std::os::unix::fs::PermissionsExt;
    let mut bench = Bench::new();
    fs::write(bench.context().join("prog"), foreign()).unwrap();
    fs::set_permissions(bench.context().join("prog"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.request.platforms = vec!["linux/arm64".parse().unwrap()];
    let text = "FROM scratch\nCOPY prog /prog\nRUN [\"/prog\", \"x\"]";
    let (failure, ..) = bench.fails(text);
    assert!(matches!(failure, StepFailure::Platform { .. }), "{failure:?}");
    assert!(failure.to_string().contains("linux/arm64"));
    // Any program does for an emulator: busybox takes its own name from the argv's first word.
    let dir = bench.home.dir.path().join("programs");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("qemu-aarch64-static"), "#!/busybox sh\necho \"$@\" > /out\n").unwrap();
    fs::copy("/bin/busybox", bench.context().join("busybox")).unwrap();
    fs::set_permissions(dir.join("qemu-aarch64-static"), fs::Permissions::from_mode(0o755)).unwrap();
    bench.request.program_dirs = vec![dir];
    let layer = bench.build("FROM scratch\nCOPY prog busybox /\nRUN [\"/prog\", \"x\"]");
    assert_eq!(fs::read_to_string(layer.join("out")).unwrap(), "/prog x\n");
    assert_eq!(tree(&layer), ["out"]);
}
