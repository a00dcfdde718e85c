//! A decision as it is recorded: without the pods it was made on.

use std::sync::Arc;

use super::{
    ConditionStatus, DecisionPath, HpaDecision, HpaSpec, MetricDecision, MetricSpec, PodPart,
};
use crate::model::record::{HpaCondition, HpaMetricSync, HpaSync};
use crate::units::SimTime;
use crate::units::convert::count_u32;

impl HpaDecision<'_> {
    /// The decision as a record that outlives the observation. `spec` is the HPA's, with defaults.
    #[must_use]
    pub fn told(&self, spec: &HpaSpec) -> HpaSync {
        told(self, spec)
    }
}

fn told(decision: &HpaDecision<'_>, spec: &HpaSpec) -> HpaSync {
    let HpaDecision {
        current_replicas,
        desired_replicas,
        rescale,
        path,
        metrics,
        conditions,
        events: _,
    } = decision;
    let normalization = match path {
        DecisionPath::Proposed(normalization) => Some(normalization),
        DecisionPath::ScaleUnreadable
        | DecisionPath::Disabled
        | DecisionPath::AboveMaximum
        | DecisionPath::BelowMinimum
        | DecisionPath::NoProposal(_) => None,
    };
    let held = normalization.and_then(|n| n.stabilization.held_by.as_ref());
    HpaSync {
        current: current_replicas.unwrap_or_default(),
        metrics: metrics.iter().zip(&spec.metrics).map(|(m, s)| told_metric(m, s)).collect(),
        proposal: normalization.map(|n| n.proposal),
        stabilized: normalization.map(|n| n.stabilization.replicas),
        held_until: held
            .map(|held| SimTime::from_nanos(u64::try_from(held.expires_ns).unwrap_or_default())),
        desired: desired_replicas.or(*current_replicas).unwrap_or_default(),
        rescaled: rescale.is_some(),
        rescale_reason: rescale
            .as_ref()
            .map_or_else(|| Arc::from(""), |r| Arc::from(r.to_string())),
        conditions: conditions
            .iter()
            .map(|condition| HpaCondition {
                kind: Arc::from(condition.kind.to_string()),
                status: condition.status == ConditionStatus::True,
                reason: Arc::from(condition.reason.to_string()),
            })
            .collect(),
    }
}

fn told_metric(metric: &MetricDecision<'_>, spec: &MetricSpec) -> HpaMetricSync {
    let mut counted = 0;
    let mut left_out = Vec::new();
    for verdict in &metric.pods {
        match verdict.part {
            PodPart::Counted { .. } => counted += 1_usize,
            PodPart::Ignored(_) | PodPart::Unready(_) | PodPart::Missing => {
                left_out.push((Arc::from(verdict.pod), Arc::from(verdict.part.to_string())));
            }
        }
    }
    let proposal = metric.outcome.as_ref().ok();
    HpaMetricSync {
        label: Arc::clone(&metric.label),
        current: Arc::from(metric.status.to_string()),
        target: Arc::from(spec.target().to_string()),
        ratio: proposal.map(|proposal| proposal.ratio),
        proposal: proposal.map(|proposal| proposal.replicas),
        failure: metric.outcome.as_ref().err().map(|failure| Arc::from(failure.to_string())),
        counted: count_u32(counted),
        left_out,
    }
}
