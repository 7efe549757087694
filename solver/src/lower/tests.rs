//! One folder a case in `fixtures/lower`: a Dockerfile, `request.json` (a list of requests; one plain one where it is
//! missing), and what they lower to.

use super::*;
use crate::graph::BaseImage;
use oci::{ImageConfig, LayerId};
use std::fs;
use std::path::{Path, PathBuf};

mod points;
mod scale;

/// What a case may ask for.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CaseRequest {
    target: Option<String>,
    args: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    platform: Option<String>,
    /// Name to nothing (a directory) or an image reference.
    contexts: BTreeMap<String, Option<String>>,
    no_cache: bool,
    allow: BTreeSet<String>,
    no_cache_filter: BTreeSet<String>,
    multi_platform: bool,
    /// The answer to a wish for a time.
    #[serde(deserialize_with = "some")]
    epoch: Option<Option<i64>>,
}

/// Tells `null` from nothing.
fn some<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<i64>>, D::Error> {
    serde::Deserialize::deserialize(from).map(Some)
}

impl CaseRequest {
    fn request(self) -> LowerRequest {
        let kind = |image: Option<String>| image.map_or(ContextKind::Dir, ContextKind::Image);
        LowerRequest {
            target: self.target,
            build_args: self.args,
            labels: self.labels,
            platform: self.platform.map(|p| p.parse().unwrap()),
            host: "linux/amd64".parse().unwrap(),
            no_cache: self.no_cache,
            allow: self.allow,
            no_cache_filter: self.no_cache_filter,
            multi_platform: self.multi_platform,
            epoch: self.epoch,
            contexts: self.contexts.into_iter().map(|(name, image)| (name, kind(image))).collect(),
            ..LowerRequest::default()
        }
    }
}

/// A config like that of the image that the reference cases use.
fn image(reference: &str, platform: &Platform) -> Option<BaseImage> {
    let mut config = ImageConfig::scratch(platform);
    config.config.working_dir.clear();
    config.created = Some("2006-01-02T22:04:05Z".into());
    config.history = vec![oci::image::History { created_by: "base".into(), ..Default::default() }];
    match reference.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default() {
        "busybox" => config.config.cmd = Some(vec!["sh".into()]),
        "alpine" => config.config.cmd = Some(vec!["/bin/sh".into()]),
        "debian" => {}
        "triggers" => {
            config.config.working_dir = "/w".into();
            config.config.user = "app".into();
            config.config.env.push("FROM_IMAGE=1".into());
            config.config.on_build =
                vec!["ARG v=image".into(), "RUN echo $v".into(), "copy f \\\n /g".into()];
        }
        "empty" => return Some(BaseImage { config, layers: vec![] }),
        _ => return None,
    }
    Some(BaseImage { config, layers: vec![LayerId::from_bytes([1; 32]); 2] })
}

/// The engine's loop, with images from [`image`].
fn run(src: &str, request: &LowerRequest) -> Result<Graph, Vec<Diagnostic>> {
    match resolve(src, request)? {
        Ok(graph) => Ok(graph),
        Err(source) => panic!("a time is needed: {source:?}"),
    }
}

/// The graph, or whose time has to be found out.
fn resolve(src: &str, request: &LowerRequest) -> Result<Result<Graph, EpochSource>, Vec<Diagnostic>> {
    let parsed = parser::parse(src);
    let errors: Vec<Diagnostic> = parsed.diagnostics.into_iter().filter(Diagnostic::is_error).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut bases = BaseImages::new();
    loop {
        match lower(&parsed.file, src, request, &bases)? {
            Lowered::Graph(graph) => return Ok(Ok(*graph)),
            Lowered::NeedEpoch(source) => return Ok(Err(source)),
            Lowered::NeedImages(needed) => {
                assert!(!needed.is_empty());
                for need in needed {
                    let Some(image) = image(&need.reference, &need.platform) else {
                        return Err(vec![need.unavailable("there is no such image here", "load it")]);
                    };
                    let old = bases.insert((need.reference, need.platform), image);
                    assert!(old.is_none(), "an image is asked for once");
                }
            }
        }
    }
}

fn render(src: &str, request: &LowerRequest) -> String {
    match resolve(src, request) {
        Ok(Err(source)) => format!("needs the time of {source:?}\n"),
        Ok(Ok(graph)) => {
            for (index, step) in graph.steps.iter().enumerate() {
                assert!(step.inputs().all(|input| (input.0 as usize) < index), "inputs come first");
            }
            render::graph(&graph, src)
        }
        Err(findings) => {
            assert!(findings.iter().any(Diagnostic::is_error));
            render::findings(&findings, src)
        }
    }
}

fn check(dir: &Path) {
    let src = fs::read_to_string(dir.join("Dockerfile")).unwrap();
    let requests: Vec<serde_json::Value> = match fs::read_to_string(dir.join("request.json")) {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(_) => vec![serde_json::json!({})],
    };
    let mut text = String::new();
    for request in requests {
        text.push_str(&format!("== {request}\n"));
        let case: CaseRequest = serde_json::from_value(request).unwrap();
        text.push_str(&render(&src, &case.request()));
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(dir);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("graph", text));
}

#[test]
fn cases() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/lower");
    let mut dirs: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    dirs.sort();
    assert!(dirs.len() > 10);
    for dir in dirs {
        eprintln!("lower::{}", dir.file_name().unwrap_or_default().display());
        check(&dir);
    }
}
