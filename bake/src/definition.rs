//! A definition as a whole, and the targets that are wanted of it.

use crate::compose::{self, Compose};
use crate::error::Error;
use crate::file::{self, Body};
use crate::load::{dedup, load};
use crate::overrides::{self, Override, matches};
use crate::target::{Group, Target};
use crate::{Entry, Facts, File, Lookup};
use std::collections::BTreeMap;

/// A variable as `--list=variables` shows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Its type if one is said.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its value if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What files define.
#[derive(Debug, Default)]
pub struct Definition {
    /// Groups; those of a matrix too.
    pub groups: Vec<Group>,
    /// Targets, not resolved.
    pub targets: Vec<Target>,
    /// Variables by name.
    pub variables: Vec<Variable>,
}

/// The targets that are wanted, with what they inherit and what they link.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Resolved {
    /// Groups by name; `default` holds what was asked for.
    #[serde(rename = "group", skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Group>,
    /// Targets by name.
    #[serde(rename = "target")]
    pub targets: BTreeMap<String, Target>,
}

/// What a file is.
enum Form {
    Hcl,
    Json,
    Compose,
}

impl Definition {
    /// Evaluates `files`, later ones over earlier ones. `lookup` has the values of variables.
    ///
    /// # Errors
    /// Whatever is wrong in a file, with its place.
    pub fn load(files: &[File], lookup: Lookup<'_>, facts: &Facts) -> Result<Self, Error> {
        let (mut bodies, mut composes): (Vec<Body>, Vec<usize>) = (Vec::new(), Vec::new());
        for (at, one) in files.iter().enumerate() {
            match form(&one.name) {
                Some(Form::Hcl) => bodies.push(file::hcl(&one.text, at)?),
                Some(Form::Json) => bodies.push(file::json(&one.text, at)?),
                Some(Form::Compose) => composes.push(at),
                None if one.text.trim_start().starts_with('{') => bodies.push(file::json(&one.text, at)?),
                None if compose::is_compose(&one.text) => composes.push(at),
                None => bodies.push(file::hcl(&one.text, at)?),
            }
        }
        let Compose { mut groups, mut targets } = compose::load(files, &composes, facts, lookup)?;
        let loaded = load(bodies, lookup, facts)?;
        for group in loaded.groups {
            match groups.iter_mut().find(|other| other.name == group.name) {
                Some(other) => *other = group,
                None => groups.push(group),
            }
        }
        for target in loaded.targets {
            match targets.iter_mut().find(|other| other.name == target.name) {
                Some(other) => other.merge(&target),
                None => targets.push(target),
            }
        }
        Ok(Self { groups, targets, variables: loaded.variables })
    }

    /// The targets that `wanted` names (`default` if it is empty), with `sets` (`PATTERN.KEY[+]=VALUE`) over
    /// them. `env` has the values of arguments that are set without one.
    ///
    /// # Errors
    /// A name that is not there, a wrong override, targets that link to each other.
    pub fn resolve(&self, wanted: &[String], sets: &[String], env: Lookup<'_>) -> Result<Resolved, Error> {
        let default = ["default".to_owned()];
        let wanted = if wanted.is_empty() { &default[..] } else { wanted };
        let mut names = Vec::new();
        for name in wanted {
            names.extend(self.matching(&name.replace('.', "_"))?);
        }
        let names = dedup(names);
        let overrides = overrides::parse(sets, &self.targets, env)?;
        let resolver = Resolver { definition: self, overrides };
        let mut out = Resolved::default();
        for name in &names {
            let (targets, groups) = self.members(name, &mut BTreeMap::new());
            for name in dedup(targets) {
                let target = resolver.resolve(&name)?;
                out.targets.insert(name, target);
            }
            for name in groups {
                if let Some(group) = self.groups.iter().find(|group| group.name == name) {
                    out.groups.insert(name, group.clone());
                }
            }
        }
        for name in &names {
            if name != "default" || !out.groups.contains_key("default") {
                out.groups.entry("default".to_owned()).or_default().targets.push(name.clone());
            }
        }
        if let Some(group) = out.groups.get_mut("default") {
            group.targets = dedup(std::mem::take(&mut group.targets));
            group.targets.sort();
        }
        let all: Vec<String> = out.targets.keys().cloned().collect();
        for name in all {
            resolver.link(&name, &mut out.targets, &mut Vec::new())?;
        }
        Ok(out)
    }

    /// Names of targets and groups that `pattern` matches, or `pattern` itself if it is none.
    fn matching(&self, pattern: &str) -> Result<Vec<String>, Error> {
        if !pattern.contains(['*', '?', '[', ']']) {
            return Ok(vec![pattern.to_owned()]);
        }
        let groups = self.groups.iter().map(|group| &group.name);
        let names = groups.chain(self.targets.iter().map(|target| &target.name));
        let names: Vec<String> = names.filter(|name| matches(pattern, name)).cloned().collect();
        match names.is_empty() {
            true => Err(Error::new(format!("no target matches `{pattern}`"))),
            false => Ok(names),
        }
    }

    /// Targets and groups below `name`, each once and in order.
    fn members(&self, name: &str, seen: &mut Members) -> (Vec<String>, Vec<String>) {
        if let Some(known) = seen.get(name) {
            return known.clone();
        }
        let Some(group) = self.groups.iter().find(|group| group.name == name) else {
            return (vec![name.to_owned()], Vec::new());
        };
        seen.insert(name.to_owned(), Default::default());
        let (mut targets, mut groups) = (Vec::new(), vec![name.to_owned()]);
        for member in &group.targets {
            let (below, groups_below) = self.members(member, seen);
            if below.is_empty() {
                targets.push(member.clone());
            }
            targets.extend(below);
            groups.extend(groups_below);
        }
        let found = (dedup(targets), dedup(groups));
        seen.insert(name.to_owned(), found.clone());
        found
    }
}

type Members = BTreeMap<String, (Vec<String>, Vec<String>)>;

fn form(name: &str) -> Option<Form> {
    match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
        "hcl" => Some(Form::Hcl),
        "json" => Some(Form::Json),
        "yml" | "yaml" => Some(Form::Compose),
        _ => None,
    }
}

struct Resolver<'a> {
    definition: &'a Definition,
    overrides: BTreeMap<String, BTreeMap<String, Override>>,
}

impl Resolver<'_> {
    fn resolve(&self, name: &str) -> Result<Target, Error> {
        let mut target = self
            .inherited(name, &mut BTreeMap::new())?
            .ok_or_else(|| Error::new(format!("the target `{name}` inherits itself")))?;
        target.inherits = Vec::new();
        target.context.get_or_insert_with(|| ".".to_owned());
        if target.dockerfile.as_ref().is_none_or(String::is_empty) {
            target.dockerfile = Some("Dockerfile".to_owned());
        }
        Ok(target)
    }

    fn inherited(
        &self,
        name: &str,
        seen: &mut BTreeMap<String, Option<Target>>,
    ) -> Result<Option<Target>, Error> {
        if let Some(known) = seen.get(name) {
            return Ok(known.clone());
        }
        seen.insert(name.to_owned(), None);
        let targets = &self.definition.targets;
        let target = targets.iter().find(|target| target.name == name).ok_or_else(|| {
            let groups = self.definition.groups.iter().map(|group| group.name.as_str());
            let names = targets.iter().map(|target| target.name.as_str()).chain(groups);
            let error = Error::new(format!("there is no target `{name}`")).near(name, names);
            match (name, &error.help) {
                ("default", None) => error.help("name one, or define the group or target `default`"),
                _ => error,
            }
        })?;
        let mut merged = Target::default();
        for base in &target.inherits {
            if let Some(base) = self.inherited(base, seen)? {
                merged.merge(&base);
            }
        }
        merged.merge(target);
        merged.name = name.to_owned();
        if let Some(overrides) = self.overrides.get(name) {
            overrides::apply(&mut merged, overrides)?;
        }
        merged.normalize();
        seen.insert(name.to_owned(), Some(merged.clone()));
        Ok(Some(merged))
    }

    /// Adds the targets that `name` takes as contexts.
    fn link(
        &self,
        name: &str,
        all: &mut BTreeMap<String, Target>,
        path: &mut Vec<String>,
    ) -> Result<(), Error> {
        path.push(name.to_owned());
        let contexts: Vec<String> =
            all.get(name).into_iter().flat_map(|t| t.contexts.values().cloned()).collect();
        for other in contexts.iter().filter_map(|source| source.strip_prefix("target:")) {
            if path.iter().any(|before| before == other) {
                path.push(other.to_owned());
                return Err(Error::new(format!("targets are contexts of each other: {}", path.join(" -> "))));
            }
            if !all.contains_key(other) {
                let mut target = self.resolve(other)?;
                target.output = Some(vec![Entry::of([("type", "cacheonly")])]);
                target.linked = true;
                all.insert(other.to_owned(), target);
            }
            self.link(other, all, path)?;
            let (granted, platforms) = match all.get(other) {
                Some(other) => (other.entitlements.clone(), other.platforms.clone().unwrap_or_default()),
                None => continue,
            };
            let Some(target) = all.get_mut(name) else { continue };
            for one in granted {
                if !target.entitlements.contains(&one) {
                    target.entitlements.push(one);
                }
            }
            let mine = target.platforms.as_deref().unwrap_or_default();
            if mine.len() > 1 && platforms.len() > 1 && !mine.iter().all(|one| platforms.contains(one)) {
                return Err(Error::new(format!(
                    "the target `{name}` is for platforms that `{other}`, its context, is not built for"
                )));
            }
        }
        path.pop();
        Ok(())
    }
}
