//! A drain of live nodes.

use super::{Controller, Drain, PodSeen, Step};
use crate::cluster::api::pod::Volume;
use crate::cluster::{Cluster, PodPhase};
use crate::control::disruption::Budgets;
use crate::control::eviction::{Refusal, Request};
use crate::model::Action;
use crate::model::action::PodDeletion;
use crate::model::id::{NodeId, PodId};
use crate::model::record::Record;
use crate::units::SimTime;

/// How far a drain came in one go.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Progress {
    /// What is to be done, in this order.
    pub actions: Vec<Action>,
    /// Evictions that were refused.
    pub refused: Vec<Record>,
    /// When to go on; `None` when the drain is over.
    pub next: Option<SimTime>,
}

impl Drain {
    /// Does all that can be done now. Evictions count in `budgets` at once.
    pub fn advance(&mut self, now: SimTime, cluster: &Cluster, budgets: &mut Budgets) -> Progress {
        let mut progress = Progress { actions: Vec::new(), refused: Vec::new(), next: None };
        loop {
            match self.next(now) {
                Step::Cordon(node) => progress.actions.push(Action::Cordon(node)),
                Step::List(node) => self.listed(now, &pods(cluster, node)),
                Step::Evict(pod) => self.evict(now, cluster, budgets, pod, &mut progress),
                Step::Delete(pod) => {
                    let grace = self.spec().grace;
                    let because = PodDeletion::Drain;
                    progress.actions.push(Action::DeletePod { pod, grace, because });
                    self.evicted(now, pod, None);
                }
                Step::Look(pod) => self.looked(now, pod, cluster.pod(pod).is_none()),
                Step::WaitUntil(next) => {
                    progress.next = Some(next);
                    return progress;
                }
                Step::Finished => return progress,
            }
        }
    }

    fn evict(
        &mut self,
        now: SimTime,
        cluster: &Cluster,
        budgets: &mut Budgets,
        pod: PodId,
        progress: &mut Progress,
    ) {
        let request = Request { dry_run: false, grace: self.spec().grace };
        match budgets.evict(now, cluster, pod, request, PodDeletion::Drain) {
            Ok(actions) => {
                progress.actions.extend(actions);
                self.evicted(now, pod, None);
            }
            Err(refusal) => {
                progress.refused.extend(refused(cluster, pod, &refusal));
                self.evicted(now, pod, Some(&refusal));
            }
        }
    }
}

fn refused(cluster: &Cluster, pod: PodId, refusal: &Refusal) -> Option<Record> {
    let node = cluster.pod(pod)?.node?;
    Some(Record::EvictionRefused { pod, node, reason: refusal.because()? })
}

fn pods(cluster: &Cluster, node: NodeId) -> Vec<PodSeen> {
    cluster
        .pods_on(node)
        .map(|pod| PodSeen {
            pod: pod.id,
            controller: if pod.owner.is_daemon() {
                Controller::DaemonSet
            } else {
                Controller::Other
            },
            ended: matches!(pod.phase, PodPhase::Succeeded | PodPhase::Failed),
            // kubectl asks for the word only, and not where the data lies.
            has_empty_dir: pod
                .template
                .spec
                .volumes
                .iter()
                .any(|volume| matches!(volume, Volume::EmptyDir { .. })),
            deletion: pod.deletion.map(|deletion| deletion.deadline),
        })
        .collect()
}
