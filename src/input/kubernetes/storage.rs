//! PersistentVolumeClaim and StorageClass.

use std::sync::Arc;

use super::meta::{metadata, object_fields, strings};
use crate::cluster::api::meta::Labels;
use crate::cluster::api::storage::{AccessMode, PersistentVolumeClaimSpec, StorageClassSpec};
use crate::input::decode::{Fields, Value};
use crate::units::Bytes;

/// v1 PersistentVolumeClaim.
pub(super) fn claim(value: &Value<'_>) -> Option<PersistentVolumeClaimSpec> {
    claim_fields(&object_fields(value)?)
}

/// A template of a claim in a StatefulSet; it may but need not say its type.
pub(super) fn claim_template(value: &Value<'_>) -> Option<PersistentVolumeClaimSpec> {
    claim(value)
}

fn claim_fields(fields: &Fields<'_>) -> Option<PersistentVolumeClaimSpec> {
    let meta = metadata(fields);
    let spec = fields.required("spec")?.fields()?;
    let modes = [
        ("ReadWriteOnce", AccessMode::ReadWriteOnce),
        ("ReadOnlyMany", AccessMode::ReadOnlyMany),
        ("ReadWriteMany", AccessMode::ReadWriteMany),
        ("ReadWriteOncePod", AccessMode::ReadWriteOncePod),
    ];
    let access_modes =
        spec.required("accessModes").and_then(|value| value.list(|mode| mode.word(&modes)));
    let storage = spec.required("resources").and_then(|value| storage_request(&value));
    let storage_class = spec.read("storageClassName", Value::shared);
    let volume_name = spec.read("volumeName", Value::shared);
    spec.ignore(&[
        "dataSource",
        "dataSourceRef",
        "selector",
        "volumeAttributesClassName",
        "volumeMode",
    ]);
    spec.finish("PersistentVolumeClaimSpec (v1)");
    Some(PersistentVolumeClaimSpec {
        meta: meta?,
        access_modes: access_modes?,
        storage: storage?,
        storage_class: storage_class?,
        volume_name: volume_name?,
    })
}

fn storage_request(value: &Value<'_>) -> Option<Bytes> {
    let fields = value.fields()?;
    let requests = fields.required("requests");
    fields.ignore(&["limits"]);
    fields.finish("VolumeResourceRequirements (v1)");
    let requests = requests?.fields()?;
    let storage = requests.required("storage").and_then(|storage| storage.bytes());
    requests.finish("the requests of a claim");
    storage
}

/// storage.k8s.io/v1 StorageClass.
pub(super) fn storage_class(value: &Value<'_>) -> Option<StorageClassSpec> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let provisioner = fields.required("provisioner").and_then(|value| value.shared());
    let parameters = fields.read_or("parameters", Labels::new(), strings);
    let modes = [("WaitForFirstConsumer", true), ("Immediate", false)];
    let wait = fields.read_or("volumeBindingMode", false, |value| value.word(&modes));
    let allow_expansion = fields.read_or("allowVolumeExpansion", false, Value::boolean);
    fields.ignore(&["allowedTopologies", "mountOptions", "reclaimPolicy"]);
    fields.finish("StorageClass (storage.k8s.io/v1)");
    Some(StorageClassSpec {
        meta: meta?,
        provisioner: provisioner.unwrap_or_else(|| Arc::from("")),
        parameters: parameters?,
        wait_for_first_consumer: wait?,
        allow_expansion: allow_expansion?,
    })
}
