//! Shared GPUs: a plugin beside the default profile that gives pods parts of single devices.
//!
//! The default scheduler counts whole GPUs, wherever on a node they are. Where the plugin runs
//! ([`Surroundings::gpu_share`](super::Surroundings::gpu_share)), a pod states how many devices it wants
//! and how much of each, and a node takes it only if so many single devices have that much left.
//! After Open-Gpu-Share of Alibaba's open-simulator (open_gpu_share.go `Filter`, `Reserve`; gpunodeinfo.go
//! `AllocateGpuId`), with its annotations. A pod that wants a part of several devices gets a part of so
//! many different ones; there it may get several parts of one.

pub mod fragmentation;
pub mod scoring;

use std::sync::Arc;

use crate::cluster::api::Labels;
use crate::control::scheduler::rejection::Rejection;
use crate::control::scheduler::rules::Rules;
use crate::control::scheduler::snapshot::NodeInfo;
use crate::units::convert::{count_u32, index};

pub use fragmentation::{Fragments, TypicalPods};
pub use scoring::{GpuScore, GpuSharing};

/// A whole device in thousandths.
pub const WHOLE: i64 = 1000;

/// Annotation of a pod: thousandths of each device it wants.
pub const GPU_MILLI: &str = "alibabacloud.com/gpu-milli";
/// Annotation of a pod: how many devices it wants.
pub const GPU_COUNT: &str = "alibabacloud.com/gpu-count";
/// Annotation of a pod: models it can use, with `|` between them.
pub const GPU_MODEL: &str = "alibabacloud.com/gpu-card-model";

/// What a pod wants of GPUs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GpuDemand {
    /// How many devices.
    pub count: u32,
    /// How much of each (thousandths, 1 to 1000).
    pub milli: i64,
    /// Models it can use; none named is any.
    pub models: Arc<[Arc<str>]>,
}

impl GpuDemand {
    /// What the annotations of a pod say; `None` when it wants none.
    #[must_use]
    pub fn of(annotations: &Labels) -> Option<Self> {
        let number = |key: &str| annotations.get(key)?.parse::<i64>().ok().filter(|it| *it > 0);
        let count = u32::try_from(number(GPU_COUNT)?).ok()?;
        let models = annotations.get(GPU_MODEL).map_or("", |models| models);
        let models = models.split('|').filter(|model| !model.is_empty()).map(Arc::from);
        Some(Self { count, milli: number(GPU_MILLI)?.min(WHOLE), models: models.collect() })
    }

    /// The annotations that say so.
    #[must_use]
    pub fn annotations(&self) -> Labels {
        let mut labels = Labels::from([
            (Arc::from(GPU_COUNT), Arc::from(self.count.to_string())),
            (Arc::from(GPU_MILLI), Arc::from(self.milli.to_string())),
        ]);
        if !self.models.is_empty() {
            labels.insert(Arc::from(GPU_MODEL), Arc::from(self.models.join("|")));
        }
        labels
    }

    /// Of all its devices together (thousandths).
    #[must_use]
    pub fn total_milli(&self) -> i64 {
        i64::from(self.count).saturating_mul(self.milli)
    }

    /// Whether it wants a part of one device.
    #[must_use]
    pub fn is_share(&self) -> bool {
        self.count == 1 && self.milli < WHOLE
    }

    /// Whether it can use devices of a model.
    #[must_use]
    pub fn can_use(&self, model: Option<&Arc<str>>) -> bool {
        self.models.is_empty() || model.is_some_and(|model| self.models.contains(model))
    }
}

/// The GPUs of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Devices {
    /// What is left of each (thousandths).
    pub free: Vec<i64>,
    /// Their model.
    pub model: Option<Arc<str>>,
}

impl Devices {
    /// So many whole devices.
    #[must_use]
    pub fn new(count: u32, model: Option<Arc<str>>) -> Self {
        Self { free: vec![WHOLE; index(count)], model }
    }

    /// What is left of all of them (thousandths).
    #[must_use]
    pub fn idle_milli(&self) -> i64 {
        self.free.iter().sum()
    }

    /// Devices nobody has a part of.
    #[must_use]
    pub fn untouched(&self) -> usize {
        self.free.iter().filter(|free| **free == WHOLE).count()
    }

    /// Whether so many single devices have so much left.
    #[must_use]
    pub fn have_room(&self, demand: &GpuDemand) -> bool {
        let fitting = self.free.iter().filter(|free| **free >= demand.milli).count();
        fitting >= index(demand.count)
    }

    /// The devices with room that have least left, the first among equals
    /// (open_gpu_share.go `allocateGpuIdBasedOnBestFit`); `None` when there are too few.
    #[must_use]
    pub fn tightest(&self, demand: &GpuDemand) -> Option<Vec<u32>> {
        let mut fitting: Vec<usize> =
            (0..self.free.len()).filter(|at| self.free[*at] >= demand.milli).collect();
        fitting.sort_by_key(|at| self.free[*at]);
        fitting.truncate(index(demand.count));
        (fitting.len() == index(demand.count)).then(|| fitting.into_iter().map(count_u32).collect())
    }

    /// Gives a part of some devices away.
    pub fn take(&mut self, held: &[u32], milli: i64) {
        held.iter().for_each(|at| self.free[index(*at)] -= milli);
    }

    /// Takes it back.
    pub fn give(&mut self, held: &[u32], milli: i64) {
        held.iter().for_each(|at| self.free[index(*at)] += milli);
    }
}

/// The filter: the model must be one the pod can use, and single devices must have room.
pub(super) fn filter(rules: &Rules, node: &NodeInfo) -> Option<Rejection> {
    let demand = rules.shape.gpu_demand.as_ref()?;
    if node.devices.free.is_empty() || !demand.can_use(node.devices.model.as_ref()) {
        return Some(Rejection::GpuModel);
    }
    (!node.devices.have_room(demand)).then_some(Rejection::GpuRoom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(count: u32, milli: i64) -> GpuDemand {
        GpuDemand { count, milli, models: Arc::from([]) }
    }

    #[test]
    fn a_share_must_fit_on_one_device() {
        let mut devices = Devices::new(2, None);
        devices.take(&[0, 1], 600);
        assert_eq!(devices.idle_milli(), 800);
        assert!(!devices.have_room(&demand(1, 500)), "800 are left, but 400 on each");
        assert!(devices.have_room(&demand(2, 400)));
        assert!(!devices.have_room(&demand(3, 400)), "there are two devices");
        devices.give(&[1], 600);
        assert_eq!(devices.tightest(&demand(1, 400)), Some(vec![0]));
        assert_eq!(devices.tightest(&demand(1, 401)), Some(vec![1]));
        assert_eq!(devices.tightest(&demand(1, 1000)), Some(vec![1]));
        assert_eq!(devices.tightest(&demand(2, 1000)), None);
    }

    #[test]
    fn annotations_say_what_is_wanted() {
        let wanted =
            GpuDemand { models: Arc::from([Arc::from("T4"), Arc::from("P100")]), ..demand(1, 460) };
        assert_eq!(GpuDemand::of(&wanted.annotations()), Some(wanted.clone()));
        assert!(wanted.can_use(Some(&Arc::from("T4"))));
        assert!(!wanted.can_use(Some(&Arc::from("G2"))));
        assert!(!wanted.can_use(None));
        for (count, milli) in [("0", "1000"), ("1", "0"), ("one", "1000"), ("1", "-5"), ("", "")] {
            let labels = Labels::from([
                (Arc::from(GPU_COUNT), Arc::from(count)),
                (Arc::from(GPU_MILLI), Arc::from(milli)),
            ]);
            assert_eq!(GpuDemand::of(&labels), None, "{count:?} {milli:?}");
        }
    }
}
