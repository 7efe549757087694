//! Attributes of a target block.

use super::{Resources, Strings, Target};
use crate::entry::{Entry, Kind, Secret, Ssh};
use crate::error::Error;
use crate::value::{Value, integer, wanted};

/// The attributes of a target block.
pub(crate) const FIELDS: [&str; 31] = [
    "annotations",
    "args",
    "attest",
    "cache-from",
    "cache-to",
    "call",
    "context",
    "contexts",
    "description",
    "dockerfile",
    "dockerfile-inline",
    "entitlements",
    "extra-hosts",
    "inherits",
    "labels",
    "matrix",
    "name",
    "network",
    "no-cache",
    "no-cache-filter",
    "output",
    "platforms",
    "policy",
    "pull",
    "resources",
    "secret",
    "shm-size",
    "ssh",
    "tags",
    "target",
    "ulimits",
];

/// Sets an attribute to `value`.
pub(crate) fn set(target: &mut Target, name: &str, value: &Value) -> Result<(), Error> {
    if *value == Value::Null {
        return Ok(());
    }
    match name {
        "annotations" => target.annotations = strings(value)?,
        "args" => target.args = map(value)?,
        "attest" => target.attest = entries(Kind::Attest, value)?,
        "cache-from" => target.cache_from = entries(Kind::Cache, value)?,
        "cache-to" => target.cache_to = Some(entries(Kind::Cache, value)?),
        "call" => target.call = Some(value.text()?),
        "context" => target.context = Some(value.text()?),
        "contexts" => target.contexts = map(value)?,
        "description" => target.description = value.text()?,
        "dockerfile" => target.dockerfile = Some(value.text()?),
        "dockerfile-inline" => target.dockerfile_inline = Some(value.text()?),
        "entitlements" => target.entitlements = strings(value)?,
        "extra-hosts" => target.extra_hosts = map(value)?,
        "inherits" => target.inherits = strings(value)?,
        "labels" => target.labels = map(value)?,
        "network" => target.network = Some(value.text()?),
        "no-cache" => target.no_cache = Some(value.bool()?),
        "no-cache-filter" => target.no_cache_filter = strings(value)?,
        "output" => target.output = Some(entries(Kind::Output, value)?),
        "platforms" => target.platforms = Some(strings(value)?),
        "policy" => target.policy = entries(Kind::Policy, value)?,
        "pull" => target.pull = Some(value.bool()?),
        "resources" => target.resources = Some(resources(value)?),
        "secret" => target.secret = items(value)?.map(Secret::from_value).collect::<Result<_, _>>()?,
        "shm-size" => target.shm_size = Some(value.text()?),
        "ssh" => target.ssh = items(value)?.map(Ssh::from_value).collect::<Result<_, _>>()?,
        "tags" => target.tags = Some(strings(value)?),
        "target" => target.target = Some(value.text()?),
        "ulimits" => target.ulimits = strings(value)?,
        // They were used before.
        "matrix" | "name" => {}
        other => return Err(Error::new(format!("a target has no attribute `{other}`")).near(other, FIELDS)),
    }
    Ok(())
}

impl Resources {
    pub(crate) fn set(&mut self, name: &str, value: &Value) -> Result<(), Error> {
        let number = || {
            let number = integer(value.number()?);
            number.map(Some).ok_or_else(|| Error::new(format!("`{name}` is a whole number")))
        };
        match name {
            "memory" => self.memory = Some(value.text()?),
            "memory-swap" => self.memory_swap = Some(value.text()?),
            "cpu-shares" => self.cpu_shares = number()?,
            "cpu-period" => self.cpu_period = number()?,
            "cpu-quota" => self.cpu_quota = number()?,
            "cpuset-cpus" => self.cpuset_cpus = Some(value.text()?),
            "cpuset-mems" => self.cpuset_mems = Some(value.text()?),
            other => {
                let names = ["memory", "memory-swap", "cpu-shares", "cpu-period", "cpu-quota", "cpuset-cpus"];
                return Err(Error::new(format!("there is no resource `{other}`")).near(other, names));
            }
        }
        Ok(())
    }
}

/// One of each: as buildx does it, a later equal one is replaced by the last of all.
pub(crate) fn normalize_entries(list: &mut Vec<Entry>) {
    for at in (0..list.len().saturating_sub(1)).rev() {
        if let Some(same) = (at + 1..list.len()).find(|other| list[*other] == list[at]) {
            list.swap_remove(same);
        }
    }
}

fn resources(value: &Value) -> Result<Resources, Error> {
    let mut resources = Resources::default();
    for (name, value) in value.object()?.iter().filter(|(_, value)| **value != Value::Null) {
        resources.set(name, value)?;
    }
    Ok(resources)
}

pub(crate) fn strings(value: &Value) -> Result<Vec<String>, Error> {
    value.list().map_err(|_| wanted("list of strings", value))?.iter().map(Value::text).collect()
}

fn map(value: &Value) -> Result<Strings, Error> {
    let members = value.object().map_err(|_| wanted("map of strings", value))?.iter();
    let members = members.filter(|(_, value)| **value != Value::Null);
    members.map(|(name, value)| Ok((name.clone(), value.text()?))).collect()
}

/// The items but empty strings, which conditions leave.
fn items(value: &Value) -> Result<impl Iterator<Item = &Value>, Error> {
    let items = value.list()?.iter();
    Ok(items.filter(|item| **item != Value::String(String::new()) && **item != Value::Null))
}

fn entries(kind: Kind, value: &Value) -> Result<Vec<Entry>, Error> {
    let entries: Vec<Vec<Entry>> = items(value)?.map(|item| kind.read(item)).collect::<Result<_, _>>()?;
    Ok(entries.concat())
}
