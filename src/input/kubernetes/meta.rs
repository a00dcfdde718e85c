//! What every object has: metadata, labels, selectors, and the integer-or-percentage.

use std::sync::Arc;

use crate::cluster::api::meta::{IntOrPercent, Labels, ObjectMeta};
use crate::cluster::api::selector::{LabelSelector, SelectorOperator, SelectorRequirement};
use crate::input::codes;
use crate::input::decode::{Fields, Value};
use crate::units::Origin;

/// Fields of `metadata` that decide nothing.
const METADATA_ASIDE: [&str; 12] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
    "clusterName",
];

/// The fields of an object of which `spec` and the like will be read: the type is known already.
pub(in crate::input) fn object_fields<'a>(value: &Value<'a>) -> Option<Fields<'a>> {
    let fields = value.fields()?;
    fields.ignore(&["apiVersion", "kind", "status"]);
    Some(fields)
}

/// `metadata` of a named object; the namespace is `default` when absent.
pub(in crate::input) fn metadata(fields: &Fields<'_>) -> Option<ObjectMeta> {
    let origin = fields.value().origin();
    let value = fields.required("metadata")?;
    let meta = value.fields()?;
    let name = meta.required("name").and_then(|name| name.non_empty().map(Arc::from));
    // Text of no letters is no namespace: it goes where an object goes that says none.
    let namespace = meta.read_or("namespace", Arc::from("default"), |value| {
        value.shared().map(|name| if name.is_empty() { Arc::from("default") } else { name })
    });
    let labels = meta.read_or("labels", Labels::new(), strings);
    let annotations = meta.read_or("annotations", Labels::new(), strings);
    meta.ignore(&METADATA_ASIDE);
    meta.finish("ObjectMeta");
    Some(ObjectMeta {
        name: name?,
        namespace: namespace?,
        labels: labels?,
        annotations: annotations?,
        origin,
    })
}

/// Labels and annotations of a template, whose metadata need no name.
pub(super) fn template_metadata(fields: &Fields<'_>) -> Option<(Labels, Labels)> {
    let Some(value) = fields.optional("metadata") else { return Some(Default::default()) };
    let meta = value.fields()?;
    let labels = meta.read_or("labels", Labels::new(), strings);
    let annotations = meta.read_or("annotations", Labels::new(), strings);
    meta.ignore(&["name", "namespace"]);
    meta.ignore(&METADATA_ASIDE);
    meta.finish("ObjectMeta");
    Some((labels?, annotations?))
}

/// A mapping of text to text, such as labels.
pub(in crate::input) fn strings(value: &Value<'_>) -> Option<Labels> {
    let read = |(name, value): (crate::input::decode::Name<'_>, Value<'_>)| {
        // An absent value is the empty text, as decoding JSON's null into a string has it.
        let text = if value.node().is_null() { Some(Arc::from("")) } else { value.shared() };
        Some((Arc::from(name.text), text?))
    };
    // Collecting would stop at the first `None`; every entry shall be read.
    let read: Vec<Option<_>> = value.entries()?.into_iter().map(read).collect();
    read.into_iter().collect()
}

/// A list of texts.
pub(super) fn names(value: &Value<'_>) -> Option<Vec<Arc<str>>> {
    value.list(Value::shared)
}

/// The label selector of an object.
pub(in crate::input) fn selector(value: &Value<'_>) -> Option<LabelSelector> {
    let fields = value.fields()?;
    let match_labels = fields.read_or("matchLabels", Labels::new(), strings);
    let expressions =
        fields.read_or("matchExpressions", Vec::new(), |value| value.list(label_requirement));
    fields.finish("LabelSelector");
    Some(LabelSelector { match_labels: match_labels?, match_expressions: expressions? })
}

fn label_requirement(value: &Value<'_>) -> Option<SelectorRequirement> {
    use SelectorOperator::{DoesNotExist, Exists, In, NotIn};
    let operators =
        [("In", In), ("NotIn", NotIn), ("Exists", Exists), ("DoesNotExist", DoesNotExist)];
    requirement(value, &operators)
}

/// One expression of a selector with the operators that are allowed in it. The number of values is
/// checked as apimachinery's `NewRequirement` does.
pub(super) fn requirement(
    value: &Value<'_>,
    operators: &[(&str, SelectorOperator)],
) -> Option<SelectorRequirement> {
    let fields = value.fields()?;
    let key = fields.required("key").and_then(|key| key.non_empty().map(Arc::from));
    let operator = fields.required("operator").and_then(|operator| operator.word(operators));
    let values = fields.read_or("values", Vec::new(), names);
    fields.finish("a selector requirement");
    let (key, operator, values) = (key?, operator?, values?);
    let fault = match operator {
        SelectorOperator::In | SelectorOperator::NotIn if values.is_empty() => {
            Some("needs `values` for the operators In and NotIn")
        }
        SelectorOperator::Exists | SelectorOperator::DoesNotExist if !values.is_empty() => {
            Some("must have no `values` for the operators Exists and DoesNotExist")
        }
        SelectorOperator::Gt | SelectorOperator::Lt
            if values.len() != 1 || values[0].parse::<i64>().is_err() =>
        {
            Some("needs one whole number in `values` for the operators Gt and Lt")
        }
        SelectorOperator::In
        | SelectorOperator::NotIn
        | SelectorOperator::Exists
        | SelectorOperator::DoesNotExist
        | SelectorOperator::Gt
        | SelectorOperator::Lt => None,
    };
    if let Some(fault) = fault {
        value.report(value.error(codes::INVALID_SELECTOR, fault));
        return None;
    }
    Some(SelectorRequirement { key, operator, values })
}

/// A number of pods or a percentage of them. Percentages are digits and `%` (apimachinery
/// `IsValidPercent`); those above `most` are refused.
pub(super) fn int_or_percent(value: &Value<'_>, most: i32) -> Option<IntOrPercent> {
    let Some(text) = value.node().text() else {
        return value.integer(0..=i32::MAX).map(IntOrPercent::Int);
    };
    let digits =
        text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.map(str::parse::<i32>) {
        Some(Ok(percent)) if percent <= most => Some(IntOrPercent::Percent(percent)),
        Some(Ok(_)) => {
            let message = format!("is {text}, must not be greater than {most}%");
            value.report(value.error(codes::OUT_OF_RANGE, &message));
            None
        }
        Some(Err(_)) | None => {
            let message =
                format!("is `{text}`, must be a whole number or a percentage such as `25%`");
            let error = value.error(codes::INVALID_VALUE, &message);
            value.report(match value.meant_share() {
                Some(meant) => error.fix("did you mean", value.span(), meant),
                None => error,
            });
            None
        }
    }
}

/// A whole number of seconds.
pub(super) fn seconds(value: &Value<'_>) -> Option<crate::units::SimDuration> {
    let most = 100 * 365 * 86_400_i64;
    let seconds = value.integer(0..=most)?;
    Some(crate::units::SimDuration::from_secs(
        u64::try_from(seconds).expect("the range begins at zero"),
    ))
}

/// The origin of a field, or that it is Kubernetes' default.
pub(super) fn origin_or_default(value: Option<&Value<'_>>) -> Origin {
    value.map_or_else(|| Origin::implied("Kubernetes default"), Value::origin)
}
