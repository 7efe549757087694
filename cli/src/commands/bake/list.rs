//! `--list`

use crate::error::CliError;
use crate::output;
use crate::table::render;
use bake::{Definition, Variable};
use serde_json::json;
use std::collections::BTreeMap;

/// Prints targets or variables.
pub(super) fn list(what: &str, definition: &Definition) -> Result<(), CliError> {
    let (mut kind, mut json) = ("", false);
    for field in what.split(',') {
        match field.split_once('=') {
            None => kind = field,
            Some(("type", value)) => kind = value,
            Some(("format", "json")) => json = true,
            Some(("format", "table")) => json = false,
            Some(_) => return Err(CliError::usage(format!("`--list {what}`: `{field}` means nothing"))),
        }
    }
    match kind {
        "targets" => targets(definition, json),
        "variables" => variables(definition, json),
        other => Err(CliError::usage_help(
            format!("`--list {what}`: there is no list of `{other}`"),
            "targets or variables",
        )),
    }
}

fn targets(definition: &Definition, json: bool) -> Result<(), CliError> {
    // Name, description and whether it is a group; `default` first.
    let mut rows: BTreeMap<(bool, &str), (String, bool)> = BTreeMap::new();
    for target in definition.targets.iter().filter(|target| !target.name.starts_with('_')) {
        rows.insert((target.name != "default", &target.name), (target.description.clone(), false));
    }
    for group in definition.groups.iter().filter(|group| !group.name.starts_with('_')) {
        let about = match (group.description.is_empty(), group.targets.is_empty()) {
            (true, false) => group.targets.join(", "),
            _ => group.description.clone(),
        };
        let about = if json { group.description.clone() } else { about };
        rows.insert((group.name != "default", &group.name), (about, true));
    }
    if json {
        let row = |((_, name), (about, group)): (&(bool, &str), &(String, bool))| {
            let mut row = serde_json::Map::new();
            row.insert("name".into(), json!(name));
            if !about.is_empty() {
                row.insert("description".into(), json!(about));
            }
            if *group {
                row.insert("group".into(), json!(true));
            }
            serde_json::Value::Object(row)
        };
        return output::line(&format!("{:#}", rows.iter().map(row).collect::<serde_json::Value>()));
    }
    let rows: Vec<_> = rows.into_iter().map(|((_, name), (about, _))| vec![name.to_owned(), about]).collect();
    output::print(&render(&["TARGET", "DESCRIPTION"], &rows))
}

fn variables(definition: &Definition, json: bool) -> Result<(), CliError> {
    if json {
        let list = serde_json::to_value(&definition.variables).map_err(|error| CliError::failed(&error))?;
        return output::line(&format!("{list:#}"));
    }
    let row = |one: &Variable| {
        let value = one.value.clone().unwrap_or_else(|| "<null>".to_owned());
        vec![one.name.clone(), one.kind.clone(), value, one.description.clone()]
    };
    let rows: Vec<_> = definition.variables.iter().map(row).collect();
    output::print(&render(&["VARIABLE", "TYPE", "VALUE", "DESCRIPTION"], &rows))
}
