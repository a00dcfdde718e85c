//! Pods of a trace on its nodes: the real scheduler, its queue, and pods that come and go.
//!
//! Floor 6. Only placement is simulated: which pod gets which node and which devices, when, and what that
//! leaves. A pod works from its binding on for as long as it did; images, kubelets, controllers and
//! autoscalers are not there.

mod board;
mod fill;
mod recorded;
#[cfg(test)]
mod tests;
mod told;

use std::sync::Arc;

use crate::control::scheduler::{GpuSharing, Scheduler, SchedulerConfig, TypicalPods};
use crate::engine::Streams;
use crate::scenario::pod_trace::{PodTrace, Replay, Sharing, Ties};

pub use board::Point;
pub use told::{Class, Model, Never, Placement, Waits};

/// Replays a trace with a seed.
#[must_use]
pub fn place(trace: &PodTrace, seed: u64) -> Placement {
    let streams = Streams::new(seed, 0);
    let typical = Arc::new(TypicalPods::of(
        trace.pods.iter().map(|pod| (pod.cpu.0, board::demand(pod, trace.sharing))),
    ));
    let config =
        SchedulerConfig { percentage_of_nodes_to_score: trace.percentage_of_nodes_to_score };
    let mut scheduler = Scheduler::new(config, streams.of("scheduler/ties"));
    if let Sharing::Devices(score) = trace.sharing {
        let typical = Arc::clone(&typical);
        scheduler = scheduler.with_gpu_sharing(GpuSharing {
            score,
            typical,
            ties_by_name: trace.ties == Ties::ByName,
        });
    }
    let mut board = board::Board::new(trace, typical, scheduler);
    let mut placement = match trace.replay {
        Replay::Recorded => recorded::run(trace, &mut board),
        Replay::Fill { demand } => fill::run(trace, &mut board, demand, &streams),
    };
    placement.seed = seed;
    placement
}
