//! What a stage has become so far.

use super::expand::{Declared, Env};
use crate::graph::{HistorySource, StepId};
use oci::Platform;
use oci::image::{DEFAULT_PATH, History, ImageConfig, RootFs};
use std::collections::{BTreeSet, HashMap};

/// Comment of every history entry, as BuildKit writes it.
const COMMENT: &str = "buildkit.dockerfile.v0";

/// Bytes of a history entry besides its text, about.
const OVERHEAD: usize = 200;

/// The state that instructions change. A stage FROM another starts with a copy of its state.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// What expansion and RUN see: image env and ARGs, the later word wins.
    pub(super) env: Env,
    /// Names that an ARG has declared, in order, with its value.
    pub(super) args: Declared,
    pub(super) image: ImageConfig,
    /// Top of the chain; `None` for the empty root.
    pub(super) step: Option<StepId>,
    pub(super) platform: Platform,
    /// Where our history entries come from.
    pub(super) history: Vec<HistorySource>,
    /// What is below is unknown: only checks go on with that.
    pub(super) unknown: bool,
    /// Where COPY and ADD put things, absolute.
    pub(super) copied: BTreeSet<String>,
    /// Whether a WORKDIR of the file came.
    pub(super) workdir_set: bool,
    /// Length of the base image's history.
    pub(super) base_history: usize,
    /// About as many bytes the instructions have made of it.
    pub(super) size: usize,
    /// Where the config's env has each name.
    places: HashMap<String, usize>,
    /// Names that an ARG has set after the config's env did.
    shadowed: BTreeSet<String>,
    /// Whether the config's env is in [`State::env`], and has no name twice.
    begun: bool,
}

impl State {
    /// Starts from an image's config and chain.
    pub(super) fn new(mut image: ImageConfig, step: Option<StepId>, platform: Platform) -> Self {
        image.rootfs = RootFs::default();
        let base_history = image.history.len();
        Self {
            env: Env::new(),
            args: Declared::default(),
            image,
            step,
            platform,
            history: Vec::new(),
            unknown: false,
            copied: BTreeSet::new(),
            workdir_set: false,
            base_history,
            size: 0,
            places: HashMap::new(),
            shadowed: BTreeSet::new(),
            begun: false,
        }
    }

    /// What a stage does before its first instruction: PATH is always set, and the image's env comes after the ARGs
    /// inherited from a base stage. Triggers have fired, and do not fire again.
    pub(super) fn begin(&mut self) {
        let config = &mut self.image.config;
        config.on_build.clear();
        if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
            config.working_dir.insert(0, '/');
        }
        for name in std::mem::take(&mut self.shadowed) {
            if let Some(var) = self.places.get(&name).and_then(|place| config.env.get(*place)) {
                self.env.insert(name, split(var).1.to_owned());
            }
        }
        if !self.begun {
            self.load_env();
        }
    }

    /// Takes up the env of an image. Of several values of a name the last one counts.
    fn load_env(&mut self) {
        let env = &mut self.image.config.env;
        if !env.iter().any(|var| split(var).0 == "PATH") {
            env.push(format!("PATH={DEFAULT_PATH}"));
        }
        for (place, var) in env.iter().enumerate() {
            let (name, value) = split(var);
            self.env.insert(name.to_owned(), value.to_owned());
            self.places.entry(name.to_owned()).or_insert(place);
        }
        self.begun = self.places.len() == env.len();
    }

    /// Working directory of the next RUN, and what relative destinations are relative to.
    pub(super) fn cwd(&self) -> &str {
        match self.image.config.working_dir.as_str() {
            "" => "/",
            dir => dir,
        }
    }

    /// ENV, in the config and for what follows.
    pub(super) fn set_env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
        self.shadowed.remove(name);
        let var = format!("{name}={value}");
        self.size += 2 * var.len();
        let env = &mut self.image.config.env;
        match self.places.get(name).and_then(|place| env.get_mut(*place)) {
            Some(old) => *old = var,
            None => {
                self.places.insert(name.to_owned(), env.len());
                env.push(var);
            }
        }
    }

    /// ARG, for what follows in this stage, and in those from it as long as they have no ENV of the name.
    pub(super) fn set_arg(&mut self, name: &str, value: &str) {
        self.size += 2 * (name.len() + value.len());
        self.env.insert(name.to_owned(), value.to_owned());
        self.shadowed.insert(name.to_owned());
    }

    /// An entry without a layer.
    pub(super) fn commit(&mut self, created_by: String) {
        self.push_history(created_by, true);
        self.history.push(HistorySource::Metadata);
    }

    /// The entry of a step.
    pub(super) fn commit_layer(&mut self, created_by: String, step: StepId) {
        self.push_history(created_by, false);
        self.history.push(HistorySource::Step(step));
    }

    fn push_history(&mut self, created_by: String, empty_layer: bool) {
        self.size += created_by.len() + OVERHEAD;
        let entry = History { created_by, comment: COMMENT.into(), empty_layer, ..History::default() };
        self.image.history.push(entry);
    }

    /// `/bin/sh -c`, or what SHELL set, with `script` behind it.
    pub(super) fn with_shell(&self, script: &str) -> Vec<String> {
        let mut argv = self.image.config.shell.clone();
        if argv.is_empty() {
            argv = vec!["/bin/sh".into(), "-c".into()];
        }
        argv.push(script.to_owned());
        argv
    }
}

fn split(var: &str) -> (&str, &str) {
    var.split_once('=').unwrap_or((var, ""))
}
