//! VerticalPodAutoscaler: read so that what it would change is known, not simulated.

use std::sync::Arc;

use super::meta::{metadata, object_fields};
use crate::cluster::api::meta::ObjectMeta;
use crate::input::decode::Value;

/// autoscaling.k8s.io/v1 VerticalPodAutoscaler.
#[derive(Debug, Clone, PartialEq)]
pub struct VerticalAutoscaler {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// `spec.targetRef.kind`.
    pub target_kind: Arc<str>,
    /// `spec.targetRef.name`.
    pub target_name: Arc<str>,
    /// `spec.updatePolicy.updateMode`; `Auto` when absent.
    pub update_mode: Arc<str>,
    /// The resources it sets on any container; CPU and memory when it does not say.
    pub controlled_resources: Vec<Arc<str>>,
}

/// autoscaling.k8s.io/v1 VerticalPodAutoscaler.
pub(super) fn vertical_autoscaler(value: &Value<'_>) -> Option<VerticalAutoscaler> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec_value = fields.required("spec");
    fields.finish("VerticalPodAutoscaler (autoscaling.k8s.io/v1)");
    let spec = spec_value?.fields()?;
    let target = spec.required("targetRef").and_then(|target| {
        let fields = target.fields()?;
        let kind = fields.required("kind").and_then(|kind| kind.non_empty().map(Arc::from));
        let name = fields.required("name").and_then(|name| name.non_empty().map(Arc::from));
        fields.ignore(&["apiVersion"]);
        fields.finish("CrossVersionObjectReference");
        Some((kind?, name?))
    });
    let mode = spec.read("updatePolicy", |policy| {
        let fields = policy.fields()?;
        let mode = fields.read_or("updateMode", Arc::from("Auto"), Value::shared);
        fields.ignore(&["minReplicas", "evictionRequirements"]);
        fields.finish("PodUpdatePolicy (autoscaling.k8s.io/v1)");
        mode
    });
    let controlled = spec.read("resourcePolicy", |policy| {
        let fields = policy.fields()?;
        let policies =
            fields.read_or("containerPolicies", Vec::new(), |list| list.list(controlled));
        fields.finish("PodResourcePolicy (autoscaling.k8s.io/v1)");
        Some(policies?.into_iter().flatten().collect::<Vec<_>>())
    });
    spec.ignore(&["recommenders", "startupBoost"]);
    spec.finish("VerticalPodAutoscalerSpec (autoscaling.k8s.io/v1)");
    let (target_kind, target_name) = target?;
    let mut controlled_resources = controlled?.unwrap_or_default();
    if controlled_resources.is_empty() {
        controlled_resources = ["cpu", "memory"].map(Arc::from).to_vec();
    }
    controlled_resources.sort();
    controlled_resources.dedup();
    Some(VerticalAutoscaler {
        meta: meta?,
        target_kind,
        target_name,
        update_mode: mode?.unwrap_or_else(|| Arc::from("Auto")),
        controlled_resources,
    })
}

fn controlled(value: &Value<'_>) -> Option<Vec<Arc<str>>> {
    let fields = value.fields()?;
    let resources =
        fields.read_or("controlledResources", Vec::new(), |value| value.list(Value::shared));
    fields.ignore(&[
        "containerName",
        "controlledValues",
        "maxAllowed",
        "minAllowed",
        "mode",
        "oomBumpUpRatio",
        "oomMinBumpUp",
        "startupBoost",
    ]);
    fields.finish("ContainerResourcePolicy (autoscaling.k8s.io/v1)");
    resources
}
