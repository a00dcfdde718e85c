//! What requests use beside CPUs and GPUs: disks, links, the network between pods, caches.

use crate::engine::Dist;
use crate::units::Bytes;

/// The volume of each pod of a store, with the limits a cloud sets it (EBS gp3 and io2: so many operations
/// and bytes a second, whatever the size).
#[derive(Debug, Clone, PartialEq)]
pub struct DiskSpec {
    /// Operations a second, above zero.
    pub iops: f64,
    /// Bytes a second, above zero.
    pub bytes_per_second: f64,
    /// What was not used is kept for so long (s): a bucket of that many seconds' tokens.
    pub burst_s: f64,
    /// What an operation takes on an idle disk (s).
    pub latency: Dist,
}

/// What an operation of a service asks of its pod's disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IoSpec {
    /// Reads and writes together, before large ones are split.
    pub operations: f64,
    /// Bytes of them together.
    pub bytes: Bytes,
}

/// Most bytes that count as one operation of an SSD volume (Amazon EBS, "I/O characteristics").
pub const LARGEST_IO_BYTES: f64 = 262_144.0;

impl IoSpec {
    /// Operations as the volume counts them: large ones are split.
    #[must_use]
    pub fn counted(&self) -> f64 {
        self.operations.max((self.bytes.as_f64() / LARGEST_IO_BYTES).ceil())
    }
}

/// The link over which answers leave a service: all answers under way share it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkSpec {
    /// Bytes a second of each ready pod; of the whole service when it has no pods.
    pub bytes_per_second: f64,
    /// Bytes a second of one answer at most.
    pub per_connection: f64,
}

/// What a call takes on the network, there and back together, by where its ends are. Absent is nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkSpec {
    /// Between pods of one node (s).
    pub same_node: Option<Dist>,
    /// Between nodes of one zone (s).
    pub same_zone: Option<Dist>,
    /// Between zones (s).
    pub cross_zone: Option<Dist>,
    /// To and from services outside the cluster (s).
    pub outside: Option<Dist>,
    /// Between clients and the services they call (s).
    pub clients: Option<Dist>,
    /// Bytes a second at which one answer's payload travels; `None` is at once.
    pub bytes_per_second: Option<f64>,
}

/// Answers that an operation's pod keeps: who is answered from them makes no calls to others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheSpec {
    /// Share of requests that a warm pod answers from its cache, 0 to 1.
    pub hit_ratio: f64,
    /// Requests after which a new pod's cache is 63 % as good as a warm one; 0 is warm at once.
    pub warm_after: f64,
}

impl CacheSpec {
    /// The share of hits of a pod that has answered so many requests.
    #[must_use]
    pub fn hits_after(&self, served: f64) -> f64 {
        if self.warm_after <= 0.0 {
            self.hit_ratio
        } else {
            self.hit_ratio * (1.0 - libm::exp(-served / self.warm_after))
        }
    }
}
