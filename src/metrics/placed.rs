//! Who asked for and used how much of each pool, summed over the samples of a run.

use std::collections::BTreeMap;

use crate::model::id::{PoolId, WorkloadId};
use crate::model::observer::Sample;
use crate::units::convert::f64_from_i64;

/// A resource by which a pool's cost is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SharedBy {
    /// Cores.
    Cpu,
    /// Memory.
    Memory,
    /// GPUs.
    Gpu,
}

impl SharedBy {
    /// All of them, in the order of the sums here.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Gpu];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Memory => "memory",
            Self::Gpu => "GPU",
        }
    }
}

/// Sums over samples: cores, bytes, GPUs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sums {
    /// Requested.
    pub requested: [f64; 3],
    /// Used, of each sample no more than was requested.
    pub used: [f64; 3],
}

/// What workloads asked for and used on each pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Placed {
    by: BTreeMap<(PoolId, WorkloadId), Sums>,
}

impl Placed {
    /// Takes in a sample. A GPU is used as much as those of its service are busy.
    pub(super) fn take(&mut self, sample: &Sample) {
        for placed in &sample.placed {
            let sums = self.by.entry((placed.pool, placed.workload)).or_default();
            let gpus = f64_from_i64(placed.gpus_requested);
            let busy = sample.gpu_busy_of(placed.workload).unwrap_or(0.0);
            let requested = [placed.cpu_requested_cores, placed.memory_requested_bytes, gpus];
            let used = [placed.cpu_cores, placed.memory_bytes, gpus * busy];
            for at in 0..requested.len() {
                sums.requested[at] += requested[at];
                sums.used[at] += used[at].min(requested[at]);
            }
        }
    }

    /// The workloads on a pool, by id.
    pub fn on(&self, pool: PoolId) -> impl Iterator<Item = (WorkloadId, &Sums)> {
        let all = self.by.iter().filter(move |((own, _), _)| *own == pool);
        all.map(|((_, workload), sums)| (*workload, sums))
    }
}
