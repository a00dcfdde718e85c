//! A pod trace: the pods that came to a cluster and its nodes, and how they are to be placed again.

use std::sync::Arc;

use crate::control::scheduler::GpuScore;
use crate::scenario::InputFile;
use crate::units::{Bytes, MilliCpu, SimDuration};

/// A trace to be replayed, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct PodTrace {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// Path of the document, as the user named it.
    pub path: Arc<str>,
    /// `description`.
    pub description: Arc<str>,
    /// Every file it was made from, with its hash.
    pub inputs: Vec<InputFile>,
    /// The nodes, all there from the start.
    pub nodes: Vec<TraceNode>,
    /// The pods, in the order of their rows.
    pub pods: Vec<TracePod>,
    /// When pods come and go.
    pub replay: Replay,
    /// How GPUs are counted.
    pub sharing: Sharing,
    /// Which of equally good nodes a pod gets, where devices are shared.
    pub ties: Ties,
    /// `percentageOfNodesToScore` of the scheduler; 0 adapts to the number of nodes.
    pub percentage_of_nodes_to_score: i32,
    /// How long the scheduler takes for a pod.
    pub scheduling_cycle: SimDuration,
    /// Seed, unless the command line states another.
    pub seed: u64,
}

/// A node of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceNode {
    /// Its name.
    pub name: Arc<str>,
    /// Cores for pods.
    pub cpu: MilliCpu,
    /// Memory for pods.
    pub memory: Bytes,
    /// GPUs.
    pub gpus: u32,
    /// Their model.
    pub model: Option<Arc<str>>,
    /// Pods at most.
    pub max_pods: i64,
}

/// A pod of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracePod {
    /// Its name.
    pub name: Arc<str>,
    /// Cores requested.
    pub cpu: MilliCpu,
    /// Memory requested.
    pub memory: Bytes,
    /// GPUs requested.
    pub gpus: u32,
    /// How much of each (thousandths).
    pub gpu_milli: i64,
    /// Models it can use; none is any.
    pub models: Vec<Arc<str>>,
    /// When it came, from the first one on.
    pub created: SimDuration,
    /// When it was placed, if it was.
    pub scheduled: Option<SimDuration>,
    /// When it was gone, if it went.
    pub deleted: Option<SimDuration>,
}

/// When pods come and go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Replay {
    /// When they did. A pod keeps its place for as long as it did, from when it has one.
    Recorded,
    /// One after another in random order, and they stay; one that finds no place is turned away.
    Fill {
        /// Pods come until they want so many times the GPUs of the cluster; drawn again from the trace,
        /// or left out, until it fits. `None` is every pod once.
        demand: Option<f64>,
    },
}

/// Which of equally good nodes a pod gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// One by lot, as in kube-scheduler.
    ByLot,
    /// The first by name, as in the simulator of the openb trace's authors.
    ByName,
}

/// How GPUs are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// As the default scheduler does: a part of a GPU takes a whole one.
    Whole,
    /// Device by device, by the plugin that shares GPUs.
    Devices(GpuScore),
}

impl PodTrace {
    /// All GPUs of the cluster (thousandths of devices).
    #[must_use]
    pub fn gpu_milli(&self) -> i64 {
        self.nodes.iter().map(|node| i64::from(node.gpus) * 1000).sum()
    }
}

impl TracePod {
    /// What it wants of GPUs (thousandths of devices).
    #[must_use]
    pub fn total_gpu_milli(&self) -> i64 {
        i64::from(self.gpus) * self.gpu_milli
    }
}
