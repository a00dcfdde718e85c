//! `kubectl drain`: cordons nodes, evicts their pods through their budgets, and waits.
//!
//! kubectl, pkg/cmd/drain/drain.go `RunDrain`; pkg/drain/drain.go `evictPods`, `waitForDelete`;
//! pkg/drain/filters.go. A drain is a state machine: [`Drain::next`] says what to do now, and whoever
//! does it reports back with [`Drain::listed`], [`Drain::evicted`] or [`Drain::looked`]. All nodes are
//! cordoned first; then one node after the other is emptied, all its pods at once.

mod live;
mod refused;

use std::sync::Arc;

use crate::control::eviction::Refusal;
use crate::model::id::{NodeId, PodId};
use crate::units::{SimDuration, SimTime};

pub use live::Progress;
pub use refused::{Refused, Remedy, remedy};

/// Between a refused eviction and the next attempt (drain.go `NewDrainCmdOptions`).
pub const RETRY: SimDuration = SimDuration::from_secs(5);
/// Between two looks whether a pod is gone (drain.go `evictPods`).
pub const POLL: SimDuration = SimDuration::from_secs(1);
/// How often the client itself repeats a request that was answered with `Retry-After`
/// (client-go, rest/request.go).
const CLIENT_RETRIES: u32 = 10;

/// The flags of `kubectl drain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainSpec {
    /// `--ignore-daemonsets`: DaemonSet pods stay; without it they stop the drain of their node.
    pub ignore_daemon_sets: bool,
    /// `--delete-emptydir-data`: pods with local data go; without it they stop the drain.
    pub delete_empty_dir_data: bool,
    /// `--force`: pods without a controller go; without it they stop the drain.
    pub force: bool,
    /// `--disable-eviction`: pods are deleted without asking their budgets.
    pub disable_eviction: bool,
    /// `--grace-period`; `None` is each pod's own.
    pub grace: Option<SimDuration>,
    /// `--timeout` for each node; `None` is for ever.
    pub timeout: Option<SimDuration>,
    /// `--skip-wait-for-delete-timeout`: pods that should have been gone for longer are not waited
    /// for; `None` waits for all.
    pub skip_wait_for_delete: Option<SimDuration>,
}

impl Default for DrainSpec {
    /// As people call it: `--ignore-daemonsets --delete-emptydir-data`.
    fn default() -> Self {
        Self {
            ignore_daemon_sets: true,
            delete_empty_dir_data: true,
            force: false,
            disable_eviction: false,
            grace: None,
            timeout: None,
            skip_wait_for_delete: None,
        }
    }
}

/// A pod on a node that is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodSeen {
    /// Which.
    pub pod: PodId,
    /// Who controls it.
    pub controller: Controller,
    /// Whether it is Succeeded or Failed.
    pub ended: bool,
    /// Whether it has an emptyDir volume.
    pub has_empty_dir: bool,
    /// `deletionTimestamp`: when it should be gone.
    pub deletion: Option<SimTime>,
}

/// Who controls a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    /// Nobody: once deleted it does not come back.
    Nobody,
    /// A DaemonSet: it would come back to the same node.
    DaemonSet,
    /// The kubelet, by a file on the node.
    Kubelet,
    /// Anyone else.
    Other,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Cordon a node.
    Cordon(NodeId),
    /// List the pods of a node and answer with [`Drain::listed`].
    List(NodeId),
    /// Ask for the eviction of a pod and answer with [`Drain::evicted`].
    Evict(PodId),
    /// Delete a pod without asking its budgets and answer with [`Drain::evicted`].
    Delete(PodId),
    /// Look whether a pod still exists and answer with [`Drain::looked`].
    Look(PodId),
    /// Do nothing until then.
    WaitUntil(SimTime),
    /// The drain is over; see [`Drain::outcomes`].
    Finished,
}

/// How the drain of a node ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeOutcome {
    /// Which node; it stays cordoned either way.
    pub node: NodeId,
    /// When.
    pub ended: SimTime,
    /// Pods that were not drained, and why; empty when the node was drained.
    pub failures: Vec<(PodId, Failure)>,
}

/// Why a pod was not drained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It belongs to a DaemonSet, and `--ignore-daemonsets` was not given. Nothing of the node was
    /// evicted.
    DaemonSet,
    /// It has local data, and `--delete-emptydir-data` was not given. Nothing was evicted.
    EmptyDir,
    /// Nobody controls it, and `--force` was not given. Nothing was evicted.
    Uncontrolled,
    /// Its eviction was refused for good.
    Refused(Refusal),
    /// Its eviction was still refused by a budget when the time was up.
    TimedOutRefused {
        /// What the API server said last.
        message: Arc<str>,
    },
    /// It was still terminating when the time was up.
    TimedOutTerminating,
}

/// A drain under way.
#[derive(Debug, Clone)]
pub struct Drain {
    spec: DrainSpec,
    nodes: Vec<NodeId>,
    cordoned: usize,
    current: usize,
    /// The pods of the current node; `None` until they are listed.
    workers: Option<Vec<Worker>>,
    deadline: SimTime,
    outcomes: Vec<NodeOutcome>,
}

#[derive(Debug, Clone)]
struct Worker {
    pod: PodId,
    state: State,
    refused: Option<Refused>,
    client_retries: u32,
}

#[derive(Debug, Clone)]
enum State {
    Try(SimTime),
    Look(SimTime),
    Done,
    Failed(Failure),
}

impl Worker {
    fn due(&self) -> Option<SimTime> {
        match self.state {
            State::Try(at) | State::Look(at) => Some(at),
            State::Done | State::Failed(_) => None,
        }
    }

    fn time_out(&mut self) {
        let failure = match (&self.state, &self.refused) {
            (State::Done | State::Failed(_), _) => return,
            (State::Try(_), Some(refused)) => {
                Failure::TimedOutRefused { message: Arc::clone(&refused.message) }
            }
            (State::Try(_), None) | (State::Look(_), _) => Failure::TimedOutTerminating,
        };
        self.state = State::Failed(failure);
    }
}

impl Drain {
    /// A drain of these nodes, in this order.
    #[must_use]
    pub fn new(spec: DrainSpec, nodes: Vec<NodeId>) -> Self {
        Self {
            spec,
            nodes,
            cordoned: 0,
            current: 0,
            workers: None,
            deadline: SimTime::MAX,
            outcomes: Vec::new(),
        }
    }

    /// What to do now. To be asked again after each answer.
    pub fn next(&mut self, now: SimTime) -> Step {
        if let Some(&node) = self.nodes.get(self.cordoned) {
            self.cordoned += 1;
            return Step::Cordon(node);
        }
        loop {
            let Some(&node) = self.nodes.get(self.current) else {
                return Step::Finished;
            };
            let Some(workers) = &mut self.workers else {
                return Step::List(node);
            };
            if now >= self.deadline {
                workers.iter_mut().for_each(Worker::time_out);
            }
            let first = workers.iter().filter_map(|worker| Some((worker.due()?, worker)));
            if let Some((due, worker)) = first.min_by_key(|(due, _)| *due) {
                return match worker.state {
                    _ if due > now => Step::WaitUntil(due.min(self.deadline)),
                    State::Look(_) => Step::Look(worker.pod),
                    State::Try(_) if self.spec.disable_eviction => Step::Delete(worker.pod),
                    State::Try(_) | State::Done | State::Failed(_) => Step::Evict(worker.pod),
                };
            }
            self.end_node(now, node);
        }
    }

    fn end_node(&mut self, now: SimTime, node: NodeId) {
        let workers = self.workers.take().unwrap_or_default();
        let failures = workers.into_iter().filter_map(|worker| match worker.state {
            State::Failed(failure) => Some((worker.pod, failure)),
            State::Try(_) | State::Look(_) | State::Done => None,
        });
        self.outcomes.push(NodeOutcome { node, ended: now, failures: failures.collect() });
        self.current += 1;
        self.deadline = SimTime::MAX;
    }

    /// Answers [`Step::List`]: the pods that are on the node.
    pub fn listed(&mut self, now: SimTime, pods: &[PodSeen]) {
        self.deadline = self.spec.timeout.map_or(SimTime::MAX, |timeout| now + timeout);
        let mut workers = Vec::new();
        for seen in pods {
            let state = match self.filter(now, seen) {
                Filtered::Skip => continue,
                Filtered::Evict => State::Try(now),
                Filtered::Stop(failure) => State::Failed(failure),
            };
            workers.push(Worker { pod: seen.pod, state, refused: None, client_retries: 0 });
        }
        if workers.iter().any(|worker| matches!(worker.state, State::Failed(_))) {
            workers.retain(|worker| matches!(worker.state, State::Failed(_)));
        }
        self.workers = Some(workers);
    }

    /// The first filter that does not let a pod pass decides.
    fn filter(&self, now: SimTime, pod: &PodSeen) -> Filtered {
        let overdue = self.spec.skip_wait_for_delete.zip(pod.deletion);
        if overdue.is_some_and(|(skip, deletion)| deletion + skip < now) {
            return Filtered::Skip;
        }
        match pod.controller {
            Controller::DaemonSet if pod.ended => {}
            Controller::DaemonSet if self.spec.ignore_daemon_sets => return Filtered::Skip,
            Controller::DaemonSet => return Filtered::Stop(Failure::DaemonSet),
            Controller::Kubelet => return Filtered::Skip,
            Controller::Nobody | Controller::Other => {}
        }
        if pod.ended {
            return Filtered::Evict;
        }
        if pod.has_empty_dir && !self.spec.delete_empty_dir_data {
            return Filtered::Stop(Failure::EmptyDir);
        }
        if pod.controller == Controller::Nobody && !self.spec.force {
            return Filtered::Stop(Failure::Uncontrolled);
        }
        Filtered::Evict
    }

    /// Answers [`Step::Evict`] and [`Step::Delete`]: `None` when it was granted, else the refusal.
    pub fn evicted(&mut self, now: SimTime, pod: PodId, refusal: Option<&Refusal>) {
        let Some(worker) = self.worker(pod) else {
            return;
        };
        worker.state = match refusal {
            None => {
                worker.refused = None;
                State::Look(now)
            }
            Some(Refusal::NotFound { .. }) => State::Done,
            Some(Refusal::TooManyRequests { budget, cause, retry_after }) => {
                let refused = worker.refused.get_or_insert_with(|| Refused {
                    pod,
                    budget: *budget,
                    since: now,
                    attempts: 0,
                    message: Arc::clone(cause),
                });
                refused.attempts += 1;
                refused.budget = *budget;
                refused.message = Arc::clone(cause);
                match retry_after {
                    Some(after) if worker.client_retries < CLIENT_RETRIES => {
                        worker.client_retries += 1;
                        State::Try(now + *after)
                    }
                    Some(_) | None => {
                        worker.client_retries = 0;
                        State::Try(now + RETRY)
                    }
                }
            }
            Some(refusal @ (Refusal::SeveralBudgets | Refusal::Forbidden { .. })) => {
                State::Failed(Failure::Refused(refusal.clone()))
            }
        };
    }

    /// Answers [`Step::Look`]: whether the pod is gone.
    pub fn looked(&mut self, now: SimTime, pod: PodId, gone: bool) {
        if let Some(worker) = self.worker(pod) {
            worker.state = if gone { State::Done } else { State::Look(now + POLL) };
        }
    }

    fn worker(&mut self, pod: PodId) -> Option<&mut Worker> {
        self.workers.iter_mut().flatten().find(|worker| worker.pod == pod)
    }

    /// Its flags.
    #[must_use]
    pub fn spec(&self) -> &DrainSpec {
        &self.spec
    }

    /// The node being emptied, or the next one; `None` when the drain is over.
    #[must_use]
    pub fn current(&self) -> Option<NodeId> {
        self.nodes.get(self.current).copied()
    }

    /// Pods of the current node whose eviction is refused, by which budget and since when.
    pub fn refused(&self) -> impl Iterator<Item = &Refused> {
        let trying = |worker: &&Worker| matches!(worker.state, State::Try(_));
        self.workers.iter().flatten().filter(trying).filter_map(|worker| worker.refused.as_ref())
    }

    /// How the drain of each node ended, so far.
    #[must_use]
    pub fn outcomes(&self) -> &[NodeOutcome] {
        &self.outcomes
    }
}

enum Filtered {
    Evict,
    Skip,
    Stop(Failure),
}

#[cfg(test)]
mod tests;
