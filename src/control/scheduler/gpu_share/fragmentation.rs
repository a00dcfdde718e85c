//! Fragmentation of GPUs: how much of what is idle the next pod could not use.
//!
//! As Weng et al. define it ("Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation
//! Gradient Descent", USENIX ATC 2023, section 3; frag.go `NodeGpuShareFragAmount`): draw a pod from those
//! that are typical of the workload; what of a node's idle GPUs it cannot use there is a fragment.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::AddAssign;

use crate::control::scheduler::gpu_share::{Devices, GpuDemand};
use crate::units::convert::{f64_from_i64, f64_from_u64};

/// Idle GPUs (thousandths of devices, expected over typical pods) by what hinders their use.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Fragments {
    /// The pod could use them.
    pub usable: f64,
    /// No device, or not so many, has as much left as the pod wants.
    pub lacks_gpu: f64,
    /// The node has too little CPU left for the pod.
    pub lacks_cpu: f64,
    /// Both.
    pub lacks_both: f64,
    /// The pod wants no GPU.
    pub not_wanted: f64,
    /// The pod cannot use the model.
    pub wrong_model: f64,
}

impl Fragments {
    /// All that is idle.
    #[must_use]
    pub fn idle(&self) -> f64 {
        self.usable + self.fragmented()
    }

    /// What cannot be used.
    #[must_use]
    pub fn fragmented(&self) -> f64 {
        self.lacks_gpu + self.lacks_cpu + self.lacks_both + self.not_wanted + self.wrong_model
    }
}

impl AddAssign for Fragments {
    fn add_assign(&mut self, other: Self) {
        self.usable += other.usable;
        self.lacks_gpu += other.lacks_gpu;
        self.lacks_cpu += other.lacks_cpu;
        self.lacks_both += other.lacks_both;
        self.not_wanted += other.not_wanted;
        self.wrong_model += other.wrong_model;
    }
}

/// The pods that are typical of a workload, by what they want of GPUs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TypicalPods {
    classes: Vec<Class>,
    kinds: usize,
}

/// Typical pods that want the same of GPUs.
#[derive(Debug, Clone, PartialEq)]
struct Class {
    demand: Option<GpuDemand>,
    /// CPU (millicores), ascending, with the share of all typical pods that want at most that.
    cpu: Vec<(i64, f64)>,
}

impl TypicalPods {
    /// The most frequent requests that make up 95 % of all pods (frag.go `GetTypicalPods`, with the
    /// authors' own setting); of equally frequent ones the larger come first.
    #[must_use]
    pub fn of(pods: impl IntoIterator<Item = (i64, Option<GpuDemand>)>) -> Self {
        const POPULARITY: f64 = 0.95;
        let mut counts: BTreeMap<(i64, Option<GpuDemand>), u64> = BTreeMap::new();
        for pod in pods {
            *counts.entry(pod).or_default() += 1;
        }
        let all = f64_from_u64(counts.values().sum());
        let mut kinds: Vec<_> = counts.into_iter().collect();
        kinds.sort_by_key(|((cpu, demand), count)| {
            let gpu = demand.as_ref().map_or((0, 0), |demand| (demand.milli, demand.count));
            Reverse((*count, *cpu, gpu))
        });
        let mut covered = 0.0;
        let typical: Vec<_> = kinds
            .into_iter()
            .take_while(|(_, count)| {
                let more = covered < POPULARITY * all;
                covered += if more { f64_from_u64(*count) } else { 0.0 };
                more
            })
            .collect();
        let kinds = typical.len();
        let mut by_demand: BTreeMap<Option<GpuDemand>, BTreeMap<i64, f64>> = BTreeMap::new();
        for ((cpu, demand), count) in typical {
            let share = f64_from_u64(count) / covered;
            *by_demand.entry(demand).or_default().entry(cpu).or_default() += share;
        }
        let class = |(demand, shares): (Option<GpuDemand>, BTreeMap<i64, f64>)| {
            let mut sum = 0.0;
            let cpu = shares.into_iter().map(|(cpu, share)| {
                sum += share;
                (cpu, sum)
            });
            Class { demand, cpu: cpu.collect() }
        };
        Self { classes: by_demand.into_iter().map(class).collect(), kinds }
    }

    /// How many different requests there are among them.
    #[must_use]
    pub fn kinds(&self) -> usize {
        self.kinds
    }

    /// The idle GPUs of a node, by who could use them; `cpu` is what it has left (millicores).
    #[must_use]
    pub fn fragments(&self, cpu: i64, devices: &Devices) -> Fragments {
        let mut fragments = Fragments::default();
        let idle = f64_from_i64(devices.idle_milli());
        if devices.idle_milli() == 0 {
            return fragments;
        }
        for class in &self.classes {
            let all = class.cpu.last().map_or(0.0, |(_, share)| *share);
            let fit = class.cpu.partition_point(|(wanted, _)| *wanted <= cpu);
            let fits = fit.checked_sub(1).map_or(0.0, |at| class.cpu[at].1);
            let Some(demand) = &class.demand else {
                fragments.not_wanted += all * idle;
                continue;
            };
            if !demand.can_use(devices.model.as_ref()) {
                fragments.wrong_model += all * idle;
            } else if devices.have_room(demand) {
                // Devices with less left than the pod wants are of no use to it either.
                let small = devices.free.iter().filter(|free| **free < demand.milli).sum();
                let small = f64_from_i64(small);
                fragments.usable += fits * (idle - small);
                fragments.lacks_gpu += fits * small;
                fragments.lacks_cpu += (all - fits) * idle;
            } else {
                fragments.lacks_gpu += fits * idle;
                fragments.lacks_both += (all - fits) * idle;
            }
        }
        fragments
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn wants(count: u32, milli: i64) -> Option<GpuDemand> {
        Some(GpuDemand { count, milli, models: Arc::from([]) })
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    /// Half of the pods want half a device and 2 cores, a quarter two devices and 8 cores, a quarter
    /// only 4 cores. Worked by hand.
    #[test]
    fn idle_devices_are_fragments_for_those_who_cannot_use_them() {
        let pods =
            [(2000, wants(1, 500)), (2000, wants(1, 500)), (8000, wants(2, 1000)), (4000, None)];
        let typical = TypicalPods::of(pods);
        assert_eq!(typical.kinds(), 3);
        let mut devices = Devices::new(2, None);
        devices.take(&[0], 600);
        let found = typical.fragments(6000, &devices);
        // 400 of device 0 and all of device 1 are idle: 1400.
        assert_near(found.idle(), 1400.0);
        assert_near(found.usable, 0.5 * 1000.0);
        assert_near(found.lacks_gpu, 0.5 * 400.0);
        assert_near(found.lacks_both, 0.25 * 1400.0);
        assert_near(found.not_wanted, 0.25 * 1400.0);
        let found = typical.fragments(1000, &devices);
        assert_near(found.usable, 0.0);
        assert_near(found.lacks_cpu, 0.5 * 1400.0);
        assert_near(found.fragmented(), 1400.0);
        let full = Devices { free: vec![0, 0], model: None };
        assert_near(typical.fragments(6000, &full).idle(), 0.0);
    }

    #[test]
    fn a_model_that_pods_cannot_use_is_a_fragment_to_them() {
        let models: Arc<[Arc<str>]> = Arc::from([Arc::from("T4")]);
        let typical = TypicalPods::of([(1, Some(GpuDemand { count: 1, milli: 1000, models }))]);
        let node = |model: &str| Devices::new(1, Some(Arc::from(model)));
        assert_near(typical.fragments(9, &node("T4")).usable, 1000.0);
        assert_near(typical.fragments(9, &node("G2")).wrong_model, 1000.0);
    }

    /// 96 pods of one kind and four rare ones: the rare ones are not typical.
    #[test]
    fn rare_pods_are_not_typical() {
        let common = std::iter::repeat_n((1000, wants(1, 500)), 96);
        let rare = (1..5).map(|n| (n * 7000, wants(8, 1000)));
        let typical = TypicalPods::of(common.chain(rare));
        assert_eq!(typical.kinds(), 1);
        assert_near(typical.fragments(1000, &Devices::new(1, None)).usable, 1000.0);
        assert_eq!(TypicalPods::of([]), TypicalPods::default());
    }
}
