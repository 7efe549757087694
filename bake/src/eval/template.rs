//! Strings with `${…}` and `%{…}` in them.

use super::{Bound, Eval};
use crate::error::Error;
use crate::value::Value;
use hcl_edit::template::{Directive, Element, ForDirective, IfDirective, Strip};

impl Eval<'_> {
    /// A template by itself: if it is one interpolation, that one's value as it is.
    pub(super) fn whole_template<'t>(
        &self,
        elements: impl Iterator<Item = &'t Element>,
        bound: &Bound,
    ) -> Result<Value, Error> {
        let elements: Vec<&Element> = elements.collect();
        if let [Element::Interpolation(one)] = elements.as_slice() {
            return self.of(&one.expr, bound);
        }
        self.template(&elements, (false, false), bound).map(Value::String)
    }

    /// The text of `elements`; `cut` says whether what is around takes the white space at its ends.
    fn template(&self, elements: &[&Element], cut: (bool, bool), bound: &Bound) -> Result<String, Error> {
        let mut text = String::new();
        for (at, element) in elements.iter().enumerate() {
            match element {
                Element::Literal(literal) => {
                    let before = at.checked_sub(1).map_or(cut.0, |at| ends(elements[at]).1);
                    let after = elements.get(at + 1).map_or(cut.1, |next| ends(next).0);
                    let literal = literal.value().as_str();
                    let literal = if before { literal.trim_start() } else { literal };
                    text.push_str(if after { literal.trim_end() } else { literal });
                }
                Element::Interpolation(one) => text.push_str(&self.of(&one.expr, bound)?.text()?),
                Element::Directive(directive) => match &**directive {
                    Directive::If(choice) => text.push_str(&self.template_if(choice, bound)?),
                    Directive::For(each) => text.push_str(&self.template_for(each, bound)?),
                },
            }
            self.spend(1 + text.len() / 64)?;
        }
        Ok(text)
    }

    fn template_if(&self, choice: &IfDirective, bound: &Bound) -> Result<String, Error> {
        let (head, tail) = (&choice.if_expr, choice.endif_expr.strip);
        let then_end = choice.else_expr.as_ref().map_or(tail, |other| other.strip);
        if self.of(&head.cond_expr, bound)?.bool()? {
            let elements: Vec<&Element> = head.template.iter().collect();
            return self.template(&elements, (at_end(head.strip), at_start(then_end)), bound);
        }
        match &choice.else_expr {
            Some(other) => {
                let elements: Vec<&Element> = other.template.iter().collect();
                self.template(&elements, (at_end(other.strip), at_start(tail)), bound)
            }
            None => Ok(String::new()),
        }
    }

    fn template_for(&self, each: &ForDirective, bound: &Bound) -> Result<String, Error> {
        let head = &each.for_expr;
        let names = (head.key_var.as_ref().map(|name| name.as_str()), head.value_var.as_str());
        let over = self.of(&head.collection_expr, bound)?;
        let elements: Vec<&Element> = head.template.iter().collect();
        let cut = (at_end(head.strip), at_start(each.endfor_expr.strip));
        let mut text = String::new();
        for inner in self.rounds(over, names, bound)? {
            text.push_str(&self.template(&elements, cut, &inner)?);
        }
        Ok(text)
    }
}

/// Whether `element` takes the white space before and after it.
fn ends(element: &Element) -> (bool, bool) {
    match element {
        Element::Literal(_) => (false, false),
        Element::Interpolation(one) => (at_start(one.strip), at_end(one.strip)),
        Element::Directive(directive) => match &**directive {
            Directive::If(choice) => (at_start(choice.if_expr.strip), at_end(choice.endif_expr.strip)),
            Directive::For(each) => (at_start(each.for_expr.strip), at_end(each.endfor_expr.strip)),
        },
    }
}

fn at_start(strip: Strip) -> bool {
    matches!(strip, Strip::Start | Strip::Both)
}

fn at_end(strip: Strip) -> bool {
    matches!(strip, Strip::End | Strip::Both)
}
