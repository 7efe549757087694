//! A service's `build` as a target.

use super::yaml::{Kind, Node};
use super::{Reader, Secret, Service};
use crate::entry::{Ssh, go_bool};
use crate::error::{Error, Place};
use crate::target::{self, Target};
use crate::value::Value;
use std::collections::BTreeMap;

/// The keys of `build`.
const KEYS: [&str; 25] = [
    "additional_contexts",
    "args",
    "cache_from",
    "cache_to",
    "context",
    "dockerfile",
    "dockerfile_inline",
    "entitlements",
    "extra_hosts",
    "isolation",
    "labels",
    "network",
    "no_cache",
    "no_cache_filter",
    "platforms",
    "privileged",
    "provenance",
    "pull",
    "sbom",
    "secrets",
    "shm_size",
    "ssh",
    "tags",
    "target",
    "ulimits",
];

/// The keys of `x-bake`.
const EXTRA: [&str; 11] = [
    "cache-from",
    "cache-to",
    "contexts",
    "no-cache",
    "no-cache-filter",
    "output",
    "platforms",
    "pull",
    "secret",
    "ssh",
    "tags",
];

/// The target of `service`, if it is built.
pub(super) fn target(
    service: &Service,
    secrets: &[(String, Secret)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Target>, Error> {
    if service.builds.is_empty() {
        return Ok(None);
    }
    let name = service.name.replace('.', "_");
    crate::load::valid_name(&name).map_err(|error| error.at(service.place.as_ref()))?;
    let mut build = Build { target: Target { name, ..Target::default() }, service, secrets, env };
    for (file, node) in &service.builds {
        build.add(&Reader { file: *file, env }, node)?;
    }
    for (file, node) in &service.builds {
        if let Some(node) = super::member(node, "x-bake") {
            build.extra(&Reader { file: *file, env }, node)?;
        }
    }
    let mut target = build.target;
    if target.dockerfile.is_some() && target.dockerfile_inline.is_some() {
        return Err(Error::new("a service has `dockerfile` or `dockerfile_inline`, not both")
            .at(service.place.as_ref()));
    }
    if target.tags.as_ref().is_none_or(Vec::is_empty) {
        target.tags = service.image.clone().map(|image| vec![image]);
    }
    target.attest.sort_by(|one, other| other.kind().cmp(one.kind()));
    target.ssh.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(Some(target))
}

struct Build<'a> {
    target: Target,
    service: &'a Service,
    secrets: &'a [(String, Secret)],
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl Build<'_> {
    fn add(&mut self, reader: &Reader<'_>, node: &Node) -> Result<(), Error> {
        if let Kind::Scalar(..) = node.kind {
            self.target.context = Some(reader.text(node, "`build`")?);
            return Ok(());
        }
        for (key, node) in reader.map(node, "`build`")? {
            if key.starts_with("x-") {
                continue;
            }
            if !KEYS.contains(&key.as_str()) {
                return Err(reader.error(node, format!("`build` has no `{key}`")).near(key, KEYS));
            }
            let place = reader.place(node);
            if !super::is_null(node) {
                self.key(reader, key, node).map_err(|error| error.at(Some(&place)))?;
            }
        }
        Ok(())
    }

    /// Lays one attribute over what is known.
    fn set(&mut self, name: &str, value: &Value, place: Place) -> Result<(), Error> {
        let mut one = Target::default();
        target::set(&mut one, name, value)?;
        for (mine, theirs) in
            [(&self.target.tags, &mut one.tags), (&self.target.platforms, &mut one.platforms)]
        {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                *theirs = crate::load::dedup([mine.as_slice(), theirs.as_slice()].concat());
            }
        }
        for (mine, theirs) in
            [(&self.target.cache_to, &mut one.cache_to), (&self.target.output, &mut one.output)]
        {
            if let (Some(mine), Some(theirs)) = (mine, theirs) {
                *theirs = [mine.as_slice(), theirs.as_slice()].concat();
            }
        }
        one.places.insert(name.to_owned(), place);
        self.target.merge(&one);
        Ok(())
    }

    fn key(&mut self, reader: &Reader<'_>, key: &str, node: &Node) -> Result<(), Error> {
        let what = format!("`{key}`");
        let place = reader.place(node);
        let name = key.replace('_', "-");
        let value = match key {
            "context" | "dockerfile" | "dockerfile_inline" | "target" | "network" => {
                match reader.text(node, &what)? {
                    text if text.is_empty() => return Ok(()),
                    text => Value::String(text),
                }
            }
            "no_cache" | "pull" => match go_bool(&reader.text(node, &what)?) {
                Some(true) => Value::Bool(true),
                Some(false) => return Ok(()),
                None => return Err(reader.error(node, format!("{what} is `true` or `false`"))),
            },
            "tags" | "platforms" | "cache_from" | "cache_to" => list(reader.list(node, &what)?),
            "args" => object(
                reader
                    .pairs(node, &what, &['='])?
                    .into_iter()
                    .map(|(name, value)| {
                        let value = match value {
                            Some(value) => Some(value),
                            None => self.argument(&name)?,
                        };
                        Ok((name, value))
                    })
                    .collect::<Result<_, Error>>()?,
            ),
            "labels" => object(defined(reader.pairs(node, &what, &['='])?)),
            "extra_hosts" => object(hosts(reader.pairs(node, &what, &['=', ':'])?)),
            "additional_contexts" => return self.contexts(&reader.pairs(node, &what, &['='])?, place),
            "shm_size" => Value::String(size(&reader.text(node, &what)?)?),
            "ulimits" => list(ulimits(reader, node)?),
            "secrets" => return self.secret(reader, node),
            "ssh" => return self.ssh(reader, node),
            "sbom" | "provenance" => {
                let text = reader.text(node, &what)?;
                let text = match go_bool(&text) {
                    Some(on) => format!("type={key},disabled={}", !on),
                    None => format!("type={key},{text}"),
                };
                return self.set("attest", &list(vec![text]), place);
            }
            other => {
                return Err(Error::new(format!("`{other}` of a Compose service is not supported"))
                    .help("write the target in a docker-bake.hcl beside"));
            }
        };
        self.set(&name, &value, place)
    }

    /// The value of an argument without one.
    fn argument(&self, name: &str) -> Result<Option<String>, Error> {
        if let Some((_, Some(value))) = self.service.environment.iter().rev().find(|(of, _)| of == name) {
            return Ok(Some(value.clone()));
        }
        if self.service.has_env_file {
            return Err(Error::new(format!("`{name}` would come from `env_file`, which is not supported"))
                .help("give it a value, or set it in `environment`"));
        }
        Ok((self.env)(name))
    }

    fn contexts(&mut self, pairs: &[(String, Option<String>)], place: Place) -> Result<(), Error> {
        let source = |source: &str| match source.split_once(':') {
            Some(("service" | "target", name)) => format!("target:{}", name.replace('.', "_")),
            None if !source.is_empty() => crate::clean(source),
            _ => source.to_owned(),
        };
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), value.as_deref().map(source)));
        self.set("contexts", &object(pairs.collect()), place)
    }

    fn secret(&mut self, reader: &Reader<'_>, node: &Node) -> Result<(), Error> {
        let Kind::List(items) = &node.kind else { return Err(reader.error(node, "`secrets` is a list")) };
        for item in items {
            let id = match super::member(item, "source") {
                Some(source) => reader.text(source, "`source`")?,
                None => reader.text(item, "a secret")?,
            };
            let known = self.secrets.iter().find(|(name, _)| *name == id).map(|(_, secret)| secret.clone());
            let Some(known) = known else {
                let names = self.secrets.iter().map(|(name, _)| name.as_str());
                return Err(reader.error(item, format!("there is no secret `{id}`")).near(&id, names));
            };
            if known.external {
                return Err(reader.error(item, format!("the secret `{id}` is external: it cannot be read")));
            }
            let place = reader.place(item);
            self.target.places.insert("secret".to_owned(), place);
            let src = if known.file.is_empty() { known.file } else { crate::clean(&known.file) };
            let secret = crate::Secret { id, src, env: known.environment };
            self.target.secret.push(secret);
        }
        Ok(())
    }

    fn ssh(&mut self, reader: &Reader<'_>, node: &Node) -> Result<(), Error> {
        let place = reader.place(node);
        let keys = reader.pairs(node, "`ssh`", &['='])?;
        self.target
            .ssh
            .extend(keys.into_iter().map(|(id, path)| Ssh { id, paths: path.into_iter().collect() }));
        self.target.places.insert("ssh".to_owned(), place);
        Ok(())
    }

    fn extra(&mut self, reader: &Reader<'_>, node: &Node) -> Result<(), Error> {
        for (key, node) in reader.map(node, "`x-bake`")? {
            let place = reader.place(node);
            if !EXTRA.contains(&key.as_str()) {
                return Err(reader.error(node, format!("`x-bake` has no `{key}`")).near(key, EXTRA));
            }
            if key == "contexts" {
                self.contexts(&reader.pairs(node, "`contexts`", &['='])?, place)?;
                continue;
            }
            let value = match (&node.kind, key.as_str()) {
                (Kind::List(_), _) => list(reader.list(node, &format!("`{key}`"))?),
                (_, "pull" | "no-cache") => Value::String(reader.text(node, &format!("`{key}`"))?),
                _ => list(reader.text(node, key)?.split_whitespace().map(str::to_owned).collect()),
            };
            self.set(key, &value, place.clone()).map_err(|error| error.at(Some(&place)))?;
        }
        Ok(())
    }
}

fn list(items: Vec<String>) -> Value {
    Value::List(items.into_iter().map(Value::String).collect())
}

fn object(pairs: Vec<(String, Option<String>)>) -> Value {
    let value = |value: Option<String>| value.map_or(Value::Null, Value::String);
    Value::Object(pairs.into_iter().map(|(name, one)| (name, value(one))).collect())
}

/// Pairs whose value is empty where there is none.
fn defined(pairs: Vec<(String, Option<String>)>) -> Vec<(String, Option<String>)> {
    pairs.into_iter().map(|(name, value)| (name, value.or(Some(String::new())))).collect()
}

/// One pair for each name, its addresses with commas between them.
fn hosts(pairs: Vec<(String, Option<String>)>) -> Vec<(String, Option<String>)> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs {
        all.entry(name).or_default().extend(value);
    }
    all.into_iter().map(|(name, values)| (name, Some(values.join(",")))).collect()
}

fn ulimits(reader: &Reader<'_>, node: &Node) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for (name, node) in reader.map(node, "`ulimits`")? {
        let part = |part: &str| super::member(node, part).map(|node| reader.text(node, part)).transpose();
        // As buildx does it: a limit that is one number is none.
        let (soft, hard) = (part("soft")?, part("hard")?);
        let (soft, hard) = (soft.unwrap_or_else(|| "0".into()), hard.unwrap_or_else(|| "0".into()));
        all.push(format!("{name}={soft}:{hard}"));
    }
    all.sort();
    Ok(all)
}

/// A size as buildx writes it.
fn size(text: &str) -> Result<String, Error> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let power = match text[end..].trim().trim_end_matches('b').trim_end_matches('i') {
        "" => Some(0),
        "k" => Some(1),
        "m" => Some(2),
        "g" => Some(3),
        "t" => Some(4),
        _ => None,
    };
    let (Ok(number), Some(power)) = (text[..end].parse::<f64>(), power) else {
        return Err(Error::new(format!("`{text}` is no size")).help("write a number and k, m or g"));
    };
    let mut number = (number * 1024_f64.powi(power)).floor();
    let mut unit = 0;
    while number >= 1024.0 && unit < 4 {
        number /= 1024.0;
        unit += 1;
    }
    let whole = number.to_string().split('.').next().map_or(1, str::len);
    let rounded = format!("{number:.*}", 4_usize.saturating_sub(whole));
    let rounded = match rounded.contains('.') {
        true => rounded.trim_end_matches('0').trim_end_matches('.'),
        false => rounded.as_str(),
    };
    Ok(format!("{rounded}{}", ["B", "KiB", "MiB", "GiB", "TiB"][unit]))
}
