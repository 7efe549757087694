//! Which stages there are, what each stands on, and which of them the target needs.

use super::args::Globals;
use super::expand::Expander;
use super::{ContextKind, LowerRequest, lint, rules, suggest};
use oci::{Platform, Reference};
use parser::ast::{Dockerfile, Instruction, MountFields, Spanned, Stage};
use parser::diagnostic::Diagnostic;
use std::collections::HashMap;
use std::ops::Range;

mod cycle;
mod walk;

pub(super) use walk::{Command, Needed};

/// What a name in FROM or `--from` stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The empty root.
    Scratch,
    /// An index into [`Plan::stages`].
    Stage(usize),
    /// An image: what to ask for, and the `--build-context` that put it there.
    Image { reference: String, context: Option<String> },
    /// A `--build-context` directory.
    Dir(String),
}

/// One stage.
#[derive(Debug)]
pub(super) struct Planned<'a> {
    pub(super) ast: &'a Stage,
    pub(super) name: Option<&'a str>,
    pub(super) origin: Origin,
    /// A `--build-context` stands in for the whole stage.
    pub(super) replaced: bool,
    pub(super) platform: Platform,
    /// The base is known: its name, or the platform, was no error.
    pub(super) known: bool,
}

/// All stages.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) stages: Vec<Planned<'a>>,
    pub(super) target: usize,
    pub(super) warnings: Vec<Diagnostic>,
    file: &'a Dockerfile,
    req: &'a LowerRequest,
    target_platform: Platform,
    /// The stages of each name, in lower case.
    by_name: HashMap<String, Vec<usize>>,
    /// Names of `--build-context` as they are compared, and as they were given.
    contexts: HashMap<String, &'a str>,
}

impl<'a> Plan<'a> {
    /// Resolves all names, and checks them in unneeded stages too.
    pub(super) fn new(
        file: &'a Dockerfile,
        req: &'a LowerRequest,
        globals: &Globals,
    ) -> Result<Self, Vec<Diagnostic>> {
        let target_platform = globals.target_platform.clone();
        let mut plan = Self {
            stages: Vec::new(),
            target: 0,
            warnings: Vec::new(),
            file,
            req,
            target_platform,
            by_name: HashMap::new(),
            contexts: HashMap::new(),
        };
        for name in req.contexts.keys().rev() {
            plan.contexts.extend(familiar(name).map(|familiar| (familiar, name.as_str())));
        }
        let mut errors = Vec::new();
        for ast in &file.stages {
            let stage = plan.stage(ast, globals).unwrap_or_else(|error| {
                errors.push(error);
                // A stand-in, so that indexes and names stay right for the findings that follow.
                Planned { known: false, ..plan.stand_in(ast) }
            });
            if let Some(name) = stage.name {
                plan.by_name.entry(name.to_ascii_lowercase()).or_default().push(plan.stages.len());
            }
            plan.stages.push(stage);
        }
        match plan.find_target() {
            Ok(target) => plan.target = target,
            Err(error) => errors.push(error),
        }
        let found = lint::default_args(&plan, &Expander::new(file.escape, &globals.defaults));
        plan.warnings.extend(found);
        plan.check_reads(&mut errors);
        if errors.is_empty() {
            return Ok(plan);
        }
        if req.check_only && !plan.stages.is_empty() {
            plan.warnings.append(&mut errors);
            return Ok(plan);
        }
        errors.append(&mut plan.warnings);
        errors.sort_by_key(|finding| finding.at.start);
        Err(errors)
    }

    fn stand_in(&self, ast: &'a Stage) -> Planned<'a> {
        let name = ast.from.node.name.as_ref().map(|n| n.node.as_str());
        let platform = self.target_platform.clone();
        Planned { ast, name, origin: Origin::Scratch, replaced: false, platform, known: true }
    }

    fn stage(&mut self, ast: &'a Stage, globals: &Globals) -> Result<Planned<'a>, Diagnostic> {
        let from = &ast.from.node;
        let expander = Expander::new(self.file.escape, &globals.env).declared(&globals.declared);
        let mut undefined = Vec::new();
        let image = expander.word(&from.image, &mut undefined)?;
        let as_from = |finding: Diagnostic| Diagnostic { rule: &rules::UNDEFINED_ARG_IN_FROM, ..finding };
        self.warnings.extend(undefined.into_iter().map(as_from));
        if image.is_empty() {
            let message = format!("the base name `{}` is empty after expansion", from.image.node);
            return Err(Diagnostic::new(&rules::BAD_IMAGE_NAME, from.image.span.clone(), message));
        }
        self.warnings.extend(lint::from_platform(from, &expander, &self.target_platform.to_string()));
        let mut undefined = Vec::new();
        let own = from.platform.as_ref().map(|p| self.platform(p, &expander, &mut undefined)).transpose();
        self.warnings.extend(undefined.into_iter().map(as_from));
        let own = own?;
        let mut stage = self.stand_in(ast);
        if let Some(origin) = stage.name.and_then(|name| self.context(name)) {
            let platform = own.unwrap_or(stage.platform);
            return Ok(Planned { origin, replaced: true, platform, ..stage });
        }
        // FROM looks for stages as they are kept, in lower case; capitals are left to images, which have none.
        let visible = if image.contains(|c: char| c.is_ascii_uppercase()) { 0 } else { self.stages.len() };
        stage.origin = self.origin(&image, &from.image.span, visible)?;
        stage.platform = match (&stage.origin, own) {
            (Origin::Stage(base), _) => self.stages[*base].platform.clone(),
            // Nothing is for no platform: `--platform` has no effect, as in BuildKit.
            (Origin::Scratch, _) | (_, None) => stage.platform,
            (_, Some(own)) => own,
        };
        Ok(stage)
    }

    fn platform(
        &self,
        word: &Spanned<String>,
        expander: &Expander<'_>,
        undefined: &mut Vec<Diagnostic>,
    ) -> Result<Platform, Diagnostic> {
        let bad = |message: String| Diagnostic::new(&rules::BAD_PLATFORM, word.span.clone(), message);
        let text = expander.word(word, undefined)?;
        if text.is_empty() {
            return Err(bad(format!("the platform `{}` is empty after expansion", word.node)));
        }
        text.parse().map_err(|error: oci::platform::ParsePlatformError| bad(error.to_string()))
    }

    /// The last of the first `visible` stages that has this name.
    fn stage_named(&self, name: &str, visible: usize) -> Option<usize> {
        let stages = self.by_name.get(&name.to_ascii_lowercase())?;
        let known = stages.partition_point(|stage| *stage < visible);
        stages[..known].last().copied()
    }

    /// What `name` stands for where the first `visible` stages are known.
    fn origin(&self, name: &str, at: &Range<usize>, visible: usize) -> Result<Origin, Diagnostic> {
        if let Some(stage) = self.stage_named(name, visible) {
            return Ok(Origin::Stage(stage));
        }
        if name == "scratch" {
            return Ok(Origin::Scratch);
        }
        // A name that is no reference stands for no context either, as in BuildKit.
        match name.parse::<Reference>() {
            Ok(_) => Ok(self
                .context(name)
                .unwrap_or_else(|| Origin::Image { reference: name.to_owned(), context: None })),
            Err(error) => {
                let finding = Diagnostic::new(&rules::BAD_IMAGE_NAME, at.clone(), error.to_string());
                let help = suggest::did_you_mean(name, self.names());
                Err(Diagnostic { help, ..finding })
            }
        }
    }

    /// The `--build-context` of this name. `busybox`, `busybox:latest` and `docker.io/library/busybox` are one.
    fn context(&self, name: &str) -> Option<Origin> {
        if name.eq_ignore_ascii_case("scratch") {
            return None;
        }
        let same = || self.req.contexts.get_key_value(*self.contexts.get(&familiar(name)?)?);
        let (key, kind) = self.req.contexts.get_key_value(name).or_else(same)?;
        Some(match kind {
            // The main context has that name in the graph.
            ContextKind::Dir if key == super::MAIN_CONTEXT => Origin::Dir(super::NAMED_CONTEXT.to_owned()),
            ContextKind::Dir => Origin::Dir(key.clone()),
            ContextKind::Image(reference) => {
                Origin::Image { reference: reference.clone(), context: Some(key.clone()) }
            }
        })
    }

    /// The names of the stages.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().filter_map(|stage| stage.name)
    }

    fn find_target(&self) -> Result<usize, Diagnostic> {
        let Some(last) = self.stages.len().checked_sub(1) else {
            return Err(Diagnostic::new(&rules::NO_STAGE, 0..0, "the Dockerfile has no FROM"));
        };
        let Some(target) = &self.req.target else { return Ok(last) };
        self.stage_named(target, self.stages.len()).ok_or_else(|| {
            let at = self.stages[last].ast.from.span.clone();
            let finding = Diagnostic::new(
                &rules::UNKNOWN_TARGET,
                at,
                format!("no stage is named `{target}` (--target)"),
            );
            let all: Vec<&str> = self.names().collect();
            let help = suggest::did_you_mean(target, all.iter().copied())
                .or_else(|| (!all.is_empty()).then(|| format!("the stages are {}", all.join(", "))));
            Diagnostic { help, ..finding }
        })
    }

    /// What an instruction reads: a stage by name (for COPY by index, too; or a later one), a context, or an image.
    fn read(&self, read: &Read<'_>) -> Result<Origin, Diagnostic> {
        let count = self.stages.len();
        let name = read.name;
        if name.find('$').is_some_and(|at| !read.mount || at + 1 < name.len()) {
            let dashes = if read.mount { "" } else { "--" };
            let message = format!("`{dashes}from={name}` expands no variables");
            return Err(Diagnostic::new(&rules::FROM_NOT_EXPANDED, read.span.clone(), message)
                .help("give the image a stage of its own: `FROM` expands global ARGs"));
        }
        let index = match name.parse::<i64>() {
            Ok(index) if !read.mount => index,
            _ => {
                let origin = self.origin(name, &read.span, count);
                return origin.map_err(|error| as_stage(read, error));
            }
        };
        match usize::try_from(index) {
            Ok(index) if index < count => Ok(Origin::Stage(index)),
            _ => {
                let message =
                    format!("there is no stage {index}: the last one is {}", count.saturating_sub(1));
                Err(Diagnostic::new(&rules::UNKNOWN_STAGE, read.span.clone(), message))
            }
        }
    }

    /// Names that stand for nothing, and stages that read themselves or, by way of others, each other.
    fn check_reads(&self, errors: &mut Vec<Diagnostic>) {
        let edges: Vec<Vec<usize>> = self.stages.iter().map(|stage| self.edges(stage)).collect();
        for (index, stage) in self.stages.iter().enumerate() {
            for read in stage.reads() {
                let other = match self.read(&read) {
                    Ok(Origin::Stage(other)) => other,
                    Ok(_) => continue,
                    Err(error) => {
                        errors.push(error);
                        continue;
                    }
                };
                if other < index {
                    continue;
                }
                if let Some(path) = cycle::way(&edges, other, index) {
                    let names: Vec<String> =
                        std::iter::once(index).chain(path).map(|i| format!("`{}`", self.label(i))).collect();
                    let message = format!("stages need each other: {}", names.join(" → "));
                    errors.push(Diagnostic::new(&rules::STAGE_CYCLE, read.span.clone(), message));
                }
            }
        }
    }

    fn edges(&self, stage: &Planned<'_>) -> Vec<usize> {
        if stage.replaced {
            return Vec::new();
        }
        let origins = stage.reads().filter_map(|read| self.read(&read).ok()).chain([stage.origin.clone()]);
        origins.filter_map(|origin| if let Origin::Stage(i) = origin { Some(i) } else { None }).collect()
    }

    /// Name, or `stage-N`.
    pub(super) fn label(&self, index: usize) -> String {
        self.stages[index].name.map_or_else(|| format!("stage-{index}"), str::to_owned)
    }

    /// Whether the one stage needs no name in vertex names: it reads nothing but the context.
    pub(super) fn is_single(&self) -> bool {
        let [stage] = self.stages.as_slice() else { return false };
        let mounts = stage
            .instructions()
            .iter()
            .any(|i| matches!(&i.node, Instruction::Run(run) if !run.mounts.is_empty()));
        !mounts && stage.reads().all(|read| matches!(self.read(&read), Ok(Origin::Stage(_))))
    }
}

/// A name without what is the default in it, as names of contexts are compared.
fn familiar(name: &str) -> Option<String> {
    let reference = name.to_ascii_lowercase().parse::<Reference>().ok()?.familiar();
    Some(reference.strip_suffix(":latest").map(str::to_owned).unwrap_or(reference))
}

impl<'a> Planned<'a> {
    /// The stage's own instructions: none where a `--build-context` stands in for it.
    fn instructions(&self) -> &'a [Spanned<Instruction>] {
        if self.replaced { &[] } else { &self.ast.instructions }
    }

    fn reads(&self) -> impl Iterator<Item = Read<'a>> + use<'a> {
        self.instructions().iter().flat_map(|instruction| reads(&instruction.node)).flatten()
    }
}

/// A name after `from=`.
struct Read<'a> {
    name: &'a str,
    span: Range<usize>,
    /// Of a mount: these take no indexes.
    mount: bool,
}

/// The names that an instruction reads from: of COPY one, of RUN one for each mount. Empty ones are none.
fn reads(instruction: &Instruction) -> Vec<Option<Read<'_>>> {
    match instruction {
        Instruction::Copy(copy) => match &copy.from {
            Some(from) => vec![Some(Read { name: &from.node, span: from.span.clone(), mount: false })],
            None => Vec::new(),
        },
        Instruction::Run(run) => run.mounts.iter().map(mounted).collect(),
        _ => Vec::new(),
    }
}

fn mounted(mount: &Spanned<MountFields>) -> Option<Read<'_>> {
    let (_, value) = mount.node.iter().rfind(|(key, value)| key == "from" && value.is_some())?;
    let name = value.as_deref().filter(|name| !name.is_empty())?;
    Some(Read { name, span: mount.span.clone(), mount: true })
}

/// A bad image name in `from` was probably meant to be a stage.
fn as_stage(read: &Read<'_>, error: Diagnostic) -> Diagnostic {
    let message = format!("no stage is named `{}`", read.name);
    let finding = Diagnostic::new(&rules::UNKNOWN_STAGE, read.span.clone(), message);
    Diagnostic { help: error.help, ..finding }
}
