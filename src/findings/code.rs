//! Codes of findings: stable names that `explain` can look up and a pipeline can filter by.

use std::fmt;

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// `AUR9xx`; never used again for something else.
    pub id: &'static str,
    /// The same in words, for people and configuration files.
    pub slug: &'static str,
    /// Among findings of one instant, causes stand before effects: the load and what the scenario
    /// does (0), nodes (1), evictions (2), autoscalers and pods (3), services (4), requests (5),
    /// thresholds (6).
    pub rank: u8,
    /// What it means and what to do, in a few sentences.
    pub explanation: &'static str,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $id:literal, $rank:literal, $slug:literal, $explanation:literal;)*) => {
        $($(#[$doc])*
        pub const $name: Code = Code { id: $id, rank: $rank, slug: $slug, explanation: $explanation };)*

        /// Every code there is, by number.
        pub const CODES: &[Code] = &[$($name),*];
    };
}

codes! {
    /// The HPA wants more than it may have.
    HPA_AT_MAXIMUM = "AUR901", 3, "hpa-at-maximum",
        "The HorizontalPodAutoscaler proposed more replicas than maxReplicas (ScalingLimited=True, \
         TooManyReplicas). Raise maxReplicas, make a request cheaper, or accept the latency; see that \
         nodes and downstream services can carry more pods.";
    /// The scale-up stabilization window held the HPA back.
    HPA_HELD_BY_WINDOW = "AUR902", 3, "hpa-held-by-window",
        "behavior.scaleUp.stabilizationWindowSeconds makes the HPA take the lowest proposal of that \
         window (ScaleUpStabilized): it scales only after the load has been high for that long. Shorten \
         the window, or start with more replicas before the load comes.";
    /// A scale-up policy limited the HPA's rate.
    HPA_RATE_LIMITED = "AUR903", 3, "hpa-rate-limited",
        "behavior.scaleUp.policies let the HPA add only so many pods in a period (ScaleUpLimit). Allow \
         more per period if the load rises faster than that.";
    /// The bottleneck is nothing the HPA looks at.
    HPA_BLIND = "AUR904", 3, "hpa-blind",
        "The service was saturated (GPU busy or work piling up) while every metric of its HPA stayed \
         below target, so the HPA saw no reason to scale. Scale on what saturates: queue depth, GPU \
         utilization or requests in flight.";
    /// The HPA could not compute a metric.
    HPA_METRIC_MISSING = "AUR905", 3, "hpa-metric-missing",
        "A metric of the HPA could not be computed. With one metric missing the HPA may scale up by the \
         others but never down; with none it does nothing. Look for missing requests, unready pods or \
         an adapter that does not serve the metric.";
    /// The HPA changed the size.
    HPA_SCALED = "AUR906", 3, "hpa-scaled",
        "The HPA changed the number of replicas, for the reason its own event gives.";
    /// An HPA counted surge pods while its workload was rolled out.
    HPA_COUNTS_SURGE = "AUR907", 3, "hpa-counts-surge",
        "While a rolling update was under way, the HPA multiplied by all pods of the workload, surge pods \
         among them, and so proposed more replicas than the load asked for; the update then grew with the \
         size. It scales down again only after the stabilization window. Use a small maxSurge, a startup \
         probe that hides the CPU of starting pods, or roll out when load is low.";
    /// Pods waited for a node.
    PODS_PENDING = "AUR910", 3, "pods-pending",
        "The scheduler found no node for pods. Its sentence counts the nodes by the first rule that left \
         each out. Lower requests, add nodes, or loosen the rule.";
    /// The Cluster Autoscaler saw pods that wait and added nothing.
    NO_SCALE_UP = "AUR911", 3, "autoscaler-adds-no-node",
        "The Cluster Autoscaler considered every node group for the waiting pods and left all of them out. \
         Raise the group's maximum, or make the pod fit a group that can grow.";
    /// How long it took from a decision to a ready pod, and where the time went.
    SCALE_UP_LATENCY = "AUR912", 3, "scale-up-latency",
        "Where the time went between the decision to add a pod and the pod being ready. Spare capacity \
         (overprovisioning pods), smaller images and faster starts shorten it.";
    /// The Cluster Autoscaler removed nodes.
    NODES_REMOVED = "AUR913", 3, "nodes-removed",
        "The Cluster Autoscaler removed nodes that were unneeded for --scale-down-unneeded-time.";
    /// The cloud had no machine.
    MACHINES_REFUSED = "AUR914", 2, "machines-refused",
        "The cloud refused to make machines: it had none of the type in the zone, or the account's quota \
         is used up. The Cluster Autoscaler leaves the group alone for 5 minutes, then 10, 20 and 30. Give \
         it groups of other types or zones to fall back to, or have the quota raised.";
    /// The cloud took spot machines back.
    SPOT_RECLAIMED = "AUR915", 1, "spot-reclaimed",
        "The cloud took spot machines back. What still ran there was cut off: two minutes of notice are \
         worth something only with a termination handler that drains. Spread over types and zones, which \
         are taken back together.";
    /// A budget refused evictions.
    EVICTION_REFUSED = "AUR920", 2, "eviction-refused",
        "The eviction API refused because the PodDisruptionBudget allowed no disruption. A budget that \
         equals the number of replicas can never be met by a drain: allow at least one disruption.";
    /// Nodes stopped answering.
    NODES_LOST = "AUR921", 1, "nodes-lost",
        "Nodes stopped answering. Their processes are dead at once; the control plane notices after the \
         node monitor grace period and replaces the pods after their tolerations run out.";
    /// The scenario did something to the cluster.
    DISRUPTION = "AUR922", 0, "disruption",
        "A timed event of the scenario.";
    /// Objects were written anew and became ready.
    ROLLOUT = "AUR923", 0, "rollout",
        "A release was rolled out: how long `helm upgrade --wait` took and how many pods served \
         meanwhile. Fewer ready pods than before are what maxUnavailable allows.";
    /// `helm upgrade --wait` fails.
    ROLLOUT_FAILED = "AUR924", 0, "rollout-failed",
        "`helm upgrade --wait` ended with an error: the timeout came first, a progress deadline was \
         exceeded or a hook failed. The objects stay as they were written. Give it a longer --timeout, or \
         remove what keeps the new pods from being ready.";
    /// Pods of a rollout needed new nodes.
    ROLLOUT_NEEDS_NODES = "AUR925", 3, "rollout-needs-nodes",
        "Pods of the new template found no room beside the old ones and waited for new nodes. For GPUs \
         that is minutes a pod. Use maxSurge 0 with maxUnavailable 1 where a pod fills its node, or keep \
         a spare node.";
    /// A Job ran.
    JOB_ENDED = "AUR926", 3, "job-ended",
        "A Job or CronJob ran on the cluster's nodes and ended, well or not.";
    /// The API server refused pods.
    PODS_FORBIDDEN = "AUR927", 3, "pods-forbidden",
        "A ResourceQuota forbade pods (403): their controller tries again and again. Raise the quota, or \
         leave room in it for surge pods; `--explain quota/NAME` tells what was used when, and whom it \
         refused.";
    /// Pods made place for pods of higher priority.
    PODS_PREEMPTED = "AUR928", 3, "pods-preempted",
        "The scheduler deleted pods to make place for pods of higher priority. Disruption budgets are \
         kept where possible, not for certain. Add nodes, or give the class preemptionPolicy Never.";
    /// A service's CPU is used up.
    CPU_SATURATED = "AUR930", 4, "cpu-saturated",
        "The ready pods of the service used all the CPU that their limits, or the full nodes they share with \
         others, allow. More load only makes the queue longer: add pods, raise the limit (on a full node the \
         request, which decides the share), or make a request cheaper.";
    /// A service's GPUs are used up.
    GPU_SATURATED = "AUR931", 4, "gpu-saturated",
        "The GPUs of the service were busy all the time. Add pods with GPUs, use larger batches, or \
         shorten the work.";
    /// Work piles up.
    BACKLOG_GROWS = "AUR932", 4, "backlog-grows",
        "Requests or tasks waited in growing number: more came in than could be served.";
    /// Requests failed.
    REQUESTS_FAIL = "AUR933", 5, "requests-fail",
        "Clients' requests timed out, were refused, were cut off or failed further inside.";
    /// Workers ended with tasks inside.
    TASKS_INTERRUPTED = "AUR934", 4, "tasks-interrupted",
        "Workers were ended while they had tasks. With early acknowledgement a task that is worked on is \
         lost; with late acknowledgement it is done again from its beginning, but only after the \
         visibility timeout. Give pods a grace period longer than their tasks, acknowledge late, and \
         reserve few (prefetch multiplier 1).";
    /// The load changes.
    LOAD_RISES = "AUR940", 0, "load-rises",
        "The offered load rose to its peak.";
    /// A threshold was not met.
    THRESHOLD_CROSSED = "AUR950", 6, "threshold-crossed",
        "A threshold of the scenario was not met. The cause is told with it.";
    /// A container held more memory than its limit.
    OUT_OF_MEMORY = "AUR960", 1, "out-of-memory",
        "Containers held more memory than limits.memory and were killed (OOMKilled); requests inside were \
         cut, and the kubelet starts them again after 0, 10, 20, ... 300 s. Raise the limit, let fewer \
         requests in at once, or find the leak.";
    /// A probe killed a container before it was up.
    KILLED_BY_PROBE = "AUR961", 1, "killed-by-probe",
        "Processes needed longer to answer than their startup or liveness probe allows, and were killed \
         and started again, ever later (CrashLoopBackOff). Give them a startup probe whose \
         failureThreshold x periodSeconds is longer than the slowest start, and a liveness probe that \
         does not wait behind the requests of a busy process.";
    /// A node ran out of memory.
    NODE_PRESSURE = "AUR962", 1, "node-pressure-eviction",
        "Pods of a node together held more than it allots to pods. The kubelet evicts some, those first \
         that hold more than they ask for; where memory jumps past the limit the kernel is faster and \
         kills containers, those first that ask for little of what they hold (oom_score_adj). Let \
         requests.memory say what pods hold.";
    /// A volume could not be attached.
    VOLUME_ATTACH = "AUR963", 2, "volume-attached-elsewhere",
        "A volume that one node may mount was wanted on another. The pod stays ContainerCreating until \
         the disk comes off: when the pods there are gone, or 6 min later when their node is silent. \
         Pods that share a volume need ReadWriteMany and a provisioner that can do it.";
    /// A volume could not be made.
    VOLUME_REFUSED = "AUR964", 2, "volume-refused",
        "The provisioner cannot make a volume as the claim asks for it, so its pods stay Pending. Ask for \
         an access mode it serves, or use another storage class.";
    /// An upgrade of a pool failed, or was forced.
    UPGRADE_BLOCKED = "AUR965", 2, "upgrade-blocked",
        "Pods of a node that is upgraded did not go in the provider's time: EKS and AKS fail the upgrade, \
         GKE deletes them without asking their budgets. See the budget that refused.";
    /// A kubelet refused pods that the scheduler gave it.
    POD_REJECTED = "AUR966", 2, "pod-rejected",
        "The scheduler placed pods that the node's device plugin refuses: a container may have one slice of \
         a shared GPU (`failRequestsGreaterThanOne`), and asks for more. Such a pod has failed for good; its \
         owner makes the next at once, which fails as well. Ask for one: two slices give no more time, and \
         may be of the same GPU.";
    /// Karpenter took nodes away.
    NODES_DISRUPTED = "AUR970", 3, "nodes-disrupted",
        "Karpenter took nodes away: empty or underutilized ones, such as are not what their NodePool says \
         (drift), too old, or about to be taken back. `disruption.consolidateAfter` and \
         `disruption.budgets` of the NodePool say how soon and how many at a time; \
         `--explain nodepool/NAME` tells each.";
    /// The cloud did not have the machines that Karpenter asked for.
    LAUNCH_REFUSED = "AUR971", 3, "launch-refused",
        "Karpenter asked for machines that the cloud did not have, and shuns them for 3 minutes. The more \
         types, zones and capacity types a NodePool allows, the less often its pods wait for this.";
    /// Containers ended badly by themselves.
    CONTAINERS_FAIL = "AUR975", 2, "containers-fail",
        "Containers ended with an exit code that is not zero, and the kubelet started them again after 0, \
         10, 20, ... 300 s. An init container that fails holds back all that come after it.";
    /// Pods lost their readiness, because they had too much to do to answer their probe in time.
    UNREADY_UNDER_LOAD = "AUR976", 2, "unready-under-load",
        "Readiness probes wait behind other requests as any request does, and failed failureThreshold \
         times after timeoutSeconds: the pods were taken out of their services, and the others got their \
         load too. Let the HPA act earlier, limit what a pod lets in, or give the probe more patience.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_slugs_are_unique_and_ascend() {
        for pair in CODES.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} after {}", pair[1].id, pair[0].id);
        }
        for code in CODES {
            assert_eq!(CODES.iter().filter(|other| other.slug == code.slug).count(), 1);
            assert!(code.explanation.ends_with('.') && !code.explanation.contains("  "));
        }
    }
}
