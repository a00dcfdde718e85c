//! Operators between two expressions, and which series meet (engine.go `VectorBinop`, `VectorAnd`).

use std::collections::BTreeMap;

use promql_parser::parser::{BinModifier, BinaryExpr, LabelModifier, VectorMatchCardinality};

use crate::promql::eval::{Evaluation, Sample, Value};
use crate::promql::numbers::same;
use crate::promql::{Error, Labels, NAME};

impl Evaluation<'_> {
    pub(super) fn binary(&self, binary: &BinaryExpr, at_ms: i64) -> Result<Value, Error> {
        let op = binary.op.to_string();
        let plain = BinModifier::default();
        let modifier = binary.modifier.as_ref().unwrap_or(&plain);
        let left = self.value(&binary.lhs, at_ms)?;
        let right = self.value(&binary.rhs, at_ms)?;
        Ok(match (left, right) {
            (Value::Scalar(left), Value::Scalar(right)) => {
                let value = match compare(&op, left, right) {
                    Some(holds) => truth(holds),
                    None => arithmetic(&op, left, right)?,
                };
                Value::Scalar(value)
            }
            (Value::Vector(left), Value::Scalar(right)) => {
                let done = left.into_iter().map(|sample| {
                    let value = sample.value;
                    with_scalar(&op, modifier, sample, (value, right), value)
                });
                Value::Vector(flat(done)?)
            }
            (Value::Scalar(left), Value::Vector(right)) => {
                let done = right.into_iter().map(|sample| {
                    let value = sample.value;
                    with_scalar(&op, modifier, sample, (left, value), value)
                });
                Value::Vector(flat(done)?)
            }
            (Value::Vector(left), Value::Vector(right)) => Value::Vector(match op.as_str() {
                "and" | "or" | "unless" => set(&op, modifier, left, right),
                _ => matched(&op, modifier, left, right)?,
            }),
            (Value::Text(_), _) | (_, Value::Text(_)) => {
                return Err(Error(format!("{op} does not work on texts")));
            }
        })
    }
}

fn flat(
    samples: impl Iterator<Item = Result<Option<Sample>, Error>>,
) -> Result<Vec<Sample>, Error> {
    samples.filter_map(Result::transpose).collect()
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Whether a comparison holds; `None` when the operator is none.
fn compare(op: &str, left: f64, right: f64) -> Option<bool> {
    Some(match op {
        "==" => same(left, right),
        "!=" => !same(left, right),
        "<" => left < right,
        ">" => left > right,
        "<=" => left <= right,
        ">=" => left >= right,
        _ => return None,
    })
}

fn arithmetic(op: &str, left: f64, right: f64) -> Result<f64, Error> {
    Ok(match op {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" => left / right,
        "%" => left % right,
        "^" => libm::pow(left, right),
        "atan2" => libm::atan2(left, right),
        _ => return Err(Error(format!("operator {op}"))),
    })
}

/// A vector's element and a number. A comparison keeps the element as it is, or says 0 or 1.
fn with_scalar(
    op: &str,
    modifier: &BinModifier,
    sample: Sample,
    (left, right): (f64, f64),
    own: f64,
) -> Result<Option<Sample>, Error> {
    Ok(match compare(op, left, right) {
        Some(holds) if modifier.return_bool => {
            Some(Sample { labels: sample.labels.nameless(), value: truth(holds) })
        }
        Some(holds) => holds.then_some(Sample { labels: sample.labels, value: own }),
        None => {
            let value = arithmetic(op, left, right)?;
            Some(Sample { labels: sample.labels.nameless(), value })
        }
    })
}

/// The labels by which two series meet.
fn signature(labels: &Labels, modifier: &BinModifier) -> Labels {
    let own = |list: &promql_parser::label::Labels| list.labels.clone();
    match &modifier.matching {
        Some(LabelModifier::Include(on)) => {
            let names = own(on);
            labels.only(&names.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Some(LabelModifier::Exclude(ignoring)) => {
            let names = own(ignoring);
            let all = names.iter().map(String::as_str).chain([NAME]);
            labels.without(&all.collect::<Vec<_>>())
        }
        None => labels.nameless(),
    }
}

fn set(op: &str, modifier: &BinModifier, left: Vec<Sample>, right: Vec<Sample>) -> Vec<Sample> {
    let keys = |samples: &[Sample]| -> std::collections::BTreeSet<Labels> {
        samples.iter().map(|sample| signature(&sample.labels, modifier)).collect()
    };
    let of = |sample: &Sample| signature(&sample.labels, modifier);
    match op {
        "and" => {
            let there = keys(&right);
            left.into_iter().filter(|sample| there.contains(&of(sample))).collect()
        }
        "unless" => {
            let there = keys(&right);
            left.into_iter().filter(|sample| !there.contains(&of(sample))).collect()
        }
        _ => {
            let there = keys(&left);
            let more = right.into_iter().filter(|sample| !there.contains(&of(sample)));
            left.into_iter().chain(more).collect()
        }
    }
}

/// Arithmetic and comparison, each element with its partner.
fn matched(
    op: &str,
    modifier: &BinModifier,
    left: Vec<Sample>,
    right: Vec<Sample>,
) -> Result<Vec<Sample>, Error> {
    // One of the sides has at most one series of each signature: the right, or of group_right the left.
    let swapped = matches!(modifier.card, VectorMatchCardinality::OneToMany(_));
    let one_to_one = matches!(modifier.card, VectorMatchCardinality::OneToOne);
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut partners: BTreeMap<Labels, Sample> = BTreeMap::new();
    for sample in one {
        let key = signature(&sample.labels, modifier);
        if let Some(other) = partners.get(&key) {
            let side = if swapped { "left" } else { "right" };
            return Err(Error(format!(
                "found duplicate series for the match group {key} on the {side} hand-side of the \
                 operation: [{}, {}]; many-to-many matching not allowed: matching labels must be \
                 unique on one side",
                sample.labels, other.labels
            )));
        }
        partners.insert(key, sample);
    }
    let mut found = Vec::new();
    let mut met: std::collections::BTreeSet<Labels> = std::collections::BTreeSet::new();
    for sample in many {
        let key = signature(&sample.labels, modifier);
        let Some(partner) = partners.get(&key) else { continue };
        let (l, r) =
            if swapped { (partner.value, sample.value) } else { (sample.value, partner.value) };
        // A filter keeps what stands on the left.
        let (kept, value) = match compare(op, l, r) {
            Some(holds) if modifier.return_bool => (true, truth(holds)),
            Some(holds) => (holds, l),
            None => (true, arithmetic(op, l, r)?),
        };
        let labels = joined(op, modifier, &sample.labels, &partner.labels);
        // Where one stands against one, the signature may be met once, kept or not.
        let unique = if one_to_one { key } else { labels.clone() };
        if (one_to_one || kept) && !met.insert(unique) {
            return Err(Error(if one_to_one {
                "multiple matches for labels: many-to-one matching must be explicit \
                 (group_left/group_right)"
                    .to_owned()
            } else {
                "multiple matches for labels: grouping labels must ensure unique matches".to_owned()
            }));
        }
        if kept {
            found.push(Sample { labels, value });
        }
    }
    Ok(found)
}

/// The labels of a result (engine.go `resultMetric`).
fn joined(op: &str, modifier: &BinModifier, many: &Labels, one: &Labels) -> Labels {
    let comparison = compare(op, 0.0, 0.0).is_some();
    let mut labels =
        if comparison && !modifier.return_bool { many.clone() } else { many.nameless() };
    match &modifier.card {
        VectorMatchCardinality::OneToOne => match &modifier.matching {
            Some(LabelModifier::Include(on)) => {
                labels.only(&on.labels.iter().map(String::as_str).collect::<Vec<_>>())
            }
            Some(LabelModifier::Exclude(ignoring)) => {
                labels.without(&ignoring.labels.iter().map(String::as_str).collect::<Vec<_>>())
            }
            None => labels,
        },
        VectorMatchCardinality::ManyToOne(include) | VectorMatchCardinality::OneToMany(include) => {
            for name in &include.labels {
                labels.set(name, one.get(name));
            }
            labels
        }
        VectorMatchCardinality::ManyToMany => labels,
    }
}
