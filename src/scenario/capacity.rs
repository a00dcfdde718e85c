//! What a cloud has to give: machines it may run out of, quotas it grants, and its words of refusal.

use std::fmt;
use std::sync::Arc;

use crate::cluster::LaunchFailure;
use crate::cluster::api::Machine;
use crate::engine::Dist;
use crate::model::record::MachineKind;
use crate::scenario::Provider;
use crate::units::SimDuration;

/// Which machines something holds for. What is not stated holds for all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineFilter {
    /// Names of instance types, `*` standing for anything; empty is every type.
    pub instances: Vec<Arc<str>>,
    /// Zones; empty is every zone.
    pub zones: Vec<Arc<str>>,
    /// Only spot machines, or only on-demand ones.
    pub spot: Option<bool>,
}

impl MachineFilter {
    /// Whether a machine is meant.
    #[must_use]
    pub fn matches(&self, machine: &Machine) -> bool {
        self.matches_kind(&machine.kind())
    }

    /// Whether machines of a kind are meant.
    #[must_use]
    pub fn matches_kind(&self, machine: &MachineKind) -> bool {
        let name = &*machine.instance;
        let zone = machine.zone.as_deref();
        (self.instances.is_empty() || self.instances.iter().any(|one| matches(one, name)))
            && (self.zones.is_empty() || self.zones.iter().any(|one| Some(&**one) == zone))
            && self.spot.is_none_or(|spot| spot == machine.spot)
    }
}

impl fmt::Display for MachineFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.spot {
            Some(true) => f.write_str("spot ")?,
            Some(false) => f.write_str("on-demand ")?,
            None => {}
        }
        if self.instances.is_empty() {
            f.write_str("machines")?;
        } else {
            f.write_str(&self.instances.join(", "))?;
        }
        if !self.zones.is_empty() {
            write!(f, " in {}", self.zones.join(", "))?;
        }
        Ok(())
    }
}

/// Whether a name is what a pattern with `*` describes.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(head) else { return false };
    // Each place where the star may end is tried; patterns are short.
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(tail, &rest[at..]))
}

/// How likely the cloud has no such machine when it is asked for one.
#[derive(Debug, Clone, PartialEq)]
pub struct FailureRate {
    /// Which machines.
    pub of: MachineFilter,
    /// Probability of each request to fail.
    pub probability: f64,
}

/// How much an account may run at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quota {
    /// Which machines count.
    pub of: MachineFilter,
    /// vCPUs that may run.
    pub vcpus: Option<i64>,
    /// GPUs that may run.
    pub gpus: Option<i64>,
}

/// Spot machines taken back by chance: those of one type in one zone share their fate.
#[derive(Debug, Clone, PartialEq)]
pub struct SpotInterruptions {
    /// Which machines.
    pub of: MachineFilter,
    /// Time between two waves in a zone for a type (s).
    pub every: Dist,
    /// Share of the machines there that a wave takes, at least one.
    pub share: f64,
    /// How long before it says so.
    pub notice: SimDuration,
    /// Whether a termination handler hears the notice, cordons and drains.
    pub handler: bool,
}

/// What the cloud gives, and takes back.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CapacitySpec {
    /// Chances to find nothing.
    pub failures: Vec<FailureRate>,
    /// Quotas.
    pub quotas: Vec<Quota>,
    /// Spot machines taken back by chance.
    pub interruptions: Vec<SpotInterruptions>,
}

impl Provider {
    /// The code and the sentence with which the cloud refuses a machine: EC2 `RunInstances`, Compute
    /// Engine `instances.insert`, Azure virtual machine scale sets.
    #[must_use]
    pub fn refusal(self, why: LaunchFailure, machine: &Machine) -> (&'static str, String) {
        let name = &machine.instance.name;
        let zone = machine.zone.as_deref().unwrap_or("the region");
        match (self, why) {
            (Self::Eks, LaunchFailure::NoCapacity) if machine.spot => {
                ("InsufficientInstanceCapacity", format!("no spot capacity for {name} in {zone}"))
            }
            (Self::Eks, LaunchFailure::NoCapacity) => (
                "InsufficientInstanceCapacity",
                format!("not sufficient {name} capacity in {zone}"),
            ),
            (Self::Eks, LaunchFailure::Quota) if machine.spot => (
                "MaxSpotInstanceCountExceeded",
                format!("the account's quota of spot vCPUs has no room for {name}"),
            ),
            (Self::Eks, LaunchFailure::Quota) => (
                "VcpuLimitExceeded",
                format!("the account's vCPU limit of the instance family has no room for {name}"),
            ),
            (Self::Gke, LaunchFailure::NoCapacity) => (
                "ZONE_RESOURCE_POOL_EXHAUSTED",
                format!("{zone} does not have enough resources for {name}"),
            ),
            (Self::Gke, LaunchFailure::Quota) => {
                ("QUOTA_EXCEEDED", format!("the project's quota has no room for {name}"))
            }
            (Self::Aks, LaunchFailure::NoCapacity) if machine.zone.is_some() => (
                "ZonalAllocationFailed",
                format!("allocation failed: not sufficient {name} capacity in {zone}"),
            ),
            (Self::Aks, LaunchFailure::NoCapacity) => {
                ("AllocationFailed", format!("allocation failed: not sufficient {name} capacity"))
            }
            (Self::Aks, LaunchFailure::Quota) => (
                "OperationNotAllowed",
                format!("the subscription's core quota has no room for {name}"),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let rows = [
            ("g4dn.xlarge", "g4dn.xlarge", true),
            ("g4dn.xlarge", "g4dn.2xlarge", false),
            ("g4dn.*", "g4dn.2xlarge", true),
            ("g4dn.*", "g5.2xlarge", false),
            ("*", "anything", true),
            ("*.2xlarge", "m5.2xlarge", true),
            ("Standard_NC*_T4_v3", "Standard_NC4as_T4_v3", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("", "", true),
            ("", "x", false),
        ];
        for (pattern, name, expected) in rows {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        }
    }
}
