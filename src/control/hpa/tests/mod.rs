//! Worked cases of the HPA: edges that recorded answers may not reach.

use super::*;
use crate::units::quantity::{Format, Quantity};

mod normalization;
mod pod_metrics;
mod reconciliation;
mod upstream;
mod validation;
mod values;

/// The moment of single syncs (s).
const NOW_S: i64 = 1000;

fn milli(amount: i64) -> Quantity {
    Quantity::from_milli(amount, Format::DecimalSi)
}

fn percent_of_cpu(percent: i32) -> MetricSpec {
    MetricSpec::Resource { name: ResourceName::Cpu, target: MetricTarget::utilization(percent) }
}

fn external(name: &str, target: MetricTarget) -> MetricSpec {
    let metric = MetricIdentifier { name: name.to_owned(), selector: None };
    MetricSpec::External { metric, target }
}

fn spec_of(metric: MetricSpec) -> HpaSpec {
    HpaSpec { min_replicas: Some(1), max_replicas: 1000, metrics: vec![metric], behavior: None }
}

/// One pod with what is measured of it.
#[derive(Clone)]
struct TestPod {
    phase: PodPhase,
    lifecycle: PodLifecycle,
    /// Status of the Ready condition and when it changed (ms).
    ready: Option<(ConditionStatus, i64)>,
    start_ms: Option<i64>,
    /// One a container (millicores, or millibytes).
    requests: Vec<Option<i64>>,
    /// One a container; empty is "no metric".
    usage: Vec<i64>,
    /// Time (ms) and window (ms) of the sample.
    sample: (i64, i64),
}

impl TestPod {
    /// Running and Ready for long, one container that requests 1000m.
    fn using(usage: i64) -> Self {
        Self {
            phase: PodPhase::Running,
            lifecycle: PodLifecycle::Present,
            ready: Some((ConditionStatus::True, 20_000)),
            start_ms: Some(10_000),
            requests: vec![Some(1000)],
            usage: vec![usage],
            sample: (990_000, 15_000),
        }
    }

    fn observed<'a>(
        &self,
        name: &'a str,
        containers: &'a [ContainerAmounts<'a>],
    ) -> ObservedPod<'a> {
        ObservedPod {
            name,
            phase: self.phase,
            ready: self.ready.map(|(status, at_ms)| ReadyCondition {
                status,
                last_transition_ns: at_ms * 1_000_000,
            }),
            start_ns: self.start_ms.map(|at_ms| at_ms * 1_000_000),
            lifecycle: self.lifecycle,
            containers,
            pod_level_requests: None,
        }
    }

    fn missing() -> Self {
        Self { usage: Vec::new(), ..Self::using(0) }
    }

    fn pending() -> Self {
        Self { phase: PodPhase::Pending, ready: None, ..Self::missing() }
    }
}

fn pods(count: usize, usage: i64) -> Vec<TestPod> {
    vec![TestPod::using(usage); count]
}

/// A single sync over pods.
struct Sync {
    metric: MetricSpec,
    pods: Vec<TestPod>,
    /// Usage of pods that no longer exist.
    ghosts: Vec<i64>,
    spec_replicas: i32,
    /// Downwards and upwards.
    tolerance: [&'static str; 2],
}

/// What is read from a single sync.
struct Answer {
    outcome: Result<i32, MetricFailure>,
    status: String,
    parts: Vec<PodPart>,
}

impl Sync {
    fn new(metric: MetricSpec, pods: Vec<TestPod>) -> Self {
        let spec_replicas = i32::try_from(pods.len()).expect("few pods");
        Self { metric, pods, ghosts: Vec::new(), spec_replicas, tolerance: ["0.1", "0.1"] }
    }

    /// Runs the sync and gives the metric's own proposal, before stabilization and limits.
    fn run(self) -> Answer {
        let names: Vec<_> = (0..self.pods.len()).map(|index| format!("p{index}")).collect();
        let requests: Vec<Vec<_>> =
            self.pods.iter().map(|pod| self.containers(pod.requests.iter().copied())).collect();
        let observed: Vec<_> = self
            .pods
            .iter()
            .enumerate()
            .map(|(index, pod)| pod.observed(&names[index], &requests[index]))
            .collect();
        let ghosts = self.ghosts.iter().map(|usage| ("ghost", TestPod::using(*usage)));
        let listed = names.iter().map(String::as_str).zip(self.pods.iter().cloned());
        let measured: Vec<_> =
            listed.chain(ghosts).filter(|(_, pod)| !pod.usage.is_empty()).collect();
        let usages: Vec<Vec<_>> = measured
            .iter()
            .map(|(_, pod)| self.containers(pod.usage.iter().copied().map(Some)))
            .collect();
        let served: Vec<_> = measured
            .iter()
            .zip(&usages)
            .map(|((name, pod), containers)| PodMetrics {
                name,
                timestamp_ns: pod.sample.0 * 1_000_000,
                window_ns: pod.sample.1 * 1_000_000,
                containers,
            })
            .collect();
        let values: Vec<_> = measured
            .iter()
            .map(|(pod, it)| PodValue { pod, value_milli: it.usage.iter().sum() })
            .collect();
        let scale = Scale { spec_replicas: self.spec_replicas, status_replicas: 0 };
        let readings = [Reading::PerPod(&values)];
        let decision = Hpa::new(self.spec()).sync(
            &HpaConfig::default(),
            &HpaObservation {
                scale: Some(scale),
                pods: &observed,
                pod_metrics: &served,
                ..observation(0, &readings)
            },
        );
        let metric = &decision.metrics[0];
        Answer {
            outcome: metric.outcome.clone().map(|proposal| proposal.replicas),
            status: metric.status.to_string(),
            parts: metric.pods.iter().map(|verdict| verdict.part).collect(),
        }
    }

    fn spec(&self) -> HpaSpec {
        let rules = |tolerance: &str| {
            let tolerance = Some(tolerance.parse().expect("a quantity"));
            Some(ScalingRules { tolerance, ..ScalingRules::default() })
        };
        let [down, up] = self.tolerance;
        HpaSpec { behavior: behavior(rules(up), rules(down)), ..spec_of(self.metric.clone()) }
    }

    /// Amounts of the resource that the metric is about, one a container.
    fn containers(
        &self,
        amounts: impl Iterator<Item = Option<i64>>,
    ) -> Vec<ContainerAmounts<'static>> {
        let is_memory =
            matches!(&self.metric, MetricSpec::Resource { name: ResourceName::Memory, .. });
        let amounts_of = |amount| match is_memory {
            true => Amounts { cpu_milli: None, memory_milli: amount },
            false => Amounts { cpu_milli: amount, memory_milli: None },
        };
        let named = ["main", "side"].into_iter().zip(amounts);
        named.map(|(name, it)| ContainerAmounts { name, amounts: amounts_of(it) }).collect()
    }

    fn proposal(self) -> i32 {
        self.run().outcome.expect("the metric is valid")
    }
}

/// A sequence of syncs driven by one External metric whose proposal is given directly.
struct Sequence {
    hpa: Hpa,
    config: HpaConfig,
    replicas: i32,
}

impl Sequence {
    fn new(replicas: i32, behavior: Option<Behavior>) -> Self {
        let metric = external("q", MetricTarget::average_value(milli(1000)));
        let config = HpaConfig { tolerance: 0.0, ..HpaConfig::default() };
        Self { hpa: Hpa::new(HpaSpec { behavior, ..spec_of(metric) }), config, replicas }
    }

    fn with_max(mut self, max_replicas: i32) -> Self {
        self.edit(|spec| spec.max_replicas = max_replicas);
        self
    }

    fn edit(&mut self, change: impl FnOnce(&mut HpaSpec)) {
        let mut spec = self.hpa.spec().clone();
        change(&mut spec);
        self.hpa.replace_spec(spec);
    }

    /// One sync at which the metric asks for `wanted`; the size follows.
    fn at_ms(&mut self, now_ms: i64, wanted: i32) -> i32 {
        let series = [i64::from(wanted) * 1000];
        let readings = [Reading::Series(&series)];
        let seen =
            HpaObservation { now_ns: now_ms * 1_000_000, ..observation(self.replicas, &readings) };
        let decision = self.hpa.sync(&self.config, &seen);
        self.replicas = decision.desired_replicas.expect("the scale was read");
        self.replicas
    }

    fn at(&mut self, now_s: i64, wanted: i32) -> i32 {
        self.at_ms(now_s * 1000, wanted)
    }

    fn reason(&self, kind: ConditionKind) -> String {
        condition(&self.hpa, kind)
    }
}

/// An observation without pods.
fn observation<'a>(replicas: i32, readings: &'a [Reading<'a>]) -> HpaObservation<'a> {
    HpaObservation {
        now_ns: NOW_S * SECOND_NS,
        scale: Some(Scale { spec_replicas: replicas, status_replicas: replicas }),
        selector: SelectorCheck::Valid,
        pods: &[],
        pod_metrics: &[],
        readings,
        scale_update: ScaleUpdate::Succeeds,
    }
}

/// Status and reason of a condition, `-` when there is none.
fn condition(hpa: &Hpa, kind: ConditionKind) -> String {
    let found = hpa.conditions().iter().find(|condition| condition.kind == kind);
    found.map_or_else(|| "-".to_owned(), |found| format!("{}/{}", found.status, found.reason))
}

/// One direction: window (s) and policies of value and period (s).
fn direction(
    window_seconds: i32,
    select: SelectPolicy,
    policies: &[(PolicyKind, i32, i32)],
) -> ScalingRules {
    let policy = |&(kind, value, period_seconds): &(PolicyKind, i32, i32)| ScalingPolicy {
        kind,
        value,
        period_seconds,
    };
    ScalingRules {
        stabilization_window_seconds: Some(window_seconds),
        select_policy: Some(select),
        policies: (!policies.is_empty()).then(|| policies.iter().map(policy).collect()),
        tolerance: None,
    }
}

fn behavior(up: Option<ScalingRules>, down: Option<ScalingRules>) -> Option<Behavior> {
    Some(Behavior { scale_up: up, scale_down: down })
}
