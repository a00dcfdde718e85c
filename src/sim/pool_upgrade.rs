//! Upgrades of node pools in a run.

use crate::control::pool_upgrade::{Upgrade, UpgradeSpec};
use crate::model::Event;
use crate::model::event::DisruptionStep;
use crate::model::id::{DisruptionId, PoolId};
use crate::model::observer::Observer;
use crate::model::record::{About, Record};
use crate::sim::Run;
use crate::units::SimTime;

impl<O: Observer> Run<'_, O> {
    /// An upgrade begins; of a NodePool it is told whether its template changed.
    pub(super) fn begin_upgrade(
        &mut self,
        now: SimTime,
        id: DisruptionId,
        pool: PoolId,
        (spec, template): (UpgradeSpec, bool),
    ) {
        if let Some(name) = self.cluster.pool(pool).spec.node_pool.clone() {
            self.karpenter_pool_drifts(now, &name, template);
            self.records.push(Record::DisruptionEnded(id));
            return;
        }
        let others = self.disruptions.iter().filter_map(|other| other.upgrade.as_ref());
        if others.into_iter().any(|other| other.is_of(pool) && !other.has_ended()) {
            // EKS answers ResourceInUseException, AKS OperationNotAllowed, GKE that an incompatible
            // operation is under way.
            let message =
                "the pool is being upgraded already, and providers do one upgrade at a time";
            self.announce(About::Disruption(id), "UpgradeRefused", message);
            self.records.push(Record::DisruptionEnded(id));
            return;
        }
        let upgrade = Upgrade::new(spec, pool, &self.cluster);
        self.disruptions[id.index()].upgrade = Some(upgrade);
        self.continue_upgrade(now, id);
    }

    /// Lets the upgrade do what it can do now, and come back when it has to.
    pub(super) fn continue_upgrade(&mut self, now: SimTime, id: DisruptionId) {
        let Some(upgrade) = &mut self.disruptions[id.index()].upgrade else { return };
        let progress = upgrade.advance(now, &self.cluster, &mut self.workloads.budgets);
        for action in &progress.actions {
            self.apply(now, action);
        }
        self.records.extend(progress.refused);
        for (node, event, message) in progress.told {
            let name = self.node_names.get(node.index()).map_or("", |name| name).to_owned();
            self.announce(About::Disruption(id), event, &format!("{name}: {message}"));
        }
        match progress.next {
            Some(at) => self.schedule(at.since(now), Event::Disruption(id, DisruptionStep::Retry)),
            None => self.records.push(Record::DisruptionEnded(id)),
        }
    }
}
