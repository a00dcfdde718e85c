//! ScaledObjects as a run needs them: what KEDA polls, and where its triggers look.

use std::sync::Arc;

use crate::control::keda::KedaSpec;
use crate::model::id::{HpaId, StationId};
use crate::units::SimTime;

/// A ScaledObject of KEDA.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaledObject {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// The HPA that KEDA makes of it.
    pub hpa: HpaId,
    /// What the operator reads.
    pub spec: KedaSpec,
    /// The triggers that KEDA serves as external metrics; CPU and memory are the HPA's alone.
    pub triggers: Vec<Trigger>,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// The name of its external metric: `s0-redis-celery`.
    pub metric: Arc<str>,
    /// Where its value comes from.
    pub source: TriggerSource,
    /// The trigger is active above this value.
    pub activation: f64,
}

/// Where the value of a trigger comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum TriggerSource {
    /// Work that waits for a service and is not taken yet: the length of a list of Redis.
    Waiting(StationId),
    /// Work that waits or is in the hands of workers: messages of RabbitMQ and SQS, lag of Kafka.
    Inside(StationId),
    /// A metric of service profiles, by position: an expression of Prometheus.
    Metric(usize),
    /// So many replicas within windows of time, and one outside.
    Cron {
        /// From when until when.
        windows: Vec<(SimTime, SimTime)>,
        /// `desiredReplicas`.
        replicas: i64,
    },
    /// Nothing that is simulated: asking fails.
    Unmeasured,
}
