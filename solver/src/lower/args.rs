//! Global arguments: the predefined ones, and the ARGs before the first FROM.

use super::expand::{Env, Expander};
use super::{LowerRequest, rules};
use oci::Platform;
use parser::ast::Dockerfile;
use parser::diagnostic::Diagnostic;

/// The variable that fixes the times of an image.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// What FROM lines see, and what an ARG without a default takes up inside a stage.
#[derive(Debug)]
pub(super) struct Globals {
    /// Values by name.
    pub(super) env: Env,
    /// Parsed `SOURCE_DATE_EPOCH`.
    pub(super) epoch: Option<i64>,
    /// Platform of the stages without one of their own.
    pub(super) target_platform: Platform,
    /// What the file's global ARGs declare, set or not.
    pub(super) declared: Vec<(String, Option<String>)>,
}

impl Globals {
    /// Predefined arguments, overridden by build arguments, and the file's own.
    pub(super) fn new(file: &Dockerfile, req: &LowerRequest) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut declared = Vec::new();
        let target_platform = req.platform.clone().unwrap_or_else(|| req.host.clone());
        let mut env = predefined(file, req, &target_platform);
        for arg in file.global_args.iter().flat_map(|line| &line.node.args) {
            let value = match (req.build_args.get(&arg.name.node), &arg.default) {
                (Some(value), _) => Some(value.clone()),
                (None, None) => None,
                (None, Some(default)) => {
                    match Expander::new(file.escape, &env).word(default, &mut Vec::new()) {
                        Ok(value) => Some(value),
                        Err(error) => {
                            errors.push(error);
                            None
                        }
                    }
                }
            };
            declared.push((arg.name.node.clone(), value.clone()));
            if let Some(value) = value {
                env.insert(arg.name.node.clone(), value);
            }
        }
        let epoch = epoch(file, req, &mut env, &mut errors);
        if errors.is_empty() { Ok(Self { env, epoch, target_platform, declared }) } else { Err(errors) }
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

/// A build argument, or the default of a global ARG. Empty means none.
fn epoch(file: &Dockerfile, req: &LowerRequest, env: &mut Env, errors: &mut Vec<Diagnostic>) -> Option<i64> {
    let text = req.build_args.get(EPOCH).or_else(|| env.get(EPOCH))?.clone();
    if text.is_empty() {
        env.remove(EPOCH);
        return None;
    }
    let Ok(seconds) = text.parse() else {
        let arg = file.global_args.iter().flat_map(|l| &l.node.args).find(|arg| arg.name.node == EPOCH);
        let at = arg.map_or(0..0, |arg| arg.name.span.clone());
        let message = format!("{EPOCH} is `{text}`, not a number of seconds since 1970");
        errors.push(Diagnostic::new(&rules::BAD_EPOCH, at, message));
        return None;
    };
    Some(seconds)
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

/// Whether a build argument has an effect without being declared.
pub(super) fn is_predefined(name: &str, globals: &Globals) -> bool {
    PROXIES.iter().any(|proxy| is(name, proxy))
        || name == EPOCH
        || name.starts_with("BUILDKIT_")
        || globals.env.contains_key(name)
}

fn is(name: &str, proxy: &str) -> bool {
    name.eq_ignore_ascii_case(proxy)
}
