//! What a cluster leaves to its environment: timings, image sizes, prices.

use std::collections::BTreeMap;
use std::sync::Arc;

use rust_decimal::Decimal;

use crate::cluster::VolumeMode;
use crate::engine::Dist;
use crate::units::{Bytes, SimDuration};

/// Whose managed Kubernetes it is: decides what the kubelet keeps for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// Amazon EKS.
    Eks,
    /// Google GKE.
    Gke,
    /// Azure AKS.
    Aks,
}

impl Provider {
    /// The name in documents.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eks => "eks",
            Self::Gke => "gke",
            Self::Aks => "aks",
        }
    }
}

impl Provider {
    /// The CSI driver of its block disks.
    #[must_use]
    pub const fn disk_driver(self) -> &'static str {
        match self {
            Self::Eks => "ebs.csi.aws.com",
            Self::Gke => "pd.csi.storage.gke.io",
            Self::Aks => "disk.csi.azure.com",
        }
    }

    /// The label by which the Cluster Autoscaler knows a node with GPUs, also while they are not
    /// allocatable yet (cloudprovider/*/: `GPULabel`).
    #[must_use]
    pub const fn gpu_label(self) -> &'static str {
        match self {
            Self::Eks => "k8s.amazonaws.com/accelerator",
            Self::Gke => "cloud.google.com/gke-accelerator",
            Self::Aks => "kubernetes.azure.com/accelerator",
        }
    }
}

/// Times that Kubernetes does not decide, as distributions (s).
#[derive(Debug, Clone, PartialEq)]
pub struct Timings {
    /// One cycle of kube-scheduler.
    pub scheduling_cycle: SimDuration,
    /// From a change to a controller that watches it.
    pub controller_reaction: SimDuration,
    /// Part of an image pull that does not depend on size.
    pub image_pull_base: Dist,
    /// Pull of each (decimal) gigabyte.
    pub image_pull_per_gb: Dist,
    /// Container start, pull excluded.
    pub container_start: Dist,
    /// From Ready to requests arriving, and from unready to requests staying away.
    pub endpoint_propagation: Dist,
    /// From the autoscaler's decision to the instance being launched.
    pub cloud_delay: Dist,
    /// From the removal of a node to its instance being gone.
    pub node_deletion: Dist,
}

/// How volumes are served.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeProfile {
    /// Whether claims are held to what their provisioner can do.
    pub mode: VolumeMode,
    /// Making a volume (s).
    pub provision: Dist,
    /// Attaching and mounting one (s).
    pub attach: Dist,
    /// Detaching one (s).
    pub detach: Dist,
}

impl VolumeProfile {
    /// EBS as published figures suggest: 3 s to make, 8 s to attach and mount, 5 s to detach.
    ///
    /// # Panics
    /// Never: the figures are positive.
    #[must_use]
    pub fn usual(mode: VolumeMode) -> Self {
        let lognormal = |median, sigma| {
            Dist::lognormal_median_sigma(median, sigma)
                .expect("the figures are positive and finite")
        };
        Self {
            mode,
            provision: lognormal(3.0, 0.3),
            attach: lognormal(8.0, 0.45),
            detach: lognormal(5.0, 0.5),
        }
    }
}

/// How kubelets pull images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PullPolicy {
    /// `serializeImagePulls`: one image at a time per node.
    pub serial: bool,
    /// What all pulls of a node share [bytes/s]; `None` is no limit.
    pub node_bytes_per_s: Option<f64>,
}

impl Default for PullPolicy {
    /// The kubelet's own default.
    fn default() -> Self {
        Self { serial: true, node_bytes_per_s: None }
    }
}

/// Compressed sizes of images, by the longest prefix of the name without registry and tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageSizes {
    /// Size by name.
    pub by_name: BTreeMap<Arc<str>, Bytes>,
    /// Size of every other image.
    pub default: Bytes,
}

impl ImageSizes {
    /// The size of an image, found by the name without tag: exact, or the end of the path after a
    /// registry host.
    #[must_use]
    pub fn of(&self, image: &str) -> Bytes {
        self.stated(image).unwrap_or(self.default)
    }

    /// Whether the size of an image is stated.
    #[must_use]
    pub fn knows(&self, image: &str) -> bool {
        self.stated(image).is_some()
    }

    fn stated(&self, image: &str) -> Option<Bytes> {
        let name = image.split_once('@').map_or(image, |(name, _)| name);
        let mut rest = match name.rsplit_once(':') {
            Some((untagged, tag)) if !tag.contains('/') => untagged,
            Some(_) | None => name,
        };
        loop {
            if let Some(size) = self.by_name.get(rest) {
                return Some(*size);
            }
            rest = rest.split_once('/')?.1;
        }
    }
}

/// Prices beside those of machines.
#[derive(Debug, Clone, PartialEq)]
pub struct Prices {
    /// ISO 4217 code.
    pub currency: Arc<str>,
    /// The control plane, per hour.
    pub control_plane_per_hour: Decimal,
    /// Volumes by type, per GB-month.
    pub volume_per_gb_month: BTreeMap<Arc<str>, Decimal>,
    /// Provisioned IOPS by volume type, per IOPS-month.
    pub iops_month: BTreeMap<Arc<str>, Decimal>,
}

/// Hours in a month, as cloud calculators count: 365 x 24 / 12.
pub const HOURS_PER_MONTH: u32 = 730;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_without_registry_and_tag() {
        let sizes = ImageSizes {
            by_name: BTreeMap::from([(Arc::from("aurelius/gateway"), Bytes(7))]),
            default: Bytes(1),
        };
        assert_eq!(sizes.of("aurelius/gateway"), Bytes(7));
        assert_eq!(sizes.of("registry.example:5000/aurelius/gateway:1.2"), Bytes(7));
        assert_eq!(sizes.of("aurelius/gateway@sha256:abc"), Bytes(7));
        assert_eq!(sizes.of("other/gateway:1"), Bytes(1));
    }
}
