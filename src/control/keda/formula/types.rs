//! The types of a formula before it is evaluated (expr-lang, checker/checker.go): every trigger is a
//! float, and what can never go together is refused when the object is written.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a rule is about some operators, functions or types, and anything else is refused"
)]

use std::fmt;

use super::{Binary, Expr, FormulaError, Function, Unary, Value};

/// The type of a part of a formula.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Float,
    Bool,
    Nil,
    List(Box<Type>),
    /// Known only when it is evaluated.
    Unknown,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int => "a whole number",
            Self::Float => "a number",
            Self::Bool => "a truth value",
            Self::Nil => "nil",
            Self::List(_) => "a list",
            Self::Unknown => "something unknown",
        })
    }
}

impl Type {
    /// Whether it is a number or may turn out to be one.
    pub(super) fn may_be_number(&self) -> bool {
        matches!(self, Self::Int | Self::Float | Self::Unknown)
    }

    fn may_be_bool(&self) -> bool {
        matches!(self, Self::Bool | Self::Unknown)
    }

    /// The type of either of two; `nil` beside a type is that type.
    fn either(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Nil, other) | (other, Self::Nil) => other,
            _ => Self::Unknown,
        }
    }
}

type Checked = Result<Type, FormulaError>;

fn refuse<T>(problem: String) -> Result<T, FormulaError> {
    Err(FormulaError::new(problem))
}

/// The type of a formula in which each of `names` is a float.
pub(super) fn check(tree: &Expr, names: &[&str]) -> Checked {
    Scope { names, bound: Vec::new(), elements: Vec::new() }.of(tree)
}

struct Scope<'a> {
    names: &'a [&'a str],
    bound: Vec<(String, Type)>,
    elements: Vec<Type>,
}

impl Scope<'_> {
    fn of(&mut self, tree: &Expr) -> Checked {
        match tree {
            Expr::Value(value) => Ok(match value {
                Value::Int(_) => Type::Int,
                Value::Float(_) => Type::Float,
                Value::Bool(_) => Type::Bool,
                Value::Nil => Type::Nil,
                Value::List(_) => Type::List(Box::new(Type::Unknown)),
            }),
            Expr::Name(name) => self.name(name),
            Expr::Element => match self.elements.last() {
                Some(kind) => Ok(kind.clone()),
                None => refuse("has a `#` outside of a predicate".to_owned()),
            },
            Expr::List(items) => {
                let mut kinds =
                    items.iter().map(|item| self.of(item)).collect::<Result<Vec<_>, _>>()?;
                let first = kinds.pop().unwrap_or(Type::Unknown);
                let same = kinds.iter().all(|kind| *kind == first);
                Ok(Type::List(Box::new(if same { first } else { Type::Unknown })))
            }
            Expr::Index(list, index) => {
                let element = self.element_of(list, "an index")?;
                match self.of(index)? {
                    Type::Int | Type::Unknown => Ok(element),
                    other => refuse(format!("has an index that is {other}")),
                }
            }
            Expr::Unary(unary, operand) => {
                let operand = self.of(operand)?;
                match unary {
                    Unary::Not if operand.may_be_bool() => Ok(Type::Bool),
                    Unary::Minus | Unary::Plus if operand.may_be_number() => Ok(operand),
                    Unary::Not => refuse(format!("negates {operand}")),
                    Unary::Minus | Unary::Plus => refuse(format!("has a sign before {operand}")),
                }
            }
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.of(left)?, self.of(right)?);
                binary(*operator, left, right)
            }
            Expr::If(condition, then, other) => {
                let condition = self.of(condition)?;
                if !condition.may_be_bool() {
                    return refuse(format!("asks `?` of {condition}"));
                }
                Ok(self.of(then)?.either(self.of(other)?))
            }
            Expr::Let(name, value, rest) => {
                if self.names.contains(&name.as_str()) || self.is_bound(name) {
                    return refuse(format!("declares `{name}` again"));
                }
                let kind = self.of(value)?;
                self.bound.push((name.clone(), kind));
                let rest = self.of(rest);
                self.bound.pop();
                rest
            }
            Expr::Call(function, arguments) => self.call(*function, arguments),
            Expr::Each(function, list, predicate) => {
                let element = self.element_of(list, "a function over elements")?;
                self.elements.push(element.clone());
                let answer = self.of(predicate);
                self.elements.pop();
                each(*function, element, answer?)
            }
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        self.bound.iter().any(|(bound, _)| bound == name)
    }

    fn name(&self, name: &str) -> Checked {
        if let Some((_, kind)) = self.bound.iter().rev().find(|(bound, _)| bound == name) {
            return Ok(kind.clone());
        }
        if self.names.contains(&name) {
            return Ok(Type::Float);
        }
        let known = self.names.iter().filter(|known| !known.is_empty());
        let known: Vec<String> = known.map(|known| format!("`{known}`")).collect();
        let known =
            if known.is_empty() { "no trigger has a `name`".to_owned() } else { known.join(", ") };
        refuse(format!("names `{name}`, which is no trigger ({known})"))
    }

    fn element_of(&mut self, list: &Expr, what: &str) -> Checked {
        match self.of(list)? {
            Type::List(element) => Ok(*element),
            Type::Unknown => Ok(Type::Unknown),
            other => refuse(format!("has {what} of {other}")),
        }
    }

    fn call(&mut self, function: Function, arguments: &[Expr]) -> Checked {
        let kinds = arguments.iter().map(|it| self.of(it)).collect::<Result<Vec<_>, _>>()?;
        let only = || match kinds.as_slice() {
            [kind] => Ok(kind.clone()),
            _ => refuse(format!("calls a function of one value with {}", kinds.len())),
        };
        let list = |kind: Type| match kind {
            Type::List(element) => Ok(*element),
            Type::Unknown => Ok(Type::Unknown),
            other => refuse(format!("calls a function of a list with {other}")),
        };
        match function {
            Function::Float
            | Function::Int
            | Function::Ceil
            | Function::Floor
            | Function::Round
            | Function::Abs => {
                let kind = only()?;
                if !kind.may_be_number() {
                    return refuse(format!("calls a function of numbers with {kind}"));
                }
                Ok(match function {
                    Function::Int => Type::Int,
                    Function::Abs => kind,
                    _ => Type::Float,
                })
            }
            Function::Min | Function::Max => {
                if kinds.is_empty() {
                    return refuse("calls a function without a value".to_owned());
                }
                numbers(&kinds)?;
                Ok(Type::Unknown)
            }
            Function::Mean | Function::Median => {
                if kinds.is_empty() {
                    return refuse("calls a function without a value".to_owned());
                }
                numbers(&kinds)?;
                Ok(Type::Float)
            }
            Function::Sum => {
                let element = list(only()?)?;
                numbers(std::slice::from_ref(&element))?;
                Ok(element)
            }
            Function::Count => {
                let element = list(only()?)?;
                if element.may_be_bool() {
                    Ok(Type::Int)
                } else {
                    refuse(format!("counts {element} without a predicate"))
                }
            }
            Function::Len => list(only()?).map(|_| Type::Int),
            Function::First | Function::Last => list(only()?),
            Function::All
            | Function::Any
            | Function::None
            | Function::One
            | Function::Filter
            | Function::Map => refuse("calls a function without its predicate".to_owned()),
        }
    }
}

/// Refuses what is neither a number nor a list of numbers.
fn numbers(kinds: &[Type]) -> Result<(), FormulaError> {
    let numeric = |kind: &Type| match kind {
        Type::List(element) => element.may_be_number(),
        other => other.may_be_number(),
    };
    match kinds.iter().find(|kind| !numeric(kind)) {
        Some(kind) => refuse(format!("calls a function of numbers with {kind}")),
        None => Ok(()),
    }
}

fn each(function: Function, element: Type, answer: Type) -> Checked {
    match function {
        Function::Map => Ok(Type::List(Box::new(answer))),
        Function::Sum if answer.may_be_number() => Ok(answer),
        _ if !answer.may_be_bool() => refuse(format!("has a predicate that is {answer}")),
        Function::Filter => Ok(Type::List(Box::new(element))),
        Function::Count => Ok(Type::Int),
        _ => Ok(Type::Bool),
    }
}

fn binary(operator: Binary, left: Type, right: Type) -> Checked {
    use Binary as B;
    let mixed = |left: &Type, right: &Type| refuse(format!("puts {left} and {right} together"));
    let numbers = left.may_be_number() && right.may_be_number();
    let whole = |kind: &Type| matches!(kind, Type::Int | Type::Unknown);
    match operator {
        B::Or | B::And if left.may_be_bool() && right.may_be_bool() => Ok(Type::Bool),
        B::Less | B::Greater | B::AtMost | B::AtLeast if numbers => Ok(Type::Bool),
        B::Equal | B::Unequal => {
            let nil = left == Type::Nil || right == Type::Nil;
            let unknown = left == Type::Unknown || right == Type::Unknown;
            if numbers || nil || unknown || left == right {
                Ok(Type::Bool)
            } else {
                mixed(&left, &right)
            }
        }
        B::In | B::NotIn => match &right {
            Type::List(_) | Type::Unknown => Ok(Type::Bool),
            _ => mixed(&left, &right),
        },
        B::Range | B::Remainder if whole(&left) && whole(&right) => Ok(match operator {
            B::Range => Type::List(Box::new(Type::Int)),
            _ => Type::Int,
        }),
        B::Divide | B::Power if numbers => Ok(Type::Float),
        B::Add | B::Subtract | B::Multiply if numbers => Ok(match (&left, &right) {
            (Type::Int, Type::Int) => Type::Int,
            (Type::Unknown, _) | (_, Type::Unknown) => Type::Unknown,
            _ => Type::Float,
        }),
        B::Coalesce => Ok(left.either(right)),
        _ => mixed(&left, &right),
    }
}
