//! Which stages there are, what each stands on, and which of them the target needs.

use super::args::Globals;
use super::expand::{self, Expander};
use super::{ContextKind, LowerRequest, NeededImage, names, rules, suggest};
use crate::graph::{BaseImages, SourceText};
use oci::{Platform, Reference};
use parser::ast::{Dockerfile, Instruction, Spanned, Stage};
use parser::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

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
}

/// An instruction of a stage, or a trigger that its FROM fires.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) instruction: Spanned<Instruction>,
    /// What `COPY --from` names.
    pub(super) from: Option<Origin>,
    pub(super) source: SourceText,
    /// The instruction on one line.
    pub(super) text: String,
}

/// What the target needs.
#[derive(Debug, Default)]
pub(super) struct Needed {
    /// Images that are not resolved yet. The rest is complete only if there are none.
    pub(super) images: Vec<NeededImage>,
    /// Per needed stage: what it does.
    pub(super) commands: BTreeMap<usize, Vec<Command>>,
}

impl Command {
    /// Puts a finding about this command at a place in the Dockerfile: for a trigger, at the FROM that fires it.
    pub(super) fn locate(&self, from: &Range<usize>, found: Diagnostic) -> Diagnostic {
        match &self.source {
            SourceText::Dockerfile => found,
            SourceText::Trigger { from: name, text } => {
                let message = format!("ONBUILD trigger `{text}` of {name}: {}", found.message);
                Diagnostic { message, at: from.clone(), label: String::new(), ..found }
            }
        }
    }
}

impl<'a> Plan<'a> {
    /// Resolves all names, and checks them in unneeded stages too.
    pub(super) fn new(
        file: &'a Dockerfile,
        req: &'a LowerRequest,
        globals: &Globals,
    ) -> Result<Self, Vec<Diagnostic>> {
        let target_platform = globals.target_platform.clone();
        let mut plan =
            Self { stages: Vec::new(), target: 0, warnings: Vec::new(), file, req, target_platform };
        let mut errors = Vec::new();
        for ast in &file.stages {
            match plan.stage(ast, globals) {
                Ok(stage) => plan.stages.push(stage),
                Err(error) => {
                    errors.push(error);
                    // A stand-in, so that indexes and names stay right for the findings that follow.
                    plan.stages.push(plan.stand_in(ast));
                }
            }
        }
        match plan.find_target() {
            Ok(target) => plan.target = target,
            Err(error) => errors.push(error),
        }
        plan.check_cycles(&mut errors);
        if errors.is_empty() {
            return Ok(plan);
        }
        errors.append(&mut plan.warnings);
        errors.sort_by_key(|finding| finding.at.start);
        Err(errors)
    }

    fn stand_in(&self, ast: &'a Stage) -> Planned<'a> {
        let name = ast.from.node.name.as_ref().map(|n| n.node.as_str());
        let platform = self.target_platform.clone();
        Planned { ast, name, origin: Origin::Scratch, replaced: false, platform }
    }

    fn stage(&mut self, ast: &'a Stage, globals: &Globals) -> Result<Planned<'a>, Diagnostic> {
        let from = &ast.from.node;
        let expander = Expander::new(self.file.escape, &globals.env).declared(&globals.declared);
        let mut undefined = Vec::new();
        let image = expander.word(&from.image, &mut undefined)?;
        let as_from = |finding| Diagnostic { rule: &rules::UNDEFINED_ARG_IN_FROM, ..finding };
        self.warnings.extend(undefined.into_iter().map(as_from));
        if image.is_empty() {
            let message = format!("the base name `{}` is empty after expansion", from.image.node);
            return Err(Diagnostic::new(&rules::BAD_IMAGE_NAME, from.image.span.clone(), message));
        }
        let own = from.platform.as_ref().map(|p| self.platform(p, &expander)).transpose()?;
        let mut stage = self.stand_in(ast);
        if let Some(origin) = stage.name.and_then(|name| self.context(name)) {
            let platform = own.unwrap_or(stage.platform);
            return Ok(Planned { origin, replaced: true, platform, ..stage });
        }
        stage.origin = self.origin(&image, &from.image.span, self.stages.len())?;
        stage.platform = match (&stage.origin, own) {
            (Origin::Stage(base), _) => self.stages[*base].platform.clone(),
            (_, Some(own)) => own,
            (_, None) => stage.platform,
        };
        Ok(stage)
    }

    fn platform(&self, word: &Spanned<String>, expander: &Expander<'_>) -> Result<Platform, Diagnostic> {
        let bad = |message: String| Diagnostic::new(&rules::BAD_PLATFORM, word.span.clone(), message);
        let text = expander.word(word, &mut Vec::new())?;
        if text.is_empty() {
            return Err(bad(format!("the platform `{}` is empty after expansion", word.node)));
        }
        text.parse().map_err(|error: oci::platform::ParsePlatformError| bad(error.to_string()))
    }

    /// The last of the first `visible` stages that has this name.
    fn stage_named(&self, name: &str, visible: usize) -> Option<usize> {
        self.stages[..visible]
            .iter()
            .rposition(|stage| stage.name.is_some_and(|other| other.eq_ignore_ascii_case(name)))
    }

    /// What `name` stands for where the first `visible` stages are known.
    fn origin(&self, name: &str, at: &Range<usize>, visible: usize) -> Result<Origin, Diagnostic> {
        if name == "scratch" {
            return Ok(Origin::Scratch);
        }
        if let Some(stage) = self.stage_named(name, visible) {
            return Ok(Origin::Stage(stage));
        }
        if let Some(context) = self.context(name) {
            return Ok(context);
        }
        match name.parse::<Reference>() {
            Ok(_) => Ok(Origin::Image { reference: name.to_owned(), context: None }),
            Err(error) => {
                let finding = Diagnostic::new(&rules::BAD_IMAGE_NAME, at.clone(), error.to_string());
                let help = suggest::did_you_mean(name, self.names());
                Err(Diagnostic { help, ..finding })
            }
        }
    }

    /// The `--build-context` of this name. `busybox`, `busybox:latest` and `docker.io/library/busybox` are one.
    fn context(&self, name: &str) -> Option<Origin> {
        if name.eq_ignore_ascii_case("scratch") || name.eq_ignore_ascii_case(super::MAIN_CONTEXT) {
            return None;
        }
        let familiar = |text: &str| {
            let reference = text.to_ascii_lowercase().parse::<Reference>().ok()?.familiar();
            Some(reference.strip_suffix(":latest").map(str::to_owned).unwrap_or(reference))
        };
        let wanted = familiar(name);
        let same = |given: &str| given == name || (wanted.is_some() && familiar(given) == wanted);
        let (key, kind) = self.req.contexts.iter().find(|(given, _)| same(given))?;
        Some(match kind {
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

    /// What a `COPY --from` names: a stage by name or index (a later one, too), a context, or an image.
    fn copied_from(&self, from: &Spanned<String>) -> Result<Origin, Diagnostic> {
        let count = self.stages.len();
        if from.node.contains('$') {
            let message = format!("`--from={}` expands no variables", from.node);
            return Err(Diagnostic::new(&rules::FROM_NOT_EXPANDED, from.span.clone(), message)
                .help("give the image a stage of its own: `FROM` expands global ARGs"));
        }
        match from.node.parse::<i64>() {
            Err(_) => self.origin(&from.node, &from.span, count).map_err(|error| self.as_stage(from, error)),
            Ok(index) => match usize::try_from(index) {
                Ok(index) if index < count => Ok(Origin::Stage(index)),
                _ => {
                    let message =
                        format!("there is no stage {index}: the last one is {}", count.saturating_sub(1));
                    Err(Diagnostic::new(&rules::UNKNOWN_STAGE, from.span.clone(), message))
                }
            },
        }
    }

    /// A bad image name in `--from` was probably meant to be a stage.
    fn as_stage(&self, from: &Spanned<String>, error: Diagnostic) -> Diagnostic {
        let message = format!("no stage is named `{}`", from.node);
        let finding = Diagnostic::new(&rules::UNKNOWN_STAGE, from.span.clone(), message);
        Diagnostic { help: error.help, ..finding }
    }

    /// Stages that copy from themselves or, by way of others, from each other.
    fn check_cycles(&self, errors: &mut Vec<Diagnostic>) {
        let edges: Vec<Vec<usize>> = self.stages.iter().map(|stage| self.edges(stage)).collect();
        for (index, stage) in self.stages.iter().enumerate() {
            for from in copies(stage).filter_map(|copy| copy.from.as_ref()) {
                let Ok(Origin::Stage(other)) = self.copied_from(from) else { continue };
                if other < index {
                    continue;
                }
                if let Some(path) = way(&edges, other, index) {
                    let names: Vec<String> =
                        std::iter::once(index).chain(path).map(|i| format!("`{}`", self.label(i))).collect();
                    let message = format!("stages need each other: {}", names.join(" → "));
                    errors.push(Diagnostic::new(&rules::STAGE_CYCLE, from.span.clone(), message));
                }
            }
        }
    }

    fn edges(&self, stage: &Planned<'_>) -> Vec<usize> {
        if stage.replaced {
            return Vec::new();
        }
        let froms = copies(stage).filter_map(|copy| copy.from.as_ref());
        let origins = froms.filter_map(|from| self.copied_from(from).ok()).chain([stage.origin.clone()]);
        origins.filter_map(|origin| if let Origin::Stage(i) = origin { Some(i) } else { None }).collect()
    }

    /// Name, or `stage-N`.
    pub(super) fn label(&self, index: usize) -> String {
        self.stages[index].name.map_or_else(|| format!("stage-{index}"), str::to_owned)
    }

    /// Whether the one stage needs no name in vertex names: nothing else is in the file.
    pub(super) fn is_single(&self) -> bool {
        let other = |from: &Spanned<String>| !matches!(self.copied_from(from), Ok(Origin::Stage(_)));
        self.stages.len() == 1 && !copies(&self.stages[0]).filter_map(|c| c.from.as_ref()).any(other)
    }

    /// What the target needs, with the triggers that fire on the way.
    pub(super) fn needed(&self, src: &str, bases: &BaseImages) -> Result<Needed, Vec<Diagnostic>> {
        let mut walk = Walk { plan: self, bases, found: Needed::default(), marked: BTreeSet::new() };
        walk.marked.insert(self.target);
        let mut errors = Vec::new();
        // Whatever a stage needs comes before it, so one pass from the last to the first sees all.
        while let Some(index) = walk.marked.pop_last() {
            walk.visit(index, src, &mut errors);
        }
        if errors.is_empty() { Ok(walk.found) } else { Err(errors) }
    }
}

/// `COPY` instructions of a stage.
fn copies<'s>(stage: &Planned<'s>) -> impl Iterator<Item = &'s parser::ast::Copy> + use<'s> {
    let instructions: &[Spanned<Instruction>] = if stage.replaced { &[] } else { &stage.ast.instructions };
    instructions.iter().filter_map(|i| if let Instruction::Copy(copy) = &i.node { Some(copy) } else { None })
}

/// A way from `start` to `end` along `edges`, both ends in it.
fn way(edges: &[Vec<usize>], start: usize, end: usize) -> Option<Vec<usize>> {
    let mut before = BTreeMap::from([(start, start)]);
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        if at == end {
            let mut path = vec![at];
            while path.last() != Some(&start) {
                path.extend(path.last().and_then(|last| before.get(last)).copied());
            }
            path.reverse();
            return Some(path);
        }
        for next in &edges[at] {
            if !before.contains_key(next) {
                before.insert(*next, at);
                open.push(*next);
            }
        }
    }
    None
}

/// The pass from the target to all that it needs.
struct Walk<'p, 'a> {
    plan: &'p Plan<'a>,
    bases: &'p BaseImages,
    found: Needed,
    /// Needed stages that were not visited yet.
    marked: BTreeSet<usize>,
}

impl Walk<'_, '_> {
    fn visit(&mut self, index: usize, src: &str, errors: &mut Vec<Diagnostic>) {
        let plan = self.plan;
        let stage = &plan.stages[index];
        let span = &stage.ast.from.node.image.span;
        self.need(&stage.origin, &stage.platform, span, false);
        if stage.replaced {
            self.found.commands.insert(index, Vec::new());
            return;
        }
        let mut commands = self.triggers(stage, errors);
        commands.extend(stage.ast.instructions.iter().map(|instruction| Command {
            instruction: instruction.clone(),
            from: None,
            source: SourceText::Dockerfile,
            text: names::one_line(&src[instruction.span.clone()], plan.file.escape),
        }));
        for command in &mut commands {
            let Instruction::Copy(copy) = &command.instruction.node else { continue };
            let Some(from) = &copy.from else { continue };
            match self.copy_source(index, from) {
                Ok(origin) => {
                    let place = match command.source {
                        SourceText::Dockerfile => from.span.clone(),
                        SourceText::Trigger { .. } => stage.ast.from.span.clone(),
                    };
                    self.need(&origin, &plan.target_platform, &place, true);
                    command.from = Some(origin);
                }
                Err(error) => errors.push(command.locate(&stage.ast.from.span, error)),
            }
        }
        self.found.commands.insert(index, commands);
    }

    fn copy_source(&self, index: usize, from: &Spanned<String>) -> Result<Origin, Diagnostic> {
        let origin = self.plan.copied_from(from)?;
        match origin {
            Origin::Stage(other) if other >= index => {
                let message = format!(
                    "stage `{}` is defined after stage `{}`, which copies from it",
                    self.plan.label(other),
                    self.plan.label(index)
                );
                Err(Diagnostic::new(&rules::LATER_STAGE, from.span.clone(), message).help("move it up"))
            }
            origin => Ok(origin),
        }
    }

    fn need(&mut self, origin: &Origin, platform: &Platform, span: &Range<usize>, copied_from: bool) {
        match origin {
            Origin::Scratch | Origin::Dir(_) => {}
            Origin::Stage(stage) => {
                self.marked.insert(*stage);
            }
            Origin::Image { reference, .. } => {
                let known = self.bases.contains_key(&(reference.clone(), platform.clone()));
                let listed =
                    self.found.images.iter().any(|i| i.reference == *reference && i.platform == *platform);
                if !known && !listed {
                    self.found.images.push(NeededImage {
                        reference: reference.clone(),
                        platform: platform.clone(),
                        span: span.clone(),
                        copied_from,
                        similar_stage: suggest::closest(reference, self.plan.names()).map(str::to_owned),
                    });
                }
            }
        }
    }

    /// The commands that ONBUILD of the base puts before the stage's own.
    fn triggers(&self, stage: &Planned<'_>, errors: &mut Vec<Diagnostic>) -> Vec<Command> {
        let (from, texts): (String, Vec<String>) = match &stage.origin {
            Origin::Scratch | Origin::Dir(_) => return Vec::new(),
            Origin::Stage(base) if self.plan.stages[*base].replaced => return Vec::new(),
            Origin::Stage(base) => {
                let texts = self.plan.stages[*base].ast.instructions.iter().filter_map(|i| match &i.node {
                    Instruction::Onbuild(text) => Some(text.node.clone()),
                    _ => None,
                });
                (self.plan.label(*base), texts.collect())
            }
            Origin::Image { reference, .. } => {
                let image = self.bases.get(&(reference.clone(), stage.platform.clone()));
                (reference.clone(), image.map(|i| i.config.config.on_build.clone()).unwrap_or_default())
            }
        };
        let mut commands = Vec::new();
        for text in texts {
            let source = SourceText::Trigger { from: from.clone(), text: text.clone() };
            match expand::trigger(&text) {
                Ok(instruction) => {
                    let text = names::one_line(&text, '\\');
                    commands.push(Command { instruction, from: None, source, text });
                }
                Err(error) => {
                    let message = format!("ONBUILD trigger `{text}` of {from}: {}", error.message);
                    let at = stage.ast.from.span.clone();
                    errors.push(Diagnostic { message, at, label: String::new(), ..error });
                }
            }
        }
        commands
    }
}
