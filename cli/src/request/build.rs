//! `build`: [`BuildArgs`] to a [`BuildRequest`], with the files that it names read.

use super::remote::Remote;
use super::{assignment, network, new_name, platform, values};
use crate::args::BuildArgs;
use crate::env::Env;
use crate::error::CliError;
use engine::build::{BuildRequest, ImageEdits, NamedContext};
use engine::contexts::{ContextDir, read_file};
use engine::export::{Annotation, Output, OutputKind};
use engine::sources::is_remote;
use oci::{Platform, Reference};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

/// A build, and what becomes of its result.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) request: BuildRequest,
    pub(crate) tags: Vec<Reference>,
    pub(crate) outputs: Vec<Output>,
    /// What has to be fetched before.
    pub(crate) remote: Remote,
}

/// A Dockerfile of more bytes is none.
const MAX_DOCKERFILE: u64 = 16 << 20;

/// How many steps run at once at least: most of them wait for a network or a disk.
const MIN_PARALLEL: usize = 4;

/// Validates `args`.
///
/// # Errors
/// Anything wrong with a flag, a missing context or Dockerfile.
pub(crate) fn build(args: &BuildArgs, env: &Env) -> Result<Build, CliError> {
    none_of("--provenance", args.provenance.as_deref())?;
    none_of("--sbom", args.sbom.as_deref())?;
    no_attests(&args.attests)?;
    let tags: Vec<Reference> = args.tags.iter().map(|tag| new_name(tag)).collect::<Result<_, _>>()?;
    let outputs = outputs(args, &tags)?;
    let (named_contexts, remote) = contexts(args)?;
    let network = network(&args.network)?;
    let hosts = args.add_hosts.iter().map(|text| values::extra_hosts(text));
    let mut allow = values::allow(&args.allow)?;
    if args.network == "host" {
        allow.insert("network.host".to_owned());
    }
    let shm_size = args.shm_size.as_deref().map(|text| values::bytes("--shm-size", text)).transpose()?;
    let ulimits = args.ulimits.iter().map(|text| values::ulimit(text)).collect::<Result<_, _>>()?;
    let request = BuildRequest {
        named_contexts,
        target: args.target.clone().filter(|target| !target.is_empty()),
        build_args: build_args(args, env)?,
        labels: labels(args)?,
        platforms: platforms(args, env)?,
        no_cache: args.no_cache,
        network,
        extra_hosts: hosts.collect::<Result<Vec<_>, _>>()?.concat(),
        parallel: parallel(args.jobs),
        secrets: values::secrets(&args.secrets, env)?,
        ssh: values::ssh(&args.ssh, env)?,
        allow,
        no_cache_filter: args.no_cache_filter.iter().cloned().collect(),
        shm_size,
        ulimits,
        cgroup_parent: args.cgroup_parent.clone(),
        program_dirs: env.program_dirs(),
        edits: edits(args)?,
        keep_failed: true,
        // The last thing to read: what is wrong with a flag is said before.
        ..with_sources(args)?
    };
    Ok(Build { request, tags, outputs, remote })
}

/// A request with the Dockerfile and the context alone.
fn with_sources(args: &BuildArgs) -> Result<BuildRequest, CliError> {
    if is_remote(&args.path) {
        return Ok(BuildRequest::new(String::new(), String::new()));
    }
    let (dockerfile_name, dockerfile, context) = sources(args)?;
    Ok(BuildRequest { context, ..BuildRequest::new(dockerfile_name, dockerfile) })
}

fn parallel(jobs: Option<usize>) -> usize {
    match jobs {
        // buildah's "no limit".
        Some(0) => usize::from(u8::MAX),
        Some(jobs) => jobs,
        None => {
            std::thread::available_parallelism().map_or(MIN_PARALLEL, |cores| cores.get().max(MIN_PARALLEL))
        }
    }
}

fn edits(args: &BuildArgs) -> Result<ImageEdits, CliError> {
    let inherit = args.inherit_labels.as_deref().map(|text| values::boolean("--inherit-labels", text));
    Ok(ImageEdits {
        unset_env: args.unset_env.clone(),
        unset_labels: args.unset_labels.clone(),
        omit_history: args.omit_history,
        inherit_labels: inherit.transpose()?.unwrap_or(true),
    })
}

/// `--attest`: only what says no.
fn no_attests(attests: &[String]) -> Result<(), CliError> {
    for text in attests {
        if !text.split(',').any(|field| field == "disabled=true") {
            return Err(CliError::usage_help(
                format!("`--attest={text}` of `docker build` is not supported yet"),
                "leave it out: no attestations are made",
            ));
        }
    }
    Ok(())
}

/// Attestations: `false` is what is done anyway.
fn none_of(flag: &str, value: Option<&str>) -> Result<(), CliError> {
    match value {
        None | Some("false" | "0") => Ok(()),
        Some(value) => Err(CliError::usage_help(
            format!("`{flag}={value}` of `docker build` is not supported yet"),
            format!("leave it out: `{flag}=false` is the default here"),
        )),
    }
}

fn outputs(args: &BuildArgs, tags: &[Reference]) -> Result<Vec<Output>, CliError> {
    let mut outputs: Vec<Output> = args
        .outputs
        .iter()
        .map(|text| text.parse().map_err(|error| CliError::usage(format!("{error}"))))
        .collect::<Result<_, _>>()?;
    if args.load {
        outputs.push(Output::new(OutputKind::Docker, None));
    }
    // A name is given in the store, and an id is of an image: files alone would leave them nowhere.
    let image = outputs.is_empty() || !tags.is_empty() || args.iidfile.is_some();
    if image && !outputs.iter().any(Output::holds_image) {
        outputs.insert(0, Output::new(OutputKind::Image, None));
    }
    annotate(&mut outputs, &args.annotations)?;
    match outputs.iter().filter(|output| output.to_stdout()).count() {
        0 => {}
        1 if args.quiet => {
            return Err(CliError::usage("--quiet and an output to `-` both write to standard output"));
        }
        1 if io::stdout().is_terminal() => {
            return Err(CliError::usage_help(
                "an archive is not written to a terminal",
                "name a file with `dest=FILE`, or redirect standard output",
            ));
        }
        1 => {}
        _ => return Err(CliError::usage("only one output can go to standard output")),
    }
    Ok(outputs)
}

/// `--annotation`: of every output that has a place for them.
fn annotate(outputs: &mut [Output], texts: &[String]) -> Result<(), CliError> {
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let bad = |why: String| CliError::usage(format!("`--annotation {text}`: {why}"));
        let annotations = Annotation::parse_flag(text).map_err(bad)?;
        if !outputs.iter().any(Output::holds_image) {
            return Err(bad("no output is an image".into()));
        }
        for output in outputs.iter_mut().filter(|output| output.holds_image()) {
            output.annotate(&annotations);
        }
    }
    Ok(())
}

/// `--platform`, each once; `local` is the machine's.
fn platforms(args: &BuildArgs, env: &Env) -> Result<Vec<Platform>, CliError> {
    let default: Vec<String> = env.platform().into_iter().map(str::to_owned).collect();
    let texts = if args.platforms.is_empty() { &default } else { &args.platforms };
    let mut all = Vec::new();
    for text in texts.iter().flat_map(|text| text.split(',')).filter(|text| !text.is_empty()) {
        let platform = if text == "local" { Some(Platform::host()) } else { platform(Some(text), env)? };
        all.extend(platform.filter(|platform| !all.contains(platform)));
    }
    Ok(all)
}

fn build_args(args: &BuildArgs, env: &Env) -> Result<BTreeMap<String, String>, CliError> {
    let mut all = BTreeMap::new();
    for text in &args.build_args {
        all.extend(assignment("--build-arg", text, |name| env.var(name).map(str::to_owned))?);
    }
    for (name, value) in env.proxies() {
        if !all.keys().any(|known: &String| known.eq_ignore_ascii_case(&name)) {
            all.insert(name, value);
        }
    }
    if let Some(epoch) = &args.source_date_epoch {
        all.insert("SOURCE_DATE_EPOCH".to_owned(), epoch.clone());
    }
    if let Some(epoch) = env.source_date_epoch() {
        all.entry("SOURCE_DATE_EPOCH".to_owned()).or_insert_with(|| epoch.to_owned());
    }
    Ok(all)
}

fn labels(args: &BuildArgs) -> Result<BTreeMap<String, String>, CliError> {
    let mut all = BTreeMap::new();
    for text in &args.labels {
        all.extend(assignment("--label", text, |_| Some(String::new()))?);
    }
    Ok(all)
}

/// The contexts of `--build-context` that are here, and what has to be fetched.
fn contexts(args: &BuildArgs) -> Result<(BTreeMap<String, NamedContext>, Remote), CliError> {
    if args.path == "-" && args.file.as_deref() == Some("-") {
        return Err(CliError::usage("the context and the Dockerfile cannot both be standard input"));
    }
    let main = is_remote(&args.path).then(|| args.path.clone());
    let (mut here, mut remote) = (BTreeMap::new(), Remote { main, ..Remote::default() });
    for text in &args.build_contexts {
        let pair = text.split_once('=').filter(|(name, source)| !name.is_empty() && !source.is_empty());
        let (name, source) = pair.ok_or_else(|| {
            CliError::usage(format!("`--build-context {text}` is not of the form NAME=SOURCE"))
        })?;
        if source.starts_with("target:") || source == "-" {
            return Err(CliError::usage_help(
                format!("`--build-context {text}`: this kind of source is not supported yet"),
                "directories, oci-layout://DIR, docker-image://NAME, git addresses and URLs are",
            ));
        }
        if let Some(image) = source.strip_prefix("docker-image://") {
            here.insert(name.to_owned(), NamedContext::Image(image.to_owned()));
        } else if source.starts_with("oci-layout://") {
            here.insert(name.to_owned(), NamedContext::Image(source.to_owned()));
        } else if is_remote(source) || source.contains("://") {
            remote.named.push((name.to_owned(), source.to_owned()));
        } else {
            let dir = directory(&format!("the build context `{name}`"), Path::new(source))?;
            let context = ContextDir::new(&dir, None);
            let context = context.map_err(|error| CliError::file("read the ignore file of", &dir, &error))?;
            here.insert(name.to_owned(), NamedContext::Dir(context));
        }
    }
    Ok((here, remote))
}

fn directory(what: &str, path: &Path) -> Result<PathBuf, CliError> {
    match path.metadata() {
        Ok(meta) if meta.is_dir() => Ok(path.to_owned()),
        Ok(_) => Err(CliError::usage(format!("{what} is no directory: {}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(CliError::usage(format!("{what} does not exist: {}", path.display())))
        }
        Err(error) => Err(CliError::file("read", path, &error)),
    }
}

/// Name and text of the Dockerfile, and the main context.
fn sources(args: &BuildArgs) -> Result<(String, String, Option<ContextDir>), CliError> {
    let dir = directory("the build context", Path::new(&args.path))?;
    let (name, text, file) = match args.file.as_deref() {
        Some("-") => {
            let (name, text) = from_stdin()?;
            (name, text, None)
        }
        Some(file) => {
            let bytes = read(Path::new(file)).map_err(|error| missing(Path::new(file), &dir, &error))?;
            (file.to_owned(), parser::decode(&bytes), Some(PathBuf::from(file)))
        }
        None => {
            let (path, bytes) = default_file(&dir)?;
            let name = if args.path == "." { path.file_name().map(PathBuf::from) } else { None };
            let name = name.unwrap_or_else(|| path.clone()).display().to_string();
            let text = parser::decode(&bytes);
            (name, text, Some(path))
        }
    };
    let context = ContextDir::new(&dir, file.as_deref());
    let context = context.map_err(|error| CliError::file("read the ignore file of", &dir, &error))?;
    Ok((name, text, Some(context)))
}

/// `Dockerfile`, or as BuildKit does, `dockerfile`.
fn default_file(dir: &Path) -> Result<(PathBuf, Vec<u8>), CliError> {
    let path = dir.join("Dockerfile");
    match read_file(dir, &path) {
        Ok(bytes) => Ok((path, bytes)),
        Err(error) => {
            let small = dir.join("dockerfile");
            match read_file(dir, &small) {
                Ok(bytes) => Ok((small, bytes)),
                Err(_) => Err(missing(&path, dir, &error)),
            }
        }
    }
}

fn missing(path: &Path, dir: &Path, error: &io::Error) -> CliError {
    if error.kind() != io::ErrorKind::NotFound {
        return CliError::Usage { message: format!("read {}: {error}", path.display()), help: None };
    }
    let message = format!("there is no Dockerfile {}", path.display());
    let near = [path.to_owned(), "Containerfile".into(), "Dockerfile".into()].map(|name| dir.join(name));
    let help =
        near.iter().find(|near| near.is_file()).map(|near| format!("name it with `-f {}`", near.display()));
    CliError::Usage { message, help }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    limited(std::fs::File::open(path)?)
}

fn limited(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_DOCKERFILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_DOCKERFILE {
        return Err(io::Error::other("it is larger than 16 MiB"));
    }
    Ok(bytes)
}

pub(super) fn from_stdin() -> Result<(String, String), CliError> {
    let name = "Dockerfile";
    let bytes = limited(io::stdin().lock());
    let bytes =
        bytes.map_err(|error| CliError::usage(format!("read the Dockerfile on standard input: {error}")))?;
    Ok((name.to_owned(), parser::decode(&bytes)))
}
