//! ResourceQuotas and LimitRanges as written.

use std::fmt;
use std::sync::Arc;

use crate::cluster::api::meta::ObjectMeta;
use crate::cluster::api::pod::{PodSpec, QosClass};
use crate::cluster::api::selector::SelectorOperator;
use crate::units::ResourceList;

/// v1 ResourceQuota, as far as pods use what it limits.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceQuotaSpec {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.hard`: millicores, bytes or a count, by what is limited.
    pub hard: Vec<(QuotaResource, i64)>,
    /// `spec.scopes` and `spec.scopeSelector`: only pods of all of them are charged.
    pub scopes: Vec<QuotaScope>,
}

/// Which pods a quota charges (pkg/quota/v1/evaluator/core/pods.go `podMatchesScopeFunc`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuotaScope {
    /// Pods of quality of service BestEffort.
    BestEffort,
    /// All others.
    NotBestEffort,
    /// Pods without `activeDeadlineSeconds` of their own, which pods of controllers are taken to be.
    NotTerminating,
    /// Pods by their priority class.
    PriorityClass {
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        operator: SelectorOperator,
        /// Names.
        values: Vec<Arc<str>>,
    },
}

impl QuotaScope {
    /// Whether pods of this spec are of the scope.
    #[must_use]
    pub fn matches(&self, spec: &PodSpec) -> bool {
        match self {
            Self::BestEffort => spec.qos_class() == QosClass::BestEffort,
            Self::NotBestEffort => spec.qos_class() != QosClass::BestEffort,
            Self::NotTerminating => true,
            Self::PriorityClass { operator, values } => {
                let class = spec.priority_class.as_ref();
                let named = class.is_some_and(|class| values.contains(class));
                match operator {
                    SelectorOperator::In => named,
                    SelectorOperator::NotIn => !named,
                    SelectorOperator::Exists => class.is_some(),
                    SelectorOperator::DoesNotExist => class.is_none(),
                    SelectorOperator::Gt | SelectorOperator::Lt => false,
                }
            }
        }
    }
}

/// What a quota limits (pkg/quota/v1/evaluator/core/pods.go `podUsageHelper`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaResource {
    /// `pods` and `count/pods` (pods).
    Pods,
    /// `requests.cpu` and `cpu` (millicores).
    RequestsCpu,
    /// `requests.memory` and `memory` (bytes).
    RequestsMemory,
    /// `requests.ephemeral-storage` and `ephemeral-storage` (bytes).
    RequestsEphemeralStorage,
    /// `limits.cpu` (millicores).
    LimitsCpu,
    /// `limits.memory` (bytes).
    LimitsMemory,
    /// `requests.NAME` of an extended resource (units).
    RequestsExtended(Arc<str>),
}

impl QuotaResource {
    /// The resource of a key of `spec.hard`; `None` for what pods do not use.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "pods" | "count/pods" => Self::Pods,
            "cpu" | "requests.cpu" => Self::RequestsCpu,
            "memory" | "requests.memory" => Self::RequestsMemory,
            "ephemeral-storage" | "requests.ephemeral-storage" => Self::RequestsEphemeralStorage,
            "limits.cpu" => Self::LimitsCpu,
            "limits.memory" => Self::LimitsMemory,
            _ => {
                let extended = name.strip_prefix("requests.").filter(|name| name.contains('/'))?;
                Self::RequestsExtended(Arc::from(extended))
            }
        })
    }

    /// Whether its amounts are thousandths.
    #[must_use]
    pub fn is_milli(&self) -> bool {
        matches!(self, Self::RequestsCpu | Self::LimitsCpu)
    }
}

impl fmt::Display for QuotaResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pods => f.write_str("pods"),
            Self::RequestsCpu => f.write_str("requests.cpu"),
            Self::RequestsMemory => f.write_str("requests.memory"),
            Self::RequestsEphemeralStorage => f.write_str("requests.ephemeral-storage"),
            Self::LimitsCpu => f.write_str("limits.cpu"),
            Self::LimitsMemory => f.write_str("limits.memory"),
            Self::RequestsExtended(name) => write!(f, "requests.{name}"),
        }
    }
}

/// v1 LimitRange: its items of type Container.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitRangeSpec {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// Items of type Container, with the defaults of the API server filled in.
    pub items: Vec<LimitRangeItem>,
}

/// One item of a LimitRange.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LimitRangeItem {
    /// `default`: limits of containers that state none.
    pub default: ResourceList,
    /// `defaultRequest`: requests of containers that state none.
    pub default_request: ResourceList,
    /// `min`.
    pub min: ResourceList,
    /// `max`.
    pub max: ResourceList,
}
