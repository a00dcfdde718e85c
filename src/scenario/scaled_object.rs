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
    /// Kind, namespace and name of its target as KEDA's events tell them.
    pub target: Arc<str>,
    /// The triggers that KEDA serves as external metrics; CPU and memory are the HPA's alone.
    pub triggers: Vec<Trigger>,
    /// The upgrade that writes it, by the position of its event; `None` is there from the start.
    pub upgrade: Option<usize>,
}

impl ScaledObject {
    /// Whether another one reads as this one: writing it again changes nothing.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.spec == other.spec && self.triggers == other.triggers
    }
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
    /// Work that is in the hands of workers: what a group of a stream has not acknowledged.
    InHands(StationId),
    /// Work that waits or is in the hands of workers: messages of RabbitMQ and SQS.
    Inside(StationId),
    /// The same, as far as the partitions of a topic of Kafka can share it out.
    Lag(StationId, Partitions),
    /// A metric of service profiles, by position: an expression of Prometheus.
    Metric {
        /// The position.
        at: usize,
        /// Without a sample it is 0 (`ignoreNullValues`), not a failure.
        nothing_is_zero: bool,
    },
    /// So many replicas within windows of time, and none outside.
    Cron {
        /// From when until when.
        windows: Vec<(SimTime, SimTime)>,
        /// `desiredReplicas`.
        replicas: i64,
    },
    /// Nothing that is simulated: asking fails.
    Unmeasured,
}

/// How a topic bounds its lag (keda, pkg/scalers/kafka_scaler.go `getTotalLag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partitions {
    /// How many there are.
    pub count: i64,
    /// `lagThreshold`.
    pub threshold: i64,
    /// `ensureEvenDistributionOfPartitions`: consumers divide the partitions evenly.
    pub even: bool,
    /// `limitToPartitionsWithLag`; a lag is over as many partitions as it has messages.
    pub only_with_lag: bool,
}

impl Partitions {
    /// The lag as it is served.
    #[must_use]
    pub fn served(self, lag: i64) -> i64 {
        let (count, threshold) = (self.count, self.threshold);
        let mut lag = lag;
        let with_lag = count.min(lag);
        if self.even {
            let divides =
                |factor: &i64| count % factor == 0 && factor.saturating_mul(threshold) >= lag;
            lag = (1..=count).find(divides).unwrap_or(count).saturating_mul(threshold);
        }
        let bound = if self.only_with_lag { with_lag } else { count };
        if lag / threshold > bound { bound.saturating_mul(threshold) } else { lag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_asks_for_no_more_consumers_than_there_are_partitions() {
        let plain = Partitions { count: 12, threshold: 10, even: false, only_with_lag: false };
        let even = Partitions { even: true, ..plain };
        let limited = Partitions { only_with_lag: true, ..plain };
        let rows = [
            (plain, 0, 0),
            (plain, 129, 129),
            (plain, 130, 120),
            (even, 0, 10),
            (even, 41, 60),
            (even, 61, 120),
            (even, 10_000, 120),
            (limited, 3, 3),
            (limited, 200, 120),
        ];
        for (partitions, lag, expected) in rows {
            assert_eq!(partitions.served(lag), expected, "{partitions:?} {lag}");
        }
    }
}
