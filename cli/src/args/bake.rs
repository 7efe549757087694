//! `bake`

use super::ProgressArg;
use clap::Args;
use std::path::PathBuf;

/// `bake`
#[derive(Debug, Args)]
pub(crate) struct BakeArgs {
    /// Read this definition; `-` is standard input; repeatable [default: compose.yaml, docker-bake.hcl and
    /// their kin]
    #[arg(short, long = "file", value_name = "FILE")]
    pub(crate) files: Vec<String>,
    /// Override a key of targets; repeatable
    #[arg(long = "set", value_name = "TARGET.KEY[+]=VALUE")]
    pub(crate) sets: Vec<String>,
    /// Set a variable of the definition; repeatable
    #[arg(long = "var", value_name = "NAME[=VALUE]")]
    pub(crate) vars: Vec<String>,
    /// Print what would be built, as JSON
    #[arg(long, conflicts_with = "list")]
    pub(crate) print: bool,
    /// List targets|variables[,format=json]
    #[arg(long, value_name = "WHAT")]
    pub(crate) list: Option<String>,
    /// Put the images into the store, which is what happens without any output
    #[arg(long)]
    pub(crate) load: bool,
    /// Run every step, whatever is known from earlier builds
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// Print findings about the Dockerfiles instead of building
    #[arg(long, conflicts_with = "call")]
    pub(crate) check: bool,
    /// Print what the Dockerfiles say instead of building: check|outline|targets[,format=json][,ignorestatus]
    #[arg(long, value_name = "METHOD")]
    pub(crate) call: Option<String>,
    /// Allow what a definition asks for: network.host, security.insecure, ssh, fs=PATH, fs.read=PATH,
    /// fs.write=PATH; repeatable
    #[arg(long = "allow", value_name = "ENTITLEMENT")]
    pub(crate) allow: Vec<String>,
    /// Write what was built to this file, as JSON by target
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_file: Option<PathBuf>,
    /// How to show what happens [default: auto, or $BUILDKIT_PROGRESS]
    #[arg(long, value_name = "FORM", value_enum, ignore_case = true)]
    pub(crate) progress: Option<ProgressArg>,
    /// Say no to provenance attestations; none are made
    #[arg(long, value_name = "false")]
    pub(crate) provenance: Option<String>,
    /// Say no to an SBOM; none is made
    #[arg(long, value_name = "false")]
    pub(crate) sbom: Option<String>,
    /// Targets and groups; `*` and `?` match [default: default]
    #[arg(value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
}
