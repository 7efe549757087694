//! Global arguments: the predefined ones, and the ARGs before the first FROM.

use super::epoch::{self, EPOCH, Epoch, EpochSource};
use super::expand::{Declared, Env, Expander};
use super::{LowerRequest, rules};
use oci::Platform;
use parser::ast::Dockerfile;
use parser::diagnostic::Diagnostic;
use std::collections::BTreeMap;

/// What FROM lines see, and what an ARG without a default takes up inside a stage.
#[derive(Debug)]
pub(super) struct Globals {
    /// Values by name.
    pub(super) env: Env,
    /// As [`Globals::env`], were there no build arguments.
    pub(super) defaults: Env,
    /// `--build-arg`, with the time that `SOURCE_DATE_EPOCH` stands for.
    pub(super) build_args: BTreeMap<String, String>,
    /// The time that `SOURCE_DATE_EPOCH` stands for.
    pub(super) epoch: Option<i64>,
    /// Whose time it is to be, if that is not known yet.
    pub(super) epoch_source: Option<EpochSource>,
    /// Platform of the stages without one of their own.
    pub(super) target_platform: Platform,
    /// Vertex names carry their platform.
    pub(super) multi_platform: bool,
    /// What the file's global ARGs declare, set or not.
    pub(super) declared: Declared,
}

impl Globals {
    /// Predefined arguments, overridden by build arguments, and the file's own.
    pub(super) fn new(file: &Dockerfile, req: &LowerRequest) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut declared = Declared::default();
        let target_platform = req.platform.clone().unwrap_or_else(|| req.host.clone());
        let mut env = predefined(file, req, &target_platform);
        declare(file, req, &mut env, &mut declared, &mut errors);
        let defaults = defaults(file, req, &target_platform);
        let epoch = epoch::read(file, req, &env).unwrap_or_else(|error| {
            errors.push(error);
            Epoch::Unset
        });
        let multi_platform = builtin(req).unwrap_or_else(|error| {
            errors.push(error);
            false
        });
        if !errors.is_empty() {
            return Err(errors);
        }
        let build_args = req.build_args.clone();
        let mut globals = Self {
            env,
            defaults,
            build_args,
            epoch: None,
            epoch_source: None,
            target_platform,
            declared,
            multi_platform,
        };
        match (epoch, req.epoch) {
            (Epoch::Unset, _) => epoch::settle(None, &mut globals),
            (Epoch::At(seconds), _) => epoch::settle(Some(seconds), &mut globals),
            (Epoch::Of(_), Some(known)) => epoch::settle(known, &mut globals),
            (Epoch::Of(source), None) => globals.epoch_source = Some(source),
        }
        Ok(globals)
    }
}

/// What FROM lines see where no build argument is given.
fn defaults(file: &Dockerfile, req: &LowerRequest, target: &Platform) -> Env {
    let mut env = predefined(file, req, target);
    for arg in file.global_args.iter().flat_map(|line| &line.node.args) {
        let Some(default) = &arg.default else { continue };
        if let Ok(value) = Expander::new(file.escape, &env).word(default, &mut Vec::new()) {
            env.insert(arg.name.node.clone(), value);
        }
    }
    env
}

/// Takes up the file's global ARGs.
fn declare(
    file: &Dockerfile,
    req: &LowerRequest,
    env: &mut Env,
    declared: &mut Declared,
    errors: &mut Vec<Diagnostic>,
) {
    for arg in file.global_args.iter().flat_map(|line| &line.node.args) {
        let value = match (req.build_args.get(&arg.name.node), &arg.default) {
            (Some(value), _) => Some(value.clone()),
            (None, None) => None,
            (None, Some(default)) => match Expander::new(file.escape, env).word(default, &mut Vec::new()) {
                Ok(value) => Some(value),
                Err(error) => {
                    errors.push(error);
                    None
                }
            },
        };
        declared.insert(&arg.name.node, value.clone());
        if let Some(value) = value {
            env.insert(arg.name.node.clone(), value);
        }
    }
}

/// Build arguments that speak to the build itself, and that others than a RUN read.
const BUILTIN: [&str; 11] = [
    "BUILDKIT_BUILD_NAME",
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_DOCKERFILE_CHECK",
    "BUILDKIT_INLINE_CACHE",
    MULTI_PLATFORM,
    "BUILDKIT_SANDBOX_HOSTNAME",
    "BUILDKIT_SBOM_SCAN_CONTEXT",
    "BUILDKIT_SBOM_SCAN_STAGE",
    SYNTAX,
    EPOCH,
];

/// `true` gives an index of images for one platform, too.
const MULTI_PLATFORM: &str = "BUILDKIT_MULTI_PLATFORM";
/// Overrides `# syntax=`.
const SYNTAX: &str = "BUILDKIT_SYNTAX";

/// Checks those with few values. Whether several platforms are asked for comes out.
fn builtin(req: &LowerRequest) -> Result<bool, Diagnostic> {
    let given = |name: &str| req.build_args.get(name).filter(|value| !value.is_empty());
    let bad = |message: String| Diagnostic::new(&rules::BAD_BUILD_ARG, 0..0, message);
    if let Some(frontend) = given(SYNTAX).filter(|frontend| !parser::is_dockerfile_frontend(frontend)) {
        let message = format!("the frontend `{frontend}` of the build argument {SYNTAX} cannot be run");
        return Err(bad(message).help("the built-in parser reads `docker/dockerfile` of any version"));
    }
    match given(MULTI_PLATFORM).map(String::as_str) {
        None => Ok(req.multi_platform),
        Some("1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") if req.multi_platform => {
            let message =
                format!("several platforms are built, and the build argument {MULTI_PLATFORM} forbids it");
            Err(bad(message).help("leave it out, or name one platform"))
        }
        Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some(value) => {
            Err(bad(format!("the build argument {MULTI_PLATFORM} is true or false, not `{value}`")))
        }
    }
}

fn predefined(file: &Dockerfile, req: &LowerRequest, target: &Platform) -> Env {
    let last_stage = file.stages.last().and_then(|stage| stage.from.node.name.as_ref());
    let stage = req.target.clone().or_else(|| last_stage.map(|name| name.node.to_lowercase()));
    let of = |prefix: &str, platform: &Platform| {
        [
            (format!("{prefix}PLATFORM"), platform.to_string()),
            (format!("{prefix}OS"), platform.os.clone()),
            (format!("{prefix}OSVERSION"), String::new()),
            (format!("{prefix}ARCH"), platform.architecture.clone()),
            (format!("{prefix}VARIANT"), platform.variant.clone().unwrap_or_default()),
        ]
    };
    of("BUILD", &req.host)
        .into_iter()
        .chain(of("TARGET", target))
        .chain([("TARGETSTAGE".to_owned(), stage.unwrap_or_else(|| "default".into()))])
        .map(|(name, value)| {
            let value = req.build_args.get(&name).cloned().unwrap_or(value);
            (name, value)
        })
        .collect()
}

/// The names that Docker predefines for proxies, lower and upper case.
const PROXIES: [&str; 5] = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"];

/// The variables that proxy build arguments give to every RUN: both spellings of each, sorted.
pub(super) fn proxy_env(req: &LowerRequest) -> Vec<String> {
    let mut out = Vec::new();
    for name in PROXIES {
        let given = req.build_args.iter().rfind(|(key, value)| is(key, name) && !value.is_empty());
        if let Some((_, value)) = given {
            out.push(format!("{}={value}", name.to_ascii_uppercase()));
            out.push(format!("{name}={value}"));
        }
    }
    out.sort();
    out
}

/// Whether an ARG of this name gives no variable: it speaks to the build alone.
pub(super) fn is_no_variable(name: &str) -> bool {
    matches!(name, "BUILDKIT_SBOM_SCAN_CONTEXT" | "BUILDKIT_SBOM_SCAN_STAGE")
}

/// Whether a build argument has an effect without being declared.
pub(super) fn is_predefined(name: &str, globals: &Globals) -> bool {
    PROXIES.iter().any(|proxy| is(name, proxy)) || BUILTIN.contains(&name) || globals.env.contains_key(name)
}

fn is(name: &str, proxy: &str) -> bool {
    name.eq_ignore_ascii_case(proxy)
}
