//! Goes through the needed stages in order, and collects their steps.

use super::args::{self, Globals};
use super::expand::Expander;
use super::lint::{self, Seen};
use super::outline::Taken;
use super::plan::{Command, Needed, Origin, Plan, Planned};
use super::stage::State;
use super::{LowerRequest, names, rules};
use crate::graph::{BaseImages, Copy, CopyFrom, CopySource, Graph, Op, SourceText, Step, StepId};
use oci::image::ImageConfig;
use oci::{Platform, Reference};
use parser::ast::{Dockerfile, Instruction, Spanned};
use parser::diagnostic::Diagnostic;
use parser::ignorefile::Ignore;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// Bytes that a build's steps, histories and variables may have, about. BuildKit's messages hold much less.
const MAX_SIZE: usize = 256 << 20;

/// All that the stages of one build share.
#[derive(Debug)]
pub(super) struct Builder<'a> {
    pub(super) file: &'a Dockerfile,
    pub(super) src: &'a str,
    pub(super) req: &'a LowerRequest,
    pub(super) globals: &'a Globals,
    pub(super) plan: &'a Plan<'a>,
    pub(super) proxy_env: Vec<String>,
    /// What stages have become: as long as a later one starts with it, and that of the target.
    pub(super) states: BTreeMap<usize, State>,
    /// The top of each stage's chain.
    tops: BTreeMap<usize, Option<StepId>>,
    /// The last stage from each that has any.
    heirs: BTreeMap<usize, usize>,
    /// About as many bytes the steps, histories and variables have.
    size: usize,
    pub(super) steps: Vec<Step>,
    pub(super) findings: Vec<Diagnostic>,
    /// What each stage takes from the command line.
    pub(super) taken: BTreeMap<usize, Taken>,
    /// Build arguments that an ARG took up.
    pub(super) used_args: BTreeSet<String>,
    pub(super) bases: &'a BaseImages,
    /// The ignore file of the main context.
    pub(super) ignore: Option<(&'a str, Ignore)>,
    /// One step per image, however often it is named.
    base_steps: BTreeMap<(String, Platform), StepId>,
    /// The parts of contexts that mounts show: context and path.
    pub(super) loaded: BTreeMap<(String, String), StepId>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        file: &'a Dockerfile,
        src: &'a str,
        req: &'a LowerRequest,
        bases: &'a BaseImages,
        globals: &'a Globals,
        plan: &'a Plan<'a>,
    ) -> Self {
        let used_args = file
            .global_args
            .iter()
            .flat_map(|line| &line.node.args)
            .map(|arg| arg.name.node.clone())
            .collect();
        Self {
            file,
            src,
            req,
            globals,
            plan,
            bases,
            used_args,
            proxy_env: args::proxy_env(req),
            ignore: req.ignore.as_ref().map(|(name, text)| (name.as_str(), Ignore::parse(text))),
            states: BTreeMap::new(),
            tops: BTreeMap::new(),
            heirs: BTreeMap::new(),
            size: 0,
            steps: Vec::new(),
            findings: plan.warnings.clone(),
            taken: BTreeMap::new(),
            base_steps: BTreeMap::new(),
            loaded: BTreeMap::new(),
        }
    }

    /// The graph, or all findings if one of them is an error.
    pub(super) fn build(mut self, needed: Needed) -> Result<Graph, Vec<Diagnostic>> {
        self.stages(needed.commands);
        self.finish()
    }

    /// Goes through the stages in order.
    pub(super) fn stages(&mut self, commands: BTreeMap<usize, Vec<Command>>) {
        for index in commands.keys() {
            if let Origin::Stage(base) = self.plan.stages[*index].origin {
                self.heirs.insert(base, *index);
            }
        }
        for (index, commands) in commands {
            let (state, taken) = Dispatch::new(self, index, &commands).run(&commands);
            self.tops.insert(index, state.step);
            if index == self.plan.target || self.heirs.contains_key(&index) {
                self.states.insert(index, state);
            }
            self.taken.insert(index, taken);
            if self.size > MAX_SIZE {
                break;
            }
        }
    }

    /// Host name of every RUN.
    pub(super) fn hostname(&self) -> String {
        let given = self.req.build_args.get("BUILDKIT_SANDBOX_HOSTNAME").filter(|name| !name.is_empty());
        given.unwrap_or(&self.req.hostname).clone()
    }

    /// Appends a step; ids follow the order of the steps.
    pub(super) fn push(&mut self, step: Step) -> StepId {
        let id = StepId(u32::try_from(self.steps.len()).unwrap_or(u32::MAX));
        self.size += step.size();
        self.steps.push(step);
        id
    }

    /// The step that names an image's layers; `None` for an image without any.
    fn base(&mut self, reference: &str, platform: &Platform, template: Step) -> Option<StepId> {
        let key = (reference.to_owned(), platform.clone());
        let layers = self.bases.get(&key).map(|image| image.layers.clone()).unwrap_or_default();
        if layers.is_empty() {
            return None;
        }
        if let Some(step) = self.base_steps.get(&key) {
            return Some(*step);
        }
        let step = self.push(Step { op: Op::Base { reference: reference.to_owned(), layers }, ..template });
        self.base_steps.insert(key, step);
        Some(step)
    }
}

/// One stage at work.
#[derive(Debug)]
pub(super) struct Dispatch<'b, 'a> {
    pub(super) builder: &'b mut Builder<'a>,
    pub(super) state: State,
    /// Whether CMD was set in this stage: ENTRYPOINT clears an inherited one only.
    pub(super) cmd_set: bool,
    /// What the checks remember.
    pub(super) seen: Seen,
    /// What the outline says of this stage.
    pub(super) taken: Taken,
    pub(super) stage: &'b Planned<'a>,
    index: usize,
    /// Name in vertex names; empty for the only stage.
    label: String,
    vertex: usize,
    vertices: usize,
}

impl<'b, 'a> Dispatch<'b, 'a> {
    fn new(builder: &'b mut Builder<'a>, index: usize, commands: &[Command]) -> Self {
        let plan = builder.plan;
        let stage = &plan.stages[index];
        // BuildKit counts all triggers.
        let own = commands.iter().filter(|c| {
            use Instruction::{Add, Copy, Run, Workdir};
            let step = matches!(c.instruction.node, Add(_) | Copy(_) | Run(_) | Workdir(_));
            step || c.source != SourceText::Dockerfile
        });
        let base = !matches!(stage.origin, Origin::Scratch | Origin::Stage(_));
        let mut dispatch = Self {
            state: State::new(ImageConfig::scratch(&stage.platform), None, stage.platform.clone()),
            cmd_set: false,
            seen: Seen::default(),
            taken: Taken::default(),
            stage,
            index,
            label: if plan.is_single() { String::new() } else { plan.label(index).to_lowercase() },
            vertex: 0,
            vertices: usize::from(base) + own.count(),
            builder,
        };
        dispatch.state = dispatch.base();
        dispatch.state.begin();
        dispatch
    }

    /// Carries out all commands. Findings go to the builder; a command with an error changes nothing.
    fn run(mut self, commands: &[Command]) -> (State, Taken) {
        for command in commands {
            self.lint(command);
            self.take_reads(command);
            let before = self.state.size;
            if let Err(error) = self.dispatch(command) {
                self.find(command, error);
            }
            self.builder.size += self.state.size - before;
            if self.builder.size > MAX_SIZE {
                self.find(command, too_large(&command.instruction.span));
                break;
            }
        }
        (self.state, self.taken)
    }

    fn dispatch(&mut self, command: &Command) -> Result<(), Diagnostic> {
        match &command.instruction.node {
            Instruction::Run(run) => self.run_step(command, run),
            Instruction::Copy(copy) => self.copy(command, copy, false),
            Instruction::Add(copy) => self.copy(command, copy, true),
            Instruction::Workdir(path) => self.workdir(command, path),
            _ => self.metadata(command),
        }
    }

    /// Records a finding at its place.
    pub(super) fn find(&mut self, command: &Command, found: Diagnostic) {
        if self.state.unknown && lint::depends_on_base(&found, self.builder.src) {
            return;
        }
        let found = command.locate(&self.stage.ast.from.span, found);
        self.builder.findings.push(found);
    }

    /// Expands one word as the instruction's own text does. Undefined variables are found.
    pub(super) fn word(&mut self, command: &Command, word: &Spanned<String>) -> Result<String, Diagnostic> {
        let mut warnings = Vec::new();
        let expander = Expander::new(self.escape(), &self.state.env).declared(&self.state.args);
        let text = expander.word(word, &mut warnings);
        warnings.into_iter().for_each(|warning| self.find(command, warning));
        text
    }

    /// Expands to several words, as EXPOSE does.
    pub(super) fn words(&mut self, word: &Spanned<String>) -> Result<Vec<String>, Diagnostic> {
        Expander::new(self.escape(), &self.state.env).words(word)
    }

    /// `text` with its variables put in, for a vertex name. RUN keeps its quotes.
    pub(super) fn display(&self, text: &str, quotes: bool) -> String {
        Expander::new(self.escape(), &self.state.env).display(text, quotes)
    }

    /// Escape character of words: the Dockerfile's, in triggers too.
    pub(super) fn escape(&self) -> char {
        self.builder.file.escape
    }

    /// `[build 2/5] RUN make`
    pub(super) fn vertex_name(&mut self, command: &Command, text: &str) -> String {
        let trigger = if command.source == SourceText::Dockerfile { "" } else { "ONBUILD " };
        let platform = names::platform(&self.state.platform, Some(&self.state.env));
        format!("{}{trigger}{}", self.prefix(&platform), names::upper_command(text))
    }

    /// `[linux/arm64 build 2/5] `, with the platform where several are built.
    fn prefix(&mut self, platform: &str) -> String {
        self.vertex += 1;
        let mut words = String::new();
        if self.builder.globals.multi_platform {
            words.push_str(platform);
            words.push(' ');
        }
        if !self.label.is_empty() {
            words.push_str(&self.label);
            words.push(' ');
        }
        let width = self.vertices.to_string().len();
        format!("[{words}{:width$}/{}] ", self.vertex, self.vertices)
    }

    /// Whether `--no-cache` or `--no-cache-filter` is about this stage.
    fn no_cache(&self) -> bool {
        let req = self.builder.req;
        let named = |filter: &String| self.stage.name.is_some_and(|name| name.eq_ignore_ascii_case(filter));
        req.no_cache || req.no_cache_filter.iter().any(named)
    }

    /// Appends a step on top of the chain.
    pub(super) fn step(&mut self, command: &Command, name: String, op: Op) -> StepId {
        let step = Step {
            op,
            span: command.instruction.span.clone(),
            source: command.source.clone(),
            no_cache: self.no_cache(),
            ..self.template(name)
        };
        let id = self.builder.push(step);
        self.state.step = Some(id);
        id
    }

    /// A step at FROM.
    pub(super) fn template(&self, name: String) -> Step {
        Step {
            parent: self.state.step,
            op: Op::Base { reference: String::new(), layers: Vec::new() },
            name,
            stage: self.stage.name.map_or_else(|| self.index.to_string(), str::to_owned),
            span: self.stage.ast.from.span.clone(),
            source: SourceText::Dockerfile,
            no_cache: false,
        }
    }

    /// What FROM starts with.
    fn base(&mut self) -> State {
        let stage = self.stage;
        let platform = stage.platform.clone();
        match &stage.origin {
            Origin::Scratch => {
                let mut state = State::new(ImageConfig::scratch(&platform), None, platform);
                state.unknown = !stage.known;
                state
            }
            Origin::Stage(base) => {
                let last =
                    self.builder.heirs.get(base) == Some(&self.index) && *base != self.builder.plan.target;
                let state = match last {
                    true => self.builder.states.remove(base),
                    false => self.builder.states.get(base).cloned(),
                };
                self.builder.size += state.as_ref().filter(|_| !last).map_or(0, |state| state.size);
                state.unwrap_or_else(|| State::new(ImageConfig::scratch(&platform), None, platform))
            }
            Origin::Image { reference, context } => {
                let name = match context {
                    Some(context) => format!("[context {context}] {reference}"),
                    None => {
                        let platform = names::platform(&platform, None);
                        format!("{}FROM {}", self.prefix(&platform), full(reference))
                    }
                };
                let template = self.template(name);
                let step = self.builder.base(reference, &platform, template);
                let image = self.builder.bases.get(&(reference.clone(), platform.clone()));
                if context.is_none() {
                    let at = &stage.ast.from.node.image.span;
                    let found = lint::base_platform(self.builder, reference, &platform, at);
                    self.builder.findings.extend(found);
                }
                let config = image.map_or_else(|| ImageConfig::scratch(&platform), |i| i.config.clone());
                let mut state = State::new(config, step, platform);
                state.unknown = image.is_none();
                state
            }
            Origin::Dir(context) => self.dir_base(context, platform),
        }
    }

    /// A context directory as a base: all of it, on the empty root.
    fn dir_base(&mut self, context: &str, platform: Platform) -> State {
        let name = format!("[context {}] load from client", context.trim_end_matches(':'));
        let copy = Copy {
            from: CopyFrom::Context(context.to_owned()),
            sources: vec![CopySource::Path("/".into(), self.stage.ast.from.node.image.span.clone())],
            dest: "/".into(),
            chown: None,
            chmod: None,
            link: false,
            unpack: false,
            unpack_fetched: false,
            parents: false,
            exclude: Vec::new(),
            whole: false,
        };
        let no_cache = self.no_cache();
        let step = Step { parent: None, op: Op::Copy(copy), no_cache, ..self.template(name.clone()) };
        let step = self.builder.push(step);
        let mut state = State::new(ImageConfig::scratch(&platform), Some(step), platform);
        state.commit_layer(name, step);
        state
    }

    /// Where `COPY --from` reads.
    pub(super) fn copy_from(&mut self, command: &Command, origin: &Origin) -> CopyFrom {
        match origin {
            Origin::Scratch => CopyFrom::Step(None),
            Origin::Stage(stage) => CopyFrom::Step(self.builder.tops.get(stage).copied().flatten()),
            Origin::Dir(context) => CopyFrom::Context(context.clone()),
            Origin::Image { reference, context } => {
                let name = match context {
                    Some(context) => format!("[context {context}] {reference}"),
                    None => format!("FROM {}", full(reference)),
                };
                let platform = self.builder.globals.target_platform.clone();
                let (span, source) = (command.instruction.span.clone(), command.source.clone());
                let template = Step { parent: None, span, source, ..self.template(name) };
                CopyFrom::Step(self.builder.base(reference, &platform, template))
            }
        }
    }
}

fn too_large(at: &Range<usize>) -> Diagnostic {
    let message =
        format!("the build is too large: its steps and variables have more than {} MiB", MAX_SIZE >> 20);
    Diagnostic::new(&rules::TOO_LARGE, at.clone(), message).help(
        "each step has all variables, and a stage from another one has them once more: split the Dockerfile",
    )
}

/// `docker.io/library/busybox:latest`
fn full(reference: &str) -> String {
    reference.parse::<Reference>().map_or_else(|_| reference.to_owned(), |r| r.to_string())
}
