//! Formulas of `scalingModifiers`: what one number several triggers come to.
//!
//! KEDA compiles a formula with expr-lang when it reads a ScaledObject, with every named trigger as a
//! floating-point number, and evaluates it whenever it is asked (keda,
//! apis/keda/v1alpha1/scaledobject_webhook.go `ValidateAndCompileScalingModifiers`,
//! pkg/scaling/modifiers/formula.go `calculateScalingModifiersFormula`). Here are the numbers, truth
//! values, lists, operators and functions of that language that such formulas are made of; a function
//! that is not here is refused by name.

mod evaluate;
mod parse;
mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A formula that was found right for the triggers of its object.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    text: Arc<str>,
    tree: Expr,
    /// What KEDA does with the result before it uses it.
    cast: Cast,
}

/// Why KEDA would refuse a formula, or fail to evaluate it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormulaError(String);

impl fmt::Display for FormulaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FormulaError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// What KEDA writes around a formula (scaledobject_webhook.go `castToFloatIfNecessary`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    /// `float(...)`.
    ToFloat,
    /// Nothing, since it begins with `float(`: what is no float then is an error.
    AsWritten,
    /// `float(...)` unless it is `nil`: it has a `??`.
    NilOrFloat,
}

impl Formula {
    /// Reads a formula, checks its types with every name a float, and tries it once with -1 for each,
    /// as KEDA does.
    ///
    /// # Errors
    ///
    /// What cannot be read, has a name that no trigger has, or mixes types.
    pub fn compile(text: &str, names: &[&str]) -> Result<Self, FormulaError> {
        let tree = parse::parse(text)?;
        let cast = if text.contains("??") {
            Cast::NilOrFloat
        } else if text.starts_with("float(") {
            Cast::AsWritten
        } else {
            Cast::ToFloat
        };
        let result = types::check(&tree, names)?;
        if cast != Cast::AsWritten && !result.may_be_number() {
            return Err(FormulaError::new(format!("is {result}, which is no number")));
        }
        let formula = Self { text: text.into(), tree, cast };
        let tried: BTreeMap<&str, Option<f64>> =
            names.iter().map(|name| (*name, Some(-1.0))).collect();
        formula.evaluate(&tried)?;
        Ok(formula)
    }

    /// The formula as it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it comes to for values of triggers, of which `None` is `nil`.
    ///
    /// # Errors
    ///
    /// What fails only with some values, and a result that is no float.
    pub fn evaluate(
        &self,
        values: &BTreeMap<&str, Option<f64>>,
    ) -> Result<Option<f64>, FormulaError> {
        let value = evaluate::evaluate(&self.tree, values)?;
        match (self.cast, value) {
            (_, Value::Float(value)) => Ok(Some(value)),
            (Cast::ToFloat | Cast::NilOrFloat, Value::Int(value)) => {
                Ok(Some(crate::units::convert::f64_from_i64(value)))
            }
            (Cast::NilOrFloat, Value::Nil) => Ok(None),
            (_, other) => Err(FormulaError::new(format!("comes to {other}, which is no float"))),
        }
    }
}

/// A value while a formula is evaluated.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Int(i64),
    Float(f64),
    Bool(bool),
    Nil,
    List(Vec<Value>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "the whole number {value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Nil => f.write_str("nil"),
            Self::List(_) => f.write_str("a list"),
        }
    }
}

/// A formula as a tree.
#[derive(Debug, Clone, PartialEq)]
enum Expr {
    Value(Value),
    Name(String),
    /// `#`: the element that a predicate looks at.
    Element,
    List(Vec<Expr>),
    Index(Box<Expr>, Box<Expr>),
    Unary(Unary, Box<Expr>),
    Binary(Binary, Box<Expr>, Box<Expr>),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    Let(String, Box<Expr>, Box<Expr>),
    Call(Function, Vec<Expr>),
    /// A function over a list with what it asks of each element.
    Each(Function, Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unary {
    Minus,
    Plus,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    Greater,
    AtMost,
    AtLeast,
    In,
    NotIn,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
    Coalesce,
}

/// Functions of expr-lang (builtin/builtin.go) that are about numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Float,
    Int,
    Abs,
    Ceil,
    Floor,
    Round,
    Min,
    Max,
    Sum,
    Mean,
    Median,
    Len,
    First,
    Last,
    Count,
    All,
    Any,
    None,
    One,
    Filter,
    Map,
}

impl Function {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "float" => Self::Float,
            "int" => Self::Int,
            "abs" => Self::Abs,
            "ceil" => Self::Ceil,
            "floor" => Self::Floor,
            "round" => Self::Round,
            "min" => Self::Min,
            "max" => Self::Max,
            "sum" => Self::Sum,
            "mean" => Self::Mean,
            "median" => Self::Median,
            "len" => Self::Len,
            "first" => Self::First,
            "last" => Self::Last,
            "count" => Self::Count,
            "all" => Self::All,
            "any" => Self::Any,
            "none" => Self::None,
            "one" => Self::One,
            "filter" => Self::Filter,
            "map" => Self::Map,
            _ => return None,
        })
    }

    /// Whether it may ask something of each element, and whether it must.
    fn predicate(self) -> (bool, bool) {
        match self {
            Self::All | Self::Any | Self::None | Self::One | Self::Filter | Self::Map => {
                (true, true)
            }
            Self::Count | Self::Sum => (true, false),
            Self::Float
            | Self::Int
            | Self::Abs
            | Self::Ceil
            | Self::Floor
            | Self::Round
            | Self::Min
            | Self::Max
            | Self::Mean
            | Self::Median
            | Self::Len
            | Self::First
            | Self::Last => (false, false),
        }
    }
}

#[cfg(test)]
mod tests;
