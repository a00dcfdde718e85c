//! Node-hours: how long the machines of each pool were paid for.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::id::{NodeId, PoolId};
use crate::model::record::MachineKind;
use crate::units::{SimDuration, SimTime};

/// Machines of one price: instance type, and whether they are spot machines.
type Kind = (Arc<str>, bool);

/// Paid time of each pool's machines. A machine is paid from the moment the cloud made it until it
/// is gone, Ready or not: clouds bill from launch to termination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeTime {
    /// Pool of each node there ever was, by node id.
    pool_of: Vec<Option<PoolId>>,
    /// What runs, by node.
    running: BTreeMap<NodeId, (PoolId, Kind)>,
    pools: Vec<BTreeMap<Kind, PaidTime>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct PaidTime {
    machines: u64,
    since: SimTime,
    /// Machine-nanoseconds.
    area_ns: u128,
}

impl PaidTime {
    fn advance(&mut self, now: SimTime) {
        let elapsed = now.since(self.since).as_nanos();
        self.area_ns += u128::from(self.machines) * u128::from(elapsed);
        self.since = now;
    }
}

impl NodeTime {
    pub(super) fn new(pools: usize) -> Self {
        Self { pool_of: Vec::new(), running: BTreeMap::new(), pools: vec![BTreeMap::new(); pools] }
    }

    pub(super) fn requested(&mut self, node: NodeId, pool: PoolId) {
        if self.pool_of.len() <= node.index() {
            self.pool_of.resize(node.index() + 1, None);
        }
        self.pool_of[node.index()] = Some(pool);
    }

    pub(super) fn launched(&mut self, now: SimTime, node: NodeId, machine: &MachineKind) {
        let pool = self.pool_of.get(node.index()).copied().flatten();
        let pool = pool.expect("a machine that was made was asked for");
        let kind = (Arc::clone(&machine.instance), machine.spot);
        let time = self.pools[pool.index()].entry(kind.clone()).or_default();
        time.advance(now);
        time.machines += 1;
        self.running.insert(node, (pool, kind));
    }

    /// A node's machine, if it had one, is gone.
    pub(super) fn gone(&mut self, now: SimTime, node: NodeId) {
        let Some((pool, kind)) = self.running.remove(&node) else { return };
        let time = self.pools[pool.index()].get_mut(&kind).expect("it was counted when made");
        time.advance(now);
        time.machines -= 1;
    }

    /// Counts up to an instant.
    pub(super) fn advance(&mut self, now: SimTime) {
        self.pools.iter_mut().flat_map(BTreeMap::values_mut).for_each(|time| time.advance(now));
    }

    /// Forgets the time before an instant; the machines go on.
    pub(super) fn restart(&mut self, now: SimTime) {
        self.advance(now);
        self.pools.iter_mut().flat_map(BTreeMap::values_mut).for_each(|time| time.area_ns = 0);
    }

    /// Paid time of a pool by instance type and capacity type (machine-ns).
    pub(super) fn by_kind(&self, pool: PoolId) -> impl Iterator<Item = (&str, bool, u128)> {
        let kinds = self.pools[pool.index()].iter();
        kinds.map(|((instance, spot), time)| (&**instance, *spot, time.area_ns))
    }

    /// Paid node-time of a pool, a sum over its nodes.
    pub(super) fn of(&self, pool: PoolId) -> SimDuration {
        let sum: u128 = self.by_kind(pool).map(|(_, _, area)| area).sum();
        SimDuration::from_nanos(u64::try_from(sum).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_paid_from_launch_to_gone_and_not_before_measuring() {
        let at = SimTime::from_secs;
        let kind = |spot| MachineKind { instance: Arc::from("m9.large"), zone: None, spot };
        let mut time = NodeTime::new(2);
        for (node, pool) in [(0, 0), (1, 1), (2, 0), (3, 0)] {
            time.requested(NodeId(node), PoolId(pool));
        }
        time.launched(at(0), NodeId(0), &kind(false));
        time.launched(at(50), NodeId(1), &kind(false));
        time.restart(at(100));
        time.launched(at(110), NodeId(2), &kind(true));
        time.gone(at(130), NodeId(2));
        // What was never made costs nothing.
        time.gone(at(150), NodeId(3));
        time.advance(at(200));
        assert_eq!(time.of(PoolId(0)), SimDuration::from_secs(100 + 20));
        assert_eq!(time.of(PoolId(1)), SimDuration::from_secs(100));
        let seconds = |ns: u128| ns / 1_000_000_000;
        let kinds: Vec<_> =
            time.by_kind(PoolId(0)).map(|(_, spot, area)| (spot, seconds(area))).collect();
        assert_eq!(kinds, [(false, 100), (true, 20)]);
    }
}
