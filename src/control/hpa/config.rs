//! The flags and feature gates of kube-controller-manager that concern the HPA.
//!
//! Defaults: Kubernetes `pkg/controller/podautoscaler/config/v1alpha1/defaults.go`,
//! `RecommendedDefaultHPAControllerConfiguration`.

/// Nanoseconds in a second.
pub(super) const SECOND_NS: i64 = 1_000_000_000;

/// Controller flags. All spans are integer nanoseconds, because ages are compared exactly.
#[derive(Debug, Clone, PartialEq)]
pub struct HpaConfig {
    /// `--horizontal-pod-autoscaler-sync-period` (ns): also the delay before the first sync.
    pub sync_period_ns: i64,
    /// `--horizontal-pod-autoscaler-downscale-stabilization` (ns).
    pub downscale_stabilization_ns: i64,
    /// `--horizontal-pod-autoscaler-tolerance`: allowed distance of usage / target from 1.
    pub tolerance: f64,
    /// `--horizontal-pod-autoscaler-cpu-initialization-period` (ns).
    pub cpu_initialization_period_ns: i64,
    /// `--horizontal-pod-autoscaler-initial-readiness-delay` (ns).
    pub initial_readiness_delay_ns: i64,
    /// Gate `HPAScaleToZero`: off in 1.36, on from 1.37.
    pub scale_to_zero: FeatureGate,
    /// Gate `HPAConfigurableTolerance`: on from 1.35.
    pub configurable_tolerance: FeatureGate,
}

impl Default for HpaConfig {
    /// Kubernetes 1.36 without any flag.
    fn default() -> Self {
        Self {
            sync_period_ns: 15 * SECOND_NS,
            downscale_stabilization_ns: 300 * SECOND_NS,
            tolerance: 0.1,
            cpu_initialization_period_ns: 300 * SECOND_NS,
            initial_readiness_delay_ns: 30 * SECOND_NS,
            scale_to_zero: FeatureGate::Off,
            configurable_tolerance: FeatureGate::On,
        }
    }
}

/// Whether a feature of the cluster is switched on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeatureGate {
    /// Not available.
    Off,
    /// Available.
    On,
}
