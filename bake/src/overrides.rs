//! `--set PATTERN.KEY[+]=VALUE`.

use crate::Lookup;
use crate::entry::{Entry, Kind, Secret, Ssh, go_bool};
use crate::error::Error;
use crate::target::{FIELDS, Target};
use crate::value::Value;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What is set for one key of a target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Override {
    values: Vec<String>,
    append: bool,
}

/// Keys that `--set` has, and does not share with a target block.
const OWN: [&str; 5] = ["load", "push", "platform", "secrets", "extra-hosts"];

/// The overrides of each target.
pub(crate) fn parse(
    sets: &[String],
    targets: &[Target],
    env: Lookup<'_>,
) -> Result<BTreeMap<String, BTreeMap<String, Override>>, Error> {
    let mut all: BTreeMap<String, BTreeMap<String, Override>> = BTreeMap::new();
    for text in sets {
        let (key, value) =
            text.split_once('=').map_or((text.as_str(), None), |(key, value)| (key, Some(value)));
        let (key, append) = key.strip_suffix('+').map_or((key, false), |key| (key, true));
        let bad = |why: &str| {
            Error::new(format!("`--set {text}`: {why}")).help("the form is TARGET.KEY[.NAME][+]=VALUE")
        };
        let (pattern, key) = key.split_once('.').ok_or_else(|| bad("the key of the target is missing"))?;
        let (field, name) = key.split_once('.').map_or((key, None), |(field, name)| (field, Some(name)));
        if matches!(field, "args" | "contexts" | "labels" | "resources" | "secret" | "extra-hosts")
            && name.is_none_or(str::is_empty)
        {
            return Err(bad(&format!("`{field}` wants a name: `{field}.NAME`")));
        }
        let value = match (value, field, name) {
            (Some(value), _, _) => value.to_owned(),
            (None, "args", Some(name)) => match env(name) {
                Some(value) => value,
                None => continue,
            },
            (None, _, _) => return Err(bad("the value is missing")),
        };
        for target in expand(pattern, targets)? {
            let one = all.entry(target).or_default().entry(key.to_owned()).or_default();
            one.append = append;
            one.values.push(value.clone());
        }
    }
    Ok(all)
}

fn expand(pattern: &str, targets: &[Target]) -> Result<Vec<String>, Error> {
    if targets.iter().any(|target| target.name == pattern) {
        return Ok(vec![pattern.to_owned()]);
    }
    let names: Vec<String> =
        targets.iter().map(|target| &target.name).filter(|name| matches(pattern, name)).cloned().collect();
    if names.is_empty() {
        let names = targets.iter().map(|target| target.name.as_str());
        return Err(Error::new(format!("`--set`: no target matches `{pattern}`")).near(pattern, names));
    }
    Ok(names)
}

/// Lays `overrides` over `target`.
pub(crate) fn apply(target: &mut Target, overrides: &BTreeMap<String, Override>) -> Result<(), Error> {
    for (key, given) in overrides {
        let (field, name) = key.split_once('.').map_or((key.as_str(), ""), |(field, name)| (field, name));
        one(target, field, name, given)
            .map_err(|error| Error { message: format!("`--set` of `{key}`: {error}"), ..error })?;
    }
    Ok(())
}

fn one(target: &mut Target, field: &str, name: &str, given: &Override) -> Result<(), Error> {
    let last = || given.values.last().cloned().unwrap_or_default();
    let bool = || go_bool(&last()).ok_or_else(|| Error::new(format!("`{}` is no bool", last())));
    let append = given.append;
    match field {
        "context" => target.context = Some(last()),
        "dockerfile" => target.dockerfile = Some(last()),
        "target" => target.target = Some(last()),
        "call" => target.call = Some(last()),
        "network" => target.network = Some(last()),
        "shm-size" => target.shm_size = Some(last()),
        "no-cache" => target.no_cache = Some(bool()?),
        "pull" => target.pull = Some(bool()?),
        "push" => push(target.output.get_or_insert_default(), bool()?),
        "load" => load(target.output.get_or_insert_default(), bool()?),
        "args" => drop(target.args.insert(name.to_owned(), last())),
        "contexts" => drop(target.contexts.insert(name.to_owned(), last())),
        "labels" => drop(target.labels.insert(name.to_owned(), last())),
        "extra-hosts" => drop(target.extra_hosts.insert(name.to_owned(), last())),
        "resources" => target.resources.get_or_insert_default().set(name, &Value::String(last()))?,
        "secret" => secret(target, name, &last())?,
        "tags" => listed(target.tags.get_or_insert_default(), given.values.clone(), append),
        "platform" => listed(target.platforms.get_or_insert_default(), given.values.clone(), append),
        "no-cache-filter" => listed(&mut target.no_cache_filter, given.values.clone(), append),
        "ulimits" => listed(&mut target.ulimits, given.values.clone(), append),
        "entitlements" => listed(&mut target.entitlements, given.values.clone(), true),
        "annotations" => listed(&mut target.annotations, given.values.clone(), true),
        "attest" => listed(&mut target.attest, entries(Kind::Attest, given)?, true),
        "policy" => listed(&mut target.policy, entries(Kind::Policy, given)?, append),
        "cache-from" => listed(&mut target.cache_from, entries(Kind::Cache, given)?, append),
        "cache-to" => listed(target.cache_to.get_or_insert_default(), entries(Kind::Cache, given)?, append),
        "output" => listed(target.output.get_or_insert_default(), entries(Kind::Output, given)?, append),
        "secrets" => {
            let secrets = given.values.iter().map(|text| Secret::parse(text)).collect::<Result<_, _>>()?;
            listed(&mut target.secret, secrets, append);
        }
        "ssh" => listed(&mut target.ssh, given.values.iter().map(|text| Ssh::parse(text)).collect(), append),
        other => {
            let names = FIELDS.into_iter().chain(OWN);
            return Err(Error::new(format!("a target has no key `{other}`")).near(other, names));
        }
    }
    Ok(())
}

fn listed<T>(list: &mut Vec<T>, values: Vec<T>, append: bool) {
    if !append {
        list.clear();
    }
    list.extend(values);
}

fn entries(kind: Kind, given: &Override) -> Result<Vec<Entry>, Error> {
    let texts = given.values.iter().filter(|text| !text.is_empty());
    let entries: Vec<Vec<Entry>> = texts.map(|text| kind.parse(text)).collect::<Result<_, _>>()?;
    Ok(entries.concat())
}

/// Gives a secret that is there another source.
fn secret(target: &mut Target, id: &str, text: &str) -> Result<(), Error> {
    let next = Secret::parse(text)?;
    if !next.id.is_empty() && next.id != id {
        return Err(Error::new(format!("the secret is called `{id}`, not `{}`", next.id)));
    }
    let secret = target.secret.iter_mut().find(|secret| secret.id == id);
    let secret = secret.ok_or_else(|| Error::new(format!("the target has no secret `{id}`")))?;
    (secret.src, secret.env) = (next.src, next.env);
    Ok(())
}

fn push(outputs: &mut Vec<Entry>, push: bool) {
    if !push {
        outputs.retain(|output| output.kind() != "registry");
    }
    for output in outputs.iter_mut().filter(|output| output.kind() == "image") {
        output.0.insert("push".to_owned(), Json::from(if push { "true" } else { "false" }));
    }
    if push && outputs.iter().all(|output| output.kind() == "docker") {
        outputs.push(Entry::of([("push", "true"), ("type", "image")]));
    }
}

fn load(outputs: &mut Vec<Entry>, load: bool) {
    let stays = |output: &Entry| match output.kind() {
        "docker" => output.get("dest").is_none(),
        "image" | "registry" | "oci" => false,
        _ => true,
    };
    if load && !outputs.iter().any(stays) {
        outputs.push(Entry::of([("type", "docker")]));
    }
}

/// Whether `name` matches `pattern`: `*`, `?` and `[…]`, as Go's path.Match.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    // Whether the pattern up to here matches the name up to each place.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; name.len() + 1];
        match pattern[at] {
            '*' => {
                let mut any = false;
                for (place, slot) in next.iter_mut().enumerate() {
                    any |= reached[place];
                    *slot = any;
                }
                at += 1;
            }
            _ => {
                let Some((end, is)) = single(&pattern, at) else { return false };
                for place in 0..name.len() {
                    next[place + 1] = reached[place] && is(name[place]);
                }
                at = end;
            }
        }
        reached = next;
    }
    reached[name.len()]
}

/// What stands for one character at `at`: where it ends, and what it matches.
fn single(pattern: &[char], at: usize) -> Option<(usize, impl Fn(char) -> bool)> {
    let mut ranges = Vec::new();
    let mut negated = false;
    let mut end = at + 1;
    match pattern[at] {
        '?' => ranges.push(('\0', char::MAX)),
        '\\' => {
            let c = *pattern.get(at + 1)?;
            ranges.push((c, c));
            end = at + 2;
        }
        '[' => {
            negated = pattern.get(end) == Some(&'^');
            end += usize::from(negated);
            while *pattern.get(end)? != ']' || ranges.is_empty() {
                let low = pattern[end];
                let high = match (pattern.get(end + 1), pattern.get(end + 2)) {
                    (Some('-'), Some(high)) if *high != ']' => Some(*high),
                    _ => None,
                };
                ranges.push((low, high.unwrap_or(low)));
                end += if high.is_some() { 3 } else { 1 };
            }
            end += 1;
        }
        c => ranges.push((c, c)),
    }
    Some((end, move |c| ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != negated))
}
