//! What several families of the workload controllers share: moments, counts, selectors, pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurelius_sim::cluster::api::meta::{IntOrPercent, Labels};
use aurelius_sim::cluster::api::scheduling::{Taint, TaintEffect, Toleration};
use aurelius_sim::cluster::api::selector::{LabelSelector, SelectorOperator, SelectorRequirement};
use aurelius_sim::units::{SimDuration, SimTime};
use serde::Deserialize;
use serde::de::Error as _;

/// Where second 0 of a case lies on the simulation's clock, which knows no time before its start.
const CASE_START_NS: i64 = 1_000_000_000_000_000_000;

/// A moment of a case in seconds, possibly before its start.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(from = "f64")]
pub(crate) struct At(pub(crate) SimTime);

impl From<f64> for At {
    #[expect(clippy::cast_possible_truncation, reason = "cases last weeks, not centuries")]
    fn from(seconds: f64) -> Self {
        let nanos = CASE_START_NS + (seconds * 1e9).round() as i64;
        Self(SimTime::from_nanos(u64::try_from(nanos).expect("cases begin after the clock")))
    }
}

/// A span in seconds.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(from = "f64")]
pub(crate) struct Span(pub(crate) SimDuration);

impl From<f64> for Span {
    fn from(seconds: f64) -> Self {
        Self(SimDuration::from_secs_f64(seconds))
    }
}

/// A number or a percentage.
#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(try_from = "serde_json::Value")]
pub(crate) struct Share(pub(crate) IntOrPercent);

impl TryFrom<serde_json::Value> for Share {
    type Error = serde_json::Error;

    fn try_from(value: serde_json::Value) -> Result<Self, Self::Error> {
        match value.as_str() {
            None => i32::deserialize(value).map(|count| Self(IntOrPercent::Int(count))),
            Some(text) => text
                .strip_suffix('%')
                .and_then(|number| number.parse().ok())
                .map(|percent| Self(IntOrPercent::Percent(percent)))
                .ok_or_else(|| serde_json::Error::custom(format!("no percentage: {text}"))),
        }
    }
}

/// Labels as a map of strings.
pub(crate) type LabelsDoc = BTreeMap<String, String>;

pub(crate) fn labels(doc: &LabelsDoc) -> Labels {
    doc.iter().map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str()))).collect()
}

#[derive(Deserialize, Debug, Clone, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SelectorDoc {
    #[serde(default)]
    match_labels: LabelsDoc,
    #[serde(default)]
    match_expressions: Vec<RequirementDoc>,
}

#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields)]
struct RequirementDoc {
    key: String,
    operator: OperatorDoc,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize, Debug, Clone, Copy)]
enum OperatorDoc {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl SelectorDoc {
    pub(crate) fn selector(&self) -> LabelSelector {
        let requirement = |doc: &RequirementDoc| SelectorRequirement {
            key: Arc::from(doc.key.as_str()),
            operator: match doc.operator {
                OperatorDoc::In => SelectorOperator::In,
                OperatorDoc::NotIn => SelectorOperator::NotIn,
                OperatorDoc::Exists => SelectorOperator::Exists,
                OperatorDoc::DoesNotExist => SelectorOperator::DoesNotExist,
            },
            values: doc.values.iter().map(|value| Arc::from(value.as_str())).collect(),
        };
        LabelSelector {
            match_labels: labels(&self.match_labels),
            match_expressions: self.match_expressions.iter().map(requirement).collect(),
        }
    }
}

#[derive(Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
enum EffectDoc {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}

impl EffectDoc {
    fn effect(self) -> TaintEffect {
        match self {
            Self::NoSchedule => TaintEffect::NoSchedule,
            Self::PreferNoSchedule => TaintEffect::PreferNoSchedule,
            Self::NoExecute => TaintEffect::NoExecute,
        }
    }
}

#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaintDoc {
    key: String,
    #[serde(default)]
    value: String,
    effect: EffectDoc,
}

impl TaintDoc {
    pub(crate) fn taint(&self) -> Taint {
        Taint {
            key: Arc::from(self.key.as_str()),
            value: Arc::from(self.value.as_str()),
            effect: self.effect.effect(),
        }
    }
}

#[derive(Deserialize, Debug, Clone)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TolerationDoc {
    key: Option<String>,
    operator: Option<String>,
    #[serde(default)]
    value: String,
    effect: Option<EffectDoc>,
    toleration_seconds: Option<i64>,
}

impl TolerationDoc {
    pub(crate) fn toleration(&self) -> Toleration {
        Toleration {
            key: self.key.as_deref().map(Arc::from),
            exists: self.operator.as_deref() == Some("Exists"),
            value: Arc::from(self.value.as_str()),
            effect: self.effect.map(EffectDoc::effect),
            toleration_seconds: self.toleration_seconds,
        }
    }
}

/// Numbers for names, in order of first use.
#[derive(Default, Debug)]
pub(crate) struct Names {
    known: BTreeMap<String, u32>,
    names: Vec<String>,
}

impl Names {
    pub(crate) fn number(&mut self, name: &str) -> u32 {
        if let Some(&number) = self.known.get(name) {
            return number;
        }
        let number = u32::try_from(self.names.len()).expect("cases are small");
        self.known.insert(name.to_owned(), number);
        self.names.push(name.to_owned());
        number
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        &self.names[usize::try_from(number).expect("an index")]
    }
}
