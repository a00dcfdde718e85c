//! Why a pod fits nowhere, in Karpenter's words.

use std::fmt;
use std::sync::Arc;

use super::topology::Unsatisfiable;
use crate::cluster::api::Taint;
use crate::control::karpenter::requirement::{Clash, Requirements};
use crate::units::Resources;

/// What machine types failed at (nodeclaim.go `InstanceTypeFilterError`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TypeMisfit {
    suited: bool,
    fitted: bool,
    offered: bool,
    /// Some type suits and fits, and is not to be had.
    not_offered: bool,
    /// Some type suits and is to be had, and is too small.
    too_small: bool,
    /// Some type fits and is to be had, and does not suit.
    not_suited: bool,
    /// Labels with fewer values than `minValues`.
    pub(super) short_of_values: Vec<Arc<str>>,
}

impl TypeMisfit {
    /// Types enough, and too few different ones.
    pub(super) fn short_of(labels: Vec<Arc<str>>) -> Self {
        Self { short_of_values: labels, ..Self::default() }
    }

    pub(super) fn saw(&mut self, suits: bool, fits: bool, offered: bool) {
        self.suited |= suits;
        self.fitted |= fits;
        self.offered |= offered;
        self.not_offered |= suits && fits && !offered;
        self.too_small |= suits && offered && !fits;
        self.not_suited |= fits && offered && !suits;
    }

    fn words(&self) -> &'static str {
        match (self.suited, self.fitted, self.offered) {
            (false, false, false) => {
                "no instance type met the scheduling requirements or had enough resources or had a \
                 required offering"
            }
            (false, false, true) => {
                "no instance type met the scheduling requirements or had enough resources"
            }
            (false, true, false) => {
                "no instance type met the scheduling requirements or had a required offering"
            }
            (true, false, false) => {
                "no instance type had enough resources or had a required offering"
            }
            (false, true, true) => "no instance type met all requirements",
            (true, false, true) => "no instance type has enough resources",
            (true, true, false) => "no instance type has the required offering",
            (true, true, true) if self.not_offered => {
                "no instance type which met the scheduling requirements and had enough resources, \
                 had a required offering"
            }
            (true, true, true) if self.not_suited => {
                "no instance type which had enough resources and the required offering met the \
                 scheduling requirements"
            }
            (true, true, true) if self.too_small => {
                "no instance type which met the scheduling requirements and the required offering \
                 had the required resources"
            }
            (true, true, true) => "no instance type met the requirements/resources/offering tuple",
        }
    }
}

/// Why a pod cannot join a node or a plan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Misfit {
    /// A taint.
    Taint(Taint),
    /// Labels.
    Requirements(Clash),
    /// Labels that its volumes ask for.
    Volumes(Clash),
    /// Other pods.
    Topology(Unsatisfiable),
    /// No machine type.
    Types(TypeMisfit, Box<(Requirements, Resources)>),
    /// All types are larger than what the pool's limits leave.
    Limits,
    /// The pool may have no further node.
    NodeLimit,
    /// No pool has any machine type.
    NoTypes,
    /// One of its claims does not exist.
    MissingClaim(Arc<str>),
    /// Someone deleted one of its claims.
    DeletedClaim(Arc<str>),
    /// It would go to a node that is not initialized.
    Uninitialized(Arc<str>),
    /// There is no NodePool.
    NoPools,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taint(taint) => write!(f, "did not tolerate taint {taint}"),
            Self::Requirements(clash) => write!(f, "incompatible requirements, {clash}"),
            Self::Volumes(clash) => write!(f, "incompatible volume requirements, {clash}"),
            Self::Topology(it) => {
                write!(f, "unsatisfiable topology constraint for {}, key={}", it.kind, it.key)
            }
            Self::Types(types, detail) => {
                let (requirements, requests) = &**detail;
                if types.short_of_values.is_empty() {
                    f.write_str(types.words())?;
                } else {
                    let labels = types.short_of_values.join(" ");
                    write!(f, "minValues requirement is not met for label(s) [{labels}]")?;
                }
                write!(f, ", requirements={requirements}, resources={}", Amounts(requests))
            }
            Self::Limits => f.write_str("all available instance types exceed limits for nodepool"),
            Self::NodeLimit => f.write_str("node limits have been exhausted for nodepool"),
            Self::NoTypes => {
                f.write_str("nodepool requirements filtered out all available instance types")
            }
            Self::MissingClaim(name) => {
                write!(f, "ignoring pod, persistentvolumeclaim {name} not found")
            }
            Self::DeletedClaim(name) => {
                write!(f, "ignoring pod, persistentvolumeclaim {name} is being deleted")
            }
            Self::Uninitialized(node) => {
                write!(f, "would schedule against uninitialized node/{node}")
            }
            Self::NoPools => f.write_str("no dynamic nodepools found"),
        }
    }
}

/// Requests as Karpenter prints them.
struct Amounts<'a>(&'a Resources);

impl fmt::Display for Amounts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"cpu\":\"{}\",\"memory\":\"{}\"", self.0.cpu, self.0.memory)?;
        for (name, amount) in self.0.extended() {
            write!(f, ",\"{name}\":\"{amount}\"")?;
        }
        f.write_str("}")
    }
}

/// Why a pod fits nowhere: each NodePool's reason, in the order of trying.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PodError(pub(crate) Vec<(Option<Arc<str>>, Misfit)>);

impl fmt::Display for PodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (pool, misfit)) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            match pool {
                Some(pool) => write!(f, "{misfit} (NodePool={pool})")?,
                None => write!(f, "{misfit}")?,
            }
        }
        Ok(())
    }
}
