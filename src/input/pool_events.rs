//! Events that befall the nodes of a pool: drains, failures, upgrades, spot machines taken back.

use std::sync::Arc;

use super::codes;
use super::decode::{Fields, Value};
use crate::cluster::api::NodePoolSpec;
use crate::control::pool_upgrade::{AtTimeout, UpgradeSpec};
use crate::model::id::{PoolId, WorkloadId};
use crate::scenario::{DisruptionTarget, Provider};
use crate::units::SimDuration;
use crate::units::convert::count_u32;

/// Notice that clouds give before they take a spot machine back (AWS: 2 min).
pub(super) const NOTICE: SimDuration = SimDuration::from_secs(120);

/// An event of a pool, of which only the pool is read.
pub(super) struct PoolEvent<'a> {
    pub(super) name: &'a str,
    /// The one node that it is about.
    pub(super) node: Option<Arc<str>>,
    pub(super) pool: Option<PoolId>,
    pub(super) pools: Option<&'a [NodePoolSpec]>,
    pub(super) provider: Option<Provider>,
}

impl PoolEvent<'_> {
    /// The rest of the event; `workload` finds a workload by name.
    pub(super) fn target(
        &self,
        fields: &Fields<'_>,
        duration: Option<SimDuration>,
        workload: &dyn Fn(&Value<'_>) -> Option<WorkloadId>,
    ) -> Option<DisruptionTarget> {
        match self.name {
            "upgradePool" => return self.upgrade(fields),
            "reclaimSpot" => return self.reclaim(fields),
            _ => {}
        }
        let count = self.count(fields);
        let node = self.node.clone();
        if self.name == "drain" {
            return Some(DisruptionTarget::Drain { pool: self.pool?, count: count?, node });
        }
        let running = fields.read("running", workload);
        let deleted = fields.read("deleted", Value::duration);
        Some(DisruptionTarget::FailNode {
            pool: self.pool?,
            count: count?,
            duration,
            running: running?,
            deleted: deleted?,
            node,
        })
    }

    /// How many nodes: one, when it is about one.
    fn count(&self, fields: &Fields<'_>) -> Option<u32> {
        if self.node.is_none() {
            return count(fields);
        }
        let others: &[&'static str] =
            if self.name == "drain" { &["count"] } else { &["count", "running"] };
        for other in others.iter().copied() {
            if let Some(value) = fields.optional(other) {
                let message = "must not be there: `node` names the one node";
                value.report(value.error(codes::EXCLUSIVE_FIELDS, message));
                return None;
            }
        }
        Some(1)
    }

    fn spec(&self) -> Option<&NodePoolSpec> {
        self.pools?.get(self.pool?.index())
    }

    fn upgrade(&self, fields: &Fields<'_>) -> Option<DisruptionTarget> {
        let surge = fields.read("surge", |value| value.integer(0..=1000_u32));
        let unavailable = fields.read("maxUnavailable", |value| value.integer(0..=1000_u32));
        let way = self.way(fields);
        let timeout = fields.read("drainTimeout", Value::duration);
        let force = fields.read_or("force", false, Value::boolean);
        let template = self.changes_template(fields)?;
        let mut spec = way?;
        spec.surge = surge?.unwrap_or(spec.surge);
        if let Some(unavailable) = unavailable? {
            spec.unavailable = unavailable;
        }
        spec.parallel = if spec.group_grows_first {
            spec.unavailable.max(1)
        } else {
            (spec.surge + spec.unavailable).max(1)
        };
        spec.drain_timeout = timeout?.unwrap_or(spec.drain_timeout);
        if force? {
            spec.at_timeout = AtTimeout::Force;
        }
        if spec.surge == 0 && spec.unavailable == 0 && spec.soak.is_none() {
            let value = fields.value();
            let message = "has surge 0 and maxUnavailable 0: no node could ever be replaced";
            value.report(value.error(codes::OUT_OF_RANGE, message));
            return None;
        }
        Some(DisruptionTarget::UpgradePool { pool: self.pool?, spec, template })
    }

    /// `changed`: whether it is the template of a NodePool that changed, and not the machine image. Karpenter
    /// finds the one at once and the other when it looks; managed groups know one way only.
    fn changes_template(&self, fields: &Fields<'_>) -> Option<bool> {
        let Some(value) = fields.optional("changed") else { return Some(false) };
        let template = value.word(&[("image", false), ("template", true)])?;
        if template && self.spec()?.node_pool.is_none() {
            let message =
                "is about the template of a NodePool of Karpenter, and this pool has none";
            value.report(value.error(codes::UNSUPPORTED, message));
            return None;
        }
        Some(template)
    }

    /// How the provider replaces nodes: its usual way, or one that is named.
    fn way(&self, fields: &Fields<'_>) -> Option<UpgradeSpec> {
        let providers = [("eks", Provider::Eks), ("gke", Provider::Gke), ("aks", Provider::Aks)];
        let provider = fields.read("as", |value| value.word(&providers));
        let soak = fields.read("soak", Value::duration);
        let strategy_value = fields.optional("strategy");
        let strategies = [
            ("default", Strategy::Default),
            ("surge", Strategy::Default),
            ("minimal", Strategy::Minimal),
            ("blueGreen", Strategy::BlueGreen),
        ];
        let strategy = match &strategy_value {
            Some(value) => value.word(&strategies),
            None => Some(Strategy::Default),
        };
        let pool = self.spec()?;
        let mut spec = match (provider?.or(self.provider)?, strategy?) {
            (Provider::Eks, Strategy::Default) => UpgradeSpec::eks(count_u32(pool.zones.len())),
            (Provider::Eks, Strategy::Minimal) => UpgradeSpec::eks_minimal(),
            (Provider::Gke, Strategy::Default) => UpgradeSpec::gke(),
            (Provider::Gke, Strategy::BlueGreen) => UpgradeSpec::gke_blue_green(),
            (Provider::Aks, Strategy::Default) => UpgradeSpec::aks(pool.initial),
            (Provider::Eks | Provider::Aks, Strategy::BlueGreen)
            | (Provider::Gke | Provider::Aks, Strategy::Minimal) => {
                let value = strategy_value.as_ref().unwrap_or(fields.value());
                let message = "is a strategy that this provider does not have";
                value.report(value.error(codes::INVALID_VALUE, message).note(
                    "EKS has default and minimal, GKE has surge and blueGreen, AKS has surge",
                ));
                return None;
            }
        };
        if let Some(soak) = soak? {
            if spec.soak.is_none() {
                let value = fields.value();
                let message = "has `soak`, which only the strategy `blueGreen` has";
                value.report(value.error(codes::EXCLUSIVE_FIELDS, message));
                return None;
            }
            spec.soak = Some(soak);
        }
        Some(spec)
    }

    fn reclaim(&self, fields: &Fields<'_>) -> Option<DisruptionTarget> {
        let count = count(fields);
        let notice = fields.read_or("notice", NOTICE, Value::duration);
        let handler = fields.read_or("terminationHandler", false, Value::boolean);
        let pool = self.spec()?;
        let pools = self.pools.unwrap_or_default();
        if !pools.iter().any(|other| pool.includes(other) && other.spot) {
            let value = fields.value();
            let message =
                format!("reclaims machines of pool `{}`, which are no spot machines", pool.name);
            let error = value.error(codes::INVALID_VALUE, &message);
            value.report(error.help("set `spot: true` on the pool, or in `overrides.nodePools`"));
            return None;
        }
        Some(DisruptionTarget::ReclaimSpot {
            pool: self.pool?,
            count: count?,
            notice: notice?,
            handler: handler?,
        })
    }
}

/// How a provider replaces nodes, beside its usual way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Default,
    Minimal,
    BlueGreen,
}

fn count(fields: &Fields<'_>) -> Option<u32> {
    fields.read_or("count", 1, |value| value.integer(1..=u32::MAX))
}
