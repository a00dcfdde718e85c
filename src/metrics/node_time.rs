//! Node-hours: how long the nodes of each pool were paid for.

use crate::model::id::{NodeId, PoolId};
use crate::units::{SimDuration, SimTime};

/// Paid time of each pool's nodes. A node is paid from the request of its instance until it is
/// gone, because a cloud bills an instance from launch to termination, Ready or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodeTime {
    /// Pool of each node there ever was, by node id; `None` once it is gone.
    pool_of: Vec<Option<PoolId>>,
    pools: Vec<PoolTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct PoolTime {
    paid_nodes: u64,
    since: SimTime,
    /// Node-nanoseconds.
    area_ns: u128,
}

impl PoolTime {
    fn advance(&mut self, now: SimTime) {
        let elapsed = now.since(self.since).as_nanos();
        self.area_ns += u128::from(self.paid_nodes) * u128::from(elapsed);
        self.since = now;
    }
}

impl NodeTime {
    pub(super) fn new(pools: usize) -> Self {
        Self { pool_of: Vec::new(), pools: vec![PoolTime::default(); pools] }
    }

    pub(super) fn requested(&mut self, now: SimTime, node: NodeId, pool: PoolId) {
        if self.pool_of.len() <= node.index() {
            self.pool_of.resize(node.index() + 1, None);
        }
        self.pool_of[node.index()] = Some(pool);
        let pool = &mut self.pools[pool.index()];
        pool.advance(now);
        pool.paid_nodes += 1;
    }

    pub(super) fn gone(&mut self, now: SimTime, node: NodeId) {
        let pool = self.pool_of.get_mut(node.index()).and_then(Option::take);
        let pool = pool.expect("a node that goes was requested and goes once");
        let pool = &mut self.pools[pool.index()];
        pool.advance(now);
        pool.paid_nodes -= 1;
    }

    /// Counts up to an instant.
    pub(super) fn advance(&mut self, now: SimTime) {
        self.pools.iter_mut().for_each(|pool| pool.advance(now));
    }

    /// Forgets the time before an instant; the nodes go on.
    pub(super) fn restart(&mut self, now: SimTime) {
        self.advance(now);
        self.pools.iter_mut().for_each(|pool| pool.area_ns = 0);
    }

    /// Paid node-time of a pool [node-ns].
    pub(super) fn area_ns(&self, pool: PoolId) -> u128 {
        self.pools[pool.index()].area_ns
    }

    /// Paid node-time of a pool, a sum over its nodes.
    pub(super) fn of(&self, pool: PoolId) -> SimDuration {
        SimDuration::from_nanos(u64::try_from(self.area_ns(pool)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_paid_from_request_to_gone_and_not_before_measuring() {
        let at = SimTime::from_secs;
        let mut time = NodeTime::new(2);
        time.requested(at(0), NodeId(0), PoolId(0));
        time.requested(at(50), NodeId(1), PoolId(1));
        time.restart(at(100));
        time.requested(at(110), NodeId(2), PoolId(0));
        time.gone(at(130), NodeId(2));
        time.advance(at(200));
        assert_eq!(time.of(PoolId(0)), SimDuration::from_secs(100 + 20));
        assert_eq!(time.of(PoolId(1)), SimDuration::from_secs(100));
    }
}
