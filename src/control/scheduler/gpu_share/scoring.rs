//! Scores that know single devices: the policies that the authors of the openb trace compare.
//!
//! Each replaces all scores of the default profile, as in their experiments, and names the devices that
//! the pod gets.

use std::sync::Arc;

use rand::RngExt;

use crate::control::scheduler::gpu_share::{Devices, GpuDemand, TypicalPods, WHOLE};
use crate::control::scheduler::snapshot::{NodeInfo, NodeSlot, PodInfo, Shape, Snapshot};
use crate::engine::Stream;
use crate::units::convert::{count_u32, f64_from_i64, index, trunc_i64};

/// How feasible nodes are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GpuScore {
    /// By the scores of the default profile, which do not know devices.
    #[default]
    Default,
    /// By lot (random_score.go).
    Random,
    /// Least left of CPU and GPUs together (best_fit_score.go).
    BestFit,
    /// Devices in use first, then nodes in use (gpu_packing_score.go).
    Packing,
    /// Least growth of fragmentation (fgd_score.go).
    Fragmentation,
}

impl GpuScore {
    /// All of them with their names in documents.
    pub const ALL: [(&'static str, Self); 5] = [
        ("default", Self::Default),
        ("random", Self::Random),
        ("best-fit", Self::BestFit),
        ("gpu-packing", Self::Packing),
        ("fragmentation", Self::Fragmentation),
    ];

    /// Its name in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(_, score)| *score == self);
        found.map_or("default", |(name, _)| name)
    }
}

/// How the plugin chooses among nodes and devices.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GpuSharing {
    /// Among nodes.
    pub score: GpuScore,
    /// What fragmentation is measured by.
    pub typical: Arc<TypicalPods>,
    /// Whether the first by name wins among nodes of equal score, as in the authors' scheduler (their
    /// generic_scheduler.go `selectHost`); kube-scheduler draws lots.
    pub ties_by_name: bool,
}

/// Scores by shape and slot, each with the stamp of the node it was worked out for.
pub(in crate::control::scheduler) type ScoreMemory = Vec<Vec<(u64, i64)>>;

impl GpuSharing {
    /// The scores of feasible nodes; `false` when those of the default profile decide.
    pub(in crate::control::scheduler) fn scores(
        &self,
        snapshot: &Snapshot,
        pod: &PodInfo,
        feasible: &[NodeSlot],
        memory: &mut ScoreMemory,
        totals: &mut Vec<i64>,
    ) -> bool {
        totals.clear();
        let shape = snapshot.shape(pod.shape);
        match self.score {
            GpuScore::Default => return false,
            GpuScore::Random => totals.resize(feasible.len(), 0),
            GpuScore::BestFit | GpuScore::Packing | GpuScore::Fragmentation => {
                if memory.len() <= pod.shape.index() {
                    memory.resize_with(pod.shape.index() + 1, Vec::new);
                }
                let known = &mut memory[pod.shape.index()];
                known.resize(known.len().max(snapshot.slot_count()), (u64::MAX, 0));
                for slot in feasible {
                    let stamp = snapshot.stamps()[slot.index()].any;
                    let entry = &mut known[slot.index()];
                    if entry.0 != stamp {
                        *entry = (stamp, self.raw(snapshot.node(*slot), shape).0);
                    }
                    totals.push(entry.1);
                }
            }
        }
        if self.score == GpuScore::BestFit {
            spread(totals);
        }
        true
    }

    /// The first of equally good nodes by name; `None` where lots are drawn.
    pub(in crate::control::scheduler) fn first_by_name(
        &self,
        snapshot: &Snapshot,
        best: &[NodeSlot],
    ) -> Option<NodeSlot> {
        let by_name = self.ties_by_name && self.score != GpuScore::Random;
        let first = || best.iter().min_by_key(|slot| &snapshot.node(**slot).name).copied();
        by_name.then(first).flatten()
    }

    /// The devices that a pod gets on the node it goes to.
    pub(in crate::control::scheduler) fn devices(
        &self,
        node: &NodeInfo,
        shape: &Shape,
        ties: &mut Stream,
    ) -> Option<Arc<[u32]>> {
        let demand = shape.gpu_demand.as_ref()?;
        let chosen = match self.score {
            GpuScore::Random if demand.is_share() => by_lot(&node.devices, demand, ties),
            GpuScore::Fragmentation => self.raw(node, shape).1,
            GpuScore::Default | GpuScore::Random | GpuScore::BestFit | GpuScore::Packing => None,
        };
        let chosen = chosen.or_else(|| node.devices.tightest(demand));
        chosen.map(Arc::from)
    }

    /// The score of a node before it is set in relation to others, and the devices it is for where
    /// that matters.
    fn raw(&self, node: &NodeInfo, shape: &Shape) -> (i64, Option<Vec<u32>>) {
        let cpu = cpu_left(node);
        let wanted = shape.incoming_scoring_requests.cpu.0;
        let demand = shape.gpu_demand.as_ref();
        match self.score {
            GpuScore::BestFit => (best_fit(cpu - wanted, &node.devices, demand), None),
            GpuScore::Packing => (demand.map_or(0, |it| packing(&node.devices, it)), None),
            GpuScore::Fragmentation => self.descent(cpu, wanted, &node.devices, demand),
            GpuScore::Default | GpuScore::Random => (0, None),
        }
    }

    /// How much fragmentation shrinks, as a score (fgd_score.go `calculateGpuShareFragExtendScore`).
    fn descent(
        &self,
        cpu: i64,
        wanted: i64,
        devices: &Devices,
        demand: Option<&GpuDemand>,
    ) -> (i64, Option<Vec<u32>>) {
        let fragmented =
            |cpu: i64, devices: &Devices| self.typical.fragments(cpu, devices).fragmented();
        let before = fragmented(cpu, devices);
        let score = |after: f64| {
            let shrunk = (before - after) / f64_from_i64(WHOLE);
            trunc_i64(100.0 / (1.0 + libm::exp(-shrunk)))
        };
        let Some(demand) = demand else {
            return (score(fragmented(cpu - wanted, devices)), None);
        };
        let after = |held: &[u32]| {
            let mut devices = devices.clone();
            devices.take(held, demand.milli);
            score(fragmented(cpu - wanted, &devices))
        };
        if !demand.is_share() {
            let held = devices.tightest(demand);
            return (held.as_deref().map_or(0, after), held);
        }
        let mut best: Option<(i64, u32)> = None;
        let mut seen: Vec<i64> = Vec::new();
        for (at, free) in devices.free.iter().enumerate() {
            // Devices with equally much left are interchangeable: the first stands for all.
            if *free < demand.milli || seen.contains(free) {
                continue;
            }
            seen.push(*free);
            let score = after(&[count_u32(at)]);
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, count_u32(at)));
            }
        }
        best.map_or((0, None), |(score, at)| (score, Some(vec![at])))
    }
}

/// What a node has left as scores count it (millicores).
fn cpu_left(node: &NodeInfo) -> i64 {
    node.allocatable.cpu.0 - node.scoring_requested.cpu.0
}

/// What would be left, of the largest node there may be, in whole per cent
/// (best_fit_score.go `getBestFitScore`, with open-gpu-share/utils/const.go `MaxSpecCpu`, `MaxSpecGpu`).
fn best_fit(cpu_left: i64, devices: &Devices, demand: Option<&GpuDemand>) -> i64 {
    let gpu_left = devices.idle_milli() - demand.map_or(0, GpuDemand::total_milli);
    let left = f64_from_i64(cpu_left) / 128_000.0 * 0.5 + f64_from_i64(gpu_left) / 8_000.0 * 0.5;
    trunc_i64((1.0 - left) * 100.0)
}

/// Parts of devices in use are best, then devices of nodes in use, then untouched nodes
/// (gpu_packing_score.go `getPackingScore`).
fn packing(devices: &Devices, demand: &GpuDemand) -> i64 {
    let untouched = i64::from(count_u32(devices.untouched()));
    if devices.untouched() == devices.free.len() {
        return (100 / 3 - untouched).max(untouched);
    }
    let Some(held) = devices.tightest(demand) else { return 0 };
    let left = held.iter().map(|at| devices.free[index(*at)]);
    let fresh = i64::from(count_u32(left.clone().filter(|free| *free == WHOLE).count()));
    if fresh > 0 {
        return (100 / 2 - fresh).max(100 / 3);
    }
    let left: i64 = left.map(|free| free * 100 / WHOLE).sum();
    (100 - left / 10).max(100 / 2)
}

/// Spreads scores over 0 to 100 (plugin_utils.go `NormalizeScore`).
fn spread(scores: &mut [i64]) {
    let lowest = scores.iter().copied().min().unwrap_or(0);
    let range = scores.iter().copied().max().unwrap_or(0) - lowest;
    for score in scores {
        *score = if range == 0 { 0 } else { (*score - lowest) * 100 / range };
    }
}

fn by_lot(devices: &Devices, demand: &GpuDemand, ties: &mut Stream) -> Option<Vec<u32>> {
    let fitting: Vec<usize> =
        (0..devices.free.len()).filter(|at| devices.free[*at] >= demand.milli).collect();
    if fitting.is_empty() {
        return None;
    }
    Some(vec![count_u32(fitting[ties.random_range(0..fitting.len())])])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(count: u32, milli: i64) -> GpuDemand {
        GpuDemand { count, milli, models: Arc::from([]) }
    }

    /// Figures worked by hand from the rules.
    #[test]
    fn packing_prefers_what_is_in_use() {
        let mut used = Devices::new(4, None);
        used.take(&[0], 600);
        assert_eq!(packing(&used, &wants(1, 400)), 100 - 40 / 10);
        assert_eq!(packing(&used, &wants(1, 500)), 50 - 1);
        assert_eq!(packing(&used, &wants(3, 1000)), 50 - 3);
        assert_eq!(packing(&Devices::new(4, None), &wants(1, 400)), 33 - 4);
    }

    #[test]
    fn best_fit_prefers_the_least_that_is_left() {
        let small = best_fit(8_000, &Devices::new(1, None), Some(&wants(1, 1000)));
        let large = best_fit(64_000, &Devices::new(8, None), Some(&wants(1, 1000)));
        assert_eq!((small, large), (96, 31));
        let mut scores = [96, 31, 50];
        spread(&mut scores);
        assert_eq!(scores, [100, 0, 29]);
    }

    /// Everybody wants half a device: the one that is half used is worth more than an untouched one,
    /// where nothing is lost either, only if the rest is too small otherwise.
    #[test]
    fn descent_avoids_remainders_that_nobody_can_use() {
        let typical = Arc::new(TypicalPods::of([(1000, Some(wants(1, 500)))]));
        let sharing = GpuSharing { score: GpuScore::Fragmentation, typical, ties_by_name: false };
        let mut devices = Devices::new(2, None);
        devices.take(&[1], 300);
        // On device 0 a part of 500 leaves 500 for the next; on device 1 it leaves 200 for nobody.
        let (score, held) = sharing.descent(9_000, 1_000, &devices, Some(&wants(1, 500)));
        assert_eq!((score, held), (50, Some(vec![0])));
        devices.take(&[0], 700);
        let (score, held) = sharing.descent(9_000, 1_000, &devices, Some(&wants(1, 500)));
        assert_eq!(held, Some(vec![1]));
        assert!(score < 50, "200 became a fragment: {score}");
    }
}
