//! The walk through an expression at an instant.

use promql_parser::parser::{
    AggregateExpr, AtModifier, Call, Expr, MatrixSelector, Offset, SubqueryExpr, VectorSelector,
};

use crate::promql::over_time::Window;
use crate::promql::{Error, Labels, MOST_STEPS, Storage};

/// An element of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// What an expression is at an instant.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number.
    Scalar(f64),
    /// Values by labels.
    Vector(Vec<Sample>),
    /// A text: an argument of functions.
    Text(String),
}

/// What expressions are computed on.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// The samples.
    pub storage: &'a Storage,
    /// How far an instant selector looks back (ms).
    pub lookback_ms: i64,
    /// Step of a subquery that states none (ms): the evaluation interval.
    pub step_ms: i64,
    /// What `time()` is at instant 0 (s).
    pub epoch_s: f64,
}

/// Series over the span that a range selector covers.
pub(super) struct Matrix {
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) series: Vec<(Labels, Vec<(i64, f64)>)>,
}

impl Matrix {
    pub(super) fn windows(&self) -> impl Iterator<Item = (&Labels, Window<'_>)> {
        self.series.iter().map(|(labels, points)| {
            (labels, Window { from_ms: self.from_ms, to_ms: self.to_ms, points })
        })
    }
}

impl Evaluation<'_> {
    /// The value of an expression at an instant.
    ///
    /// # Errors
    /// When Prometheus would refuse: series that match twice, labels that meet.
    pub fn value(&self, expression: &Expr, at_ms: i64) -> Result<Value, Error> {
        match expression {
            Expr::NumberLiteral(number) => Ok(Value::Scalar(number.val)),
            Expr::StringLiteral(text) => Ok(Value::Text(text.val.clone())),
            Expr::Paren(inner) => self.value(&inner.expr, at_ms),
            Expr::Unary(inner) => Ok(match self.value(&inner.expr, at_ms)? {
                Value::Scalar(number) => Value::Scalar(-number),
                Value::Vector(samples) => Value::Vector(each(samples, |value| -value)),
                text @ Value::Text(_) => text,
            }),
            Expr::VectorSelector(selector) => Ok(Value::Vector(self.instant(selector, at_ms))),
            Expr::Binary(binary) => self.binary(binary, at_ms),
            Expr::Aggregate(aggregate) => self.aggregate_of(aggregate, at_ms),
            Expr::Call(call) => self.call(call, at_ms),
            Expr::MatrixSelector(_) | Expr::Subquery(_) => {
                Err(Error("a range is no value; a function must take it".to_owned()))
            }
            Expr::Extension(_) => Err(Error("an extension of PromQL".to_owned())),
        }
    }

    /// An expression that must be a vector.
    pub(super) fn vector(&self, expression: &Expr, at_ms: i64) -> Result<Vec<Sample>, Error> {
        match self.value(expression, at_ms)? {
            Value::Vector(samples) => Ok(samples),
            Value::Scalar(_) | Value::Text(_) => Err(Error("must be a vector".to_owned())),
        }
    }

    /// An expression that must be a number.
    pub(super) fn scalar(&self, expression: &Expr, at_ms: i64) -> Result<f64, Error> {
        match self.value(expression, at_ms)? {
            Value::Scalar(number) => Ok(number),
            Value::Vector(_) | Value::Text(_) => Err(Error("must be a number".to_owned())),
        }
    }

    /// An expression that must be a text.
    pub(super) fn text(&self, expression: &Expr, at_ms: i64) -> Result<String, Error> {
        match self.value(expression, at_ms)? {
            Value::Text(text) => Ok(text),
            Value::Scalar(_) | Value::Vector(_) => Err(Error("must be a text".to_owned())),
        }
    }

    fn instant(&self, selector: &VectorSelector, at_ms: i64) -> Vec<Sample> {
        let Some(name) = name_of(selector) else { return Vec::new() };
        let at_ms = self.asked(at_ms, selector.at.as_ref(), selector.offset.as_ref());
        let found = self.storage.select(name, &selector.matchers);
        let values = found.filter_map(|(labels, series)| {
            let value = series.value_at(at_ms, self.lookback_ms)?.value?;
            Some(Sample { labels: labels.clone(), value })
        });
        values.collect()
    }

    /// For `timestamp()`: when each sample was taken (s), counted as `time()` counts.
    pub(super) fn taken_at(&self, selector: &VectorSelector, at_ms: i64) -> Vec<Sample> {
        let Some(name) = name_of(selector) else { return Vec::new() };
        let at_ms = self.asked(at_ms, selector.at.as_ref(), selector.offset.as_ref());
        let found = self.storage.select(name, &selector.matchers);
        let values = found.filter_map(|(labels, series)| {
            let taken = series.value_at(at_ms, self.lookback_ms)?;
            Some(Sample { labels: labels.nameless(), value: self.seconds(taken.at_ms) })
        });
        values.collect()
    }

    /// The instant that a selector asks about: where `@` pins it, then `offset`. A rule is evaluated at one
    /// instant, which is both `start()` and `end()`.
    fn asked(&self, at_ms: i64, at: Option<&AtModifier>, offset: Option<&Offset>) -> i64 {
        let pinned = match at {
            None | Some(AtModifier::Start | AtModifier::End) => at_ms,
            Some(AtModifier::At(instant)) => {
                let seconds = match instant.duration_since(std::time::UNIX_EPOCH) {
                    Ok(after) => after.as_secs_f64(),
                    Err(before) => -before.duration().as_secs_f64(),
                };
                crate::units::convert::round_i64((seconds - self.epoch_s) * 1e3)
            }
        };
        pinned.saturating_sub(offset_ms(offset))
    }

    /// An instant as `time()` tells it (s).
    pub(super) fn seconds(&self, at_ms: i64) -> f64 {
        self.epoch_s + crate::units::convert::f64_from_i64(at_ms) / 1e3
    }

    /// The samples of a range selector or a subquery.
    pub(super) fn matrix(&self, expression: &Expr, at_ms: i64) -> Result<Matrix, Error> {
        match expression {
            Expr::MatrixSelector(selector) => Ok(self.range(selector, at_ms)),
            Expr::Subquery(subquery) => self.subquery(subquery, at_ms),
            Expr::Paren(inner) => self.matrix(&inner.expr, at_ms),
            Expr::Aggregate(_)
            | Expr::Unary(_)
            | Expr::Binary(_)
            | Expr::NumberLiteral(_)
            | Expr::StringLiteral(_)
            | Expr::VectorSelector(_)
            | Expr::Call(_)
            | Expr::Extension(_) => Err(Error("must be a range".to_owned())),
        }
    }

    fn range(&self, selector: &MatrixSelector, at_ms: i64) -> Matrix {
        let to_ms = self.asked(at_ms, selector.vs.at.as_ref(), selector.vs.offset.as_ref());
        let from_ms = to_ms - millis(selector.range);
        let mut series = Vec::new();
        if let Some(name) = name_of(&selector.vs) {
            for (labels, found) in self.storage.select(name, &selector.vs.matchers) {
                let points = found.values_in(from_ms, to_ms);
                if !points.is_empty() {
                    series.push((labels.clone(), points));
                }
            }
        }
        Matrix { from_ms, to_ms, series }
    }

    /// The inner expression at every multiple of the step after the beginning of the range.
    fn subquery(&self, subquery: &SubqueryExpr, at_ms: i64) -> Result<Matrix, Error> {
        let to_ms = self.asked(at_ms, subquery.at.as_ref(), subquery.offset.as_ref());
        let from_ms = to_ms - millis(subquery.range);
        let step = subquery.step.map_or(self.step_ms, millis).max(1);
        if (to_ms - from_ms) / step > MOST_STEPS {
            return Err(Error(format!("a subquery of more than {MOST_STEPS} steps")));
        }
        let mut at = from_ms.div_euclid(step) * step;
        if at <= from_ms {
            at += step;
        }
        let mut series: Vec<(Labels, Vec<(i64, f64)>)> = Vec::new();
        while at <= to_ms {
            let samples = match self.value(&subquery.expr, at)? {
                Value::Vector(samples) => samples,
                Value::Scalar(value) => vec![Sample { labels: Labels::default(), value }],
                Value::Text(_) => return Err(Error("a text has no range".to_owned())),
            };
            for sample in samples {
                match series.iter_mut().find(|(labels, _)| *labels == sample.labels) {
                    Some((_, points)) => points.push((at, sample.value)),
                    None => series.push((sample.labels, vec![(at, sample.value)])),
                }
            }
            at += step;
        }
        Ok(Matrix { from_ms, to_ms, series })
    }

    fn aggregate_of(&self, aggregate: &AggregateExpr, at_ms: i64) -> Result<Value, Error> {
        let samples = self.vector(&aggregate.expr, at_ms)?;
        if aggregate.op.to_string() == "count_values" {
            let label =
                aggregate.param.as_ref().map(|param| self.text(param, at_ms)).transpose()?;
            let label = label.ok_or_else(|| Error("count_values lacks a label".to_owned()))?;
            let modifier = aggregate.modifier.as_ref();
            return Ok(Value::Vector(super::aggregate::count_values(&label, samples, modifier)));
        }
        let parameter =
            aggregate.param.as_ref().map(|param| self.scalar(param, at_ms)).transpose()?;
        let op = aggregate.op.to_string();
        super::aggregate::aggregate(&op, samples, parameter, aggregate.modifier.as_ref())
            .map(Value::Vector)
    }

    fn call(&self, call: &Call, at_ms: i64) -> Result<Value, Error> {
        super::functions::call(self, call, at_ms)
    }
}

/// The metric that a selector names: before its braces, or by `__name__=` in them.
pub(super) fn name_of(selector: &VectorSelector) -> Option<&str> {
    selector.name.as_deref().or_else(|| {
        let mut own = selector.matchers.matchers.iter();
        let equal = own.find(|matcher| {
            matcher.name == super::NAME
                && matches!(matcher.op, promql_parser::label::MatchOp::Equal)
        });
        equal.map(|matcher| matcher.value.as_str())
    })
}

pub(super) fn millis(span: std::time::Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}

pub(super) fn offset_ms(offset: Option<&Offset>) -> i64 {
    match offset {
        None => 0,
        Some(Offset::Pos(span)) => millis(*span),
        Some(Offset::Neg(span)) => -millis(*span),
    }
}

/// The same series under another value, nameless.
pub(super) fn each(samples: Vec<Sample>, change: impl Fn(f64) -> f64) -> Vec<Sample> {
    let changed = samples
        .into_iter()
        .map(|sample| Sample { labels: sample.labels.nameless(), value: change(sample.value) });
    changed.collect()
}
