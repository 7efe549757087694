//! Images for several platforms.

use crate::testenv::TestEnv;
use serde_json::Value;

const DOCKERFILE: &str = "\
FROM --platform=$BUILDPLATFORM busybox AS build
RUN echo once >> /made
FROM scratch
ARG TARGETARCH
COPY --from=build /made /made
COPY only /$TARGETARCH
";

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.context(DOCKERFILE, &[("only", "x")]);
    env
}

fn other() -> &'static str {
    if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" }
}

fn host() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

const BOTH: &str = "--platform linux/amd64,linux/arm64";

#[test]
fn an_index_is_built_kept_run_saved_and_removed() {
    let env = env();
    let built = env.build(&format!("{BOTH} -t multi --metadata-file meta --iidfile iid")).ok();
    let runs = built.stderr.lines().filter(|line| line.contains("RUN echo once")).count();
    assert_eq!(runs, 1, "the steps of the machine's own platform are shared:\n{}", built.stderr);
    let meta: Value = serde_json::from_str(&env.read("meta")).unwrap();
    assert_eq!(meta["containerimage.digest"], env.read("iid").as_str());
    assert!(meta.get("containerimage.config.digest").is_none());
    assert_eq!(meta["image.name"], "docker.io/library/multi:latest");
    let inspected = env.inspect("multi");
    assert_eq!(inspected["Id"], env.read("iid").as_str());
    assert_eq!(inspected["Architecture"], host());
    assert_eq!(inspected["Images"].as_array().unwrap().len(), 2);
    let images = env.line("images -q").ok().stdout;
    assert_eq!(images.lines().count(), 2, "its images are not listed beside it:\n{images}");

    env.context("FROM multi AS files\nFROM busybox\nCOPY --from=files / /got/\nRUN ls /got > /list\n", &[]);
    env.build("-t user").ok();
    let list = env.line("run --rm user cat /list").ok().stdout;
    assert_eq!(list, format!("{}\nmade\n", host()));

    env.line("rmi multi").ok();
    let left = env.line("images -q").ok().stdout;
    assert_eq!(left.lines().count(), 2, "its images went with it:\n{left}");
    env.assert_clean();
}

#[test]
fn a_layout_has_buildkits_form() {
    let env = env();
    let output = "type=oci,dest=out,tar=false,name=foo:1,annotation.all=a,annotation-index.i=b,\
                  annotation-index-descriptor.id=c,annotation-manifest-descriptor[linux/arm64].md=d";
    env.build(&format!("{BOTH} -o {output} --annotation manifest[linux/amd64]:one=e")).ok();
    let index: Value = serde_json::from_str(&env.read("out/index.json")).unwrap();
    let [listed] = index["manifests"].as_array().unwrap().as_slice() else { panic!("{index:#}") };
    assert_eq!(listed["mediaType"], "application/vnd.oci.image.index.v1+json");
    assert_eq!(listed["annotations"]["id"], "c");
    assert_eq!(listed["annotations"]["io.containerd.image.name"], "docker.io/library/foo:1");
    assert!(listed.get("platform").is_none());
    let blob = |value: &Value| -> Value {
        let digest = value["digest"].as_str().unwrap().replace(':', "/");
        serde_json::from_str(&env.read(&format!("out/blobs/{digest}"))).unwrap()
    };
    let inner = blob(listed);
    assert_eq!(inner["annotations"]["i"], "b");
    let manifests = inner["manifests"].as_array().unwrap();
    assert_eq!(manifests[0]["platform"]["architecture"], "amd64");
    assert_eq!(manifests[1]["platform"]["architecture"], "arm64");
    assert_eq!(manifests[0].get("annotations"), None);
    assert_eq!(manifests[1]["annotations"]["md"], "d");
    let (first, second) = (blob(&manifests[0]), blob(&manifests[1]));
    assert_eq!((&first["annotations"]["all"], &first["annotations"]["one"]), (&"a".into(), &"e".into()));
    assert_eq!(second["annotations"]["all"], "a");
    assert_eq!(second["annotations"].get("one"), None);

    env.context(
        &format!("FROM --platform=linux/{0} base AS x\nFROM scratch\nCOPY --from=x /{0} /is\n", other()),
        &[],
    );
    env.build("--build-context base=oci-layout://out -o files").ok();
    assert_eq!(env.read("files/is"), "x", "the image of the layout's index for the platform asked for");
}

#[test]
fn files_of_each_platform_have_a_directory() {
    let env = env();
    env.build(&format!("{BOTH} -o files -o type=tar,dest=files.tar")).ok();
    assert_eq!(env.read("files/linux_amd64/amd64"), "x");
    assert_eq!(env.read("files/linux_arm64/arm64"), "x");
    let tar = std::fs::read(env.path().join("files.tar")).unwrap();
    let mut tar = tar::Archive::new(tar.as_slice());
    let names: Vec<String> =
        tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
    let expected = [
        "linux_amd64/",
        "linux_amd64/amd64",
        "linux_amd64/made",
        "linux_arm64/",
        "linux_arm64/arm64",
        "linux_arm64/made",
    ];
    assert_eq!(names, expected);
    env.build("-o type=local,dest=split,platform-split=true").ok();
    assert_eq!(env.read(&format!("split/linux_{0}/{0}", host())), "x");
    env.build(&format!("{BOTH} -o type=local,dest=no,platform-split=false"))
        .code(1)
        .says("one platform only");
    env.build(&format!("{BOTH} -o type=docker,dest=no.tar")).code(1).says("one platform only");
}

#[test]
fn one_platform_can_be_an_index() {
    let env = env();
    env.build("--build-arg BUILDKIT_MULTI_PLATFORM=1 -o type=oci,dest=out,tar=false").ok();
    let index: Value = serde_json::from_str(&env.read("out/index.json")).unwrap();
    assert_eq!(index["manifests"][0]["mediaType"], "application/vnd.oci.image.index.v1+json");
    env.build("-o type=oci,dest=no.tar,annotation-index.a=b").code(1).says("BUILDKIT_MULTI_PLATFORM");
}
