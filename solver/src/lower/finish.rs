//! The target's state becomes the graph.

use super::args;
use super::builder::Builder;
use super::rules;
use crate::graph::Graph;
use parser::diagnostic::Diagnostic;

impl Builder<'_> {
    /// The graph of the target, or all findings.
    pub(super) fn finish(mut self) -> Result<Graph, Vec<Diagnostic>> {
        self.unused_build_args();
        self.unused_filters();
        self.findings.sort_by_key(|finding| finding.at.start);
        // `# check=` leaves warnings out, or makes an error of them.
        self.file.check.finish(&mut self.findings);
        let target = self.states.remove(&self.plan.target);
        let Some(state) = target.filter(|_| !self.findings.iter().any(Diagnostic::is_error)) else {
            return Err(self.findings);
        };
        let mut config = state.image;
        config.config.labels.extend(self.req.labels.clone());
        if let Some(platform) = &self.req.platform {
            let same = config.os == platform.os && config.architecture == platform.architecture;
            config.os.clone_from(&platform.os);
            config.architecture.clone_from(&platform.architecture);
            if platform.variant.is_some() || !same {
                config.variant.clone_from(&platform.variant);
            }
        }
        Ok(Graph {
            steps: self.steps,
            target: state.step,
            config,
            history: state.history,
            base_history: state.base_history,
            epoch: self.globals.epoch,
            warnings: self.findings,
        })
    }

    /// A stage that `--no-cache-filter` names and that there is not is probably misspelt.
    fn unused_filters(&mut self) {
        for filter in &self.req.no_cache_filter {
            if self.plan.names().any(|name| name.eq_ignore_ascii_case(filter)) {
                continue;
            }
            let message = format!("no stage is named `{filter}` (--no-cache-filter)");
            let help = super::suggest::did_you_mean(filter, self.plan.names());
            let finding = Diagnostic::new(&rules::UNUSED_CACHE_FILTER, 0..0, message);
            self.findings.push(Diagnostic { help, ..finding });
        }
    }

    /// Build arguments that nothing takes up are probably misspelt.
    fn unused_build_args(&mut self) {
        for name in self.req.build_args.keys() {
            if self.used_args.contains(name) || args::is_predefined(name, self.globals) {
                continue;
            }
            let message = format!("no ARG takes up the build argument `{name}`");
            let help = super::suggest::did_you_mean(name, self.used_args.iter().map(String::as_str));
            let finding = Diagnostic::new(&rules::UNUSED_BUILD_ARG, 0..0, message);
            self.findings.push(Diagnostic { help, ..finding });
        }
    }
}
