//! The expression language.

mod ops;
mod template;

use crate::error::{Error, Place};
use crate::funcs;
use crate::types::Type;
use crate::value::Value;
use hcl_edit::Span;
use hcl_edit::expr::{Expression, ForExpr, FuncCall, Object, ObjectKey, Traversal, TraversalOperator};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// An expression of a file.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) tree: Rc<Expression>,
    pub(crate) file: usize,
    /// Where all of it is, if its parts' places are not those in the file.
    pub(crate) at: Option<Range<usize>>,
}

impl Expr {
    pub(crate) fn place(&self) -> Option<Place> {
        self.place_of(&self.tree)
    }

    fn place_of(&self, part: &Expression) -> Option<Place> {
        let at = self.at.clone().or_else(|| part.span())?;
        Some(Place { file: self.file, at })
    }
}

/// A function of a definition.
#[derive(Debug)]
pub(crate) struct UserFunction {
    pub(crate) name: String,
    pub(crate) params: Vec<String>,
    pub(crate) variadic: Option<String>,
    pub(crate) result: Expr,
}

/// What names in expressions mean.
pub(crate) trait World {
    /// The value of the variable `name`.
    fn variable(&self, name: &str) -> Result<Value, Error>;
    /// The function `name` of the definition.
    fn function(&self, name: &str) -> Option<Rc<UserFunction>>;
    /// All names that [`Self::function`] knows.
    fn function_names(&self) -> Vec<String>;
    /// `kind.name`, or its attribute, if `kind` is a kind of block.
    fn block(&self, kind: &str, name: &str, attribute: Option<&str>) -> Option<Result<Value, Error>>;
    /// What the clock and the machine say.
    fn facts(&self) -> &crate::Facts;
    /// How much work is left.
    fn budget(&self) -> &Cell<usize>;
}

/// Names that are bound in a part of an expression, the latest last.
pub(crate) type Bound = Vec<(String, Value)>;

/// How deep functions may call functions, which the definition's own text bounds already.
const MAX_CALLS: usize = 32;

/// Evaluates `expr`.
pub(crate) fn eval(world: &dyn World, expr: &Expr, bound: &Bound) -> Result<Value, Error> {
    Eval { world, expr, calls: &[] }.of(&expr.tree, bound)
}

struct Eval<'a> {
    world: &'a dyn World,
    expr: &'a Expr,
    calls: &'a [String],
}

impl Eval<'_> {
    fn of(&self, part: &Expression, bound: &Bound) -> Result<Value, Error> {
        self.spend(1)?;
        self.part(part, bound).map_err(|error| error.at(self.expr.place_of(part).as_ref()))
    }

    /// Counts work, so that no definition takes all memory or never ends.
    fn spend(&self, amount: usize) -> Result<(), Error> {
        let budget = self.world.budget();
        match budget.get().checked_sub(amount) {
            Some(left) => {
                budget.set(left);
                Ok(())
            }
            None => Err(Error::spent("the definition takes too much to evaluate")
                .help("a list is doubled again and again, or a matrix or a range is too large")),
        }
    }

    fn spent(&self, value: Value) -> Result<Value, Error> {
        self.spend(value.size())?;
        Ok(value)
    }

    fn part(&self, part: &Expression, bound: &Bound) -> Result<Value, Error> {
        match part {
            Expression::Null(_) => Ok(Value::Null),
            Expression::Bool(value) => Ok(Value::Bool(*value.value())),
            Expression::Number(number) => number
                .value()
                .as_f64()
                .map(Value::Number)
                .ok_or_else(|| Error::new("the number is too large")),
            Expression::String(text) => Ok(Value::String(text.value().clone())),
            Expression::Array(items) => {
                items.iter().map(|item| self.of(item, bound)).collect::<Result<_, _>>().map(Value::List)
            }
            Expression::Object(object) => self.object(object, bound),
            Expression::StringTemplate(text) => self.whole_template(text.iter(), bound),
            Expression::HeredocTemplate(text) => self.whole_template(text.template.iter(), bound),
            Expression::Parenthesis(inner) => self.of(inner.inner(), bound),
            Expression::Variable(name) => self.variable(name.as_str(), bound),
            Expression::Conditional(choice) => {
                let condition = self.of(&choice.cond_expr, bound)?.bool()?;
                // Both sides have one type, so a number beside a string is a string.
                let (taken, other) = match condition {
                    true => (&choice.true_expr, &choice.false_expr),
                    false => (&choice.false_expr, &choice.true_expr),
                };
                let (taken, other) = (self.of(taken, bound)?, self.of(other, bound));
                Ok(ops::like(taken, other.ok().as_ref()))
            }
            Expression::FuncCall(call) => self.call(call, bound),
            Expression::Traversal(path) => self.traversal(path, bound),
            Expression::UnaryOp(op) => ops::unary(*op.operator.value(), &self.of(&op.expr, bound)?),
            Expression::BinaryOp(op) => {
                let left = self.of(&op.lhs_expr, bound)?;
                match ops::decided(*op.operator.value(), &left)? {
                    Some(value) => Ok(value),
                    None => ops::binary(*op.operator.value(), &left, &self.of(&op.rhs_expr, bound)?),
                }
            }
            Expression::ForExpr(each) => self.for_expr(each, bound),
        }
    }

    fn variable(&self, name: &str, bound: &Bound) -> Result<Value, Error> {
        let local = bound.iter().rev().find(|(of, _)| of == name).map(|(_, value)| value.clone());
        let value = match local {
            Some(value) => value,
            None => self.world.variable(name)?,
        };
        self.spent(value)
    }

    fn object(&self, object: &Object, bound: &Bound) -> Result<Value, Error> {
        let mut members = BTreeMap::new();
        for (key, value) in object.iter() {
            let name = match key {
                ObjectKey::Ident(name) => name.as_str().to_owned(),
                ObjectKey::Expression(expr) => match expr {
                    Expression::Variable(name) => name.as_str().to_owned(),
                    expr => self.of(expr, bound)?.text()?,
                },
            };
            members.insert(name, self.of(value.expr(), bound)?);
        }
        Ok(Value::Object(members))
    }

    fn for_expr(&self, each: &ForExpr, bound: &Bound) -> Result<Value, Error> {
        let over = self.of(&each.intro.collection_expr, bound)?;
        let names = (each.intro.key_var.as_ref().map(|name| name.as_str()), each.intro.value_var.as_str());
        let (mut list, mut members) = (Vec::new(), BTreeMap::<String, Value>::new());
        for inner in self.rounds(over, names, bound)? {
            if let Some(condition) = &each.cond
                && !self.of(&condition.expr, &inner)?.bool()?
            {
                continue;
            }
            let value = self.of(&each.value_expr, &inner)?;
            let Some(key) = &each.key_expr else {
                list.push(value);
                continue;
            };
            let key = self.of(key, &inner)?.text()?;
            if each.grouping {
                match members.entry(key).or_insert_with(|| Value::List(Vec::new())) {
                    Value::List(items) => items.push(value),
                    _ => return Err(Error::new("a group of a for expression is a list")),
                }
            } else if members.insert(key.clone(), value).is_some() {
                return Err(Error::new(format!("the key `{key}` comes twice"))
                    .help("write `...` behind the value to make a list of each key's values"));
            }
        }
        Ok(if each.key_expr.is_some() { Value::Object(members) } else { Value::List(list) })
    }

    /// What is bound in each round of a loop over `over`.
    fn rounds(
        &self,
        over: Value,
        (key, value): (Option<&str>, &str),
        bound: &Bound,
    ) -> Result<Vec<Bound>, Error> {
        let pairs: Vec<(Value, Value)> = match over {
            Value::List(items) => {
                items.into_iter().enumerate().map(|(at, item)| (funcs::count(at), item)).collect()
            }
            Value::Object(members) => {
                members.into_iter().map(|(name, item)| (Value::String(name), item)).collect()
            }
            other => return Err(crate::value::wanted("list or object", &other)),
        };
        let inner = |(name, item): (Value, Value)| {
            self.spend(1 + bound.iter().map(|(_, value)| value.size()).sum::<usize>())?;
            let mut inner = bound.clone();
            inner.extend(key.map(|key| (key.to_owned(), name)));
            inner.push((value.to_owned(), item));
            Ok(inner)
        };
        pairs.into_iter().map(inner).collect()
    }

    fn call(&self, call: &FuncCall, bound: &Bound) -> Result<Value, Error> {
        let name = call.name.name.as_str();
        match name {
            "try" | "can" => return self.tried(name, call, bound),
            "convert" => {
                let (Some(value), Some(to)) = (call.args.get(0), call.args.get(1)) else {
                    return Err(Error::new("convert(value, type) has two arguments"));
                };
                return Type::parse(to)?.convert(self.of(value, bound)?);
            }
            _ => {}
        }
        let mut args: Vec<Value> =
            call.args.iter().map(|arg| self.of(arg, bound)).collect::<Result<_, _>>()?;
        if call.args.expand_final()
            && let Some(last) = args.pop()
        {
            args.extend_from_slice(last.list()?);
        }
        if let Some(function) = self.world.function(name) {
            return self.user(&function, args);
        }
        let value =
            funcs::call(name, &args, self.world.facts()).unwrap_or_else(|| Err(self.unknown(name)))?;
        self.spent(value)
    }

    fn unknown(&self, name: &str) -> Error {
        let mut names = self.world.function_names();
        names.extend(funcs::names().chain(["try", "can", "convert"]).map(str::to_owned));
        Error::new(format!("there is no function `{name}`")).near(name, names.iter().map(String::as_str))
    }

    fn user(&self, function: &UserFunction, args: Vec<Value>) -> Result<Value, Error> {
        let name = &function.name;
        if self.calls.contains(name) || self.calls.len() >= MAX_CALLS {
            return Err(Error::new(format!("the function `{name}` calls itself")));
        }
        let (got, want) = (args.len(), function.params.len());
        if got < want || (got > want && function.variadic.is_none()) {
            return Err(Error::new(format!("the function `{name}` has {want} parameters, not {got}")));
        }
        let mut args = args.into_iter();
        let mut bound: Bound = function.params.iter().cloned().zip(args.by_ref()).collect();
        bound.extend(function.variadic.clone().map(|name| (name, Value::List(args.collect()))));
        let calls = [self.calls, std::slice::from_ref(name)].concat();
        Eval { world: self.world, expr: &function.result, calls: &calls }.of(&function.result.tree, &bound)
    }

    fn tried(&self, name: &str, call: &FuncCall, bound: &Bound) -> Result<Value, Error> {
        let mut last = Error::new(format!("`{name}` has at least one argument"));
        for arg in call.args.iter() {
            match self.of(arg, bound) {
                Ok(_) if name == "can" => return Ok(Value::Bool(true)),
                Ok(value) => return Ok(value),
                Err(error) if error.spent => return Err(error),
                Err(_) if name == "can" => return Ok(Value::Bool(false)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn traversal(&self, path: &Traversal, bound: &Bound) -> Result<Value, Error> {
        let operators: Vec<&TraversalOperator> =
            path.operators.iter().map(|operator| operator.value()).collect();
        if let Expression::Variable(kind) = &path.expr
            && let Some(TraversalOperator::GetAttr(name)) = operators.first()
        {
            let attribute = match operators.get(1) {
                Some(TraversalOperator::GetAttr(name)) => Some(name.as_str()),
                _ => None,
            };
            if let Some(value) = self.world.block(kind.as_str(), name.as_str(), attribute) {
                let rest = &operators[if attribute.is_some() { 2 } else { 1 }..];
                return self.follow(self.spent(value?)?, rest, bound);
            }
        }
        let root = self.of(&path.expr, bound)?;
        self.follow(root, &operators, bound)
    }

    fn follow(&self, value: Value, path: &[&TraversalOperator], bound: &Bound) -> Result<Value, Error> {
        let Some((first, rest)) = path.split_first() else { return Ok(value) };
        let next = match first {
            TraversalOperator::GetAttr(name) => ops::attribute(&value, name.as_str())?,
            TraversalOperator::Index(index) => ops::index(&value, &self.of(index, bound)?)?,
            TraversalOperator::LegacyIndex(index) => {
                let index = usize::try_from(*index.value()).map_or(Value::Null, funcs::count);
                ops::index(&value, &index)?
            }
            TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => {
                let items = match value {
                    Value::List(items) => items,
                    Value::Null => Vec::new(),
                    one => vec![one],
                };
                let each = items.into_iter().map(|item| self.follow(item, rest, bound));
                return each.collect::<Result<_, _>>().map(Value::List);
            }
        };
        self.follow(next, rest, bound)
    }
}
