//! Whether all of it fits: the release at its minimum and at its maximum in the largest cluster that
//! the pools allow.

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::input::codes;
use crate::input::diagnostic::Diagnostic;
use crate::input::diagnostic::Severity::{Error, Note, Warning};
use crate::input::material::ClusterFacts;
use crate::units::convert::index;
use crate::units::{Bytes, MilliCpu};

pub(super) fn check(subject: &Subject<'_>) {
    let Some(cluster) = &subject.material.cluster else { return };
    let Some(trial) = subject.trial() else { return };
    let Some(placed) = trial.at_minimum() else { return };
    let runs = |workload: &&WorkloadView<'_>| {
        workload.is_sized()
            && trial.answers(subject, workload).iter().any(|answer| answer.rejection.is_none())
    };
    let workloads: Vec<&WorkloadView<'_>> = subject.workloads().filter(runs).collect();
    let mut whole = true;
    for workload in &workloads {
        let found = placed.get(&workload.position).copied().unwrap_or(0);
        if found < workload.least {
            whole = false;
            subject.report(minimum(subject, cluster, workload, found));
        }
    }
    if !whole {
        return;
    }
    let mut growing = Vec::new();
    for workload in &workloads {
        let more = workload.most.saturating_sub(workload.least);
        if more <= 0 || workload.autoscaler.is_none() {
            continue;
        }
        let Some(found) = trial.more(subject, workload, more) else { continue };
        if found < more {
            subject.report(unreachable(subject, cluster, workload, workload.least + found));
        } else {
            growing.push((*workload, more));
        }
    }
    together(subject, cluster, &growing);
}

/// What the pools that take the pods have in all, at their maximum.
fn pools_note(
    subject: &Subject<'_>,
    cluster: &ClusterFacts,
    workload: &WorkloadView<'_>,
) -> String {
    let answers = subject.trial().map(|trial| trial.answers(subject, workload)).unwrap_or_default();
    let takes = answers.iter().filter(|answer| answer.rejection.is_none());
    let requests = workload.template.spec.requests();
    let device = requests.extended().next().map(|(name, _)| name.clone());
    let pools = takes.map(|answer| {
        let pool = &cluster.pools[answer.pool];
        let nodes = i64::from(pool.max);
        let has = &pool.instance.allocatable;
        let has = match &device {
            Some(device) => format!("{} {device}", has.get(device) * nodes),
            None => format!(
                "{} cores, {}",
                MilliCpu(has.cpu.0 * nodes),
                gib(Bytes(has.memory.0 * nodes))
            ),
        };
        format!("`{}` at most {} x {} = {has}", pool.name, pool.max, pool.instance.name)
    });
    format!("pools that take it: {}", pools.collect::<Vec<_>>().join("; "))
}

fn gib(bytes: Bytes) -> String {
    format!("{:.0}Gi", bytes.as_gib())
}

fn minimum(
    subject: &Subject<'_>,
    cluster: &ClusterFacts,
    workload: &WorkloadView<'_>,
    found: i32,
) -> Diagnostic {
    let least = workload.least;
    let message = format!(
        "{}: only {found} of {least} pods fit at the minimum of everything",
        workload.name()
    );
    at(
        &workload.least_place(subject),
        Error,
        codes::CAPACITY_MINIMUM,
        message,
        format!("{least} at least"),
    )
    .note(pools_note(subject, cluster, workload))
    .note("tried with the scheduler's filters, every pool at its maximum and packed tightly")
}

fn unreachable(
    subject: &Subject<'_>,
    cluster: &ClusterFacts,
    workload: &WorkloadView<'_>,
    reaches: i32,
) -> Diagnostic {
    let most = workload.most;
    let object = workload.autoscaler.map_or_else(
        || workload.name(),
        |hpa| format!("HorizontalPodAutoscaler/{}", hpa.meta.name),
    );
    let message = format!("{object} can never reach {most} replicas: {reaches} fit");
    let hpa = workload.autoscaler.and_then(|hpa| subject.autoscaler_value(hpa));
    let place = hpa.and_then(|hpa| hpa.at(&["spec", "maxReplicas"]));
    let place = place.unwrap_or_else(|| workload.title());
    at(
        &place,
        Warning,
        codes::HPA_MAX_UNREACHABLE,
        message,
        format!("with all others at their minimum, {reaches} find room"),
    )
    .note(pools_note(subject, cluster, workload))
    .help(format!("set maxReplicas to at most {reaches}, or let the pool grow"))
}

/// Maxima that fit one by one and not together.
fn together(subject: &Subject<'_>, cluster: &ClusterFacts, growing: &[(&WorkloadView<'_>, i32)]) {
    let Some(placed) = subject.trial().and_then(|trial| trial.more_of_all(subject, growing)) else {
        return;
    };
    let short: Vec<(&WorkloadView<'_>, i32)> = growing
        .iter()
        .zip(&placed)
        .filter(|((_, wanted), placed)| *placed < wanted)
        .map(|((workload, wanted), placed)| (*workload, wanted - placed))
        .collect();
    let Some((first, _)) = short.first() else { return };
    let missing: i32 = short.iter().map(|(_, missing)| missing).sum();
    let message = format!("with every autoscaler at its maximum, {missing} pods find no room");
    let hpa = first.autoscaler.and_then(|hpa| subject.autoscaler_value(hpa));
    let place =
        hpa.and_then(|hpa| hpa.at(&["spec", "maxReplicas"])).unwrap_or_else(|| first.title());
    let lines = short
        .iter()
        .map(|(workload, missing)| format!("{} {missing} of {}", workload.name(), workload.most));
    let nodes: usize = cluster.pools.iter().map(|pool| index(pool.max)).sum();
    subject.report(
        at(&place, Note, codes::CAPACITY_MAXIMUM, message, "one of them")
            .note(format!("without room: {}", lines.collect::<Vec<_>>().join(", ")))
            .note(format!("each maximum fits alone; {} grows to {nodes} nodes", cluster.name)),
    );
}
