//! `RUN --mount`.

use super::builder::Dispatch;
use super::plan::{Command, Origin};
use super::{MAIN_CONTEXT, names, rules};
use crate::graph::{
    CacheMount, Copy, CopyFrom, CopySource, Mount, MountKind, Op, SecretMount, Seed, Sharing, Step,
};
use fields::{Fields, Kind};
use parser::ast::{self, Spanned};
use parser::diagnostic::Diagnostic;
use std::ops::Range;

mod fields;
mod size;

impl Dispatch<'_, '_> {
    /// The mounts of a RUN, those with shorter targets first.
    pub(super) fn mounts(&mut self, command: &Command, run: &ast::Run) -> Result<Vec<Mount>, Diagnostic> {
        let mut mounts = Vec::with_capacity(run.mounts.len());
        let mut agents = 0;
        for (index, written) in run.mounts.iter().enumerate() {
            let at = &written.span;
            let fields = Fields::read(written, |value| {
                self.word(command, &Spanned { node: value.to_owned(), span: at.clone() })
            })?;
            let origin = command.from.get(index).cloned().flatten();
            let (kind, target) = match fields.kind {
                Kind::Bind | Kind::Cache | Kind::Tmpfs => self.tree(command, &fields, origin.as_ref(), at)?,
                Kind::Secret => secret(&fields, at)?,
                Kind::Ssh => agent(&fields, &mut agents, at)?,
            };
            let target = match &kind {
                MountKind::Secret(_) if target.is_empty() => target,
                _ => self.mount_target(&target, at)?,
            };
            mounts.push(Mount { target, kind, span: at.clone() });
        }
        mounts.sort_by(|one, other| one.target.cmp(&other.target));
        Ok(mounts)
    }

    fn mount_target(&self, target: &str, at: &Range<usize>) -> Result<String, Diagnostic> {
        let target = names::clean(&names::absolute(self.state.cwd(), target));
        if target == "/" {
            let finding = bad(at, "the mount would be on `/`".to_owned());
            return Err(finding.help("name a directory or file below it with `target=`"));
        }
        Ok(target)
    }

    /// A bind, cache or tmpfs mount, and where it goes.
    fn tree(
        &mut self,
        command: &Command,
        fields: &Fields,
        origin: Option<&Origin>,
        at: &Range<usize>,
    ) -> Result<(MountKind, String), Diagnostic> {
        let source = names::clean(&fields.source)[1..].to_owned();
        let kind = match fields.kind {
            Kind::Cache => self.cache(command, fields, origin, source, at),
            // Nothing can be written to it: an empty directory that is read alone.
            Kind::Tmpfs if fields.read_only => {
                MountKind::Bind { from: CopyFrom::Step(None), source: String::new(), writable: false }
            }
            Kind::Tmpfs => MountKind::Tmpfs { size: fields.size.filter(|size| *size > 0) },
            _ => MountKind::Bind {
                from: self.mounted_tree(command, origin, &source, at),
                source,
                writable: !fields.read_only,
            },
        };
        Ok((kind, fields.target.clone()))
    }

    fn cache(
        &mut self,
        command: &Command,
        fields: &Fields,
        origin: Option<&Origin>,
        source: String,
        at: &Range<usize>,
    ) -> MountKind {
        let id = if fields.id.is_empty() { names::clean_any(&fields.target) } else { fields.id.clone() };
        let namespace = self.builder.req.build_args.get("BUILDKIT_CACHE_MOUNT_NS");
        let mut id = match namespace.filter(|namespace| !namespace.is_empty()) {
            Some(namespace) => format!("{namespace}/{id}"),
            None => id,
        };
        // Owner and mode are those of a new, empty directory; what is shown of a tree keeps its own.
        let owned = source.is_empty() && (fields.mode.or(fields.uid).or(fields.gid)).is_some();
        let (mode, uid, gid) = match owned {
            true => (fields.mode.unwrap_or(0o755), fields.uid.unwrap_or(0), fields.gid.unwrap_or(0)),
            false => (0o755, 0, 0),
        };
        if owned {
            id.push_str(&format!(" {mode:o} {uid}:{gid}"));
        }
        let (seed, subdir) = match origin {
            None | Some(Origin::Scratch) => (None, source),
            Some(_) if owned => (None, source),
            Some(origin) => {
                let from = self.mounted_tree(command, Some(origin), &source, at);
                (Some(Seed { from, source }), String::new())
            }
        };
        let sharing = fields.sharing.unwrap_or(Sharing::Shared);
        let read_only = fields.read_only;
        MountKind::Cache(CacheMount { id, sharing, seed, mode, uid, gid, read_only, subdir })
    }

    /// The tree that a mount shows `path` of. A context is copied first, so that its ignore rules hold.
    fn mounted_tree(
        &mut self,
        command: &Command,
        origin: Option<&Origin>,
        path: &str,
        at: &Range<usize>,
    ) -> CopyFrom {
        let from = match origin {
            None => CopyFrom::Context(MAIN_CONTEXT.to_owned()),
            Some(origin) => self.copy_from(command, origin),
        };
        match from {
            CopyFrom::Context(context) => CopyFrom::Step(Some(self.load(command, context, path, at))),
            step @ CopyFrom::Step(_) => step,
        }
    }

    /// The step that holds the part `path` of a context. There is one for each.
    fn load(
        &mut self,
        command: &Command,
        context: String,
        path: &str,
        at: &Range<usize>,
    ) -> crate::graph::StepId {
        let key = (context, path.to_owned());
        if let Some(step) = self.builder.loaded.get(&key) {
            return *step;
        }
        let name = match key.0.as_str() {
            MAIN_CONTEXT => "[internal] load build context".to_owned(),
            name => format!("[context {}] load from client", name.trim_end_matches(':')),
        };
        let op = Op::Copy(Copy {
            from: CopyFrom::Context(key.0.clone()),
            sources: vec![CopySource::Path(literal(&format!("/{path}")), at.clone())],
            dest: format!("/{path}"),
            chown: None,
            chmod: None,
            link: false,
            unpack: false,
            unpack_fetched: false,
            parents: false,
            exclude: Vec::new(),
            whole: true,
        });
        let (span, source) = (command.instruction.span.clone(), command.source.clone());
        let step = Step { parent: None, op, span, source, ..self.template(name) };
        let id = self.builder.push(step);
        self.builder.loaded.insert(key, id);
        id
    }
}

/// `path` as a pattern that matches itself alone.
fn literal(path: &str) -> String {
    if !path.contains(['*', '?', '[']) {
        return path.to_owned();
    }
    path.chars().fold(String::new(), |mut out, c| {
        match c {
            '*' | '?' | '[' => out.extend(['[', c, ']']),
            '\\' => out.push_str("\\\\"),
            _ => out.push(c),
        }
        out
    })
}

fn bad(at: &Range<usize>, message: String) -> Diagnostic {
    Diagnostic::new(&rules::BAD_MOUNT, at.clone(), message)
}

fn secret(fields: &Fields, at: &Range<usize>) -> Result<(MountKind, String), Diagnostic> {
    let base = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let id = match (fields.source.as_str(), fields.id.as_str()) {
        ("", "") => base(&fields.target),
        ("", id) => id.to_owned(),
        (source, _) => source.to_owned(),
    };
    if fields.env.as_deref() == Some("") {
        return Err(bad(at, "the variable of the secret has no name".to_owned()));
    }
    let target = match (&fields.env, fields.target.as_str()) {
        (None, "") => format!("/run/secrets/{}", base(&id)),
        (_, target) => target.to_owned(),
    };
    let kind = MountKind::Secret(SecretMount {
        id,
        env: fields.env.clone(),
        required: fields.required,
        mode: fields.mode.unwrap_or(0o400),
        uid: fields.uid.unwrap_or(0),
        gid: fields.gid.unwrap_or(0),
    });
    Ok((kind, target))
}

fn agent(fields: &Fields, number: &mut u32, at: &Range<usize>) -> Result<(MountKind, String), Diagnostic> {
    if !fields.source.is_empty() {
        return Err(bad(at, "a mount of type ssh has no source".to_owned()));
    }
    let target = match fields.target.as_str() {
        "" => format!("/run/buildkit/ssh_agent.{number}"),
        target => target.to_owned(),
    };
    *number += 1;
    let kind = MountKind::Ssh {
        id: if fields.id.is_empty() { "default".to_owned() } else { fields.id.clone() },
        required: fields.required,
        mode: fields.mode.unwrap_or(0o600),
        uid: fields.uid.unwrap_or(0),
        gid: fields.gid.unwrap_or(0),
    };
    Ok((kind, target))
}
