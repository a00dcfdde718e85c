//! Claims and storage classes as written.

use std::sync::Arc;

use crate::cluster::api::meta::{Labels, ObjectMeta};
use crate::units::Bytes;

/// How a volume may be mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessMode {
    /// By pods of one node.
    ReadWriteOnce,
    /// Read by many nodes.
    ReadOnlyMany,
    /// By many nodes.
    ReadWriteMany,
    /// By one pod.
    ReadWriteOncePod,
}

/// PersistentVolumeClaim, or a template of one in a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersistentVolumeClaimSpec {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.accessModes`.
    pub access_modes: Vec<AccessMode>,
    /// `spec.resources.requests.storage`.
    pub storage: Bytes,
    /// `spec.storageClassName`; `None` is the cluster's default.
    pub storage_class: Option<Arc<str>>,
    /// `spec.volumeName`: bound beforehand.
    pub volume_name: Option<Arc<str>>,
}

/// storage.k8s.io/v1 StorageClass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageClassSpec {
    /// Name, labels, origin.
    pub meta: ObjectMeta,
    /// `provisioner`.
    pub provisioner: Arc<str>,
    /// `parameters`, e.g. `type: gp3`.
    pub parameters: Labels,
    /// `volumeBindingMode: WaitForFirstConsumer`.
    pub wait_for_first_consumer: bool,
    /// `allowVolumeExpansion`.
    pub allow_expansion: bool,
}
