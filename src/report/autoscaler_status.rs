//! The ConfigMap `cluster-autoscaler-status` as the Cluster Autoscaler of 1.37 writes it, and what it
//! decided before (clusterstate/api/types.go).

use std::fmt::Write as _;

use crate::model::record::{AutoscalerStatus, Decider, GroupStatus, Record};
use crate::trace::{Clock, History, tell};
use crate::units::SimTime;

/// Every decision of the Cluster Autoscaler in a span, then its status at the end of it.
pub(super) fn explain(history: &History, from: SimTime, until: SimTime) -> String {
    let (clock, names) = (history.clock(), history.names());
    let mut out = "cluster-autoscaler\n".to_owned();
    let mut decisions = 0_u32;
    let mut written = None;
    for entry in history.entries().iter().take_while(|entry| entry.first <= until) {
        if let Record::AutoscalerStatus(status) = &entry.record {
            written = Some((entry.first, status));
        }
        let Some((Decider::ClusterAutoscaler, reason)) = entry.decision() else { continue };
        if entry.last < from {
            continue;
        }
        decisions += 1;
        let _ = write!(out, "{:>9}", clock.offset(entry.first));
        if entry.count > 1 {
            let _ = write!(out, "..{} ×{}", clock.offset(entry.last), entry.count);
        }
        let word = tell::reason_word(reason);
        let _ = writeln!(out, "  {word}  {}", tell::reason(names, clock, reason));
    }
    if decisions == 0 {
        out.push_str("no decision in this span\n");
    }
    if let Some((at, status)) = written {
        let _ = write!(out, "\ncluster-autoscaler-status:\n{}", yaml(history, at, status));
    }
    out
}

/// One line for machines: what differs first.
pub(super) fn line(history_names: &crate::trace::Names, status: &AutoscalerStatus) -> String {
    let AutoscalerStatus { cluster, groups } = status;
    let mut text = format!(
        "{}, scale-up {}, scale-down {}",
        cluster.health.0, cluster.scale_up.0, cluster.scale_down.0
    );
    for group in groups {
        let name = group.pool.map_or("", |pool| history_names.pool(pool));
        let (target, min, max) = group.sizes.unwrap_or_default();
        let (ready, up) = (group.ready, group.scale_up.0);
        let _ = write!(text, "; {name} {ready} ready of {target} ({min}..{max}) {up}");
    }
    text
}

/// The YAML of the ConfigMap. Times are counted from the start of measuring.
fn yaml(history: &History, at: SimTime, status: &AutoscalerStatus) -> String {
    let clock = history.clock();
    let mut out =
        format!("time: \"{}\"\nautoscalerStatus: Running\nclusterWide:\n", clock.offset(at));
    conditions(&mut out, "  ", clock, &status.cluster);
    out.push_str("nodeGroups:\n");
    for group in &status.groups {
        let name = group.pool.map_or("", |pool| history.names().pool(pool));
        let _ = writeln!(out, "- name: {name}");
        conditions(&mut out, "  ", clock, group);
    }
    out
}

fn conditions(out: &mut String, indent: &str, clock: Clock, status: &GroupStatus) {
    let GroupStatus {
        pool: _,
        health,
        registered,
        ready,
        not_started,
        being_deleted,
        unready,
        resource_unready,
        long_unregistered,
        unregistered,
        sizes,
        scale_up,
        backoff,
        scale_down,
        candidates,
    } = status;
    let mut line = |text: String| {
        let _ = writeln!(out, "{indent}{text}");
    };
    let since = |at: SimTime| format!("  lastTransitionTime: \"{}\"", clock.offset(at));
    line("health:".to_owned());
    line(format!("  status: {}", health.0));
    line("  nodeCounts:".to_owned());
    line("    registered:".to_owned());
    line(format!("      total: {registered}"));
    line(format!("      ready: {ready}"));
    line(format!("      notStarted: {not_started}"));
    if *being_deleted > 0 {
        line(format!("      beingDeleted: {being_deleted}"));
    }
    line("      unready:".to_owned());
    line(format!("        total: {unready}"));
    line(format!("        resourceUnready: {resource_unready}"));
    line(format!("    longUnregistered: {long_unregistered}"));
    line(format!("    unregistered: {unregistered}"));
    if let Some((target, min, max)) = sizes {
        line(format!("  cloudProviderTarget: {target}"));
        line(format!("  minSize: {min}"));
        line(format!("  maxSize: {max}"));
    }
    line(since(health.1));
    line("scaleUp:".to_owned());
    line(format!("  status: {}", scale_up.0));
    if let Some((code, message)) = backoff {
        line("  backoffInfo:".to_owned());
        line(format!("    errorCode: {code}"));
        line(format!("    errorMessage: \"{message}\""));
    }
    line(since(scale_up.1));
    line("scaleDown:".to_owned());
    line(format!("  status: {}", scale_down.0));
    if *candidates > 0 {
        line(format!("  candidates: {candidates}"));
    }
    line(since(scale_down.1));
}
