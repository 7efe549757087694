//! What a Dockerfile says, without a build. Images that are there count; of the others nothing is assumed.

use super::error::BuildError;
use super::request::BuildRequest;
use super::resolve;
use crate::cancel::Cancel;
use crate::images::{self, ImageError};
use parser::diagnostic::Diagnostic;
use snapshotter::store::Store;
use solver::checks::{self, Checked};
use solver::graph::{BaseImage, BaseImages};
use solver::lower::outline::{self, Outline, Outlined};
use solver::lower::{LowerRequest, NeededImage};

/// All findings in the Dockerfile of `request`, for the first platform that it asks for.
///
/// # Errors
/// An image that is there and cannot be read.
pub fn check(store: &Store, request: &BuildRequest, cancel: &Cancel) -> Result<Vec<Diagnostic>, BuildError> {
    let mut known = Known::new(store, request, cancel);
    loop {
        match checks::check(&request.dockerfile, &known.request, &known.bases) {
            Checked::Done(found) => return Ok(found),
            Checked::NeedImages(needed) => known.look_up(needed)?,
        }
    }
}

/// What a build of the target takes: arguments, secrets, agents.
///
/// # Errors
/// Errors in the Dockerfile; an image that is there and cannot be read.
pub fn outline(store: &Store, request: &BuildRequest, cancel: &Cancel) -> Result<Outline, BuildError> {
    let settings = request.build_args.get("BUILDKIT_DOCKERFILE_CHECK").map(String::as_str);
    let parsed = parser::parse_with(&request.dockerfile, settings);
    if parsed.diagnostics.iter().any(Diagnostic::is_error) {
        return Err(BuildError::Dockerfile(parsed.diagnostics));
    }
    let mut known = Known::new(store, request, cancel);
    // Nothing of the outline depends on the time.
    known.request.epoch = Some(None);
    loop {
        match outline::outline(&parsed.file, &request.dockerfile, &known.request, &known.bases) {
            Ok(Outlined::Done(outline)) => return Ok(outline),
            Ok(Outlined::NeedImages(needed)) => known.look_up(needed)?,
            Err(found) => return Err(BuildError::Dockerfile(found)),
        }
    }
}

/// What is known about base images.
struct Known<'a> {
    store: &'a Store,
    cancel: &'a Cancel,
    request: LowerRequest,
    bases: BaseImages,
}

impl<'a> Known<'a> {
    fn new(store: &'a Store, request: &BuildRequest, cancel: &'a Cancel) -> Self {
        let request = resolve::lower_request(request, request.platforms.first());
        Self { store, cancel, request, bases: BaseImages::new() }
    }

    fn look_up(&mut self, needed: Vec<NeededImage>) -> Result<(), BuildError> {
        for NeededImage { reference, platform, .. } in needed {
            match images::resolve_base(self.store, &reference, &platform, self.cancel) {
                Ok(base) => {
                    let layers = base.layers.iter().map(|layer| layer.layer).collect();
                    self.bases.insert((reference, platform), BaseImage { config: base.config, layers });
                }
                Err(ImageError::NoBase(_) | ImageError::Platform { .. }) => {
                    self.request.absent.insert(reference);
                }
                Err(source) => return Err(BuildError::Image { reference, source }),
            }
        }
        Ok(())
    }
}
