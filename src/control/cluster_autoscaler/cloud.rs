//! The cloud as the autoscaler uses it: what it asks for, and what the cloud answers.
//!
//! The answers follow from the observation (sizes, limits, instances), so that a loop is a function
//! of what it sees; whoever runs the autoscaler carries out the calls that were not refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::observation::{Group, Instance, Observation};
use crate::model::id::{NodeId, PodId, PoolId};
use crate::units::SimDuration;

/// A call of the autoscaler to the cloud or the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// More instances are asked for; the target size grows.
    IncreaseSize {
        /// Group.
        group: PoolId,
        /// How many more.
        by: i64,
    },
    /// Instances that were asked for and do not exist yet are given up; the target size shrinks.
    DecreaseTargetSize {
        /// Group.
        group: PoolId,
        /// How many fewer.
        by: i64,
    },
    /// Instances are deleted; the target size shrinks with them.
    DeleteNodes {
        /// Group.
        group: PoolId,
        /// Names of the instances.
        instances: Vec<Arc<str>>,
    },
    /// A taint of the autoscaler with the present time as value; `hard` is
    /// `ToBeDeletedByClusterAutoscaler:NoSchedule`, else
    /// `DeletionCandidateOfClusterAutoscaler:PreferNoSchedule`.
    Taint {
        /// Node.
        node: NodeId,
        /// Which of the two.
        hard: bool,
    },
    /// The taint is removed.
    Untaint {
        /// Node.
        node: NodeId,
        /// Which of the two.
        hard: bool,
    },
    /// The node is marked unschedulable.
    Cordon(NodeId),
    /// The mark is removed.
    Uncordon(NodeId),
    /// The eviction API is called; the answer is to be handed to
    /// [`super::ClusterAutoscaler::eviction_answered`].
    Evict {
        /// Pod.
        pod: PodId,
        /// The node that is drained.
        node: NodeId,
        /// Grace period asked for.
        grace: SimDuration,
    },
}

/// A call and the refusal it met, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub command: Command,
    /// The cloud's words; such a call changes nothing.
    pub refused: Option<Arc<str>>,
}

/// The sizes and instances of all groups during one look, and the calls made in it.
#[derive(Debug, Clone, Default)]
pub(super) struct Cloud {
    groups: BTreeMap<PoolId, State>,
    pub(super) calls: Vec<Call>,
}

#[derive(Debug, Clone)]
struct State {
    min: i64,
    max: i64,
    target: i64,
    instances: Vec<Instance>,
    refuses_increase: Option<Arc<str>>,
}

/// Names that are mostly asked for in the order in which they are listed: then an answer costs one
/// comparison.
#[derive(Debug)]
pub(super) struct NamesInOrder<'a> {
    names: Vec<&'a str>,
    /// The next question is expected to be about this one.
    next: usize,
    /// All of them, once a question came out of order.
    sorted: Option<BTreeSet<&'a str>>,
}

impl<'a> FromIterator<&'a str> for NamesInOrder<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        Self { names: names.into_iter().collect(), next: 0, sorted: None }
    }
}

impl NamesInOrder<'_> {
    /// Whether a name is among them.
    pub(super) fn contains(&mut self, name: &str) -> bool {
        if self.names.get(self.next) == Some(&name) {
            self.next += 1;
            return true;
        }
        let found =
            self.sorted.get_or_insert_with(|| self.names.iter().copied().collect()).contains(name);
        if found && self.names.get(self.next + 1) == Some(&name) {
            self.next += 2;
        }
        found
    }
}

impl Cloud {
    pub(super) fn new(seen: &Observation) -> Self {
        let state = |group: &Group| State {
            min: group.min,
            max: group.max,
            target: group.target,
            instances: group.instances.clone(),
            refuses_increase: group.refuses_increase.clone(),
        };
        let groups = seen.groups.iter().map(|group| (group.id, state(group))).collect();
        Self { groups, calls: Vec::new() }
    }

    fn state(&self, group: PoolId) -> &State {
        self.groups.get(&group).expect("calls name groups of the observation")
    }

    /// The target size of a group, as changed by the calls so far.
    pub(super) fn target(&self, group: PoolId) -> i64 {
        self.state(group).target
    }

    /// The target sizes of all groups.
    pub(super) fn targets(&self) -> BTreeMap<PoolId, i64> {
        self.groups.iter().map(|(&group, state)| (group, state.target)).collect()
    }

    /// The instances of a group.
    pub(super) fn instances(&self, group: PoolId) -> &[Instance] {
        &self.state(group).instances
    }

    /// The names of all groups' instances, for questions about many nodes.
    pub(super) fn instance_names(&self) -> BTreeMap<PoolId, NamesInOrder<'_>> {
        let names = self.groups.iter().map(|(group, state)| {
            (*group, state.instances.iter().map(|instance| &*instance.name).collect())
        });
        names.collect()
    }

    pub(super) fn increase_size(&mut self, group: PoolId, by: i64) -> Result<(), Arc<str>> {
        let state = self.state(group);
        let refused = match &state.refuses_increase {
            Some(error) => Some(Arc::clone(error)),
            None if state.target + by > state.max => Some(Arc::from(format!(
                "size increase too large, desired: {} max: {}",
                state.target + by,
                state.max
            ))),
            None => None,
        };
        self.call(Command::IncreaseSize { group, by }, refused, |state| state.target += by)
    }

    pub(super) fn decrease_target_size(&mut self, group: PoolId, by: i64) -> Result<(), Arc<str>> {
        let state = self.state(group);
        let existing = i64::try_from(state.instances.len()).expect("instances are few");
        let refused = (state.target - by < existing).then(|| {
            Arc::from(format!(
                "attempt to delete existing nodes, targetSize: {} delta: {} existingNodes: {existing}",
                state.target, -by
            ))
        });
        self.call(Command::DecreaseTargetSize { group, by }, refused, |state| state.target -= by)
    }

    pub(super) fn delete_nodes(
        &mut self,
        group: PoolId,
        instances: Vec<Arc<str>>,
    ) -> Result<(), Arc<str>> {
        let state = self.state(group);
        let count = i64::try_from(instances.len()).expect("instances are few");
        let refused = (state.target - count < state.min).then(|| {
            Arc::from(format!("min size reached, nodes will not be deleted: {}", state.min))
        });
        let gone = instances.clone();
        self.call(Command::DeleteNodes { group, instances }, refused, move |state| {
            state.instances.retain(|instance| !gone.contains(&instance.name));
            state.target -= count;
        })
    }

    /// A call to the API server, which is never refused.
    pub(super) fn api(&mut self, command: Command) {
        self.calls.push(Call { command, refused: None });
    }

    fn call(
        &mut self,
        command: Command,
        refused: Option<Arc<str>>,
        change: impl FnOnce(&mut State),
    ) -> Result<(), Arc<str>> {
        let group = match &command {
            Command::IncreaseSize { group, .. }
            | Command::DecreaseTargetSize { group, .. }
            | Command::DeleteNodes { group, .. } => *group,
            Command::Taint { .. }
            | Command::Untaint { .. }
            | Command::Cordon(_)
            | Command::Uncordon(_)
            | Command::Evict { .. } => unreachable!("only calls to the cloud can be refused"),
        };
        self.calls.push(Call { command, refused: refused.clone() });
        match refused {
            Some(error) => Err(error),
            None => {
                change(self.groups.get_mut(&group).expect("looked up above"));
                Ok(())
            }
        }
    }
}
