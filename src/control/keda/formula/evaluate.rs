//! What a formula comes to: whole numbers stay whole until a float meets them, division makes floats,
//! and what fails says so (expr-lang, vm/runtime/runtime.go).

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule is about some operators, functions or types, and anything else is refused"
)]

use std::collections::BTreeMap;

use super::{Binary, Expr, FormulaError, Function, Unary, Value};
use crate::units::convert::{f64_from_i64, trunc_i64};

/// Longer ranges fail, as in expr-lang where they exceed its memory budget.
const LONGEST_RANGE: i64 = 1_000_000;

type Evaluated = Result<Value, FormulaError>;

/// The value of a tree; a name without a value is `nil`.
pub(super) fn evaluate(tree: &Expr, names: &BTreeMap<&str, Option<f64>>) -> Evaluated {
    Scope { names, bound: Vec::new(), elements: Vec::new() }.of(tree)
}

fn fail<T>(problem: &str) -> Result<T, FormulaError> {
    Err(FormulaError::new(problem))
}

struct Scope<'a> {
    names: &'a BTreeMap<&'a str, Option<f64>>,
    bound: Vec<(&'a str, Value)>,
    elements: Vec<Value>,
}

impl<'a> Scope<'a> {
    fn of(&mut self, tree: &'a Expr) -> Evaluated {
        match tree {
            Expr::Value(value) => Ok(value.clone()),
            Expr::Name(name) => {
                if let Some((_, value)) = self.bound.iter().rev().find(|(it, _)| it == name) {
                    return Ok(value.clone());
                }
                let value = self.names.get(name.as_str()).copied().flatten();
                Ok(value.map_or(Value::Nil, Value::Float))
            }
            Expr::Element => match self.elements.last() {
                Some(value) => Ok(value.clone()),
                None => fail("has a `#` outside of a predicate"),
            },
            Expr::List(items) => {
                let items = items.iter().map(|item| self.of(item)).collect::<Result<_, _>>()?;
                Ok(Value::List(items))
            }
            Expr::Index(list, index) => {
                let (items, index) = (self.items(list)?, self.of(index)?);
                element(&items, &index)
            }
            Expr::Unary(unary, operand) => signed(*unary, self.of(operand)?),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expr::If(condition, then, other) => {
                if self.truth(condition)? {
                    self.of(then)
                } else {
                    self.of(other)
                }
            }
            Expr::Let(name, value, rest) => {
                let value = self.of(value)?;
                self.bound.push((name, value));
                let rest = self.of(rest);
                self.bound.pop();
                rest
            }
            Expr::Call(function, arguments) => {
                let values: Vec<Value> =
                    arguments.iter().map(|it| self.of(it)).collect::<Result<_, _>>()?;
                call(*function, &values)
            }
            Expr::Each(function, list, predicate) => {
                let items = self.items(list)?;
                self.each(*function, items, predicate)
            }
        }
    }

    fn items(&mut self, list: &'a Expr) -> Result<Vec<Value>, FormulaError> {
        match self.of(list)? {
            Value::List(items) => Ok(items),
            other => fail(&format!("looks into {other} as into a list")),
        }
    }

    fn truth(&mut self, tree: &'a Expr) -> Result<bool, FormulaError> {
        match self.of(tree)? {
            Value::Bool(value) => Ok(value),
            other => fail(&format!("asks whether {other} is true")),
        }
    }

    fn binary(&mut self, operator: Binary, left: &'a Expr, right: &'a Expr) -> Evaluated {
        match operator {
            // The right side is not looked at when the left one decides.
            Binary::Or => Ok(Value::Bool(self.truth(left)? || self.truth(right)?)),
            Binary::And => Ok(Value::Bool(self.truth(left)? && self.truth(right)?)),
            Binary::Coalesce => match self.of(left)? {
                Value::Nil => self.of(right),
                value => Ok(value),
            },
            _ => {
                let (left, right) = (self.of(left)?, self.of(right)?);
                combined(operator, &left, &right)
            }
        }
    }

    fn each(&mut self, function: Function, items: Vec<Value>, predicate: &'a Expr) -> Evaluated {
        let mut answers = Vec::with_capacity(items.len());
        for item in &items {
            self.elements.push(item.clone());
            let answer = self.of(predicate);
            self.elements.pop();
            answers.push(answer?);
        }
        match function {
            Function::Map => return Ok(Value::List(answers)),
            Function::Sum => return sum(&answers),
            _ => {}
        }
        let truths = answers.iter().map(|answer| match answer {
            Value::Bool(value) => Ok(*value),
            other => fail(&format!("has a predicate that is {other}")),
        });
        let truths: Vec<bool> = truths.collect::<Result<_, _>>()?;
        let count = truths.iter().filter(|it| **it).count();
        Ok(match function {
            Function::All => Value::Bool(count == truths.len()),
            Function::Any => Value::Bool(count > 0),
            Function::None => Value::Bool(count == 0),
            Function::One => Value::Bool(count == 1),
            Function::Count => whole(count),
            _ => {
                let kept = items.into_iter().zip(truths).filter(|(_, kept)| *kept);
                Value::List(kept.map(|(item, _)| item).collect())
            }
        })
    }
}

fn whole(count: usize) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn signed(unary: Unary, operand: Value) -> Evaluated {
    match (unary, operand) {
        (Unary::Minus, Value::Int(value)) => Ok(Value::Int(value.wrapping_neg())),
        (Unary::Minus, Value::Float(value)) => Ok(Value::Float(-value)),
        (Unary::Plus, value @ (Value::Int(_) | Value::Float(_))) => Ok(value),
        (Unary::Not, Value::Bool(value)) => Ok(Value::Bool(!value)),
        (_, other) => fail(&format!("has a sign before {other}")),
    }
}

/// An element by its place; places below zero count from the end.
fn element(items: &[Value], index: &Value) -> Evaluated {
    let Value::Int(index) = index else { return fail(&format!("has an index that is {index}")) };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let place = if *index < 0 { index.saturating_add(length) } else { *index };
    let found = usize::try_from(place).ok().and_then(|place| items.get(place));
    match found {
        Some(value) => Ok(value.clone()),
        None => fail(&format!("has the index {index} in a list of {length}")),
    }
}

fn float(value: &Value) -> Result<f64, FormulaError> {
    match value {
        Value::Int(value) => Ok(f64_from_i64(*value)),
        Value::Float(value) => Ok(*value),
        other @ (Value::Bool(_) | Value::Nil | Value::List(_)) => {
            fail(&format!("counts with {other}"))
        }
    }
}

#[expect(clippy::float_cmp, reason = "`==` of expr-lang is equality of floats")]
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Int(one), Value::Int(other)) => one == other,
        (Value::Nil, Value::Nil) => true,
        _ => match (float(left), float(right)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        },
    }
}

fn combined(operator: Binary, left: &Value, right: &Value) -> Evaluated {
    use Binary as B;
    let truth = |value| Ok(Value::Bool(value));
    match (operator, left, right) {
        (B::Equal, _, _) => truth(equal(left, right)),
        (B::Unequal, _, _) => truth(!equal(left, right)),
        (B::In | B::NotIn, _, Value::List(items)) => {
            truth(items.iter().any(|item| equal(item, left)) == (operator == B::In))
        }
        (B::Range, Value::Int(from), Value::Int(to)) => {
            if to.saturating_sub(*from) >= LONGEST_RANGE {
                return fail("has a range that is too long");
            }
            Ok(Value::List((*from..=*to).map(Value::Int).collect()))
        }
        (B::Remainder, Value::Int(_), Value::Int(0)) => fail("divides a whole number by zero"),
        (B::Remainder, Value::Int(one), Value::Int(other)) => {
            Ok(Value::Int(one.wrapping_rem(*other)))
        }
        (B::Add, Value::Int(one), Value::Int(other)) => Ok(Value::Int(one.wrapping_add(*other))),
        (B::Subtract, Value::Int(one), Value::Int(other)) => {
            Ok(Value::Int(one.wrapping_sub(*other)))
        }
        (B::Multiply, Value::Int(one), Value::Int(other)) => {
            Ok(Value::Int(one.wrapping_mul(*other)))
        }
        _ => {
            let (one, other) = (float(left)?, float(right)?);
            match operator {
                B::Less => truth(one < other),
                B::Greater => truth(one > other),
                B::AtMost => truth(one <= other),
                B::AtLeast => truth(one >= other),
                B::Add => Ok(Value::Float(one + other)),
                B::Subtract => Ok(Value::Float(one - other)),
                B::Multiply => Ok(Value::Float(one * other)),
                B::Divide => Ok(Value::Float(one / other)),
                B::Power => Ok(Value::Float(libm::pow(one, other))),
                _ => fail(&format!("puts {left} and {right} together")),
            }
        }
    }
}

/// Lists among the arguments count as their elements.
fn flat(values: &[Value]) -> Vec<Value> {
    let mut all = Vec::new();
    for value in values {
        match value {
            Value::List(items) => all.extend(flat(items)),
            other => all.push(other.clone()),
        }
    }
    all
}

fn sum(values: &[Value]) -> Evaluated {
    let start = Ok(Value::Int(0));
    values.iter().fold(start, |sum, value| combined(Binary::Add, &sum?, value))
}

fn call(function: Function, values: &[Value]) -> Evaluated {
    let only = match values {
        [only] => Some(only),
        _ => None,
    };
    match (function, only) {
        (Function::Min | Function::Max, _) => {
            let all = flat(values);
            let Some(first) = all.first() else { return fail("wants the extreme of nothing") };
            let mut best = first.clone();
            for value in &all[1..] {
                let (value_f, best_f) = (float(value)?, float(&best)?);
                let better =
                    if function == Function::Min { value_f < best_f } else { value_f > best_f };
                if better {
                    best = value.clone();
                }
            }
            float(&best)?;
            Ok(best)
        }
        (Function::Mean | Function::Median, _) => {
            let all: Vec<f64> = flat(values).iter().map(float).collect::<Result<_, _>>()?;
            Ok(Value::Float(centre(all, function)))
        }
        (Function::Float, Some(value)) => Ok(Value::Float(float(value)?)),
        (Function::Int, Some(Value::Int(value))) => Ok(Value::Int(*value)),
        (Function::Int, Some(value)) => Ok(Value::Int(trunc_i64(float(value)?))),
        (Function::Abs, Some(Value::Int(value))) => Ok(Value::Int(value.wrapping_abs())),
        (Function::Abs, Some(value)) => Ok(Value::Float(float(value)?.abs())),
        (Function::Ceil, Some(value)) => Ok(Value::Float(float(value)?.ceil())),
        (Function::Floor, Some(value)) => Ok(Value::Float(float(value)?.floor())),
        (Function::Round, Some(value)) => Ok(Value::Float(float(value)?.round())),
        (Function::Sum, Some(Value::List(items))) => sum(items),
        (Function::Len, Some(Value::List(items))) => Ok(whole(items.len())),
        (Function::First, Some(Value::List(items))) => {
            Ok(items.first().cloned().unwrap_or(Value::Nil))
        }
        (Function::Last, Some(Value::List(items))) => {
            Ok(items.last().cloned().unwrap_or(Value::Nil))
        }
        (Function::Count, Some(Value::List(items))) => {
            Ok(whole(items.iter().filter(|item| **item == Value::Bool(true)).count()))
        }
        _ => fail("calls a function with what it cannot take"),
    }
}

/// The mean or the median of numbers, 0 of none.
fn centre(mut all: Vec<f64>, function: Function) -> f64 {
    if all.is_empty() {
        return 0.0;
    }
    let count = crate::units::convert::f64_from_usize(all.len());
    if function == Function::Mean {
        return all.iter().sum::<f64>() / count;
    }
    all.sort_by(f64::total_cmp);
    let half = all.len() / 2;
    if all.len() % 2 == 1 { all[half] } else { f64::midpoint(all[half - 1], all[half]) }
}
