//! From the metrics of single pods to a number of replicas.
//!
//! Source: kube-controller-manager, `replica_calculator.go` (`groupPods`, `calculateRequests`,
//! `GetResourceReplicas`, `calcPlainMetricReplicas`) and `metrics/utilization.go`.

use super::arithmetic::{double, int32_low_bits, int32_unguarded};
use super::config::{HpaConfig, SECOND_NS};
use super::decision::{IgnoredWhy, MetricFailure, MetricProposal, PodPart, PodVerdict, UnreadyWhy};
use super::observation::{ConditionStatus, ObservedPod, PodLifecycle, PodPhase};
use super::spec::ResourceName;

/// How far the ratio of usage to target may stray from 1 without a reaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerances {
    pub(super) down: f64,
    pub(super) up: f64,
}

impl Tolerances {
    /// Both ends belong to the range (`isWithin`); infinity and "not a number" do not.
    pub(super) fn contain(self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}

/// One pod's value of the metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) pod: &'a str,
    pub(super) usage_milli: i64,
    pub(super) timestamp_ns: i64,
    pub(super) window_ns: i64,
}

/// What the usage of pods is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) enum PerPodTarget {
    /// Percent of the request.
    Utilization(i32),
    /// Thousandths for each pod.
    AverageMilli(i64),
}

/// Whether a pod that is just starting is held for unready, which only CPU does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Readiness<'c> {
    /// The rules for CPU at this moment (ns).
    Cpu { config: &'c HpaConfig, now_ns: i64 },
    /// Every running pod counts.
    Ignored,
}

/// Samples by pod name. Whoever lists pods and metrics in the same order is served by one
/// comparison a pod; otherwise an index is built once.
struct SampleIndex<'s, 'a> {
    samples: &'s [Sample<'a>],
    sorted: Vec<usize>,
    used: Vec<bool>,
    next: usize,
}

impl<'s, 'a> SampleIndex<'s, 'a> {
    fn new(samples: &'s [Sample<'a>]) -> Self {
        Self { samples, sorted: Vec::new(), used: vec![false; samples.len()], next: 0 }
    }

    fn take(&mut self, pod: &str) -> Option<Sample<'a>> {
        let index = match self.samples.get(self.next) {
            Some(sample) if sample.pod == pod => self.next,
            _ => self.search(pod)?,
        };
        self.next = index + 1;
        self.used[index] = true;
        Some(self.samples[index])
    }

    fn search(&mut self, pod: &str) -> Option<usize> {
        if self.sorted.is_empty() {
            self.sorted = (0..self.samples.len()).collect();
            self.sorted.sort_by_key(|&index| self.samples[index].pod);
        }
        let place = self.sorted.binary_search_by_key(&pod, |&index| self.samples[index].pod);
        place.ok().map(|place| self.sorted[place])
    }
}

/// The pods by the part they play, and the metrics without a pod.
pub(super) struct Grouping<'a> {
    pub(super) verdicts: Vec<PodVerdict<'a>>,
    pub(super) ghosts: Vec<&'a str>,
    ghost_usage: i64,
}

impl<'a> Grouping<'a> {
    /// Sorts the pods (`groupPods`). Metrics of ignored and unready pods are dropped; metrics of
    /// pods that no longer exist stay, and count in averages.
    pub(super) fn of(
        pods: &[ObservedPod<'a>],
        samples: &[Sample<'a>],
        readiness: Readiness<'_>,
    ) -> Self {
        let mut index = SampleIndex::new(samples);
        let verdicts = pods
            .iter()
            .map(|pod| {
                let part = pod_part(pod, index.take(pod.name), readiness);
                PodVerdict { pod: pod.name, part }
            })
            .collect();
        let orphans = || samples.iter().zip(&index.used).filter(|(_, used)| !**used);
        Self {
            verdicts,
            ghosts: orphans().map(|(sample, _)| sample.pod).collect(),
            ghost_usage: orphans().fold(0, |sum, (ghost, _)| sum.wrapping_add(ghost.usage_milli)),
        }
    }
}

/// The part of one pod; the first rule that applies counts.
fn pod_part(
    pod: &ObservedPod<'_>,
    sample: Option<Sample<'_>>,
    readiness: Readiness<'_>,
) -> PodPart {
    if pod.lifecycle == PodLifecycle::Deleting {
        return PodPart::Ignored(IgnoredWhy::Deleting);
    }
    match pod.phase {
        PodPhase::Failed => return PodPart::Ignored(IgnoredWhy::Failed),
        PodPhase::Pending => return PodPart::Unready(UnreadyWhy::Pending),
        PodPhase::Running | PodPhase::Succeeded | PodPhase::Unknown => {}
    }
    let Some(sample) = sample else {
        return PodPart::Missing;
    };
    if let Readiness::Cpu { config, now_ns } = readiness
        && let Some(unready) = cpu_unready(pod, sample, config, now_ns)
    {
        return PodPart::Unready(unready);
    }
    PodPart::Counted { usage_milli: sample.usage_milli }
}

/// Why the CPU of a pod is not to be trusted yet. Times of the pod and the sample reach the
/// controller in whole seconds; spans do not.
fn cpu_unready(
    pod: &ObservedPod<'_>,
    sample: Sample<'_>,
    config: &HpaConfig,
    now_ns: i64,
) -> Option<UnreadyWhy> {
    let (Some(ready), Some(start_ns)) = (pod.ready, pod.start_ns) else {
        return Some(UnreadyWhy::NotStarted);
    };
    let start_ns = floor_to_second(start_ns);
    let transition_ns = floor_to_second(ready.last_transition_ns);
    let not_ready = ready.status == ConditionStatus::False;
    if start_ns.saturating_add(config.cpu_initialization_period_ns) > now_ns {
        if not_ready {
            return Some(UnreadyWhy::Initializing);
        }
        let sampled_ns = floor_to_second(sample.timestamp_ns);
        let too_early = sampled_ns < transition_ns.saturating_add(sample.window_ns);
        return too_early.then_some(UnreadyWhy::SampleTooEarly);
    }
    let readiness_delay_ends = start_ns.saturating_add(config.initial_readiness_delay_ns);
    (not_ready && readiness_delay_ends > transition_ns).then_some(UnreadyWhy::NeverReady)
}

fn floor_to_second(time_ns: i64) -> i64 {
    time_ns.div_euclid(SECOND_NS).saturating_mul(SECOND_NS)
}

/// Requests of every pod in the order observed (`calculateRequests`). One pod without a request
/// makes the metric invalid, even a failed one that is ignored otherwise.
pub(super) fn requests_milli(
    pods: &[ObservedPod<'_>],
    resource: &ResourceName,
    container: Option<&str>,
) -> Result<Vec<i64>, MetricFailure> {
    pods.iter().map(|pod| pod_request_milli(pod, resource, container)).collect()
}

fn pod_request_milli(
    pod: &ObservedPod<'_>,
    resource: &ResourceName,
    container: Option<&str>,
) -> Result<i64, MetricFailure> {
    let missing = |container: Option<&str>| MetricFailure::MissingRequest {
        resource: resource.to_string(),
        container: container.map(ToOwned::to_owned),
        pod: pod.name.to_owned(),
    };
    let Some(wanted) = container else {
        if let Some(requests) = pod.pod_level_requests {
            return requests.of(resource).ok_or_else(|| missing(None));
        }
        return pod.containers.iter().try_fold(0_i64, |sum, found| {
            let request = found.amounts.of(resource).ok_or_else(|| missing(Some(found.name)))?;
            Ok(sum.wrapping_add(request))
        });
    };
    match pod.containers.iter().find(|found| found.name == wanted) {
        Some(found) => found.amounts.of(resource).ok_or_else(|| missing(Some(wanted))),
        None => Err(MetricFailure::ContainerNotFound {
            container: wanted.to_owned(),
            pod: pod.name.to_owned(),
        }),
    }
}

/// Running sums over the metric entries; integers wrap as Go's do.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    usage: i64,
    requests: i64,
    entries: i64,
}

impl Totals {
    fn add(&mut self, usage_milli: i64, request_milli: i64) {
        self.usage = self.usage.wrapping_add(usage_milli);
        self.requests = self.requests.wrapping_add(request_milli);
        self.entries += 1;
    }
}

/// Ratio and the figures the status shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    pub(super) ratio: f64,
    /// Whole percent; `None` for average targets.
    pub(super) utilization_percent: Option<i32>,
    pub(super) average_milli: i64,
}

/// A proposal from pods, with what the status shows of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct PerPodProposal {
    pub(super) proposal: MetricProposal,
    pub(super) usage: Usage,
}

/// One metric's calculation over its pods.
pub(super) struct PerPodCalculation<'g, 'a> {
    pub(super) grouping: &'g Grouping<'a>,
    /// In the order of the pods; empty for average targets.
    pub(super) requests_milli: &'g [i64],
    pub(super) target: PerPodTarget,
    pub(super) tolerances: Tolerances,
    pub(super) spec_replicas: i32,
}

impl PerPodCalculation<'_, '_> {
    /// The proposal. A first pass takes the pods that count; when pods are missing, or unready in
    /// a scale-up, a second one adds them with the values that dampen the change.
    pub(super) fn propose(&self) -> Result<PerPodProposal, MetricFailure> {
        let mut totals = Totals::default();
        let (mut has_unready, mut has_missing) = (false, false);
        for (index, verdict) in self.grouping.verdicts.iter().enumerate() {
            match verdict.part {
                PodPart::Counted { usage_milli } => totals.add(usage_milli, self.request(index)),
                PodPart::Missing => has_missing = true,
                PodPart::Unready(_) => has_unready = true,
                PodPart::Ignored(_) => {}
            }
        }
        if totals.entries + self.ghosts() == 0 {
            return Err(MetricFailure::NoPodCounts);
        }
        let usage = self.usage(totals)?;
        let ratio = usage.ratio;
        let add_unready = has_unready && ratio > 1.0;
        let answer = |cautious_ratio, replicas| PerPodProposal {
            proposal: MetricProposal { ratio, cautious_ratio, replicas },
            usage,
        };
        if !add_unready && !has_missing {
            let replicas = match self.tolerances.contain(ratio) {
                true => self.spec_replicas,
                false => int32_unguarded((ratio * double(totals.entries)).ceil()),
            };
            return Ok(answer(None, replicas));
        }
        let filled = self.fill(totals, ratio, add_unready);
        let cautious = self.usage(filled)?.ratio;
        let replicas = self.cautious_replicas(ratio, cautious, filled.entries + self.ghosts());
        Ok(answer(Some(cautious), replicas))
    }

    /// Adds missing pods (at their target when scaling down, idle when scaling up) and, if asked
    /// for, unready ones (idle).
    fn fill(&self, mut totals: Totals, ratio: f64, add_unready: bool) -> Totals {
        for (index, verdict) in self.grouping.verdicts.iter().enumerate() {
            let request = self.request(index);
            match verdict.part {
                PodPart::Missing if ratio < 1.0 => totals.add(self.full_usage(request), request),
                PodPart::Missing if ratio > 1.0 => totals.add(0, request),
                PodPart::Unready(_) if add_unready => totals.add(0, request),
                PodPart::Ignored(_)
                | PodPart::Unready(_)
                | PodPart::Missing
                | PodPart::Counted { .. } => {}
            }
        }
        totals
    }

    /// The second pass never reverses the direction of the first, and never moves the size against
    /// its own ratio.
    fn cautious_replicas(&self, ratio: f64, cautious: f64, entries: i64) -> i32 {
        let spec = self.spec_replicas;
        let reversed = (ratio < 1.0 && cautious > 1.0) || (ratio > 1.0 && cautious < 1.0);
        if self.tolerances.contain(cautious) || reversed {
            return spec;
        }
        let replicas = int32_unguarded((cautious * double(entries)).ceil());
        let against = (cautious < 1.0 && replicas > spec) || (cautious > 1.0 && replicas < spec);
        if against { spec } else { replicas }
    }

    fn usage(&self, totals: Totals) -> Result<Usage, MetricFailure> {
        match self.target {
            PerPodTarget::Utilization(target_percent) => {
                if totals.requests == 0 || totals.entries == 0 {
                    return Err(MetricFailure::NoRequests);
                }
                let hundredfold = totals.usage.wrapping_mul(100);
                let percent = int32_low_bits(hundredfold.wrapping_div(totals.requests));
                Ok(Usage {
                    ratio: f64::from(percent) / f64::from(target_percent),
                    utilization_percent: Some(percent),
                    average_milli: totals.usage / totals.entries,
                })
            }
            PerPodTarget::AverageMilli(target_milli) => {
                let usage = totals.usage.wrapping_add(self.grouping.ghost_usage);
                let average_milli = usage / (totals.entries + self.ghosts());
                Ok(Usage {
                    ratio: double(average_milli) / double(target_milli),
                    utilization_percent: None,
                    average_milli,
                })
            }
        }
    }

    /// Usage that a missing pod is assumed to have when the others ask for less: its whole request
    /// or, above that, its target.
    fn full_usage(&self, request_milli: i64) -> i64 {
        match self.target {
            PerPodTarget::Utilization(percent) => {
                request_milli.wrapping_mul(i64::from(percent.max(100))) / 100
            }
            PerPodTarget::AverageMilli(target_milli) => target_milli,
        }
    }

    fn request(&self, index: usize) -> i64 {
        self.requests_milli.get(index).copied().unwrap_or(0)
    }

    fn ghosts(&self) -> i64 {
        i64::try_from(self.grouping.ghosts.len()).expect("a slice never exceeds i64")
    }
}

/// Pods that serve: running and Ready, also when they are being deleted (`getReadyPodsCount`).
pub(super) fn ready_pods(pods: &[ObservedPod<'_>]) -> i64 {
    let serving = |pod: &&ObservedPod<'_>| {
        pod.phase == PodPhase::Running
            && pod.ready.is_some_and(|ready| ready.status == ConditionStatus::True)
    };
    i64::try_from(pods.iter().filter(serving).count()).expect("a slice never exceeds i64")
}
