//! Compose files: services that are built become targets.

mod build;
mod interpolate;
mod yaml;

use crate::error::{Error, Place};
use crate::target::{Group, Target};
use crate::{Facts, File, Lookup};
use yaml::{Kind, Node};

/// Targets and their group.
#[derive(Debug, Default)]
pub(crate) struct Compose {
    pub(crate) groups: Vec<Group>,
    pub(crate) targets: Vec<Target>,
}

/// Whether `text`, which no name says anything about, is a Compose file.
pub(crate) fn is_compose(text: &str) -> bool {
    yaml::parse(text, 0).is_ok_and(|root| member(&root, "services").is_some())
}

/// Reads the files `at` as one project, later ones over earlier ones.
pub(crate) fn load(
    files: &[File],
    at: &[usize],
    facts: &Facts,
    lookup: Lookup<'_>,
) -> Result<Compose, Error> {
    let outer = |name: &str| if facts.given.iter().any(|given| given == name) { None } else { lookup(name) };
    let own = if at.is_empty() { Vec::new() } else { interpolate::dotenv(&facts.dotenv, &outer)? };
    let from_own = |name: &str| own.iter().rev().find(|(of, _)| of == name).map(|(_, value)| value.clone());
    let env = |name: &str| lookup(name).or_else(|| from_own(name));
    let mut out = Compose::default();
    let (mut services, mut secrets): (Vec<Service>, Vec<(String, Secret)>) = (Vec::new(), Vec::new());
    for &file in at {
        let reader = Reader { file, env: &env };
        let mut root = yaml::parse(&files[file].text, file)?;
        reader.interpolate(&mut root)?;
        reader.file(&root, &mut services, &mut secrets)?;
    }
    if at.is_empty() || services.is_empty() {
        return Ok(out);
    }
    let mut group = Group { name: "default".to_owned(), unbuilt: true, ..Group::default() };
    services.sort_by(|one, other| one.name.cmp(&other.name));
    for service in &services {
        if let Some(target) = build::target(service, &secrets, &env)? {
            group.targets.push(target.name.clone());
            match out.targets.iter_mut().find(|other| other.name == target.name) {
                Some(other) => other.merge(&target),
                None => out.targets.push(target),
            }
        }
    }
    out.groups.push(group);
    Ok(out)
}

/// What the files say of one service.
#[derive(Debug, Default)]
struct Service {
    name: String,
    image: Option<String>,
    /// Each `build`, with its file.
    builds: Vec<(usize, Node)>,
    environment: Vec<(String, Option<String>)>,
    has_env_file: bool,
    place: Option<Place>,
}

/// A secret of the project.
#[derive(Debug, Default, Clone)]
struct Secret {
    file: String,
    environment: String,
    external: bool,
}

struct Reader<'a> {
    file: usize,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn interpolate(&self, node: &mut Node) -> Result<(), Error> {
        let place = self.place(node);
        match &mut node.kind {
            Kind::Scalar(text, _) if text.contains('$') => {
                *text = interpolate::interpolate(text, self.env).map_err(|error| error.at(Some(&place)))?;
                Ok(())
            }
            Kind::Scalar(..) => Ok(()),
            Kind::List(items) => items.iter_mut().try_for_each(|item| self.interpolate(item)),
            Kind::Map(members) => members.iter_mut().try_for_each(|(_, node)| self.interpolate(node)),
        }
    }

    fn place(&self, node: &Node) -> Place {
        Place { file: self.file, at: node.at.clone() }
    }

    fn error(&self, node: &Node, message: impl Into<String>) -> Error {
        Error::new(message).at(Some(&self.place(node)))
    }

    /// The members of a map; none of null.
    fn map<'n>(&self, node: &'n Node, what: &str) -> Result<&'n [(String, Node)], Error> {
        match &node.kind {
            Kind::Map(members) => Ok(members),
            _ if is_null(node) => Ok(&[]),
            _ => Err(self.error(node, format!("{what} is a map"))),
        }
    }

    fn text(&self, node: &Node, what: &str) -> Result<String, Error> {
        scalar(node).ok_or_else(|| self.error(node, format!("{what} is a string")))
    }

    fn file(
        &self,
        root: &Node,
        services: &mut Vec<Service>,
        secrets: &mut Vec<(String, Secret)>,
    ) -> Result<(), Error> {
        let members = self.map(root, "a Compose file")?;
        if let Some((_, node)) = members.iter().find(|(name, _)| name == "include") {
            return Err(self.error(node, "`include` is not supported").help("name the files with `-f`"));
        }
        if !members.iter().any(|(name, _)| name == "services" || name == "secrets") {
            return Err(self.error(root, "the Compose file is empty: it has no `services`"));
        }
        for (name, node) in members {
            match name.as_str() {
                "services" => {
                    for (name, node) in self.map(node, "`services`")? {
                        self.service(name, node, services)?;
                    }
                }
                "secrets" => {
                    for (name, node) in self.map(node, "`secrets`")? {
                        let secret = self.secret(node)?;
                        secrets.retain(|(known, _)| known != name);
                        secrets.push((name.clone(), secret));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn secret(&self, node: &Node) -> Result<Secret, Error> {
        let mut secret = Secret::default();
        for (name, node) in self.map(node, "a secret")? {
            match name.as_str() {
                "file" => secret.file = self.text(node, "`file`")?,
                "environment" => secret.environment = self.text(node, "`environment`")?,
                "external" => secret.external = self.text(node, "`external`")? == "true",
                _ => {}
            }
        }
        Ok(secret)
    }

    fn service(&self, name: &str, node: &Node, services: &mut Vec<Service>) -> Result<(), Error> {
        let at = match services.iter().position(|service| service.name == name) {
            Some(at) => at,
            None => {
                services.push(Service { name: name.to_owned(), ..Service::default() });
                services.len() - 1
            }
        };
        let service = &mut services[at];
        service.place = Some(self.place(node));
        for (key, node) in self.map(node, "a service")? {
            match key.as_str() {
                "image" => service.image = Some(self.text(node, "`image`")?),
                "build" if is_null(node) => {
                    return Err(self.error(node, "`build` has no value").help("write `build: .`"));
                }
                "build" => service.builds.push((self.file, node.clone())),
                "env_file" => service.has_env_file = true,
                "environment" => service.environment.extend(self.pairs(node, "`environment`", &['='])?),
                "extends" => {
                    return Err(self
                        .error(node, "`extends` is not supported")
                        .help("share what services have in common with an anchor and `<<`"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A map, or a list of `NAME=VALUE`.
    fn pairs(
        &self,
        node: &Node,
        what: &str,
        between: &[char],
    ) -> Result<Vec<(String, Option<String>)>, Error> {
        let Kind::List(items) = &node.kind else {
            let members = self.map(node, what)?.iter();
            return members
                .map(|(name, node)| match &node.kind {
                    Kind::List(_) => Ok((name.clone(), Some(self.list(node, what)?.join(",")))),
                    _ if is_null(node) => Ok((name.clone(), None)),
                    _ => Ok((name.clone(), Some(self.text(node, what)?))),
                })
                .collect();
        };
        let pair = |item: &Node| {
            let text = self.text(item, what)?;
            Ok(match text.split_once(between) {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (text, None),
            })
        };
        items.iter().map(pair).collect()
    }

    fn list(&self, node: &Node, what: &str) -> Result<Vec<String>, Error> {
        match &node.kind {
            Kind::List(items) => items.iter().map(|item| self.text(item, what)).collect(),
            _ if is_null(node) => Ok(Vec::new()),
            _ => Err(self.error(node, format!("{what} is a list"))),
        }
    }
}

fn member<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Kind::Map(members) = &node.kind else { return None };
    members.iter().find(|(key, _)| key == name).map(|(_, node)| node)
}

fn is_null(node: &Node) -> bool {
    matches!(&node.kind, Kind::Scalar(text, true) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
}

/// The text of a scalar, numbers and bools as they are usually written.
fn scalar(node: &Node) -> Option<String> {
    let Kind::Scalar(text, plain) = &node.kind else { return None };
    if !plain {
        return Some(text.clone());
    }
    match text.as_str() {
        "True" | "TRUE" => return Some("true".to_owned()),
        "False" | "FALSE" => return Some("false".to_owned()),
        _ => {}
    }
    let number = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let octal = text.strip_prefix("0o").or_else(|| text.strip_prefix('0'));
    let based = [(octal, 8), (text.strip_prefix("0x"), 16), (text.strip_prefix("0b"), 2)];
    for (digits, base) in based {
        if let Some(value) = digits.and_then(|digits| i64::from_str_radix(digits, base).ok()) {
            return Some(value.to_string());
        }
    }
    if number
        && text.parse::<i64>().is_err()
        && let Ok(value) = text.parse::<f64>()
    {
        return Some(value.to_string());
    }
    Some(text.clone())
}
