//! The StatefulSet controller on live objects.

use std::collections::BTreeMap;

use super::{Deletion, Observation, PodSeen, sync};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::{Cluster, TemplateId};
use crate::control::decision::Decision;
use crate::model::Action;
use crate::model::action::PodDeletion;
use crate::model::id::WorkloadId;
use crate::units::SimTime;
use crate::units::convert::count_u32;

/// What the controller writes to a StatefulSet and reads again.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// `status.currentRevision`; `None` before the first look.
    current: Option<TemplateId>,
}

impl Memory {
    /// `status.currentRevision`, once the controller has looked.
    #[must_use]
    pub fn current_revision(&self) -> Option<TemplateId> {
        self.current
    }

    /// One synchronisation.
    pub fn reconcile(&mut self, now: SimTime, cluster: &Cluster, id: WorkloadId) -> Decision {
        let workload = cluster.workload(id);
        let WorkloadKind::StatefulSet { parallel, update, ordinals_start, .. } = workload.spec.kind
        else {
            unreachable!("only StatefulSets come here");
        };
        let wanted = workload.wanted().template_id;
        let current = *self.current.get_or_insert(wanted);
        let pods: BTreeMap<i32, PodSeen> = workload
            .ordinals
            .iter()
            .filter_map(|(&ordinal, &pod)| Some((ordinal, cluster.pod(pod)?)))
            .map(|(ordinal, pod)| {
                let seen = PodSeen {
                    pod: pod.id,
                    revision: pod.template_id.0,
                    phase: pod.phase,
                    ready_since: pod.ready_since(),
                    terminating: pod.is_terminating(),
                };
                (ordinal, seen)
            })
            .collect();
        let sync = sync(&Observation {
            now,
            replicas: workload.replicas,
            start: ordinals_start,
            parallel,
            update,
            min_ready: workload.spec.min_ready,
            current_revision: current.0,
            update_revision: wanted.0,
            pods: &pods,
        });
        self.current = Some(TemplateId(sync.status.current_revision));
        let index_of = |template: u32| {
            let same = workload.revisions.iter().rposition(|it| it.template_id.0 == template);
            same.map_or(workload.wanted_revision(), count_u32)
        };
        let create = sync.create.iter().map(|&(ordinal, template)| Action::CreateOrdinal {
            workload: id,
            ordinal,
            revision: index_of(template),
        });
        let delete = sync.delete.iter().map(|(ordinal, why)| Action::DeletePod {
            pod: pods[ordinal].pod,
            grace: None,
            because: match why {
                Deletion::Ended | Deletion::ScaleDown => PodDeletion::ScaleDown,
                Deletion::Update => PodDeletion::Rollout,
            },
        });
        Decision {
            actions: create.chain(delete).collect(),
            reason: sync.because(),
            look_again: sync.recheck,
        }
    }
}
