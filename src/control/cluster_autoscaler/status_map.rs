//! The ConfigMap `cluster-autoscaler-status`, as figures (clusterstate/clusterstate.go `GetStatus`).

use std::collections::{BTreeMap, BTreeSet};

use super::ClusterAutoscaler;
use super::observation::Observation;
use super::registry::Readiness;
use crate::model::id::{NodeId, PoolId};
use crate::model::record::{AutoscalerStatus, GroupStatus};
use crate::units::SimTime;
use crate::units::convert::count_u32;

impl ClusterAutoscaler {
    /// The status after a loop; `before` is the one written last, whose times go on where a
    /// condition is as it was.
    #[must_use]
    pub fn status(&self, seen: &Observation, before: &AutoscalerStatus) -> AutoscalerStatus {
        let unneeded = self.planner.unneeded();
        let mut candidates: BTreeMap<PoolId, u32> = BTreeMap::new();
        if !unneeded.is_empty() {
            let idle: BTreeSet<NodeId> = unneeded.iter().map(|entry| entry.node).collect();
            let idle = seen.nodes.iter().filter(|node| idle.contains(&node.id));
            for group in idle.filter_map(|node| node.group) {
                *candidates.entry(group).or_default() += 1;
            }
        }
        let mut groups = Vec::new();
        for group in &seen.groups {
            let id = group.id;
            let last = before.groups.iter().find(|status| status.pool == Some(id));
            let readiness = self.registry.readiness(id);
            let healthy = self.registry.is_group_healthy(id, &self.options);
            let backed_off = self.registry.backoff.is_backed_off(id, seen.now);
            let scale_up = if self.registry.is_scaling_up(id) {
                "InProgress"
            } else if !healthy {
                "Unhealthy"
            } else if backed_off {
                "Backoff"
            } else {
                "NoActivity"
            };
            let mut status = GroupStatus {
                pool: Some(id),
                sizes: Some((self.registry.target(id), group.min, group.max)),
                backoff: self.registry.backoff.error(id).filter(|_| scale_up == "Backoff"),
                candidates: candidates.get(&id).copied().unwrap_or(0),
                ..counts(readiness)
            };
            conditions(&mut status, healthy, scale_up, last, seen.now);
            groups.push(status);
        }
        let healthy = self.registry.is_cluster_healthy(&self.options);
        let under_way = groups.iter().any(|group| group.scale_up.0 == "InProgress");
        let scale_up = if under_way { "InProgress" } else { "NoActivity" };
        let mut cluster = GroupStatus {
            candidates: count_u32(unneeded.len()),
            ..counts(Some(self.registry.total()))
        };
        conditions(&mut cluster, healthy, scale_up, Some(&before.cluster), seen.now);
        AutoscalerStatus { cluster, groups }
    }
}

fn counts(readiness: Option<&Readiness>) -> GroupStatus {
    let Some(readiness) = readiness else { return GroupStatus::default() };
    GroupStatus {
        registered: count_u32(readiness.registered),
        ready: count_u32(readiness.ready),
        not_started: count_u32(readiness.not_started.len()),
        being_deleted: count_u32(readiness.deleted),
        unready: count_u32(readiness.unready),
        resource_unready: count_u32(readiness.resource_unready),
        long_unregistered: count_u32(readiness.long_unregistered),
        unregistered: count_u32(readiness.unregistered),
        ..GroupStatus::default()
    }
}

/// Writes the three conditions, each with the time since which it is as it is.
fn conditions(
    status: &mut GroupStatus,
    healthy: bool,
    scale_up: &'static str,
    last: Option<&GroupStatus>,
    now: SimTime,
) {
    let since = |word: &'static str, of: fn(&GroupStatus) -> (&'static str, SimTime)| {
        let same = last.map(of).filter(|(before, _)| *before == word);
        (word, same.map_or(now, |(_, since)| since))
    };
    status.health = since(if healthy { "Healthy" } else { "Unhealthy" }, |s| s.health);
    status.scale_up = since(scale_up, |s| s.scale_up);
    let present = if status.candidates > 0 { "CandidatesPresent" } else { "NoCandidates" };
    status.scale_down = since(present, |s| s.scale_down);
}
