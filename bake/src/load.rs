//! Blocks to groups and targets: what names mean, each looked up when it is first needed.

mod variables;

use crate::definition::Variable;
use crate::error::Error;
use crate::eval::{Bound, Expr, UserFunction, World, eval};
use crate::file::{Attribute, Block, Body};
use crate::target::{self, FIELDS, Group, Target};
use crate::value::Value;
use crate::{Facts, Lookup, funcs};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use variables::VariableBlock;

/// The work that one definition may take: enough for thousands of targets.
const BUDGET: usize = 5_000_000;

/// More targets than this no matrix makes.
const MAX_MATRIX: usize = 10_000;

/// Everything that HCL and JSON files say.
pub(crate) struct Loaded {
    pub(crate) groups: Vec<Group>,
    pub(crate) targets: Vec<Target>,
    pub(crate) variables: Vec<Variable>,
}

/// One target of a block: what its matrix binds.
#[derive(Debug, Clone)]
struct Instance {
    name: String,
    bound: Bound,
}

struct Loader<'a> {
    lookup: Lookup<'a>,
    facts: &'a Facts,
    builtin: BTreeMap<String, String>,
    variables: BTreeMap<String, VariableBlock>,
    locals: BTreeMap<String, Attribute>,
    functions: BTreeMap<String, Rc<UserFunction>>,
    blocks: Vec<Block>,
    instances: RefCell<Vec<Option<Rc<Vec<Instance>>>>>,
    values: RefCell<BTreeMap<String, Value>>,
    running: RefCell<Vec<String>>,
    budget: Cell<usize>,
}

/// Evaluates the files' bodies.
pub(crate) fn load(bodies: Vec<Body>, lookup: Lookup<'_>, facts: &Facts) -> Result<Loaded, Error> {
    let mut loader = Loader {
        lookup,
        facts,
        builtin: [
            ("BAKE_CMD_CONTEXT".to_owned(), "cwd://".to_owned()),
            ("BAKE_LOCAL_PLATFORM".to_owned(), facts.platform.clone()),
        ]
        .into(),
        variables: BTreeMap::new(),
        locals: BTreeMap::new(),
        functions: BTreeMap::new(),
        blocks: Vec::new(),
        instances: RefCell::default(),
        values: RefCell::default(),
        running: RefCell::default(),
        budget: Cell::new(BUDGET),
    };
    bodies.into_iter().try_for_each(|body| loader.add(body))?;
    loader.run()
}

impl Loader<'_> {
    fn add(&mut self, body: Body) -> Result<(), Error> {
        for attribute in body.attributes {
            self.locals.insert(attribute.name.clone(), attribute);
        }
        for block in body.blocks {
            let label = match (block.labels.as_slice(), block.kind.as_str()) {
                ([label], "group" | "target" | "variable" | "function") => label.clone(),
                (_, "group" | "target" | "variable" | "function") => {
                    return Err(Error::new(format!("`{}` blocks have one label: their name", block.kind))
                        .at(Some(&block.place)));
                }
                _ => {
                    let error = Error::new(format!("there are no `{}` blocks", block.kind));
                    let names = ["group", "target", "variable", "function"];
                    return Err(error.near(&block.kind, names).at(Some(&block.place)));
                }
            };
            match block.kind.as_str() {
                "variable" if self.builtin.contains_key(&label) => {}
                "variable" => drop(self.variables.insert(label.clone(), VariableBlock::new(&label, block)?)),
                "function" => drop(self.functions.insert(label.clone(), function(&label, &block)?)),
                _ => {
                    valid_name(&label).map_err(|error| error.at(Some(&block.place)))?;
                    self.blocks.push(block);
                }
            }
        }
        Ok(())
    }

    fn run(self) -> Result<Loaded, Error> {
        *self.instances.borrow_mut() = vec![None; self.blocks.len()];
        for (name, block) in &self.variables {
            self.variable(name).map_err(|error| error.at(Some(&block.place)))?;
        }
        for block in self.variables.values() {
            self.validate(block)?;
        }
        let (mut groups, mut targets): (Vec<Group>, Vec<Target>) = (Vec::new(), Vec::new());
        let mut renamed: Vec<(String, Vec<String>)> = Vec::new();
        for (at, block) in self.blocks.iter().enumerate() {
            if block.kind == "group" {
                let group = self.group(block)?;
                match groups.iter_mut().find(|other| other.name == group.name) {
                    Some(other) => *other = group,
                    None => groups.push(group),
                }
                continue;
            }
            let label = block.labels.first().cloned().unwrap_or_default();
            for instance in self.instances(at)?.iter() {
                let target = self.target(block, instance)?;
                match renamed.iter_mut().find(|(old, _)| *old == label) {
                    Some((_, new)) => new.push(target.name.clone()),
                    None => renamed.push((label.clone(), vec![target.name.clone()])),
                }
                match targets.iter_mut().find(|other| other.name == target.name) {
                    Some(other) => other.merge(&target),
                    None => targets.push(target),
                }
            }
        }
        for (name, attribute) in &self.locals {
            self.variable(name).map_err(|error| error.at(Some(&attribute.place)))?;
        }
        groups.extend(renamed.into_iter().filter_map(|(name, targets)| {
            let targets = dedup(targets);
            (targets.as_slice() != [name.as_str()]).then(|| Group { name, targets, ..Group::default() })
        }));
        groups.iter_mut().for_each(|group| group.targets = dedup(std::mem::take(&mut group.targets)));
        let variables = self.variables.values().map(|block| self.listed(block)).collect();
        Ok(Loaded { groups, targets, variables })
    }

    fn group(&self, block: &Block) -> Result<Group, Error> {
        let name = block.labels.first().cloned().unwrap_or_default();
        let mut group = Group { name, ..Group::default() };
        no_blocks(&block.body)?;
        for attribute in &block.body.attributes {
            let place = Some(&attribute.place);
            let value = || eval(self, &attribute.value, &Vec::new()).map_err(|error| error.at(place));
            match attribute.name.as_str() {
                "targets" => {
                    group.targets = target::strings(&value()?).map_err(|error| error.at(place))?;
                }
                "description" => group.description = value()?.text().map_err(|error| error.at(place))?,
                other @ ("matrix" | "name") => {
                    return Err(Error::new(format!("a group has no `{other}`"))
                        .help("give it to a target")
                        .at(place));
                }
                other => {
                    let error = Error::new(format!("a group has no attribute `{other}`"));
                    return Err(error.near(other, ["targets", "description"]).at(place));
                }
            }
        }
        if block.body.attribute("targets").is_none() {
            return Err(Error::new("a group has `targets`").at(Some(&block.place)));
        }
        Ok(group)
    }

    fn target(&self, block: &Block, instance: &Instance) -> Result<Target, Error> {
        no_blocks(&block.body)?;
        let mut target = Target { name: instance.name.clone(), ..Target::default() };
        for attribute in &block.body.attributes {
            let place = Some(&attribute.place);
            if !FIELDS.contains(&attribute.name.as_str()) {
                let error = Error::new(format!("a target has no attribute `{}`", attribute.name));
                return Err(error.near(&attribute.name, FIELDS).at(place));
            }
            let value = self.attribute(block, instance, attribute)?;
            target.places.insert(attribute.name.clone(), attribute.place.clone());
            target::set(&mut target, &attribute.name, &value)
                .map_err(|error| error.at(attribute.value.place().as_ref().or(place)))?;
        }
        Ok(target)
    }

    fn attribute(&self, block: &Block, instance: &Instance, attribute: &Attribute) -> Result<Value, Error> {
        if matches!(attribute.name.as_str(), "matrix" | "name") {
            return Ok(Value::Null);
        }
        let key = format!("{}.{}.{}", block.kind, instance.name, attribute.name);
        self.guard(&key, || eval(self, &attribute.value, &instance.bound))
            .map_err(|error| error.at(Some(&attribute.place)))
    }

    /// Runs `work` unless it is running already.
    fn guard<T>(&self, key: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        if self.running.borrow().iter().any(|running| running == key) {
            let mut chain = self.running.borrow().clone();
            chain.push(key.to_owned());
            return Err(Error::new(format!("`{key}` needs itself: {}", chain.join(" -> "))));
        }
        if self.running.borrow().len() >= MAX_CHAIN {
            return Err(Error::spent(format!("`{key}` is too many references away")));
        }
        self.running.borrow_mut().push(key.to_owned());
        let result = work();
        self.running.borrow_mut().pop();
        result
    }

    fn instances(&self, at: usize) -> Result<Rc<Vec<Instance>>, Error> {
        if let Some(known) = &self.instances.borrow()[at] {
            return Ok(Rc::clone(known));
        }
        let block = &self.blocks[at];
        let label = block.labels.first().cloned().unwrap_or_default();
        let all = self.guard(&format!("the matrix of {label}"), || {
            let rows = match block.body.attribute("matrix") {
                Some(matrix) => self.matrix(matrix)?,
                None => vec![Vec::new()],
            };
            let name = block.body.attribute("name");
            if let (Some(name), None) = (name, block.body.attribute("matrix")) {
                return Err(Error::new("`name` goes with `matrix`").at(Some(&name.place)));
            }
            let mut all: Vec<Instance> = Vec::new();
            for bound in rows {
                let place = name.map_or(&block.place, |name| &name.place);
                let name = match name {
                    Some(name) => eval(self, &name.value, &bound)?.text(),
                    None => Ok(label.clone()),
                };
                let name = name.and_then(|name| valid_name(&name).map(|()| name));
                let name = name.map_err(|error| error.at(Some(place)))?;
                if all.iter().any(|other| other.name == name) {
                    return Err(Error::new(format!("two targets of the matrix are called `{name}`"))
                        .help("make `name` differ by all that the matrix varies")
                        .at(Some(place)));
                }
                all.push(Instance { name, bound });
            }
            Ok(all)
        })?;
        let all = Rc::new(all);
        self.instances.borrow_mut()[at] = Some(Rc::clone(&all));
        Ok(all)
    }

    fn matrix(&self, matrix: &Attribute) -> Result<Vec<Bound>, Error> {
        let at = |error: Error| error.at(matrix.value.place().as_ref());
        let value = eval(self, &matrix.value, &Vec::new())?;
        let mut rows: Vec<Bound> = vec![Vec::new()];
        for (name, values) in value.object().map_err(at)? {
            let values: Vec<&Value> = match values {
                Value::List(items) => items.iter().collect(),
                Value::Object(members) => members.values().collect(),
                other => return Err(at(crate::value::wanted("list", other))),
            };
            if rows.len().saturating_mul(values.len()) > MAX_MATRIX {
                return Err(at(Error::spent(format!("the matrix makes more than {MAX_MATRIX} targets"))));
            }
            let with = |value: &Value, row: &Bound| {
                let mut row = row.clone();
                row.push((name.clone(), value.clone()));
                row
            };
            rows = values.iter().flat_map(|value| rows.iter().map(|row| with(value, row))).collect();
        }
        Ok(rows)
    }
}

/// How long a chain of references may be: a stack ends somewhere.
const MAX_CHAIN: usize = 64;

impl World for Loader<'_> {
    fn variable(&self, name: &str) -> Result<Value, Error> {
        if let Some(value) = self.values.borrow().get(name) {
            return Ok(value.clone());
        }
        if let Some(value) = self.builtin.get(name) {
            return Ok(Value::String(value.clone()));
        }
        let value = self.guard(name, || match (self.locals.get(name), self.variables.get(name)) {
            (Some(local), None) => eval(self, &local.value, &Vec::new()),
            (local, Some(block)) => self.value_of(block, local.map(|local| &local.value)),
            (None, None) => {
                let names = self.variables.keys().chain(self.locals.keys()).map(String::as_str);
                Err(Error::new(format!("there is no variable `{name}`")).near(name, names))
            }
        })?;
        self.values.borrow_mut().insert(name.to_owned(), value.clone());
        Ok(value)
    }

    fn function(&self, name: &str) -> Option<Rc<UserFunction>> {
        // buildx's own come first.
        if funcs::names().any(|known| known == name) {
            return None;
        }
        self.functions.get(name).cloned()
    }

    fn function_names(&self) -> Vec<String> {
        self.functions.keys().cloned().collect()
    }

    fn block(&self, kind: &str, name: &str, attribute: Option<&str>) -> Option<Result<Value, Error>> {
        if !matches!(kind, "target" | "group") {
            return None;
        }
        Some(self.block_value(kind, name, attribute))
    }

    fn facts(&self) -> &Facts {
        self.facts
    }

    fn budget(&self) -> &Cell<usize> {
        &self.budget
    }
}

impl Loader<'_> {
    fn block_value(&self, kind: &str, name: &str, attribute: Option<&str>) -> Result<Value, Error> {
        let mut found = None;
        for (at, block) in self.blocks.iter().enumerate().filter(|(_, block)| block.kind == kind) {
            let plain = kind == "group" || block.body.attribute("matrix").is_none();
            if plain {
                if block.labels.iter().any(|label| label == name) {
                    found = Some((block, Instance { name: name.to_owned(), bound: Vec::new() }));
                }
            } else if let Some(instance) = self.instances(at)?.iter().find(|one| one.name == name) {
                found = Some((block, instance.clone()));
            }
        }
        let Some((block, instance)) = found else {
            let names = self.blocks.iter().filter(|block| block.kind == kind);
            let names = names.filter_map(|block| block.labels.first()).map(String::as_str);
            return Err(Error::new(format!("there is no {kind} `{name}`")).near(name, names));
        };
        match attribute {
            Some("name") => Ok(Value::String(instance.name)),
            Some(attribute) => match block.body.attribute(attribute) {
                Some(attribute) => self.attribute(block, &instance, attribute),
                None if FIELDS.contains(&attribute) || attribute == "targets" => Ok(Value::Null),
                None => {
                    let error = Error::new(format!("a {kind} has no attribute `{attribute}`"));
                    Err(error.near(attribute, FIELDS))
                }
            },
            None => {
                let each = block.body.attributes.iter();
                let each = each.map(|one| Ok((one.name.clone(), self.attribute(block, &instance, one)?)));
                let mut all: BTreeMap<String, Value> = each.collect::<Result<_, Error>>()?;
                all.insert("name".to_owned(), Value::String(instance.name.clone()));
                Ok(Value::Object(all))
            }
        }
    }
}

fn function(name: &str, block: &Block) -> Result<Rc<UserFunction>, Error> {
    no_blocks(&block.body)?;
    let (mut params, mut variadic, mut result) = (None, None, None);
    for attribute in &block.body.attributes {
        let bad = || Error::new("names of parameters are required").at(Some(&attribute.place));
        match attribute.name.as_str() {
            "params" => params = Some(names(&attribute.value).ok_or_else(bad)?),
            "variadic_param" | "variadic_params" => {
                variadic = Some(keyword(&attribute.value.tree).ok_or_else(bad)?);
            }
            "result" => result = Some(attribute.value.clone()),
            other => {
                let error = Error::new(format!("a function has no attribute `{other}`"));
                return Err(error
                    .near(other, ["params", "variadic_params", "result"])
                    .at(Some(&attribute.place)));
            }
        }
    }
    let missing = |what| Error::new(format!("the function `{name}` has no `{what}`")).at(Some(&block.place));
    let (params, result) =
        (params.ok_or_else(|| missing("params"))?, result.ok_or_else(|| missing("result"))?);
    Ok(Rc::new(UserFunction { name: name.to_owned(), params, variadic, result }))
}

fn names(list: &Expr) -> Option<Vec<String>> {
    list.tree.as_array()?.iter().map(keyword).collect()
}

fn keyword(expr: &hcl_edit::expr::Expression) -> Option<String> {
    expr.as_variable().map(|name| name.as_str()).or_else(|| expr.as_str()).map(str::to_owned)
}

fn no_blocks(body: &Body) -> Result<(), Error> {
    match body.blocks.first() {
        None => Ok(()),
        Some(block) => Err(Error::new(format!("there are no `{}` blocks here", block.kind))
            .help("an attribute is written with `=`")
            .at(Some(&block.place))),
    }
}

pub(crate) fn valid_name(name: &str) -> Result<(), Error> {
    let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(valid) {
        return Err(Error::new(format!("`{name}` is no name of a target or group"))
            .help("names are of letters, digits, `_` and `-`"));
    }
    Ok(())
}

/// Leaves out what comes again.
pub(crate) fn dedup(list: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    list.into_iter().filter(|item| seen.insert(item.clone())).collect()
}
