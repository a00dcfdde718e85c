//! Each of the five kinds of metric: reading, proposal and what the status shows.
//!
//! Source: kube-controller-manager, `horizontal.go` (`computeReplicasForMetric` and the
//! `computeStatusFor…Metric` functions), `replica_calculator.go`, `metrics/client.go`.

use std::sync::Arc;

use super::arithmetic::{double, int32_guarded, int32_unguarded, int64_unguarded};
use super::conditions::ConditionReason;
use super::config::HpaConfig;
use super::decision::{MetricDecision, MetricFailure, MetricProposal, MetricStatus};
use super::observation::{HpaObservation, PodMetrics, Reading, Scale};
use super::replica_calculator::{
    Grouping, PerPodCalculation, PerPodTarget, Readiness, Sample, Tolerances, ready_pods,
    requests_milli,
};
use super::spec::{MetricSpec, MetricTarget, ResourceName, TargetKind};
use crate::units::quantity::Format;

/// Window of a custom metric that comes without one (ns); stored, but without any effect.
const CUSTOM_METRIC_WINDOW_NS: i64 = 60_000_000_000;

/// Everything one metric is evaluated against.
#[derive(Clone, Copy)]
pub(super) struct Evaluation<'e, 'a> {
    pub(super) config: &'e HpaConfig,
    pub(super) seen: &'e HpaObservation<'a>,
    pub(super) scale: Scale,
    pub(super) tolerances: Tolerances,
}

/// The reason given when a metric of this kind fails.
pub(super) fn failure_reason(metric: &MetricSpec) -> ConditionReason {
    match metric {
        MetricSpec::Resource { .. } => ConditionReason::FailedGetResourceMetric,
        MetricSpec::ContainerResource { .. } => ConditionReason::FailedGetContainerResourceMetric,
        MetricSpec::Pods { .. } => ConditionReason::FailedGetPodsMetric,
        MetricSpec::Object { .. } => ConditionReason::FailedGetObjectMetric,
        MetricSpec::External { .. } => ConditionReason::FailedGetExternalMetric,
    }
}

impl<'a> Evaluation<'_, 'a> {
    /// Evaluates the metric at this place of the specification.
    pub(super) fn metric(
        &self,
        index: usize,
        metric: &MetricSpec,
        label: &Arc<str>,
    ) -> MetricDecision<'a> {
        let mut decision = MetricDecision {
            label: Arc::clone(label),
            status: MetricStatus::None,
            outcome: Err(MetricFailure::NotRead),
            pods: Vec::new(),
            ghosts: Vec::new(),
        };
        let reading = self.seen.readings.get(index).copied().unwrap_or(Reading::Failed);
        let answer = match metric {
            MetricSpec::Resource { name, target } => {
                self.resource(name, None, target, &mut decision)
            }
            MetricSpec::ContainerResource { name, container, target } => {
                self.resource(name, Some(container), target, &mut decision)
            }
            MetricSpec::Pods { target, .. } => self.pods(reading, target, &mut decision),
            MetricSpec::Object { target, .. } => self.object(reading, target),
            MetricSpec::External { target, .. } => self.external(reading, target),
        };
        decision.outcome = answer.map(|(status, proposal)| {
            decision.status = status;
            proposal
        });
        decision
    }

    /// CPU or memory; an average target goes before a utilization target, whatever the kind says.
    fn resource(
        &self,
        resource: &ResourceName,
        container: Option<&str>,
        target: &MetricTarget,
        decision: &mut MetricDecision<'a>,
    ) -> Result<(MetricStatus, MetricProposal), MetricFailure> {
        let target = match (target.average_value, target.average_utilization) {
            (Some(average), _) => PerPodTarget::AverageMilli(average.milli_value_ceil()),
            (None, Some(percent)) => PerPodTarget::Utilization(percent),
            (None, None) => return Err(MetricFailure::NoTarget),
        };
        let samples = match container {
            None => pod_samples(self.seen.pod_metrics, resource),
            Some(container) => container_samples(self.seen.pod_metrics, resource, container)?,
        };
        if self.seen.pod_metrics.is_empty() {
            return Err(MetricFailure::NotRead);
        }
        let (readiness, format) = match resource {
            ResourceName::Cpu => {
                let (config, now_ns) = (self.config, self.seen.now_ns);
                (Readiness::Cpu { config, now_ns }, Format::DecimalSi)
            }
            ResourceName::Memory => (Readiness::Ignored, Format::BinarySi),
            ResourceName::Other(_) => (Readiness::Ignored, Format::DecimalSi),
        };
        let requests = || match target {
            PerPodTarget::Utilization(_) => requests_milli(self.seen.pods, resource, container),
            PerPodTarget::AverageMilli(_) => Ok(Vec::new()),
        };
        self.per_pod(&samples, readiness, target, format, requests, decision)
    }

    /// A custom metric of each pod.
    fn pods(
        &self,
        reading: Reading<'a>,
        target: &MetricTarget,
        decision: &mut MetricDecision<'a>,
    ) -> Result<(MetricStatus, MetricProposal), MetricFailure> {
        let average = target.average_value.ok_or(MetricFailure::NoTarget)?;
        let values = match reading {
            Reading::PerPod(values) if !values.is_empty() => values,
            Reading::PerPod(_) | Reading::Failed | Reading::Single(_) | Reading::Series(_) => {
                return Err(MetricFailure::NotRead);
            }
        };
        let samples: Vec<_> = values
            .iter()
            .map(|value| Sample {
                pod: value.pod,
                usage_milli: value.value_milli,
                timestamp_ns: self.seen.now_ns,
                window_ns: CUSTOM_METRIC_WINDOW_NS,
            })
            .collect();
        let target = PerPodTarget::AverageMilli(average.milli_value_ceil());
        let no_requests = || Ok(Vec::new());
        let format = Format::DecimalSi;
        self.per_pod(&samples, Readiness::Ignored, target, format, no_requests, decision)
    }

    fn per_pod(
        &self,
        samples: &[Sample<'a>],
        readiness: Readiness<'_>,
        target: PerPodTarget,
        format: Format,
        requests: impl Fn() -> Result<Vec<i64>, MetricFailure>,
        decision: &mut MetricDecision<'a>,
    ) -> Result<(MetricStatus, MetricProposal), MetricFailure> {
        if self.seen.pods.is_empty() {
            return Err(MetricFailure::NoPods);
        }
        let grouping = Grouping::of(self.seen.pods, samples, readiness);
        let answer = requests().and_then(|requests| {
            PerPodCalculation {
                grouping: &grouping,
                requests_milli: &requests,
                target,
                tolerances: self.tolerances,
                spec_replicas: self.scale.spec_replicas,
            }
            .propose()
        });
        (decision.pods, decision.ghosts) = (grouping.verdicts, grouping.ghosts);
        let answer = answer?;
        let average_milli = answer.usage.average_milli;
        let status = match answer.usage.utilization_percent {
            Some(percent) => MetricStatus::Utilization { percent, average_milli, format },
            None => MetricStatus::Average { milli: average_milli, format },
        };
        Ok((status, answer.proposal))
    }

    /// A metric of one other object; here the kind of the target decides.
    fn object(
        &self,
        reading: Reading<'a>,
        target: &MetricTarget,
    ) -> Result<(MetricStatus, MetricProposal), MetricFailure> {
        let usage = || match reading {
            Reading::Single(usage) => Ok(usage),
            Reading::Failed | Reading::PerPod(_) | Reading::Series(_) => {
                Err(MetricFailure::NotRead)
            }
        };
        match (target.kind, target.value, target.average_value) {
            (TargetKind::Value, Some(value), _) => self.value(usage()?, value.milli_value_ceil()),
            (TargetKind::AverageValue, _, Some(average)) => {
                Ok(self.average(usage()?, average.milli_value_ceil(), int32_unguarded))
            }
            (TargetKind::Value | TargetKind::AverageValue | TargetKind::Utilization, _, _) => {
                Err(MetricFailure::NoTarget)
            }
        }
    }

    /// A metric from outside, the sum of its series; an average target goes first.
    fn external(
        &self,
        reading: Reading<'a>,
        target: &MetricTarget,
    ) -> Result<(MetricStatus, MetricProposal), MetricFailure> {
        let usage = || match reading {
            Reading::Series(series) if !series.is_empty() => {
                Ok(series.iter().fold(0_i64, |sum, value| sum.saturating_add(*value)))
            }
            Reading::Series(_) | Reading::Failed | Reading::PerPod(_) | Reading::Single(_) => {
                Err(MetricFailure::NotRead)
            }
        };
        match (target.average_value, target.value) {
            (Some(average), _) => {
                Ok(self.average(usage()?, average.milli_value_ceil(), int32_guarded))
            }
            (None, Some(value)) => self.value(usage()?, value.milli_value_ceil()),
            (None, None) => Err(MetricFailure::NoTarget),
        }
    }

    /// A value in all (`getUsageRatioReplicaCount`): in proportion to the pods that serve, which
    /// may be fewer than asked for.
    fn value(
        &self,
        usage_milli: i64,
        target_milli: i64,
    ) -> Result<(MetricStatus, MetricProposal), MetricFailure> {
        let ratio = double(usage_milli) / double(target_milli);
        let spec = self.scale.spec_replicas;
        let replicas = if spec == 0 {
            int32_guarded(ratio.ceil())
        } else if self.tolerances.contain(ratio) {
            spec
        } else if self.seen.pods.is_empty() {
            return Err(MetricFailure::NoPods);
        } else {
            int32_guarded((ratio * double(ready_pods(self.seen.pods))).ceil())
        };
        let status = MetricStatus::Value { milli: usage_milli };
        Ok((status, MetricProposal { ratio, cautious_ratio: None, replicas }))
    }

    /// A value for each pod (`GetObjectPerPodMetricReplicas`, `GetExternalPerPodMetricReplicas`):
    /// compared with the pods that exist, not with those asked for.
    fn average(
        &self,
        usage_milli: i64,
        target_milli: i64,
        to_int32: fn(f64) -> i32,
    ) -> (MetricStatus, MetricProposal) {
        let status_replicas = self.scale.status_replicas;
        let (usage, target) = (double(usage_milli), double(target_milli));
        let ratio = usage / (target * f64::from(status_replicas));
        let replicas = match self.tolerances.contain(ratio) {
            true => status_replicas,
            false => to_int32((usage / target).ceil()),
        };
        let milli = int64_unguarded((usage / f64::from(status_replicas)).ceil());
        let status = MetricStatus::Average { milli, format: Format::DecimalSi };
        (status, MetricProposal { ratio, cautious_ratio: None, replicas })
    }
}

/// Whole pods (`getPodMetrics`): a pod with a container that lacks the resource has no metric.
fn pod_samples<'a>(metrics: &[PodMetrics<'a>], resource: &ResourceName) -> Vec<Sample<'a>> {
    metrics
        .iter()
        .filter(|pod| !pod.containers.is_empty())
        .filter_map(|pod| {
            let mut usages = pod.containers.iter().map(|found| found.amounts.of(resource));
            let usage = usages.try_fold(0_i64, |sum, usage| Some(sum.wrapping_add(usage?)))?;
            Some(sample(pod, usage))
        })
        .collect()
}

/// One container of each pod (`getContainerMetrics`): a pod served without that container makes
/// the metric invalid, one that lacks only the resource has no metric.
fn container_samples<'a>(
    metrics: &[PodMetrics<'a>],
    resource: &ResourceName,
    container: &str,
) -> Result<Vec<Sample<'a>>, MetricFailure> {
    let mut samples = Vec::with_capacity(metrics.len());
    for pod in metrics {
        let Some(found) = pod.containers.iter().find(|found| found.name == container) else {
            return Err(MetricFailure::ContainerNotServed {
                container: container.to_owned(),
                pod: pod.name.to_owned(),
            });
        };
        samples.extend(found.amounts.of(resource).map(|usage| sample(pod, usage)));
    }
    Ok(samples)
}

fn sample<'a>(pod: &PodMetrics<'a>, usage_milli: i64) -> Sample<'a> {
    Sample { pod: pod.name, usage_milli, timestamp_ns: pod.timestamp_ns, window_ns: pod.window_ns }
}
