//! Annotations of an output: of which document, and for which platform.

use oci::Platform;
use std::collections::BTreeMap;

/// What an annotation stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnnotationKind {
    /// The manifest.
    Manifest,
    /// The manifest's descriptor, in the index that names it.
    ManifestDescriptor,
    /// The index of several platforms' images.
    Index,
    /// The index's own descriptor, in `index.json`.
    IndexDescriptor,
}

/// One annotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// Where it stands.
    pub kind: AnnotationKind,
    /// Of this platform's image alone.
    pub platform: Option<Platform>,
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl AnnotationKind {
    /// As written before `:` or after `annotation-`.
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "manifest" => AnnotationKind::Manifest,
            "manifest-descriptor" => AnnotationKind::ManifestDescriptor,
            "index" => AnnotationKind::Index,
            "index-descriptor" => AnnotationKind::IndexDescriptor,
            _ => return None,
        })
    }
}

impl Annotation {
    /// `[TYPE[PLATFORM],…:]KEY=VALUE`, as `--annotation` has it: one for each type.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_flag(text: &str) -> Result<Vec<Annotation>, String> {
        let Some((name, value)) = text.split_once('=') else {
            return Err("it is not of the form [TYPE:]KEY=VALUE".into());
        };
        let one = |kind, platform, key: &str| Annotation {
            kind,
            platform,
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let Some((types, key)) = name.split_once(':') else {
            return filled(name).map(|key| vec![one(AnnotationKind::Manifest, None, key)]);
        };
        let key = filled(key)?;
        types.split(',').map(|text| kind(text).map(|(kind, platform)| one(kind, platform, key))).collect()
    }

    /// A field of `--output`: `annotation[-TYPE][[PLATFORM]].KEY`. `None` if it is another field.
    pub(super) fn parse_field(field: &str, value: &str) -> Option<Result<Annotation, String>> {
        let rest = field.strip_prefix("annotation")?;
        // A platform's brackets hold no dot; a key may.
        let (head, key) = rest.split_once('.')?;
        let text = match head.strip_prefix('-') {
            Some(text) => text.to_owned(),
            None if head.is_empty() || head.starts_with('[') => format!("manifest{head}"),
            None => return None,
        };
        let parsed = kind(&text).and_then(|(kind, platform)| {
            let key = filled(key)?.to_owned();
            Ok(Annotation { kind, platform, key, value: value.to_owned() })
        });
        Some(parsed)
    }

    /// Those of `all` that stand in this document, of this platform.
    pub(super) fn of(
        all: &[Annotation],
        kind: AnnotationKind,
        platform: Option<&Platform>,
    ) -> BTreeMap<String, String> {
        let fits = |annotation: &&Annotation| {
            annotation.kind == kind
                && annotation.platform.as_ref().is_none_or(|wanted| Some(wanted) == platform)
        };
        // One for the platform goes before one for all.
        let (mine, common): (Vec<_>, Vec<_>) =
            all.iter().filter(fits).partition(|annotation| annotation.platform.is_some());
        common.into_iter().chain(mine).map(|a| (a.key.clone(), a.value.clone())).collect()
    }
}

fn filled(key: &str) -> Result<&str, String> {
    if key.is_empty() { Err("the annotation's name is empty".into()) } else { Ok(key) }
}

/// `manifest-descriptor[linux/arm64]`
fn kind(text: &str) -> Result<(AnnotationKind, Option<Platform>), String> {
    let (name, platform) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, platform)) => (name, Some(platform)),
        None => (text, None),
    };
    let kind = AnnotationKind::parse(name).ok_or_else(|| {
        format!("`{name}` is none of manifest, manifest-descriptor, index and index-descriptor")
    })?;
    let platform = platform.map(|text| text.parse::<Platform>().map_err(|error| error.to_string()));
    Ok((kind, platform.transpose()?))
}
