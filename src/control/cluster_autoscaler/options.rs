//! The Cluster Autoscaler's command line flags, by their own names, with the defaults of 1.37.

use std::fmt;

use super::flags::{IGNORED, OFF, SIMULATED};
use crate::units::SimDuration;

/// Flags that change what the autoscaler decides (config/flags/flags.go, release 1.37).
///
/// Each field is the flag of the same name with `_` for `-`; defaults in [`Options::default`].
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Pause between two loops.
    pub scan_interval: SimDuration,
    /// A productive loop is followed at once, and pending pods start one.
    pub frequent_loops_enabled: bool,
    /// Nodes in the cluster, not autoscaled ones included; 0 is no limit.
    pub max_nodes_total: i64,
    /// Cores in the cluster, minimum and maximum.
    pub cores_total: (i64, i64),
    /// Memory in the cluster (GiB), minimum and maximum.
    pub memory_total: (i64, i64),
    /// Accelerators by value of the provider's GPU label: type, minimum, maximum.
    pub gpu_total: Vec<(String, i64, i64)>,
    /// Expander chain.
    pub expander: Vec<Expander>,
    /// Nodes one estimate may add.
    pub max_nodes_per_scaleup: i64,
    /// Whether the last group of the estimate is computed instead of simulated.
    pub fastpath_binpacking_enabled: bool,
    /// Whether all parts of a scale-up are asked for even when one of them fails.
    pub parallel_scale_up: bool,
    /// Whether a scale-up is split over similar groups.
    pub balance_similar_node_groups: bool,
    /// Labels that alone make groups similar.
    pub balancing_label: Vec<String>,
    /// Labels that similar groups may differ in.
    pub balancing_ignore_label: Vec<String>,
    /// Part by which memory capacities of similar groups may differ.
    pub memory_difference_ratio: f64,
    /// Part by which free resources of similar groups may differ.
    pub max_free_difference_ratio: f64,
    /// Part by which allocatable resources of similar groups may differ.
    pub max_allocatable_difference_ratio: f64,
    /// Time an instance has to register.
    pub max_node_provision_time: SimDuration,
    /// Time a node has to become ready.
    pub max_node_startup_time: SimDuration,
    /// First back-off of a group that failed.
    pub initial_node_group_backoff_duration: SimDuration,
    /// Longest back-off.
    pub max_node_group_backoff_duration: SimDuration,
    /// Time after the last failure at which it is forgotten.
    pub node_group_backoff_reset_timeout: SimDuration,
    /// Per cent of unready nodes above which the cluster is unhealthy.
    pub max_total_unready_percentage: f64,
    /// Unready nodes that are always accepted.
    pub ok_total_unready_count: usize,
    /// Whether a cluster without ready nodes is scaled up.
    pub scale_up_from_zero: bool,
    /// Whether groups below their minimum are raised to it.
    pub enforce_node_group_min_size: bool,
    /// Age at which a pending pod counts.
    pub new_pod_scale_up_delay: SimDuration,
    /// Pods of lower priority neither cause nor hinder anything.
    pub expendable_pods_priority_cutoff: i32,
    /// How long the template taken from a real node is kept.
    pub node_info_cache_expire_time: SimDuration,
    /// Whether templates of real nodes get all suitable DaemonSets.
    pub force_ds: bool,
    /// Taints that mark a node as still starting.
    pub startup_taint: Vec<String>,
    /// Beginnings of the keys of such taints.
    pub startup_taint_prefix: Vec<String>,
    /// Taints that templates do not inherit.
    pub status_taint: Vec<String>,
    /// Old name of `startup-taint`.
    pub ignore_taint: Vec<String>,
    /// Whether a cordoned node makes a template that is not.
    pub scale_from_unschedulable: bool,
    /// Whether instances that never registered are deleted below the minimum too.
    pub force_delete_unregistered_nodes: bool,
    /// Whether nodes are removed at all.
    pub scale_down_enabled: bool,
    /// Pause of removals after a scale-up.
    pub scale_down_delay_after_add: SimDuration,
    /// Pause of removals after one began.
    pub scale_down_delay_after_delete: SimDuration,
    /// Pause of removals after one could not begin.
    pub scale_down_delay_after_failure: SimDuration,
    /// Whether these pauses hold per group.
    pub scale_down_delay_type_local: bool,
    /// Time a ready node must be unneeded.
    pub scale_down_unneeded_time: SimDuration,
    /// Time an unready node must be unneeded.
    pub scale_down_unready_time: SimDuration,
    /// Whether unready nodes are removed.
    pub scale_down_unready_enabled: bool,
    /// Requested part up to which a node may be removed.
    pub scale_down_utilization_threshold: f64,
    /// The same for nodes with accelerators.
    pub scale_down_gpu_utilization_threshold: f64,
    /// Whether DaemonSet pods are left out of utilisation.
    pub ignore_daemonsets_utilization: bool,
    /// Whether mirror pods are left out of utilisation.
    pub ignore_mirror_pods_utilization: bool,
    /// Time for which a node that could not be removed is not looked at again.
    pub unremovable_node_recheck_timeout: SimDuration,
    /// Removals at once.
    pub max_scale_down_parallelism: usize,
    /// Removals with drain at once.
    pub max_drain_parallelism: usize,
    /// Longest grace period granted to evicted pods (s); 0 is no limit.
    pub max_graceful_termination_sec: u64,
    /// Time for which a refused eviction is tried again.
    pub max_pod_eviction_time: SimDuration,
    /// Grace periods by priority, `priority: seconds`, replacing `max-graceful-termination-sec`.
    pub drain_priority_config: Vec<(i32, u64)>,
    /// Pause between taint and removal.
    pub node_delete_delay_after_taint: SimDuration,
    /// Longest wait for `delay-deletion` annotations.
    pub node_deletion_delay_timeout: SimDuration,
    /// Time for which removals of a group are collected into one call.
    pub node_deletion_batcher_interval: SimDuration,
    /// Age up to which soft taints restore timers at the start; 0 is never.
    pub node_deletion_candidate_ttl: SimDuration,
    /// Whether a node is cordoned together with its taint.
    pub cordon_node_before_terminating: bool,
    /// Whether DaemonSet pods of empty nodes are evicted.
    pub daemonset_eviction_for_empty_nodes: bool,
    /// Whether DaemonSet pods of nodes with others are evicted.
    pub daemonset_eviction_for_occupied_nodes: bool,
    /// Whether kube-system pods without budget block a drain.
    pub skip_nodes_with_system_pods: bool,
    /// Whether pods with local storage block a drain.
    pub skip_nodes_with_local_storage: bool,
    /// Whether pods of unknown controllers block a drain.
    pub skip_nodes_with_custom_controller_pods: bool,
    /// Age until which a kube-system pod blocks (upstream's spelling).
    pub blocking_system_pod_distruption_timeout: SimDuration,
    /// Replicas below which a controller's pods block a drain.
    pub min_replica_count: i32,
    /// Soft taints set or removed in one loop; 0 is none at all.
    pub max_bulk_soft_taint_count: usize,
    /// Label by which the provider marks nodes with accelerators. Not a flag upstream: each provider
    /// has its own.
    pub gpu_label: String,
}

/// A strategy that narrows down the options of a scale-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expander {
    /// Any of them, with equal chance.
    Random,
    /// Those that help the most pods.
    MostPods,
    /// Those that leave the least unrequested.
    LeastWaste,
    /// Those with the fewest nodes.
    LeastNodes,
    /// The cheapest per pod helped.
    Price,
    /// Those of the highest configured priority.
    Priority,
}

impl Default for Options {
    fn default() -> Self {
        let minutes = |count: u64| SimDuration::from_secs(count * 60);
        Self {
            scan_interval: SimDuration::from_secs(10),
            frequent_loops_enabled: true,
            max_nodes_total: 0,
            cores_total: (0, 320_000),
            memory_total: (0, 6_400_000),
            gpu_total: Vec::new(),
            expander: vec![Expander::LeastWaste],
            max_nodes_per_scaleup: 1000,
            fastpath_binpacking_enabled: false,
            parallel_scale_up: false,
            balance_similar_node_groups: false,
            balancing_label: Vec::new(),
            balancing_ignore_label: Vec::new(),
            memory_difference_ratio: 0.015,
            max_free_difference_ratio: 0.05,
            max_allocatable_difference_ratio: 0.05,
            max_node_provision_time: minutes(15),
            max_node_startup_time: minutes(15),
            initial_node_group_backoff_duration: minutes(5),
            max_node_group_backoff_duration: minutes(30),
            node_group_backoff_reset_timeout: minutes(180),
            max_total_unready_percentage: 45.0,
            ok_total_unready_count: 3,
            scale_up_from_zero: true,
            enforce_node_group_min_size: false,
            new_pod_scale_up_delay: SimDuration::ZERO,
            expendable_pods_priority_cutoff: -10,
            node_info_cache_expire_time: minutes(87_600 * 60),
            force_ds: false,
            startup_taint: Vec::new(),
            startup_taint_prefix: Vec::new(),
            status_taint: Vec::new(),
            ignore_taint: Vec::new(),
            scale_from_unschedulable: false,
            force_delete_unregistered_nodes: false,
            scale_down_enabled: true,
            scale_down_delay_after_add: minutes(10),
            scale_down_delay_after_delete: SimDuration::ZERO,
            scale_down_delay_after_failure: minutes(3),
            scale_down_delay_type_local: false,
            scale_down_unneeded_time: minutes(10),
            scale_down_unready_time: minutes(20),
            scale_down_unready_enabled: true,
            scale_down_utilization_threshold: 0.5,
            scale_down_gpu_utilization_threshold: 0.5,
            ignore_daemonsets_utilization: false,
            ignore_mirror_pods_utilization: false,
            unremovable_node_recheck_timeout: minutes(5),
            max_scale_down_parallelism: 10,
            max_drain_parallelism: 1,
            max_graceful_termination_sec: 600,
            max_pod_eviction_time: minutes(2),
            drain_priority_config: Vec::new(),
            node_delete_delay_after_taint: SimDuration::from_secs(5),
            node_deletion_delay_timeout: minutes(2),
            node_deletion_batcher_interval: SimDuration::ZERO,
            node_deletion_candidate_ttl: SimDuration::ZERO,
            cordon_node_before_terminating: true,
            daemonset_eviction_for_empty_nodes: false,
            daemonset_eviction_for_occupied_nodes: true,
            skip_nodes_with_system_pods: true,
            skip_nodes_with_local_storage: true,
            skip_nodes_with_custom_controller_pods: true,
            blocking_system_pod_distruption_timeout: minutes(60),
            min_replica_count: 0,
            max_bulk_soft_taint_count: 10,
            gpu_label: "cloud.google.com/gke-accelerator".to_owned(),
        }
    }
}

/// What a node group overrides for its own nodes (config/autoscaling_options.go
/// `NodeGroupAutoscalingOptions`); `None` is the flag's value.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GroupOptions {
    /// `scale-down-utilization-threshold`.
    pub scale_down_utilization_threshold: Option<f64>,
    /// `scale-down-gpu-utilization-threshold`.
    pub scale_down_gpu_utilization_threshold: Option<f64>,
    /// `scale-down-unneeded-time`.
    pub scale_down_unneeded_time: Option<SimDuration>,
    /// `scale-down-unready-time`.
    pub scale_down_unready_time: Option<SimDuration>,
    /// `max-node-provision-time`.
    pub max_node_provision_time: Option<SimDuration>,
    /// `max-node-startup-time`.
    pub max_node_startup_time: Option<SimDuration>,
    /// `ignore-daemonsets-utilization`.
    pub ignore_daemonsets_utilization: Option<bool>,
    /// The group has either no node or its maximum.
    pub zero_or_max_node_scaling: bool,
}

/// Why a flag could not be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionError {
    /// There is no flag of this name in 1.37.
    Unknown,
    /// The flag exists, but what it does is not simulated.
    NotSimulated,
    /// The value is not of the flag's type; what is expected.
    Invalid(&'static str),
}

impl fmt::Display for OptionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("cluster-autoscaler 1.37 has no such flag"),
            Self::NotSimulated => f.write_str("what this flag does is not simulated"),
            Self::Invalid(expected) => write!(f, "expected {expected}"),
        }
    }
}

impl Options {
    /// Sets a flag from its text, as on the command line. A flag that may be given several times is
    /// added to; a list flag takes commas.
    ///
    /// # Errors
    /// The flag does not exist, is not simulated, or the value is not of its type.
    pub fn set(&mut self, flag: &str, value: &str) -> Result<(), OptionError> {
        if let Some(slot) = self.duration(flag) {
            *slot =
                parse_duration(value).ok_or(OptionError::Invalid("a duration such as `10m`"))?;
        } else if let Some(slot) = self.switch(flag) {
            *slot = value.parse().map_err(|_| OptionError::Invalid("`true` or `false`"))?;
        } else if let Some(slot) = self.float(flag) {
            *slot = value.parse().map_err(|_| OptionError::Invalid("a number"))?;
        } else if let Some(slot) = self.count(flag) {
            *slot = value.parse().map_err(|_| OptionError::Invalid("a count"))?;
        } else if let Some(slot) = self.list(flag) {
            slot.push(value.to_owned());
        } else if let Some((_, off)) = OFF.iter().find(|(name, _)| *name == flag) {
            return if value == *off { Ok(()) } else { Err(OptionError::NotSimulated) };
        } else if !Self::is_ignored(flag) {
            return self.set_special(flag, value);
        }
        Ok(())
    }

    /// Whether a flag exists and cannot matter here: it is accepted, and changes nothing.
    #[must_use]
    pub fn is_ignored(flag: &str) -> bool {
        IGNORED.contains(&flag)
    }

    /// The names of all flags.
    pub fn flags() -> impl Iterator<Item = &'static str> {
        SIMULATED.into_iter().chain(IGNORED).chain(OFF.iter().map(|(name, _)| *name))
    }

    fn set_special(&mut self, flag: &str, value: &str) -> Result<(), OptionError> {
        let invalid = |expected| move || OptionError::Invalid(expected);
        match flag {
            "max-nodes-total" => self.max_nodes_total = int(value)?,
            "max-nodes-per-scaleup" => self.max_nodes_per_scaleup = int(value)?,
            "expendable-pods-priority-cutoff" => {
                self.expendable_pods_priority_cutoff = int(value)?;
            }
            "min-replica-count" => self.min_replica_count = int(value)?,
            "max-graceful-termination-sec" => self.max_graceful_termination_sec = int(value)?,
            "cores-total" => {
                self.cores_total = parse_range(value).ok_or_else(invalid("`min:max` cores"))?;
            }
            "memory-total" => {
                self.memory_total = parse_range(value).ok_or_else(invalid("`min:max` GiB"))?;
            }
            "gpu-total" => {
                let parsed = value
                    .split_once(':')
                    .and_then(|(kind, range)| Some((kind.to_owned(), parse_range(range)?)));
                let (kind, (min, max)) = parsed.ok_or_else(invalid("`type:min:max`"))?;
                self.gpu_total.push((kind, min, max));
            }
            "expander" => {
                self.expander = value
                    .split(',')
                    .map(parse_expander)
                    .collect::<Option<_>>()
                    .ok_or_else(invalid(
                        "a comma list of random, most-pods, least-waste, least-nodes, price, priority",
                    ))?;
            }
            "drain-priority-config" => {
                self.drain_priority_config = value
                    .split(',')
                    .filter(|part| !part.is_empty())
                    .map(|part| {
                        let (priority, grace) = part.split_once(':')?;
                        Some((priority.parse().ok()?, grace.parse().ok()?))
                    })
                    .collect::<Option<_>>()
                    .ok_or_else(invalid("a comma list of `priority:seconds`"))?;
            }
            _ => return Err(OptionError::Unknown),
        }
        Ok(())
    }

    fn duration(&mut self, flag: &str) -> Option<&mut SimDuration> {
        Some(match flag {
            "scan-interval" => &mut self.scan_interval,
            "max-node-provision-time" => &mut self.max_node_provision_time,
            "max-node-startup-time" => &mut self.max_node_startup_time,
            "initial-node-group-backoff-duration" => &mut self.initial_node_group_backoff_duration,
            "max-node-group-backoff-duration" => &mut self.max_node_group_backoff_duration,
            "node-group-backoff-reset-timeout" => &mut self.node_group_backoff_reset_timeout,
            "new-pod-scale-up-delay" => &mut self.new_pod_scale_up_delay,
            "node-info-cache-expire-time" => &mut self.node_info_cache_expire_time,
            "scale-down-delay-after-add" => &mut self.scale_down_delay_after_add,
            "scale-down-delay-after-delete" => &mut self.scale_down_delay_after_delete,
            "scale-down-delay-after-failure" => &mut self.scale_down_delay_after_failure,
            "scale-down-unneeded-time" => &mut self.scale_down_unneeded_time,
            "scale-down-unready-time" => &mut self.scale_down_unready_time,
            "unremovable-node-recheck-timeout" => &mut self.unremovable_node_recheck_timeout,
            "max-pod-eviction-time" => &mut self.max_pod_eviction_time,
            "node-delete-delay-after-taint" => &mut self.node_delete_delay_after_taint,
            "node-deletion-delay-timeout" => &mut self.node_deletion_delay_timeout,
            "node-deletion-batcher-interval" => &mut self.node_deletion_batcher_interval,
            "node-deletion-candidate-ttl" => &mut self.node_deletion_candidate_ttl,
            "blocking-system-pod-distruption-timeout" => {
                &mut self.blocking_system_pod_distruption_timeout
            }
            _ => return None,
        })
    }

    fn switch(&mut self, flag: &str) -> Option<&mut bool> {
        Some(match flag {
            "frequent-loops-enabled" => &mut self.frequent_loops_enabled,
            "fastpath-binpacking-enabled" => &mut self.fastpath_binpacking_enabled,
            "parallel-scale-up" => &mut self.parallel_scale_up,
            "balance-similar-node-groups" => &mut self.balance_similar_node_groups,
            "scale-up-from-zero" => &mut self.scale_up_from_zero,
            "enforce-node-group-min-size" => &mut self.enforce_node_group_min_size,
            "force-ds" => &mut self.force_ds,
            "scale-from-unschedulable" => &mut self.scale_from_unschedulable,
            "force-delete-unregistered-nodes" => &mut self.force_delete_unregistered_nodes,
            "scale-down-enabled" => &mut self.scale_down_enabled,
            "scale-down-delay-type-local" => &mut self.scale_down_delay_type_local,
            "scale-down-unready-enabled" => &mut self.scale_down_unready_enabled,
            "ignore-daemonsets-utilization" => &mut self.ignore_daemonsets_utilization,
            "ignore-mirror-pods-utilization" => &mut self.ignore_mirror_pods_utilization,
            "cordon-node-before-terminating" => &mut self.cordon_node_before_terminating,
            "daemonset-eviction-for-empty-nodes" => &mut self.daemonset_eviction_for_empty_nodes,
            "daemonset-eviction-for-occupied-nodes" => {
                &mut self.daemonset_eviction_for_occupied_nodes
            }
            "skip-nodes-with-system-pods" => &mut self.skip_nodes_with_system_pods,
            "skip-nodes-with-local-storage" => &mut self.skip_nodes_with_local_storage,
            "skip-nodes-with-custom-controller-pods" => {
                &mut self.skip_nodes_with_custom_controller_pods
            }
            _ => return None,
        })
    }

    fn float(&mut self, flag: &str) -> Option<&mut f64> {
        Some(match flag {
            "memory-difference-ratio" => &mut self.memory_difference_ratio,
            "max-free-difference-ratio" => &mut self.max_free_difference_ratio,
            "max-allocatable-difference-ratio" => &mut self.max_allocatable_difference_ratio,
            "max-total-unready-percentage" => &mut self.max_total_unready_percentage,
            "scale-down-utilization-threshold" => &mut self.scale_down_utilization_threshold,
            "scale-down-gpu-utilization-threshold" => {
                &mut self.scale_down_gpu_utilization_threshold
            }
            _ => return None,
        })
    }

    fn count(&mut self, flag: &str) -> Option<&mut usize> {
        Some(match flag {
            "ok-total-unready-count" => &mut self.ok_total_unready_count,
            "max-scale-down-parallelism" => &mut self.max_scale_down_parallelism,
            "max-drain-parallelism" => &mut self.max_drain_parallelism,
            "max-bulk-soft-taint-count" => &mut self.max_bulk_soft_taint_count,
            _ => return None,
        })
    }

    fn list(&mut self, flag: &str) -> Option<&mut Vec<String>> {
        Some(match flag {
            "balancing-label" => &mut self.balancing_label,
            "balancing-ignore-label" => &mut self.balancing_ignore_label,
            "startup-taint" => &mut self.startup_taint,
            "startup-taint-prefix" => &mut self.startup_taint_prefix,
            "status-taint" => &mut self.status_taint,
            "ignore-taint" => &mut self.ignore_taint,
            _ => return None,
        })
    }
}

fn int<T: std::str::FromStr>(value: &str) -> Result<T, OptionError> {
    value.parse().map_err(|_| OptionError::Invalid("a whole number"))
}

/// `min:max`, both at least zero.
fn parse_range(text: &str) -> Option<(i64, i64)> {
    let (min, max) = text.split_once(':')?;
    let (min, max) = (min.parse().ok()?, max.parse().ok()?);
    (0 <= min && min <= max).then_some((min, max))
}

fn parse_expander(name: &str) -> Option<Expander> {
    Some(match name {
        "random" => Expander::Random,
        "most-pods" => Expander::MostPods,
        "least-waste" => Expander::LeastWaste,
        "least-nodes" => Expander::LeastNodes,
        "price" => Expander::Price,
        "priority" => Expander::Priority,
        _ => return None,
    })
}

/// Go's durations: a sum of decimal numbers with a unit each (`1h30m`, `0.5s`); a bare `0` too.
#[must_use]
pub fn parse_duration(text: &str) -> Option<SimDuration> {
    if text == "0" {
        return Some(SimDuration::ZERO);
    }
    let text = text.strip_prefix('+').unwrap_or(text);
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += amount
            * match &rest[..letters] {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    (!text.is_empty()).then(|| SimDuration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_set_by_their_own_names() {
        let mut options = Options::default();
        let rows = [
            ("scale-down-unneeded-time", "1m30s"),
            ("expander", "priority,least-waste"),
            ("cores-total", "4:100"),
            ("gpu-total", "nvidia-tesla-t4:0:8"),
            ("scale-down-utilization-threshold", "0.7"),
            ("max-drain-parallelism", "3"),
            ("balance-similar-node-groups", "true"),
            ("startup-taint", "boot"),
            ("drain-priority-config", "0:60,1000:300"),
            ("scale-down-candidates-pool-ratio", "0.3"),
        ];
        for (flag, value) in rows {
            assert_eq!(options.set(flag, value), Ok(()), "{flag}");
        }
        assert_eq!(options.scale_down_unneeded_time, SimDuration::from_secs(90));
        assert_eq!(options.expander, [Expander::Priority, Expander::LeastWaste]);
        assert_eq!(options.cores_total, (4, 100));
        assert_eq!(options.gpu_total, [("nvidia-tesla-t4".to_owned(), 0, 8)]);
        assert_eq!(options.drain_priority_config, [(0, 60), (1000, 300)]);
        assert!(options.balance_similar_node_groups && options.max_drain_parallelism == 3);
    }

    #[test]
    fn wrong_flags_and_values_say_what_is_wrong() {
        let mut options = Options::default();
        let rows = [
            ("scale-down-uneeded-time", "1m", OptionError::Unknown),
            ("salvo-scale-up", "true", OptionError::NotSimulated),
            ("scan-interval", "10", OptionError::Invalid("a duration such as `10m`")),
            ("cores-total", "9:3", OptionError::Invalid("`min:max` cores")),
        ];
        for (flag, value, error) in rows {
            assert_eq!(options.set(flag, value), Err(error), "{flag}");
        }
        assert_eq!(options, Options::default());
    }

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(parse_duration("1h0.5m2s"), Some(SimDuration::from_secs(3632)));
        assert_eq!(parse_duration("250ms"), Some(SimDuration::from_millis(250)));
        assert_eq!(parse_duration(""), None);
        assert_eq!(parse_duration("5"), None);
        assert_eq!(parse_duration("5 m"), None);
    }
}
