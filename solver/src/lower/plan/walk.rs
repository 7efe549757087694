//! The pass from the target to all that it needs, with the triggers that fire on the way.

use super::{Origin, Plan, Planned, Read, reads};
use crate::graph::{BaseImages, SourceText};
use crate::lower::{NeededImage, expand, names, rules, suggest};
use oci::Platform;
use parser::ast::{Instruction, Spanned};
use parser::diagnostic::Diagnostic;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// An instruction of a stage, or a trigger that its FROM fires.
#[derive(Debug)]
pub(in crate::lower) struct Command {
    pub(in crate::lower) instruction: Spanned<Instruction>,
    /// What `COPY --from` names; for a RUN what the `from` of each mount names.
    pub(in crate::lower) from: Vec<Option<Origin>>,
    pub(in crate::lower) source: SourceText,
    /// The instruction on one line.
    pub(in crate::lower) text: String,
}

/// What the target needs.
#[derive(Debug, Default)]
pub(in crate::lower) struct Needed {
    /// Images that are not resolved yet. The rest is complete only if there are none.
    pub(in crate::lower) images: Vec<NeededImage>,
    /// Per needed stage: what it does.
    pub(in crate::lower) commands: BTreeMap<usize, Vec<Command>>,
    /// What is wrong, where findings are wanted and not a graph.
    pub(in crate::lower) errors: Vec<Diagnostic>,
}

impl Command {
    /// Where a COPY reads; `None` for the main context.
    pub(in crate::lower) fn origin(&self) -> Option<&Origin> {
        self.from.first().and_then(Option::as_ref)
    }

    /// Puts a finding about this command at a place in the Dockerfile: for a trigger, at the FROM that fires it.
    pub(in crate::lower) fn locate(&self, from: &Range<usize>, found: Diagnostic) -> Diagnostic {
        match &self.source {
            SourceText::Dockerfile => found,
            SourceText::Trigger { from: name, text } => {
                let message = format!("ONBUILD trigger `{text}` of {name}: {}", found.message);
                Diagnostic { message, at: from.clone(), label: String::new(), ..found }
            }
        }
    }
}

impl Plan<'_> {
    /// What the target needs.
    pub(in crate::lower) fn needed(&self, src: &str, bases: &BaseImages) -> Result<Needed, Vec<Diagnostic>> {
        let mut walk = Walk {
            plan: self,
            bases,
            found: Needed::default(),
            marked: BTreeSet::new(),
            listed: BTreeSet::new(),
            triggers: 0,
        };
        walk.marked.insert(self.target);
        if self.req.check_only && self.req.target.is_none() {
            walk.marked.extend(0..self.stages.len());
        }
        let mut errors = Vec::new();
        // Whatever a stage needs comes before it, so one pass from the last to the first sees all.
        while let Some(index) = walk.marked.pop_last() {
            walk.visit(index, src, &mut errors);
        }
        if self.req.check_only {
            walk.found.errors = errors;
            return Ok(walk.found);
        }
        if errors.is_empty() { Ok(walk.found) } else { Err(errors) }
    }
}

/// The pass from the target to all that it needs.
struct Walk<'p, 'a> {
    plan: &'p Plan<'a>,
    bases: &'p BaseImages,
    found: Needed,
    /// Needed stages that were not visited yet.
    marked: BTreeSet<usize>,
    /// Images that are needed and not resolved.
    listed: BTreeSet<(String, Platform)>,
    /// Bytes of triggers.
    triggers: usize,
}

/// For as many images a stage is looked for that may have been meant.
const MAX_SUGGESTED: usize = 100;
/// Bytes of all triggers of one build: a stage fires all of its base's.
const MAX_TRIGGERS: usize = 16 << 20;

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
            from: Vec::new(),
            source: SourceText::Dockerfile,
            text: names::one_line(&src[instruction.span.clone()], plan.file.escape),
        }));
        for command in &mut commands {
            let mut from = Vec::new();
            for read in reads(&command.instruction.node) {
                match read.map(|read| self.source(index, &read).map(|origin| (origin, read))) {
                    None => from.push(None),
                    Some(Ok((origin, read))) => {
                        let place = match command.source {
                            SourceText::Dockerfile => &read.span,
                            SourceText::Trigger { .. } => &stage.ast.from.span,
                        };
                        self.need(&origin, &plan.target_platform, place, true);
                        from.push(Some(origin));
                    }
                    Some(Err(error)) => {
                        from.push(None);
                        errors.push(command.locate(&stage.ast.from.span, error));
                    }
                }
            }
            command.from = from;
        }
        self.found.commands.insert(index, commands);
    }

    fn source(&self, index: usize, read: &Read<'_>) -> Result<Origin, Diagnostic> {
        match self.plan.read(read)? {
            Origin::Stage(other) if other >= index => {
                let message = format!(
                    "stage `{}` is defined after stage `{}`, which {} it",
                    self.plan.label(other),
                    self.plan.label(index),
                    if read.mount { "mounts" } else { "copies from" },
                );
                Err(Diagnostic::new(&rules::LATER_STAGE, read.span.clone(), message).help("move it up"))
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
                if known || self.plan.req.absent.contains(reference) {
                    return;
                }
                if self.listed.insert((reference.clone(), platform.clone())) {
                    let similar = self.listed.len() <= MAX_SUGGESTED;
                    let similar = similar.then(|| suggest::closest(reference, self.plan.names())).flatten();
                    self.found.images.push(NeededImage {
                        reference: reference.clone(),
                        platform: platform.clone(),
                        span: span.clone(),
                        copied_from,
                        similar_stage: similar.map(str::to_owned),
                    });
                }
            }
        }
    }

    /// The commands that ONBUILD of the base puts before the stage's own.
    fn triggers(&mut self, stage: &Planned<'_>, errors: &mut Vec<Diagnostic>) -> Vec<Command> {
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
            self.triggers += text.len();
            if self.triggers > MAX_TRIGGERS {
                let message =
                    format!("the ONBUILD triggers of the build have more than {} MiB", MAX_TRIGGERS >> 20);
                errors.push(Diagnostic::new(&rules::TOO_LARGE, stage.ast.from.span.clone(), message));
                return commands;
            }
            let source = SourceText::Trigger { from: from.clone(), text: text.clone() };
            match expand::trigger(&text) {
                Ok(instruction) => {
                    let text = names::one_line(&text, '\\');
                    commands.push(Command { instruction, from: Vec::new(), source, text });
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
