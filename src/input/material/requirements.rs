//! Documents of kind Requirements: what someone has stated that a release needs.

use std::sync::Arc;

use crate::input::decode::{Fields, Value};
use crate::input::source::Span;
use crate::units::{Bytes, MilliCpu};

/// All sets of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Requirements {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// The sets, in order of writing.
    pub sets: Vec<RequirementSet>,
}

/// One set of statements, such as `production`.
#[derive(Debug, Clone, PartialEq)]
pub struct RequirementSet {
    /// Its name.
    pub name: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// The rows.
    pub rows: Vec<RequirementRow>,
    /// The stated total.
    pub total: Option<Amounts>,
    /// Where the total stands.
    pub total_span: Option<Span>,
    /// `gpus`: how many, and where the number stands.
    pub gpus: Option<(i64, Span)>,
}

/// One row: a component and what it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct RequirementRow {
    /// Name of the component.
    pub name: Arc<str>,
    /// Where its name stands.
    pub span: Span,
    /// Its workloads, `Kind/name`.
    pub workloads: Vec<Arc<str>>,
    /// What is stated.
    pub amounts: Amounts,
    /// Whether the amounts are those of one replica; else of the whole component at its minimum.
    pub per_replica: bool,
    /// Replicas at least, when stated.
    pub replicas_min: Option<i32>,
    /// Replicas at most, when stated.
    pub replicas_max: Option<i32>,
}

/// Stated amounts with their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amounts {
    /// CPU.
    pub cpu: Option<(MilliCpu, Span)>,
    /// Memory.
    pub memory: Option<(Bytes, Span)>,
    /// Storage.
    pub storage: Option<(Bytes, Span)>,
}

/// Reads the fields behind `apiVersion`, `kind` and `metadata`: every other key is a set.
pub(in crate::input) fn requirements(fields: &Fields<'_>, name: Arc<str>) -> Option<Requirements> {
    let mut sets = Vec::new();
    let mut complete = true;
    for (key, value) in fields.value().entries()? {
        if matches!(key.text, "apiVersion" | "kind" | "metadata") {
            continue;
        }
        match set(key.text, key.span, &value) {
            Some(set) => sets.push(set),
            None => complete = false,
        }
    }
    complete.then_some(Requirements { name, sets })
}

fn set(name: &str, span: Span, value: &Value<'_>) -> Option<RequirementSet> {
    let fields = value.fields()?;
    let mut rows = Vec::new();
    let mut complete = true;
    for (list, per_replica) in [("components", false), ("perReplica", true)] {
        let Some(list) = fields.optional(list) else { continue };
        for (key, value) in list.entries()? {
            match row(key.text, key.span, &value, per_replica) {
                Some(row) => rows.push(row),
                None => complete = false,
            }
        }
    }
    let total_value = fields.optional("total");
    let total = total_value.as_ref().map_or(Some(None), |value| {
        let fields = value.fields()?;
        let total = amounts(&fields);
        fields.finish("the total of a set of requirements");
        total.map(Some)
    });
    let gpus = fields.read("gpus", |value| {
        let fields = value.fields()?;
        let count = fields.required("count")?;
        let number = count.integer(0..=1_000_000_i64);
        fields.ignore(&["accelerator"]);
        fields.finish("gpus");
        Some((number?, count.span()))
    });
    fields.finish("a set of requirements (`components` or `perReplica`, `total`, `gpus`)");
    Some(RequirementSet {
        name: name.into(),
        span,
        rows: Some(rows).filter(|_| complete)?,
        total: total?,
        total_span: total_value.map(|value| value.key_span()),
        gpus: gpus?,
    })
}

fn row(name: &str, span: Span, value: &Value<'_>, per_replica: bool) -> Option<RequirementRow> {
    let fields = value.fields()?;
    let workloads = fields.required("workloads").and_then(|value| value.list(Value::shared));
    let amounts = amounts(&fields);
    let count = |value: &Value<'_>| value.integer(0..=i32::MAX);
    let replicas = fields.read("replicas", |value| {
        if value.node().mapping().is_none() {
            return count(value).map(|count| (Some(count), None));
        }
        let fields = value.fields()?;
        let (min, max) = (fields.read("min", count), fields.read("max", count));
        fields.finish("replicas");
        Some((min?, max?))
    });
    fields.finish("a row of requirements");
    let (replicas_min, replicas_max) = replicas?.unwrap_or_default();
    Some(RequirementRow {
        name: name.into(),
        span,
        workloads: workloads?,
        amounts: amounts?,
        per_replica,
        replicas_min,
        replicas_max,
    })
}

fn amounts(fields: &Fields<'_>) -> Option<Amounts> {
    let bytes = |name| fields.read(name, |value| value.bytes().map(|bytes| (bytes, value.span())));
    let cpu = fields.read("cpu", |value| value.cores().map(|cores| (cores, value.span())));
    let (memory, storage) = (bytes("memory"), bytes("storage"));
    Some(Amounts { cpu: cpu?, memory: memory?, storage: storage? })
}
