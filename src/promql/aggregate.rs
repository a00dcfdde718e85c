//! Aggregations: many series to one for each group (engine.go `aggregation`).

use std::collections::BTreeMap;

use promql_parser::parser::LabelModifier;

use crate::promql::eval::Sample;
use crate::promql::numbers::{quantile, sum};
use crate::promql::{Error, Labels, NAME};
use crate::units::convert::{f64_from_usize, trunc_i64};

/// The aggregations that are computed.
pub(super) const SUPPORTED: [&str; 12] = [
    "sum",
    "avg",
    "count",
    "min",
    "max",
    "group",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "quantile",
    "count_values",
];

pub(super) fn aggregate(
    op: &str,
    samples: Vec<Sample>,
    parameter: Option<f64>,
    modifier: Option<&LabelModifier>,
) -> Result<Vec<Sample>, Error> {
    let mut groups: BTreeMap<Labels, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        groups.entry(group_of(&sample.labels, modifier)).or_default().push(sample);
    }
    if matches!(op, "topk" | "bottomk") {
        let count = trunc_i64(parameter.unwrap_or(0.0)).max(0);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        return Ok(groups.into_values().flat_map(|group| extremes(op, group, count)).collect());
    }
    let value = |group: &[Sample]| -> Option<f64> {
        let values = || group.iter().map(|sample| sample.value);
        let count = f64_from_usize(group.len());
        let mean = || sum(values()) / count;
        let variance = || {
            let mean = mean();
            sum(values().map(|value| (value - mean) * (value - mean))) / count
        };
        Some(match op {
            "sum" => sum(values()),
            "avg" => mean(),
            "count" => count,
            "group" => 1.0,
            // A NaN counts only where nothing else is.
            "min" => values().fold(f64::NAN, f64::min),
            "max" => values().fold(f64::NAN, f64::max),
            "stdvar" => variance(),
            "stddev" => libm::sqrt(variance()),
            "quantile" => quantile(parameter?, &values().collect::<Vec<_>>()),
            _ => return None,
        })
    };
    let aggregated = groups.into_iter().map(|(labels, group)| {
        let value = value(&group).ok_or_else(|| Error(format!("aggregation {op}")))?;
        Ok(Sample { labels, value })
    });
    aggregated.collect()
}

/// How many series of each group have each value, which is told in a label (engine.go
/// `aggregationCountValues`).
pub(super) fn count_values(
    label: &str,
    samples: Vec<Sample>,
    modifier: Option<&LabelModifier>,
) -> Vec<Sample> {
    let mut counts: BTreeMap<Labels, f64> = BTreeMap::new();
    for sample in samples {
        let mut labels = group_of(&sample.labels, modifier);
        labels.set(label, &sample.value.to_string());
        *counts.entry(labels).or_insert(0.0) += 1.0;
    }
    counts.into_iter().map(|(labels, value)| Sample { labels, value }).collect()
}

fn group_of(labels: &Labels, modifier: Option<&LabelModifier>) -> Labels {
    let names = |list: &promql_parser::label::Labels| list.labels.clone();
    match modifier {
        None => Labels::default(),
        Some(LabelModifier::Include(by)) => {
            let names = names(by);
            labels.only(&names.iter().map(String::as_str).collect::<Vec<_>>())
        }
        Some(LabelModifier::Exclude(without)) => {
            let names = names(without);
            let all = names.iter().map(String::as_str).chain([NAME]);
            labels.without(&all.collect::<Vec<_>>())
        }
    }
}

/// The largest or smallest, in order; NaN last.
fn extremes(op: &str, mut group: Vec<Sample>, count: usize) -> Vec<Sample> {
    group.sort_by(|one, other| {
        let (one, other) = (one.value, other.value);
        let nan = one.is_nan().cmp(&other.is_nan());
        let order = one.total_cmp(&other);
        nan.then(if op == "topk" { order.reverse() } else { order })
    });
    group.truncate(count);
    group
}
