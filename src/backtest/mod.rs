//! A past day again: the HPA's decisions on what was recorded, beside the sizes that were recorded.
//!
//! Floor 7. As long as the simulated size is the recorded one, the controller sees the recorded pods and
//! their recorded usage. Where the two part (another policy, another controller), the recorded demand, which
//! is the sum of what all pods used, is shared by the pods that the simulation has: demand does not depend on
//! who serves it, as long as it is served.

pub mod aligned;
pub mod outcome;
pub mod recorded;
pub mod series;
pub mod why;

pub use outcome::{Backtest, Course, Divergence, Errors, Outcome, Total, divergences};

use crate::control::hpa::{
    Amounts, ConditionStatus, ContainerAmounts, Hpa, HpaConfig, HpaObservation, HpaSpec,
    ObservedPod, PodLifecycle, PodMetrics, PodPhase, ReadyCondition, Scale, ScaleUpdate,
    SelectorCheck,
};
use crate::model::record::HpaSync;
use crate::units::convert::{f64_from_i64, f64_from_usize, round_i64};
use crate::units::{SimDuration, SimTime};

/// A day of one HPA.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// Its name.
    pub name: String,
    /// What the controller saw at each of its syncs, in order.
    pub instants: Vec<Instant>,
}

/// One sync.
#[derive(Debug, Clone, PartialEq)]
pub struct Instant {
    /// When (ns).
    pub at_ns: i64,
    /// The recorded size (`spec.replicas`).
    pub replicas: i32,
    /// Pods that existed (`status.replicas`).
    pub status_replicas: i32,
    /// The recorded pods.
    pub pods: Vec<Pod>,
    /// Their usage as metrics-server served it.
    pub usage: Vec<Usage>,
}

/// A recorded pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its phase.
    pub phase: PodPhase,
    /// Its Ready condition: status, and since when (ns).
    pub ready: Option<(ConditionStatus, i64)>,
    /// When it started (ns).
    pub start_ns: Option<i64>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Requests of its containers.
    pub requests: Vec<(String, Amounts)>,
}

/// Usage of a pod.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Its name.
    pub pod: String,
    /// When it was sampled (ns).
    pub at_ns: i64,
    /// Over what span (ns).
    pub window_ns: i64,
    /// What its containers used.
    pub containers: Vec<(String, Amounts)>,
}

/// What a day is replayed under.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its name in reports.
    pub name: String,
    /// The HPA.
    pub spec: HpaSpec,
    /// Flags of the controller.
    pub config: HpaConfig,
    /// From the decision to a ready pod, where the simulation has pods of its own (ns).
    pub ready_after_ns: i64,
}

/// A sync of the replay.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When (s).
    pub at_s: f64,
    /// The recorded size before the sync.
    pub recorded: i32,
    /// The simulated size before the sync.
    pub simulated: i32,
    /// The size that the simulated controller asks for.
    pub desired: i32,
    /// CPU in use by all recorded pods (cores).
    pub cores: f64,
    /// CPU that a pod requests (cores).
    pub requested: f64,
    /// The decision.
    pub sync: HpaSync,
}

/// A pod of the simulation's own.
struct Own {
    name: String,
    born_ns: i64,
}

/// Replays a day under a policy.
#[must_use]
pub fn replay(day: &Day, policy: &Policy) -> Vec<Step> {
    let mut hpa = Hpa::new(policy.spec.clone());
    let mut own: Vec<Own> = Vec::new();
    let mut size = day.instants.first().map_or(0, |instant| instant.replicas);
    let mut born = 0;
    let mut steps = Vec::with_capacity(day.instants.len());
    let requests = requests(day);
    for instant in &day.instants {
        // Pods of its own are kept in step, so that they have an age when the sizes part.
        let wanted = usize::try_from(size).unwrap_or(0);
        let at_start = steps.is_empty();
        own.truncate(wanted);
        while own.len() < wanted {
            let born_ns = if at_start { i64::MIN / 2 } else { instant.at_ns };
            own.push(Own { name: format!("simulated-{born}"), born_ns });
            born += 1;
        }
        let seen = if instant.replicas == size {
            instant.clone()
        } else {
            simulated(instant, &own, &requests, policy.ready_after_ns)
        };
        let decision = sync(&mut hpa, &policy.config, &seen, size);
        let desired = decision.desired;
        steps.push(Step {
            at_s: f64_from_i64(instant.at_ns) / 1e9,
            recorded: instant.replicas,
            simulated: size,
            desired,
            cores: f64_from_i64(demand(instant, |amounts| amounts.cpu_milli)) / 1e3,
            requested: requests
                .iter()
                .filter_map(|(_, amounts)| amounts.cpu_milli)
                .map(f64_from_i64)
                .sum::<f64>()
                / 1e3,
            sync: decision,
        });
        size = desired;
    }
    steps
}

/// What a pod requests: that of the first recorded one.
fn requests(day: &Day) -> Vec<(String, Amounts)> {
    let pods = day.instants.iter().flat_map(|instant| &instant.pods);
    pods.map(|pod| pod.requests.clone()).next().unwrap_or_default()
}

fn demand(instant: &Instant, of: fn(&Amounts) -> Option<i64>) -> i64 {
    let containers = instant.usage.iter().flat_map(|usage| &usage.containers);
    containers.filter_map(|(_, amounts)| of(amounts)).sum()
}

/// The recorded demand on the pods of the simulation: those that are ready share it evenly.
fn simulated(
    instant: &Instant,
    own: &[Own],
    requests: &[(String, Amounts)],
    ready_after_ns: i64,
) -> Instant {
    let ready_at = |pod: &Own| pod.born_ns.saturating_add(ready_after_ns);
    let ready = own.iter().filter(|pod| ready_at(pod) <= instant.at_ns).count();
    let share = |total: i64| round_i64(f64_from_i64(total) / f64_from_usize(ready.max(1)));
    let (cpu, memory) = (demand(instant, |it| it.cpu_milli), demand(instant, |it| it.memory_milli));
    let sampled = instant.usage.first();
    let (at_ns, window_ns) =
        sampled.map_or((instant.at_ns, 15_000_000_000), |usage| (usage.at_ns, usage.window_ns));
    let container = requests.first().map_or_else(|| "app".to_owned(), |(name, _)| name.clone());
    let pods = own.iter().map(|pod| {
        let is_ready = ready_at(pod) <= instant.at_ns;
        let status = if is_ready { ConditionStatus::True } else { ConditionStatus::False };
        let since = if is_ready { ready_at(pod) } else { pod.born_ns };
        Pod {
            name: pod.name.clone(),
            phase: PodPhase::Running,
            ready: Some((status, since)),
            start_ns: Some(pod.born_ns),
            deleting: false,
            requests: requests.to_vec(),
        }
    });
    let usage = own.iter().filter(|pod| ready_at(pod) <= instant.at_ns).map(|pod| {
        let others = requests
            .iter()
            .skip(1)
            .map(|(name, _)| (name.clone(), Amounts { cpu_milli: Some(0), memory_milli: Some(0) }));
        let first = Amounts { cpu_milli: Some(share(cpu)), memory_milli: Some(share(memory)) };
        let containers = [(container.clone(), first)].into_iter().chain(others).collect();
        Usage { pod: pod.name.clone(), at_ns, window_ns, containers }
    });
    Instant {
        pods: pods.collect(),
        usage: usage.collect(),
        status_replicas: i32::try_from(own.len()).unwrap_or(i32::MAX),
        ..instant.clone()
    }
}

/// One sync of the real decision rules.
fn sync(hpa: &mut Hpa, config: &HpaConfig, seen: &Instant, size: i32) -> HpaSync {
    fn amounts(list: &[(String, Amounts)]) -> Vec<ContainerAmounts<'_>> {
        list.iter().map(|(name, amounts)| ContainerAmounts { name, amounts: *amounts }).collect()
    }
    let requests: Vec<Vec<ContainerAmounts<'_>>> =
        seen.pods.iter().map(|pod| amounts(&pod.requests)).collect();
    let used: Vec<Vec<ContainerAmounts<'_>>> =
        seen.usage.iter().map(|usage| amounts(&usage.containers)).collect();
    let pods = seen.pods.iter().zip(&requests).map(|(pod, containers)| ObservedPod {
        name: &pod.name,
        phase: pod.phase,
        ready: pod.ready.map(|(status, at)| ReadyCondition { status, last_transition_ns: at }),
        start_ns: pod.start_ns,
        lifecycle: if pod.deleting { PodLifecycle::Deleting } else { PodLifecycle::Present },
        containers,
        pod_level_requests: None,
    });
    let pods: Vec<ObservedPod<'_>> = pods.collect();
    let metrics = seen.usage.iter().zip(&used).map(|(usage, containers)| PodMetrics {
        name: &usage.pod,
        timestamp_ns: usage.at_ns,
        window_ns: usage.window_ns,
        containers,
    });
    let metrics: Vec<PodMetrics<'_>> = metrics.collect();
    let observation = HpaObservation {
        now_ns: seen.at_ns,
        scale: Some(Scale { spec_replicas: size, status_replicas: seen.status_replicas }),
        selector: SelectorCheck::Valid,
        pods: &pods,
        pod_metrics: &metrics,
        readings: &[],
        scale_update: ScaleUpdate::Succeeds,
    };
    let decision = hpa.sync(config, &observation);
    decision.told(hpa.spec())
}

/// A day and its replays, the first under the policy that it had.
#[must_use]
pub fn compared(name: &str, results: &[(String, Vec<Step>)]) -> Backtest {
    let begin_s = results.first().and_then(|(_, steps)| steps.first()).map_or(0.0, |it| it.at_s);
    let reference = results.first().map_or(&[][..], |(_, steps)| steps);
    let outcomes = results.iter().enumerate();
    let outcomes = outcomes.map(|(position, (policy, steps))| {
        // The record's own decisions are known where the policy that it had makes the recorded sizes.
        let known = |at: usize| {
            let step = reference.get(at).filter(|_| position > 0)?;
            let next = reference.get(at + 1)?;
            (step.simulated == step.recorded && step.desired == next.recorded)
                .then(|| step.sync.clone())
        };
        outcome(policy, steps, begin_s, &known)
    });
    Backtest {
        name: name.to_owned(),
        begin: SimTime::ZERO + SimDuration::from_secs_f64(begin_s.max(0.0)),
        outcomes: outcomes.collect(),
        notes: vec![
            "demand does not depend on how many pods serve it, as long as it is served".to_owned(),
        ],
    }
}

fn outcome(
    policy: &str,
    steps: &[Step],
    begin_s: f64,
    known: &dyn Fn(usize) -> Option<HpaSync>,
) -> Outcome {
    let course =
        |what: &str, unit, recorded: &dyn Fn(&Step) -> f64, simulated: &dyn Fn(&Step) -> f64| {
            Course {
                what: what.to_owned(),
                unit,
                steps: true,
                times_s: steps.iter().map(|step| step.at_s - begin_s).collect(),
                recorded: steps.iter().map(|step| Some(recorded(step))).collect(),
                simulated: steps.iter().map(|step| Some(simulated(step))).collect(),
            }
        };
    let sizes = course("replicas", "pods", &|step| f64::from(step.recorded), &|step| {
        f64::from(step.simulated)
    });
    let (recorded_hours, simulated_hours) = sizes.hours();
    let mut courses = Vec::new();
    let mut totals = vec![Total {
        what: "pod-hours".to_owned(),
        unit: "h",
        recorded: Some(recorded_hours),
        simulated: Some(simulated_hours),
    }];
    if steps.iter().any(|step| step.requested > 0.0) {
        let used = |step: &Step, pods: i32| {
            100.0 * step.cores / (step.requested * f64::from(pods.max(1))).max(1e-9)
        };
        let use_of_requests =
            course("CPU of requests", "%", &|step| used(step, step.recorded), &|step| {
                used(step, step.simulated)
            });
        let short = |values: &[Option<f64>]| {
            let above = values.iter().flatten().filter(|it| **it > 100.0).count();
            Some(100.0 * f64_from_usize(above) / f64_from_usize(values.len().max(1)))
        };
        totals.push(Total {
            what: "time above requests".to_owned(),
            unit: "%",
            recorded: short(&use_of_requests.recorded),
            simulated: short(&use_of_requests.simulated),
        });
        courses.push(use_of_requests);
    }
    let decided = |at: usize| {
        let before = at.checked_sub(1);
        let ours = before.and_then(|at| Some(steps.get(at)?.sync.clone()));
        (ours, before.and_then(known))
    };
    let (divergences, healed) = divergences(&sizes, 0.0, &decided);
    courses.insert(0, sizes);
    Outcome { policy: policy.to_owned(), courses, totals, divergences, healed }
}

#[cfg(test)]
mod tests;
