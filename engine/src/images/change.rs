//! `import --change`: Dockerfile instructions that only touch the config.

use super::error::ImageError;
use oci::ImageConfig;
use oci::Platform;
use parser::ast::{Dockerfile, Instruction};
use solver::graph::{BaseImage, BaseImages};
use solver::lower::{LowerRequest, Lowered, lower};

/// Names the image under change in the Dockerfile that is made of the changes.
const BASE: &str = "imported";

/// Applies instructions, as a build FROM the image would.
pub(super) fn apply(
    config: &ImageConfig,
    changes: &[String],
    platform: &Platform,
) -> Result<ImageConfig, ImageError> {
    let mut text = format!("FROM {BASE}\n");
    for change in changes {
        check(change)?;
        text.push_str(change);
        text.push('\n');
    }
    let all = || changes.join("; ");
    let bad = |why: String| ImageError::Change { change: all(), why };
    let parsed = parser::parse(&text);
    let base = BaseImage { config: config.clone(), layers: Vec::new() };
    let bases: BaseImages = [((BASE.to_owned(), platform.clone()), base)].into();
    let request =
        LowerRequest { platform: Some(platform.clone()), host: platform.clone(), ..LowerRequest::default() };
    match lower(&parsed.file, &text, &request, &bases) {
        Ok(Lowered::Graph(graph)) => {
            let mut changed = graph.config;
            changed.history.clone_from(&config.history);
            // A build gives every image a PATH; an import only what it is told.
            if !sets_path(&parsed.file) && !config.config.env.iter().any(|pair| pair.starts_with("PATH=")) {
                changed.config.env.retain(|pair| !pair.starts_with("PATH="));
            }
            Ok(changed)
        }
        Ok(Lowered::NeedImages(_)) => Err(bad("it needs an image".into())),
        Ok(Lowered::NeedEpoch(_)) => Err(bad("it needs a time".into())),
        Err(findings) => {
            let why = findings.iter().map(|finding| finding.message.clone()).collect::<Vec<_>>().join("; ");
            Err(bad(why))
        }
    }
}

fn sets_path(file: &Dockerfile) -> bool {
    file.stages.iter().flat_map(|stage| &stage.instructions).any(|instruction| match &instruction.node {
        Instruction::Env(pairs) => pairs.iter().any(|pair| pair.key.node == "PATH"),
        _ => false,
    })
}

/// One change is one instruction, of those that Docker allows here.
fn check(change: &str) -> Result<(), ImageError> {
    let bad = |why: String| ImageError::Change { change: change.to_owned(), why };
    let parsed = parser::parse(&format!("FROM {BASE}\n{change}\n"));
    if let Some(error) = parsed.diagnostics.iter().find(|d| d.is_error()) {
        return Err(bad(error.message.clone()));
    }
    let instructions = match parsed.file.stages.as_slice() {
        [stage] => stage.instructions.as_slice(),
        _ => return Err(bad("FROM is no change".into())),
    };
    match instructions {
        [] => Err(bad("it is empty".into())),
        [one] => match one.node {
            Instruction::Cmd(_)
            | Instruction::Entrypoint(_)
            | Instruction::Env(_)
            | Instruction::Expose(_)
            | Instruction::Healthcheck(_)
            | Instruction::Label(_)
            | Instruction::Onbuild(_)
            | Instruction::Stopsignal(_)
            | Instruction::User(_)
            | Instruction::Volume(_)
            | Instruction::Workdir(_) => Ok(()),
            _ => {
                let known = "CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and \
                             WORKDIR are";
                Err(bad(format!("this instruction is no change; {known}")))
            }
        },
        _ => Err(bad("it has several instructions: give each its own --change".into())),
    }
}
