//! `build`: [`BuildArgs`] to a [`BuildRequest`], with the files that it names read.

use super::{assignment, network, new_name, platform};
use crate::args::BuildArgs;
use crate::diagnostics::Source;
use crate::env::Env;
use crate::error::{CliError, USAGE};
use crate::log;
use engine::build::{BuildRequest, NamedContext};
use engine::contexts::{ContextDir, read_file};
use engine::export::{Output, OutputKind};
use oci::{Platform, Reference};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A build, and what becomes of its result.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) request: BuildRequest,
    pub(crate) tags: Vec<Reference>,
    pub(crate) outputs: Vec<Output>,
}

/// A Dockerfile of more bytes is none.
const MAX_DOCKERFILE: u64 = 16 << 20;

/// How many steps run at once at least: most of them wait for a network or a disk.
const MIN_PARALLEL: usize = 4;

/// Validates `args`. `color` is for findings about the Dockerfile's bytes.
///
/// # Errors
/// Anything wrong with a flag, a missing context or Dockerfile.
pub(crate) fn build(args: &BuildArgs, env: &Env, color: bool) -> Result<Build, CliError> {
    none_of("--provenance", args.provenance.as_deref())?;
    none_of("--sbom", args.sbom.as_deref())?;
    let tags: Vec<Reference> = args.tags.iter().map(|tag| new_name(tag)).collect::<Result<_, _>>()?;
    let outputs = outputs(args, &tags)?;
    let platform = native(args, env)?;
    let named_contexts =
        args.build_contexts.iter().map(|text| named_context(text)).collect::<Result<_, _>>()?;
    let build_args = build_args(args, env)?;
    let labels = labels(args)?;
    let network = network(&args.network)?;
    let extra_hosts = args.add_hosts.iter().map(|text| extra_host(text)).collect::<Result<_, _>>()?;
    let (dockerfile_name, dockerfile, context) = sources(args, color)?;
    let parallel =
        std::thread::available_parallelism().map_or(MIN_PARALLEL, |cores| cores.get().max(MIN_PARALLEL));
    let request = BuildRequest {
        dockerfile,
        dockerfile_name,
        context,
        named_contexts,
        target: args.target.clone().filter(|target| !target.is_empty()),
        build_args,
        labels,
        platform,
        no_cache: args.no_cache,
        network,
        extra_hosts,
        parallel,
        secrets: BTreeMap::new(),
        ssh: BTreeMap::new(),
        allow: BTreeSet::new(),
        no_cache_filter: BTreeSet::new(),
        shm_size: None,
        ulimits: Vec::new(),
        cgroup_parent: None,
        program_dirs: env.program_dirs(),
    };
    Ok(Build { request, tags, outputs })
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
    let flat = |output: &Output| matches!(output.kind, OutputKind::Local | OutputKind::Tar);
    // A name is given in the store, and an id is of an image: files alone would leave them nowhere.
    let image = outputs.is_empty() || !tags.is_empty() || args.iidfile.is_some();
    if image && outputs.iter().all(flat) {
        outputs.insert(0, Output::new(OutputKind::Image, None));
    }
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

fn native(args: &BuildArgs, env: &Env) -> Result<Option<Platform>, CliError> {
    if let [_, second, ..] = args.platforms.as_slice() {
        return Err(CliError::usage_help(
            format!("a second platform, `{second}`, is not supported yet"),
            "build for one platform at a time",
        ));
    }
    let asked = platform(args.platforms.first().map(String::as_str), env)?;
    match asked {
        Some(asked) if asked != Platform::host() => Err(CliError::usage_help(
            format!("platform `{asked}` is not supported on this machine"),
            format!("it runs {}", Platform::host()),
        )),
        other => Ok(other),
    }
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

fn named_context(text: &str) -> Result<(String, NamedContext), CliError> {
    let Some((name, source)) =
        text.split_once('=').filter(|(name, source)| !name.is_empty() && !source.is_empty())
    else {
        return Err(CliError::usage(format!("`--build-context {text}` is not of the form NAME=SOURCE")));
    };
    if source.starts_with("oci-layout://") {
        return Ok((name.to_owned(), NamedContext::Image(source.to_owned())));
    }
    if source.contains("://") || source.starts_with("target:") || source.starts_with("git@") || source == "-"
    {
        return Err(CliError::usage_help(
            format!("`--build-context {text}`: this kind of source is not supported yet"),
            "directories and oci-layout://DIR are",
        ));
    }
    let dir = directory(&format!("the build context `{name}`"), Path::new(source))?;
    let context = ContextDir::new(&dir, None);
    let context = context.map_err(|error| CliError::file("read the ignore file of", &dir, &error))?;
    Ok((name.to_owned(), NamedContext::Dir(context)))
}

fn extra_host(text: &str) -> Result<(String, String), CliError> {
    let bad = |why: &str| CliError::usage(format!("`--add-host {text}`: {why}"));
    let (name, address) =
        text.split_once(['=', ':']).ok_or_else(|| bad("it is not of the form NAME:ADDRESS"))?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    match address {
        _ if name.is_empty() => Err(bad("the name is empty")),
        "host-gateway" => Err(bad("`host-gateway` is not supported yet")),
        address if address.parse::<IpAddr>().is_ok() => Ok((name.to_owned(), address.to_owned())),
        _ => Err(bad("the address is no IP address")),
    }
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
fn sources(args: &BuildArgs, color: bool) -> Result<(String, String, Option<ContextDir>), CliError> {
    if args.path == "-" {
        if args.file.is_some() {
            return Err(CliError::usage_help(
                "a context on standard input is not supported yet",
                "leave -f out for a Dockerfile on standard input, or name a directory",
            ));
        }
        let (name, text) = from_stdin(color)?;
        return Ok((name, text, None));
    }
    not_remote(&args.path)?;
    let dir = directory("the build context", Path::new(&args.path))?;
    let (name, text, file) = match args.file.as_deref() {
        Some("-") => {
            let (name, text) = from_stdin(color)?;
            (name, text, None)
        }
        Some(file) => {
            let bytes = read(Path::new(file)).map_err(|error| missing(Path::new(file), &dir, &error))?;
            (file.to_owned(), decode(file, &bytes, color)?, Some(PathBuf::from(file)))
        }
        None => {
            let (path, bytes) = default_file(&dir)?;
            let name = if args.path == "." { path.file_name().map(PathBuf::from) } else { None };
            let name = name.unwrap_or_else(|| path.clone()).display().to_string();
            let text = decode(&name, &bytes, color)?;
            (name, text, Some(path))
        }
    };
    let context = ContextDir::new(&dir, file.as_deref());
    let context = context.map_err(|error| CliError::file("read the ignore file of", &dir, &error))?;
    Ok((name, text, Some(context)))
}

fn not_remote(path: &str) -> Result<(), CliError> {
    if ["http://", "https://", "git://", "git@", "ssh://", "github.com/"].iter().any(|p| path.starts_with(p))
    {
        return Err(CliError::usage_help(
            format!("the build context `{path}` is remote, which is not supported yet"),
            "fetch it, and name the directory",
        ));
    }
    Ok(())
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

fn from_stdin(color: bool) -> Result<(String, String), CliError> {
    let name = "Dockerfile";
    let bytes = limited(io::stdin().lock());
    let bytes =
        bytes.map_err(|error| CliError::usage(format!("read the Dockerfile on standard input: {error}")))?;
    let archive = bytes.starts_with(&[0x1f, 0x8b])
        || bytes.starts_with(b"BZh")
        || bytes.starts_with(b"\xfd7zXZ")
        || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || bytes.get(257..262) == Some(b"ustar");
    if archive {
        return Err(CliError::usage_help(
            "an archive on standard input as the build context is not supported yet",
            "unpack it, and name the directory",
        ));
    }
    Ok((name.to_owned(), decode(name, &bytes, color)?))
}

fn decode(name: &str, bytes: &[u8], color: bool) -> Result<String, CliError> {
    parser::decode(bytes).map_err(|finding| {
        let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
        let text = String::from_utf8_lossy(bytes);
        log::say(&Source { name, text: &text, color }.render(&[*finding]));
        CliError::Ended(USAGE)
    })
}
