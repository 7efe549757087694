//! Lists, sets and maps.

use super::{Function, MANY, count, list, order, size, whole};
use crate::error::Error;
use crate::value::Value;
use std::collections::BTreeMap;

/// A range of more numbers is none.
const MAX_RANGE: usize = 1024;

pub(super) const TABLE: &[Function] = &[
    ("chunklist", 2, 2, |a, _| {
        let of = a[0].list()?;
        let by = size(&a[1])?;
        Ok(list(of.chunks(if by == 0 { of.len().max(1) } else { by }).map(|part| Value::List(part.to_vec()))))
    }),
    ("coalesce", 1, MANY, |a, _| {
        let found = a.iter().find(|value| **value != Value::Null);
        found.cloned().ok_or_else(|| Error::new("all arguments are null"))
    }),
    ("coalescelist", 1, MANY, |a, _| {
        for one in a {
            if !one.list()?.is_empty() {
                return Ok(one.clone());
            }
        }
        Err(Error::new("all lists are empty"))
    }),
    ("compact", 1, 1, |a, _| {
        Ok(list(
            a[0].list()?
                .iter()
                .filter(|item| {
                    !matches!(item, Value::String(text) if text.is_empty()) && **item != Value::Null
                })
                .cloned(),
        ))
    }),
    ("concat", 1, MANY, |a, _| {
        let lists: Vec<&[Value]> = a.iter().map(Value::list).collect::<Result<_, _>>()?;
        Ok(Value::List(lists.concat()))
    }),
    ("contains", 2, 2, |a, _| Ok(Value::Bool(items(&a[0])?.contains(&a[1])))),
    ("distinct", 1, 1, |a, _| Ok(Value::List(unique(a[0].list()?)))),
    ("element", 2, 2, |a, _| {
        let of = a[0].list()?;
        let at = whole(&a[1])?;
        let len = i64::try_from(of.len()).unwrap_or(i64::MAX);
        if len == 0 {
            return Err(Error::new("the list is empty"));
        }
        usize::try_from(at.rem_euclid(len))
            .ok()
            .and_then(|at| of.get(at))
            .cloned()
            .ok_or_else(|| Error::new("there is no such item"))
    }),
    ("flatten", 1, 1, |a, _| {
        let mut out = Vec::new();
        flatten(a[0].list()?, &mut out);
        Ok(Value::List(out))
    }),
    ("hasindex", 2, 2, |a, _| {
        Ok(Value::Bool(match &a[0] {
            Value::Object(members) => a[1].text().is_ok_and(|name| members.contains_key(&name)),
            Value::List(items) => size(&a[1]).is_ok_and(|at| at < items.len()),
            other => return Err(crate::value::wanted("list or map", other)),
        }))
    }),
    ("index", 2, 2, |a, _| match &a[0] {
        Value::Object(members) => {
            members.get(&a[1].text()?).cloned().ok_or_else(|| Error::new("there is no such key"))
        }
        other => other.list()?.get(size(&a[1])?).cloned().ok_or_else(|| Error::new("there is no such item")),
    }),
    ("indexof", 2, 2, |a, _| {
        let found = a[0].list()?.iter().position(|item| *item == a[1]);
        found.map(count).ok_or_else(|| Error::new("the item is not in the list"))
    }),
    ("keys", 1, 1, |a, _| Ok(list(a[0].object()?.keys().cloned().map(Value::String)))),
    ("length", 1, 1, |a, _| {
        Ok(count(match &a[0] {
            Value::Object(members) => members.len(),
            other => other.list()?.len(),
        }))
    }),
    ("lookup", 3, 3, |a, _| Ok(a[0].object()?.get(&a[1].text()?).unwrap_or(&a[2]).clone())),
    ("merge", 0, MANY, |a, _| {
        let mut all = BTreeMap::new();
        for one in a.iter().filter(|one| **one != Value::Null) {
            all.extend(one.object()?.clone());
        }
        Ok(Value::Object(all))
    }),
    ("range", 1, 3, |a, _| range(a)),
    ("reverselist", 1, 1, |a, _| Ok(list(a[0].list()?.iter().rev().cloned()))),
    ("sethaselement", 2, 2, |a, _| Ok(Value::Bool(a[0].list()?.contains(&a[1])))),
    ("setintersection", 1, MANY, |a, _| {
        let rest: Vec<&[Value]> = a[1..].iter().map(Value::list).collect::<Result<_, _>>()?;
        Ok(set(a[0].list()?.iter().filter(|item| rest.iter().all(|other| other.contains(item))).cloned()))
    }),
    ("setproduct", 1, MANY, |a, _| product(a)),
    ("setsubtract", 2, 2, |a, _| {
        let other = a[1].list()?;
        Ok(set(a[0].list()?.iter().filter(|item| !other.contains(item)).cloned()))
    }),
    ("setsymmetricdifference", 1, MANY, |a, _| {
        let mut all: Vec<Value> = Vec::new();
        for one in a {
            for item in unique(one.list()?) {
                match all.iter().position(|other| *other == item) {
                    Some(at) => drop(all.remove(at)),
                    None => all.push(item),
                }
            }
        }
        Ok(set(all))
    }),
    ("setunion", 1, MANY, |a, _| {
        let lists: Vec<&[Value]> = a.iter().map(Value::list).collect::<Result<_, _>>()?;
        Ok(set(lists.concat()))
    }),
    ("slice", 3, 3, |a, _| {
        let (of, from, to) = (a[0].list()?, size(&a[1])?, size(&a[2])?);
        of.get(from..to)
            .map(|part| Value::List(part.to_vec()))
            .ok_or_else(|| Error::new(format!("the list of {} has no items from {from} to {to}", of.len())))
    }),
    ("sort", 1, 1, |a, _| {
        let mut texts: Vec<String> = a[0].list()?.iter().map(Value::text).collect::<Result<_, _>>()?;
        texts.sort();
        Ok(list(texts.into_iter().map(Value::String)))
    }),
    ("values", 1, 1, |a, _| Ok(list(a[0].object()?.values().cloned()))),
    ("zipmap", 2, 2, |a, _| {
        let (keys, values) = (a[0].list()?, a[1].list()?);
        if keys.len() != values.len() {
            return Err(Error::new(format!("{} keys and {} values", keys.len(), values.len())));
        }
        let pairs = keys.iter().zip(values).map(|(key, value)| Ok((key.text()?, value.clone())));
        pairs.collect::<Result<_, _>>().map(Value::Object)
    }),
];

fn items(value: &Value) -> Result<Vec<Value>, Error> {
    match value {
        Value::Object(members) => Ok(members.values().cloned().collect()),
        other => other.list().map(<[Value]>::to_vec),
    }
}

fn unique(items: &[Value]) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for item in items {
        if !out.contains(item) {
            out.push(item.clone());
        }
    }
    out
}

/// Each once, in order.
fn set(items: impl IntoIterator<Item = Value>) -> Value {
    let mut items: Vec<Value> = items.into_iter().collect();
    items.sort_by(order);
    items.dedup();
    Value::List(items)
}

fn flatten(items: &[Value], out: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::List(inner) => flatten(inner, out),
            other => out.push(other.clone()),
        }
    }
}

fn range(args: &[Value]) -> Result<Value, Error> {
    let numbers: Vec<f64> = args.iter().map(Value::number).collect::<Result<_, _>>()?;
    let (start, end, step) = match numbers.as_slice() {
        [end] => (0.0, *end, if *end < 0.0 { -1.0 } else { 1.0 }),
        [start, end] => (*start, *end, if end < start { -1.0 } else { 1.0 }),
        [start, end, step] => (*start, *end, *step),
        _ => (0.0, 0.0, 1.0),
    };
    if step == 0.0 || (start < end) != (step > 0.0) && start != end {
        return Err(Error::new("the step does not lead to the end"));
    }
    let (mut out, mut at) = (Vec::new(), start);
    while if step > 0.0 { at < end } else { at > end } {
        if out.len() >= MAX_RANGE {
            return Err(Error::new(format!("more than {MAX_RANGE} numbers")));
        }
        out.push(Value::Number(at));
        at += step;
    }
    Ok(Value::List(out))
}

/// More combinations are too many.
const MAX_PRODUCT: usize = 10_000;

fn product(args: &[Value]) -> Result<Value, Error> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for one in args {
        let items = one.list()?;
        if rows.len().saturating_mul(items.len()) > MAX_PRODUCT {
            return Err(Error::new(format!("more than {MAX_PRODUCT} combinations")));
        }
        let with = |row: &Vec<Value>, item: &Value| [row.as_slice(), std::slice::from_ref(item)].concat();
        rows = rows.iter().flat_map(|row| items.iter().map(move |item| with(row, item))).collect();
    }
    Ok(list(rows.into_iter().map(Value::List)))
}
