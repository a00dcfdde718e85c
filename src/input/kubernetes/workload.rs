//! What Deployment, StatefulSet, DaemonSet and ReplicaSet have in common.

use std::sync::Arc;

use super::meta::{metadata, object_fields, origin_or_default, seconds, selector};
use super::pod::template;
use crate::cluster::api::LabelSelector;
use crate::cluster::api::workload::{WorkloadKind, WorkloadSpec};
use crate::input::codes;
use crate::input::decode::{Fields, Value};
use crate::units::SimDuration;

/// Replicas of a workload at most: the pods of the largest cluster that Kubernetes supports
/// (setup/best-practices/cluster-large).
pub const REPLICAS_MOST: i32 = 150_000;

/// A workload of one kind; `kind` reads the fields of `spec` that are particular to it and ignores
/// none of the others.
pub(super) fn workload(
    value: &Value<'_>,
    name: &str,
    kind: impl FnOnce(&Fields<'_>) -> Option<WorkloadKind>,
) -> Option<WorkloadSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec_value = fields.required("spec");
    fields.finish(name);
    let spec = spec_value?.fields()?;
    let selector_value = spec.required("selector");
    let selector = selector_value.as_ref().map(selector);
    let replicas_value = spec.optional("replicas");
    let replicas =
        replicas_value.as_ref().map_or(Some(1), |value| value.integer(0..=REPLICAS_MOST));
    let min_ready = spec.read_or("minReadySeconds", SimDuration::ZERO, seconds);
    let template_value = spec.required("template");
    let template = template_value.as_ref().and_then(template);
    let kind = kind(&spec);
    spec.finish(&format!("{name}Spec"));
    let template = template?;
    // That it lacks was told; the rest of the object is judged as if it selected its own pods.
    let own =
        || LabelSelector { match_labels: template.labels.clone(), match_expressions: Vec::new() };
    let selector = selector.unwrap_or_else(|| Some(own()))?;
    if let (Some(selector_value), Some(template_value)) = (selector_value, template_value)
        && !selector.matches(&template.labels)
    {
        let message = "does not select the labels of `spec.template`";
        let labels = template_value.node().get("metadata").and_then(|meta| meta.get("labels"));
        let labels = labels.map_or_else(
            || template_value.key_span(),
            |labels| first_line(&template_value, labels.span),
        );
        let error =
            selector_value.error(codes::INVALID_SELECTOR, message).secondary(labels, "the labels");
        let words = "`selector` does not match template `labels`";
        value.report(error.note(format!(
            "the API server says: spec.template.metadata.labels: Invalid value: {words}"
        )));
    }
    Some(WorkloadSpec {
        meta: meta?,
        selector,
        replicas: replicas?,
        replicas_origin: origin_or_default(replicas_value.as_ref()),
        min_ready: min_ready?,
        template: Arc::new(template),
        kind: kind?,
    })
}

/// The part of a span that lies on its first line.
fn first_line(value: &Value<'_>, span: crate::input::source::Span) -> crate::input::source::Span {
    let text = value.context().sources.text(span);
    let length = text.lines().next().map_or(0, |line| line.trim_end().len());
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    crate::input::source::Span { end: span.start.saturating_add(length), ..span }
}
