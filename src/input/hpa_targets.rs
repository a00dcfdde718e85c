//! Autoscalers and the workloads that they scale, brought together.

use std::sync::Arc;

use super::codes;
use super::decode::{Context, nearest};
use super::diagnostic::{Diagnostic, Severity};
use super::kubernetes::{AutoscalerSpec, Objects};
use super::source::Span;
use crate::model::id::WorkloadId;
use crate::scenario::HpaObject;

/// Autoscalers with their targets found. A second one for the same target and one for none are
/// errors; one for a kind that is not simulated is left out with a warning.
pub(super) fn resolve_hpas(
    autoscalers: &[AutoscalerSpec],
    objects: &Objects,
    context: Context<'_>,
) -> Vec<Arc<HpaObject>> {
    let mut resolved: Vec<(Arc<HpaObject>, Span)> = Vec::new();
    for hpa in autoscalers {
        let wanted = format!("{}/{}", hpa.target_kind, hpa.target_name);
        let name = &hpa.meta.name;
        let found = objects.named(&wanted, Some(&hpa.meta.namespace)).map(WorkloadId::at);
        let Some(target) = found else {
            if objects.is_broken(&wanted) {
                continue;
            }
            context.diagnostics.push(unknown_target(hpa, &wanted, objects));
            continue;
        };
        let span = hpa.target_span;
        if let Some((_, other)) = resolved.iter().find(|(other, _)| other.target == target) {
            let message =
                format!("HorizontalPodAutoscaler/{name}: another one scales {wanted} too");
            let error = Diagnostic::error(codes::HPA_CONFLICT, message).primary(span, "");
            let error = error.secondary(*other, "the other one");
            context.diagnostics.push(
                error.note("the controller would report AmbiguousSelector and scale by neither"),
            );
            continue;
        }
        let AutoscalerSpec { meta, spec, min_origin, max_origin, .. } = hpa.clone();
        resolved.push((Arc::new(HpaObject { meta, target, spec, min_origin, max_origin }), span));
    }
    resolved.into_iter().map(|(hpa, _)| hpa).collect()
}

fn unknown_target(hpa: &AutoscalerSpec, wanted: &str, objects: &Objects) -> Diagnostic {
    let name = &hpa.meta.name;
    let message =
        format!("HorizontalPodAutoscaler/{name}: scales {wanted}, which is in no manifest");
    let simulated = matches!(&*hpa.target_kind, "Deployment" | "StatefulSet" | "ReplicaSet");
    let severity = if simulated { Severity::Error } else { Severity::Warning };
    let diagnostic =
        Diagnostic::new(severity, codes::HPA_UNKNOWN_TARGET, message).primary(hpa.target_span, "");
    if !simulated {
        return diagnostic
            .note(format!("{} is not simulated; this autoscaler is left out", hpa.target_kind));
    }
    let diagnostic = diagnostic.note("the controller would report FailedGetScale and do nothing");
    let known: Vec<String> = objects.workloads.iter().map(ToString::to_string).collect();
    match nearest(wanted, known.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("a similar workload exists: `{near}`")),
        None => diagnostic,
    }
}
