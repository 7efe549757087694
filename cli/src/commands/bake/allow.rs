//! What a definition may do only if the command line says so.

use crate::args::BakeArgs;
use crate::env::Env;
use bake::{Error, Resolved, clean};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What `--allow` grants.
#[derive(Debug, Default)]
struct Grants {
    plain: BTreeSet<String>,
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
}

/// Checks that everything that targets ask for is granted.
pub(super) fn check(resolved: &Resolved, args: &BakeArgs, env: &Env) -> Result<(), Error> {
    let grants = grants(args, env)?;
    for target in resolved.targets.values() {
        let place = |field: &str| target.places.get(field);
        let refuse = |what: &str, field: &str| {
            let error = Error::new(format!("the target `{}` asks for {what}", target.name));
            error.help(format!("grant it with `--allow {what}`")).at(place(field))
        };
        for one in &target.entitlements {
            if !grants.plain.contains(one) {
                return Err(refuse(one, "entitlements"));
            }
        }
        if env.var("BUILDX_BAKE_ENTITLEMENTS_FS").is_some_and(|text| matches!(text, "0" | "false")) {
            continue;
        }
        if !target.ssh.is_empty() && !grants.plain.contains("ssh") {
            return Err(refuse("ssh", "ssh"));
        }
        let outputs = target.output.iter().flatten().filter_map(|output| output.get("dest"));
        for path in outputs.filter(|path| *path != "-") {
            if !within(path, &grants.write, env) {
                return Err(refuse(&format!("fs.write={path}"), "output"));
            }
        }
        let local = |path: &&str| !path.contains("://") && !path.starts_with("target:");
        let contexts = target.contexts.values().map(String::as_str);
        let main = target.context.iter().map(String::as_str);
        for path in main.chain(contexts).filter(local) {
            if !within(path, &grants.read, env) && !path.starts_with("git@") {
                return Err(refuse(&format!("fs.read={path}"), "context"));
            }
        }
        for path in target.secret.iter().map(|secret| secret.src.as_str()).filter(|path| !path.is_empty()) {
            if !within(path, &grants.read, env) {
                return Err(refuse(&format!("fs.read={path}"), "secret"));
            }
        }
    }
    Ok(())
}

fn grants(args: &BakeArgs, env: &Env) -> Result<Grants, Error> {
    let cwd = env.cwd();
    let mut grants = Grants { read: vec![cwd.clone()], write: vec![cwd.clone()], ..Grants::default() };
    for text in &args.allow {
        let path = |path: &str| if path == "*" { PathBuf::from("/") } else { real(&cwd.join(clean(path))) };
        match text.split_once('=') {
            Some(("fs", at)) => {
                grants.read.push(path(at));
                grants.write.push(path(at));
            }
            Some(("fs.read", at)) => grants.read.push(path(at)),
            Some(("fs.write", at)) => grants.write.push(path(at)),
            None if matches!(text.as_str(), "network.host" | "security.insecure" | "ssh") => {
                grants.plain.insert(text.clone());
            }
            _ => {
                return Err(Error::new(format!("`--allow {text}` grants nothing"))
                    .help("network.host, security.insecure, ssh, fs=PATH, fs.read=PATH or fs.write=PATH"));
            }
        }
    }
    Ok(grants)
}

/// Whether `path` is below one of `roots`, links followed.
fn within(path: &str, roots: &[PathBuf], env: &Env) -> bool {
    let path = real(&env.cwd().join(path));
    roots.iter().any(|root| path.starts_with(real(root)))
}

/// `path` with the links of what there is of it followed.
fn real(path: &std::path::Path) -> PathBuf {
    let path = PathBuf::from(clean(&path.to_string_lossy()));
    for above in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (above.canonicalize(), path.strip_prefix(above)) {
            return real.join(rest);
        }
    }
    path
}
