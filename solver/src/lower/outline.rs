//! What a build of one target takes: build arguments, secrets and agents, of all stages that the target needs.

use super::builder::{Builder, Dispatch};
use super::plan::{Command, Origin};
use super::{LowerRequest, NeededImage, args, plan};
use crate::graph::{BaseImages, Mount, MountKind};
use parser::ast::Dockerfile;
use parser::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What the target takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// The stage's name, in lower case; empty where it has none.
    pub name: String,
    /// What the comment above it says.
    pub description: String,
    /// Build arguments that are declared in the file and used.
    pub args: Vec<Arg>,
    /// `RUN --mount=type=secret`
    pub secrets: Vec<Given>,
    /// `RUN --mount=type=ssh`
    pub ssh: Vec<Given>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arg {
    /// Its name.
    pub name: String,
    /// What the comment above it says.
    pub description: String,
    /// What it is in this build; empty where it is not set.
    pub value: String,
    /// Its ARG.
    pub at: Range<usize>,
}

/// A secret or an agent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// Its id.
    pub name: String,
    /// The RUN fails without it.
    pub required: bool,
    /// The first RUN that mounts it.
    pub at: Range<usize>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq)]
pub enum Outlined {
    /// As [`super::Lowered::NeedImages`].
    NeedImages(Vec<NeededImage>),
    /// All is known.
    Done(Outline),
}

/// What a stage takes itself.
#[derive(Debug, Default)]
pub(super) struct Taken {
    args: Vec<Arg>,
    /// Names that an ARG takes, from above the first FROM or not at all.
    names: BTreeSet<String>,
    secrets: Vec<Given>,
    ssh: Vec<Given>,
    /// Stages that it reads, in the order of the file.
    reads: Vec<usize>,
}

/// What the target of `req` takes.
///
/// # Errors
/// All findings, if one of them is an error.
pub fn outline(
    file: &Dockerfile,
    src: &str,
    req: &LowerRequest,
    bases: &BaseImages,
) -> Result<Outlined, Vec<Diagnostic>> {
    try_outline(file, src, req, bases).map_err(|mut findings| {
        super::remedy::complete(&mut findings);
        findings
    })
}

fn try_outline(
    file: &Dockerfile,
    src: &str,
    req: &LowerRequest,
    bases: &BaseImages,
) -> Result<Outlined, Vec<Diagnostic>> {
    let globals = args::Globals::new(file, req)?;
    let plan = plan::Plan::new(file, req, &globals)?;
    let needed = plan.needed(src, bases)?;
    let images = needed.images.into_iter().filter(|image| !req.absent.contains(&image.reference));
    let images: Vec<NeededImage> = images.collect();
    if !images.is_empty() {
        return Ok(Outlined::NeedImages(images));
    }
    let mut builder = Builder::new(file, src, req, bases, &globals, &plan);
    builder.stages(needed.commands);
    file.check.finish(&mut builder.findings);
    if builder.findings.iter().any(Diagnostic::is_error) {
        return Err(builder.findings);
    }
    Ok(Outlined::Done(builder.outline()))
}

/// The line of `doc` that begins with `name`, behind that name.
pub fn description(doc: Option<&str>, name: &str) -> String {
    let of = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    let lines = doc.unwrap_or_default().lines().filter(|_| !name.is_empty());
    lines.filter_map(of).next().unwrap_or_default()
}

impl Dispatch<'_, '_> {
    /// Notes what a command reads.
    pub(super) fn take_reads(&mut self, command: &Command) {
        for origin in command.from.iter().flatten() {
            if let Origin::Stage(stage) = origin {
                self.taken.reads.push(*stage);
            }
        }
    }

    /// Notes an ARG of the stage. One that takes a global value is not declared by it.
    pub(super) fn take_arg(&mut self, command: &Command, name: &str, value: Option<&str>, inherited: bool) {
        let again = !self.taken.names.insert(name.to_owned());
        if inherited {
            return;
        }
        let doc = match &command.instruction.node {
            parser::ast::Instruction::Arg(arg) => arg.doc.as_deref(),
            _ => None,
        };
        let own = command.source == crate::graph::SourceText::Dockerfile;
        if again {
            self.taken.args.retain(|arg| arg.name != name);
        }
        self.taken.args.push(Arg {
            name: name.to_owned(),
            description: description(doc, name),
            value: value.unwrap_or_default().to_owned(),
            at: if own { &command.instruction.span } else { &self.stage.ast.from.span }.clone(),
        });
    }

    /// Notes the secrets and agents of a RUN.
    pub(super) fn take_mounts(&mut self, command: &Command, mounts: &[Mount]) {
        let own = command.source == crate::graph::SourceText::Dockerfile;
        let at = if own { &command.instruction.span } else { &self.stage.ast.from.span };
        for mount in mounts {
            let (list, name, required) = match &mount.kind {
                MountKind::Secret(secret) => (&mut self.taken.secrets, &secret.id, secret.required),
                MountKind::Ssh { id, required, .. } => (&mut self.taken.ssh, id, *required),
                _ => continue,
            };
            if !list.iter().any(|given| given.name == *name) {
                list.push(Given { name: name.clone(), required, at: at.clone() });
            }
        }
    }
}

/// What was collected so far, by name.
#[derive(Debug, Default)]
struct Collected {
    args: BTreeMap<String, Arg>,
    secrets: BTreeMap<String, Given>,
    ssh: BTreeMap<String, Given>,
}

impl Builder<'_> {
    fn outline(&self) -> Outline {
        let from = &self.plan.stages[self.plan.target].ast.from.node;
        let name = from.name.as_ref().map(|name| name.node.to_lowercase()).unwrap_or_default();
        let mut all = Collected::default();
        let mut done = BTreeSet::new();
        let mut open = vec![self.plan.target];
        // A stage's own declarations count before its base's, and those before the ones of what it reads.
        while let Some(index) = open.pop() {
            if !done.insert(index) {
                continue;
            }
            self.collect(index, &mut all);
            open.extend(self.taken.get(&index).into_iter().flat_map(|taken| taken.reads.iter().rev()));
            if let Origin::Stage(base) = self.plan.stages[index].origin {
                open.push(base);
            }
        }
        Outline {
            description: description(from.doc.as_deref(), &name),
            name,
            args: sorted(all.args, |arg| arg.at.start),
            secrets: sorted(all.secrets, |given| given.at.start),
            ssh: sorted(all.ssh, |given| given.at.start),
        }
    }

    fn collect(&self, index: usize, all: &mut Collected) {
        let Some(taken) = self.taken.get(&index) else { return };
        for arg in &taken.args {
            all.args.entry(arg.name.clone()).or_insert_with(|| arg.clone());
        }
        let own: BTreeSet<&str> = taken.args.iter().map(|arg| arg.name.as_str()).collect();
        let mut open: Vec<String> = self.base_names(index).into_iter().chain(taken.names.clone()).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if own.contains(name.as_str()) || !seen.insert(name.clone()) {
                continue;
            }
            let Some((arg, uses)) = self.global(&name) else { continue };
            open.extend(uses);
            all.args.entry(name).or_insert(arg);
        }
        for (given, list) in [(&taken.secrets, &mut all.secrets), (&taken.ssh, &mut all.ssh)] {
            for one in given {
                list.entry(one.name.clone()).or_insert_with(|| one.clone());
            }
        }
    }

    /// The variables of a stage's FROM, and of those below it.
    fn base_names(&self, index: usize) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let mut next = Some(index);
        while let Some(stage) = next.map(|index| &self.plan.stages[index]) {
            let from = &stage.ast.from.node;
            let expander = super::expand::Expander::new(self.file.escape, &self.globals.env);
            for word in std::iter::once(&from.image).chain(&from.platform) {
                names.extend(expander.expansion(word).map(|done| done.used).unwrap_or_default());
            }
            next = if let Origin::Stage(base) = stage.origin { Some(base) } else { None };
        }
        names
    }

    /// The last global ARG of that name, and the names that its default uses.
    fn global(&self, name: &str) -> Option<(Arg, BTreeSet<String>)> {
        let lines = self.file.global_args.iter().rev();
        let mut found = lines.flat_map(|line| line.node.args.iter().rev().map(move |arg| (line, arg)));
        let (line, arg) = found.find(|(_, arg)| arg.name.node == name)?;
        let value = self.globals.declared.iter().rfind(|(declared, _)| declared == name);
        let default = arg.default.as_ref().filter(|_| !self.req.build_args.contains_key(name));
        let expander = super::expand::Expander::new(self.file.escape, &self.globals.env);
        let uses =
            default.and_then(|word| expander.expansion(word)).map(|done| done.used).unwrap_or_default();
        let arg = Arg {
            name: name.to_owned(),
            description: description(line.node.doc.as_deref(), name),
            value: value.and_then(|(_, value)| value.clone()).unwrap_or_default(),
            at: line.span.clone(),
        };
        Some((arg, uses))
    }
}

fn sorted<T>(all: BTreeMap<String, T>, place: impl Fn(&T) -> usize) -> Vec<T> {
    let mut list: Vec<T> = all.into_values().collect();
    list.sort_by_key(place);
    list
}
