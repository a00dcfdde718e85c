//! What is due: the closed set of events, and their order within one instant.

use crate::engine::Rank;
use crate::model::id::{
    CallId, ClientId, DisruptionId, EffortId, HpaId, LoadId, NodeId, PodId, ServerId, StationId,
    WorkloadId,
};

/// Something that becomes due at an instant. At most 16 bytes, because millions are pending or
/// moved per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The first CPU demand of a server is used up.
    CpuDone(ServerId),
    /// The CPU quota of a server is used up, or its period is over.
    CfsPeriod(ServerId),
    /// The next transfer over a station's link is done.
    LinkDone(StationId),
    /// The batch on a server's GPU is done.
    GpuDone(ServerId),
    /// A batch has waited long enough to fill.
    GpuStart(ServerId),
    /// A pure delay of a call is over.
    WaitDone(CallId),
    /// The oldest deadline of a timeout lane has come.
    TimeoutLane(u32),
    /// A client pauses no longer.
    ClientWakes(ClientId),
    /// A call has waited long enough for a connection.
    ConnectTimeout(CallId),
    /// Something of a call with a policy is due.
    Effort(EffortId, EffortStep),
    /// The next arrival of an open load.
    Arrival(LoadId),
    /// The fluid model moves on.
    Tick,
    /// The next change of the number of virtual users of a closed load.
    VirtualUsers(LoadId),
    /// The next step in a pod's life.
    Pod(PodId, PodStep),
    /// The next step in a node's life.
    Node(NodeId, NodeStep),
    /// A timed disruption of the scenario begins, or goes on.
    Disruption(DisruptionId, DisruptionStep),
    /// The cloud takes spot machines of a type in a zone back.
    SpotWave(u32),
    /// Machines that were given notice: their drain goes on, or they go.
    SpotNotice(u32, DisruptionStep),
    /// metrics-server scrapes all nodes.
    Scrape,
    /// The disruption controller recomputes budgets.
    Budgets,
    /// A workload's controller looks.
    Workload(WorkloadId),
    /// An HPA synchronises.
    Hpa(HpaId),
    /// KEDA polls the triggers of the ScaledObject that made an HPA.
    Keda(HpaId),
    /// The scheduler takes the next pod.
    Schedule,
    /// The Cluster Autoscaler's loop.
    ClusterAutoscaler,
    /// One of Karpenter's controllers has something due.
    Karpenter,
    /// The node life-cycle controller looks.
    NodeLifecycle,
    /// Kubelets look at the memory of their pods.
    Memory,
    /// Kubelets look which processes have so much to do that probes may fail.
    Probes,
    /// The garbage collector of pods looks.
    PodGc,
    /// The attach-detach controller has something due.
    Volumes,
    /// The exporters of metrics are looked at.
    Exporters(ExporterStep),
    /// The series are sampled.
    Sample,
    /// Measuring begins.
    WarmUpEnds,
    /// The run ends.
    Horizon,
}

/// What can be due of exporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExporterStep {
    /// A GPU's utilisation is that of the last second: it begins here.
    Mark,
    /// Prometheus scrapes them.
    Scrape,
}

/// What can be due of a call with a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EffortStep {
    /// The pause before another attempt is over.
    Retry,
    /// The answer to this attempt is late: another request goes to another pod.
    Hedge(u16),
    /// The time for all attempts together is over.
    Deadline,
    /// The client leaves.
    Patience,
}

/// Steps in a pod's life that take time, as the kubelet and the endpoint controllers see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodStep {
    /// A volume could not be bound in time.
    BindingTimedOut,
    /// The kubelet refuses it.
    Refused,
    /// All volumes are on the node.
    VolumesMounted,
    /// The next step in the life of one of its containers, init containers first.
    Container(u8, ContainerStep),
    /// The endpoint has reached the clients: requests come in.
    EndpointAdded,
    /// The endpoint's removal has reached the clients: no new requests come.
    EndpointRemoved,
    /// SIGTERM reaches the process (after preStop).
    Terminate,
    /// The grace period is over: SIGKILL.
    Kill,
    /// The object is gone from the API.
    Removed,
    /// The readiness has lasted `minReadySeconds`.
    BecameAvailable,
}

/// Steps in a container's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerStep {
    /// Its image is on the node.
    Pulled,
    /// It runs.
    Created,
    /// It is started: its startup probe succeeded, or it has none.
    Started,
    /// Its process answers.
    Up,
    /// Its readiness probe succeeds, or it has none.
    Ready,
    /// The kubelet kills it, because a probe failed too often.
    ProbeFailed,
    /// Its process ends by itself: an init container's, or that of a Job's pod.
    Ended,
    /// It died, and is started again.
    Again,
    /// Its readiness probe asks, while the process has much to do.
    ReadinessAsks,
    /// The readiness probe has its answer, or waits no longer.
    ReadinessAnswered,
    /// Its liveness probe asks, while the process has much to do.
    LivenessAsks,
    /// The liveness probe has its answer, or waits no longer.
    LivenessAnswered,
    /// Its grace period is over: SIGKILL.
    GraceOver,
}

impl ContainerStep {
    /// How many there are.
    pub const COUNT: usize = 13;
}

/// Steps in a node's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeStep {
    /// The cloud answers the request for a machine: it runs, or there is none to be had.
    Launched,
    /// The kubelet registers.
    Registered,
    /// The node is Ready.
    BecameReady,
    /// The device plugin reports its GPUs.
    GpusAllocatable,
    /// The instance is gone.
    Removed,
    /// A failed node's machine works again.
    Recovered,
}

/// Stages of a timed disruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisruptionStep {
    /// Its time has come.
    Begin,
    /// It tries again (a drain whose evictions were refused).
    Retry,
    /// The Node objects of machines it made fail are deleted.
    NodesDeleted,
    /// Its duration is over.
    End,
}

impl Event {
    /// Order among events of one instant. Work finishes before new work arrives, so that a place
    /// freed now can be taken now; the cluster changes before anyone measures it, is measured before
    /// controllers decide, and is sampled last, so that a sample shows the state after all of it.
    #[must_use]
    pub fn rank(&self) -> Rank {
        Rank(match self {
            Self::WarmUpEnds => 0,
            Self::CpuDone(_) | Self::LinkDone(_) | Self::GpuDone(_) | Self::WaitDone(_) => 1,
            Self::ConnectTimeout(_)
            | Self::CfsPeriod(_)
            | Self::TimeoutLane(_)
            | Self::Effort(_, EffortStep::Deadline | EffortStep::Patience) => 2,
            Self::GpuStart(_) => 3,
            Self::Effort(_, EffortStep::Retry | EffortStep::Hedge(_))
            | Self::ClientWakes(_)
            | Self::Arrival(_)
            | Self::VirtualUsers(_)
            | Self::Tick => 4,
            Self::Pod(..) | Self::Node(..) | Self::Memory | Self::Probes | Self::Volumes => 5,
            Self::Disruption(..) | Self::SpotWave(_) | Self::SpotNotice(..) => 6,
            Self::Scrape => 7,
            Self::NodeLifecycle | Self::PodGc | Self::Budgets => 8,
            Self::Hpa(_) | Self::Keda(_) => 9,
            Self::Workload(_) => 10,
            Self::Schedule => 11,
            Self::ClusterAutoscaler | Self::Karpenter => 12,
            Self::Exporters(_) | Self::Sample => 13,
            Self::Horizon => 14,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_small() {
        assert!(size_of::<Event>() <= 16, "{} bytes", size_of::<Event>());
    }

    #[test]
    fn work_ends_before_it_begins_and_sampling_sees_everything() {
        let arrival = Event::Arrival(LoadId(0)).rank();
        assert!(Event::CpuDone(ServerId(0)).rank() < arrival);
        assert!(Event::Scrape.rank() < Event::Hpa(HpaId(0)).rank());
        assert!(Event::Sample.rank() > Event::ClusterAutoscaler.rank());
    }
}
