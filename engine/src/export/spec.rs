//! `--output` as buildx spells it: one record of comma-separated `key=value` fields.

use super::annotations::{Annotation, AnnotationKind};
use super::sink::Dest;
use oci::Reference;
use registry::model::Flavor;
use snapshotter::layer::Compression;
use std::str::FromStr;

/// Where a build's result goes, and in which form.
#[derive(Debug, Clone)]
pub struct Output {
    /// `type`
    pub kind: OutputKind,
    /// `dest`; `None` where the type needs none.
    pub dest: Option<Dest>,
    /// `tar`: an archive rather than a directory.
    pub tar: bool,
    /// `name`: further names of the image.
    pub names: Vec<Reference>,
    /// `compression` with `compression-level`.
    pub compression: Compression,
    /// `force-compression`: repack layers of the base image, too.
    pub force_compression: bool,
    /// `oci-mediatypes`
    pub flavor: Flavor,
    /// `annotation.KEY`, `annotation-manifest[PLATFORM].KEY`, …
    pub annotations: Vec<Annotation>,
    /// `platform-split`: each platform's files in a directory of its own. `None`: if there are several.
    pub split: Option<bool>,
}

/// The `type` of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// `image`: into the store.
    Image,
    /// `docker`: an archive for `docker load`; without a destination, into the store.
    Docker,
    /// `oci`: an image layout.
    Oci,
    /// `local`: the root file system as a directory.
    Local,
    /// `tar`: the root file system as a tar.
    Tar,
    /// `cacheonly`: nothing but what later builds find.
    CacheOnly,
}

impl OutputKind {
    /// As written after `type=`.
    pub fn name(self) -> &'static str {
        match self {
            OutputKind::Image => "image",
            OutputKind::Docker => "docker",
            OutputKind::Oci => "oci",
            OutputKind::Local => "local",
            OutputKind::Tar => "tar",
            OutputKind::CacheOnly => "cacheonly",
        }
    }
}

/// Why a string is no output.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("output `{text}`: {why}")]
pub struct ParseOutputError {
    text: String,
    why: String,
}

impl Output {
    /// An output of this type, everything else by default.
    pub fn new(kind: OutputKind, dest: Option<Dest>) -> Self {
        Self {
            kind,
            dest,
            tar: true,
            names: Vec::new(),
            compression: Compression::GZIP,
            force_compression: false,
            flavor: if kind == OutputKind::Docker { Flavor::Docker } else { Flavor::Oci },
            annotations: Vec::new(),
            split: None,
        }
    }

    /// Whether there is an image in it, rather than files, or nothing.
    pub fn holds_image(&self) -> bool {
        matches!(self.kind, OutputKind::Image | OutputKind::Docker | OutputKind::Oci)
    }

    /// Adds annotations, which only OCI's documents have room for.
    pub fn annotate(&mut self, annotations: &[Annotation]) {
        self.annotations.extend_from_slice(annotations);
        if !self.manifest_annotations_empty() {
            self.flavor = Flavor::Oci;
        }
    }

    pub(super) fn manifest_annotations_empty(&self) -> bool {
        !self.annotations.iter().any(|annotation| annotation.kind == AnnotationKind::Manifest)
    }

    /// Whether the image stays in the store.
    pub fn to_store(&self) -> bool {
        self.kind == OutputKind::Image || (self.kind == OutputKind::Docker && self.dest.is_none())
    }

    /// Whether this output writes data to standard output. The caller refuses that for a terminal.
    pub fn to_stdout(&self) -> bool {
        self.dest == Some(Dest::Stdout)
    }
}

impl FromStr for Output {
    type Err = ParseOutputError;

    /// `type=oci,dest=FILE`, …; `DIR` means `type=local,dest=DIR`, and `-` means `type=tar,dest=-`.
    fn from_str(text: &str) -> Result<Self, ParseOutputError> {
        let bad = |why: String| ParseOutputError { text: text.to_owned(), why };
        let fields = fields(text).map_err(bad)?;
        if let [only] = fields.as_slice()
            && !only.contains('=')
        {
            return match only.as_str() {
                "" => Err(bad("it is empty".into())),
                "-" => Ok(Output::new(OutputKind::Tar, Some(Dest::Stdout))),
                dir => Ok(Output::new(OutputKind::Local, Some(Dest::Path(dir.into())))),
            };
        }
        let mut pairs: Vec<(String, String)> = Vec::new();
        for field in &fields {
            let Some((key, value)) = field.split_once('=') else {
                return Err(bad(format!("`{field}` is not of the form key=value")));
            };
            let key = key.trim().to_ascii_lowercase();
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(bad(format!("`{key}` is given twice")));
            }
            pairs.push((key, value.to_owned()));
        }
        let kind = pairs.iter().position(|(key, _)| key == "type").map(|at| pairs.remove(at).1);
        let kind = parse_kind(kind.as_deref()).map_err(bad)?;
        let mut parsed =
            Parsed { output: Output::new(kind, None), level: None, compression: None, docker_types: false };
        for (key, value) in &pairs {
            parsed.set(key, value).map_err(bad)?;
        }
        parsed.finish().map_err(bad)
    }
}

fn parse_kind(kind: Option<&str>) -> Result<OutputKind, String> {
    Ok(match kind {
        Some("image") => OutputKind::Image,
        Some("docker") => OutputKind::Docker,
        Some("oci") => OutputKind::Oci,
        Some("local") => OutputKind::Local,
        Some("tar") => OutputKind::Tar,
        Some("cacheonly") => OutputKind::CacheOnly,
        Some(other @ "registry") => {
            return Err(format!(
                "type `{other}` is not supported yet; image, docker, oci, local, tar and cacheonly are"
            ));
        }
        Some(other) => {
            return Err(format!("type `{other}` is none of image, docker, oci, local, tar and cacheonly"));
        }
        None => return Err("`type` is required".into()),
    })
}

struct Parsed {
    output: Output,
    level: Option<i32>,
    compression: Option<String>,
    /// Asked for by name.
    docker_types: bool,
}

impl Parsed {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let kind = self.output.kind;
        if key == "dest" {
            self.output.dest = Some(match value {
                "" => return Err("`dest` is empty".into()),
                "-" => Dest::Stdout,
                path => Dest::Path(path.into()),
            });
            return Ok(());
        }
        if matches!(kind, OutputKind::Local | OutputKind::Tar) && key == "platform-split" {
            self.output.split = Some(boolean(key, value)?);
            return Ok(());
        }
        if matches!(kind, OutputKind::Local | OutputKind::Tar | OutputKind::CacheOnly) {
            return Err(format!("`{key}` is not an option of type {}", kind.name()));
        }
        match key {
            "name" => self.names(value)?,
            "tar" if kind != OutputKind::Image => self.output.tar = boolean(key, value)?,
            "compression" => self.compression = Some(value.to_owned()),
            "compression-level" => {
                let level =
                    value.parse().map_err(|_| format!("compression-level `{value}` is not a number"))?;
                self.level = Some(level);
            }
            "force-compression" => self.output.force_compression = boolean(key, value)?,
            "oci-mediatypes" => {
                let oci = boolean(key, value)?;
                self.docker_types = !oci;
                self.output.flavor = if oci { Flavor::Oci } else { Flavor::Docker };
            }
            // Already so: with an epoch, the layers made here hold no later time.
            "rewrite-timestamp" if boolean(key, value)? => {}
            "rewrite-timestamp" => {
                return Err(
                    "layers keep no time behind SOURCE_DATE_EPOCH: leave `rewrite-timestamp` out".into()
                );
            }
            "push" if value == "false" => {}
            "push" => return Err("`push` is not supported: images cannot be pushed yet".into()),
            key => return self.annotation(key, value),
        }
        Ok(())
    }

    fn annotation(&mut self, key: &str, value: &str) -> Result<(), String> {
        let Some(annotation) = Annotation::parse_field(key, value) else {
            return Err(format!("`{key}={value}` is not supported for type {}", self.output.kind.name()));
        };
        self.output.annotations.push(annotation.map_err(|why| format!("`{key}`: {why}"))?);
        Ok(())
    }

    fn names(&mut self, value: &str) -> Result<(), String> {
        for name in value.split(',').filter(|name| !name.is_empty()) {
            self.output.names.push(name.parse().map_err(|e| format!("{e}"))?);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Output, String> {
        let kind = self.output.kind;
        self.output.compression = compression(self.compression.as_deref(), self.level)?;
        let packs = self.compression.is_some() || self.level.is_some() || self.output.force_compression;
        if self.output.to_store() && packs {
            return Err("the store keeps layers unpacked: compression options need `dest`".into());
        }
        match (&self.output.dest, kind) {
            (None, OutputKind::Local) => Err("`dest` is required for type local".into()),
            (None, OutputKind::Tar | OutputKind::Oci) => {
                Err(format!("`dest` is required for type {}", kind.name()))
            }
            (Some(Dest::Stdout), OutputKind::Local) => {
                Err("type local writes a directory, not standard output".into())
            }
            (Some(_), OutputKind::CacheOnly) => Err("type cacheonly writes nothing and has no `dest`".into()),
            (Some(_), OutputKind::Image) => Err("type image goes to the store and has no `dest`".into()),
            (Some(Dest::Stdout) | None, OutputKind::Oci | OutputKind::Docker) if !self.output.tar => {
                Err("`tar=false` needs a directory as `dest`".into())
            }
            _ if self.docker_types && !self.output.manifest_annotations_empty() => {
                Err("Docker's manifests have no annotations: leave out `oci-mediatypes=false`".into())
            }
            _ => {
                if !self.output.manifest_annotations_empty() {
                    self.output.flavor = Flavor::Oci;
                }
                Ok(self.output)
            }
        }
    }
}

fn compression(name: Option<&str>, level: Option<i32>) -> Result<Compression, String> {
    let chosen = match (name, level) {
        (None | Some("gzip"), None) => Compression::GZIP,
        (None | Some("gzip"), Some(level)) => Compression::Gzip { level: u32::try_from(level).unwrap_or(0) },
        (Some("zstd"), None) => Compression::ZSTD,
        (Some("zstd"), Some(level)) => Compression::Zstd { level },
        (Some("uncompressed"), None) => Compression::None,
        (Some("uncompressed"), Some(_)) => return Err("`uncompressed` has no compression-level".into()),
        (Some(other), _) => {
            return Err(format!("compression `{other}` is not supported; uncompressed, gzip and zstd are"));
        }
    };
    chosen.check().map_err(|e| e.to_string())?;
    Ok(chosen)
}

fn boolean(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("`{key}` is `{value}`; true and false are known")),
    }
}

/// The fields of one CSV record: a field in double quotes may hold commas, and `""` for a quote.
///
/// # Errors
/// Quotes that are not closed, or not around a whole field.
pub fn fields(text: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, tail) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let field = &rest[..end];
                if field.contains('"') {
                    return Err(format!("a quote within `{field}`: quote the whole field"));
                }
                (field.to_owned(), &rest[end..])
            }
        };
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(next) => rest = next,
            None if tail.is_empty() => return Ok(fields),
            None => return Err("a comma is missing after a quoted field".into()),
        }
    }
}

fn quoted_field(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            field.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            field.push('"');
        } else {
            return Ok((field, &text[at + 1..]));
        }
    }
    Err("a quote is not closed".into())
}

#[cfg(test)]
mod tests;
