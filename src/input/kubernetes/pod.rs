//! Pod templates.

use std::sync::Arc;

use super::container::{Decoded, container, resource_list, resources};
use super::meta::{metadata, object_fields, seconds, strings, template_metadata};
use super::scheduling::{affinity, toleration, topology_spread};
use crate::cluster::api::meta::{Labels, ObjectMeta};
use crate::cluster::api::pod::{Container, PodSpec, PodTemplate, RestartPolicy, Volume};
use crate::cluster::api::scheduling::Affinity;
use crate::input::codes;
use crate::input::decode::{Fields, Value};
use crate::units::{ResourceList, SimDuration};

/// Fields of a pod that decide nothing here.
const ASIDE: [&str; 27] = [
    "activeDeadlineSeconds",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostPID",
    "hostUsers",
    "hostname",
    "hostnameOverride",
    "imagePullSecrets",
    "os",
    "readinessGates",
    "resourceClaims",
    "runtimeClassName",
    "schedulerName",
    "schedulingGroup",
    "securityContext",
    "serviceAccount",
    "serviceAccountName",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "workloadRef",
    "restartPolicyRules",
];

/// A pod template: metadata and spec.
pub(super) fn template(value: &Value<'_>) -> Option<PodTemplate> {
    let fields = value.fields()?;
    let metadata = template_metadata(&fields);
    let spec = fields.required("spec").and_then(|spec| pod_spec(&spec));
    fields.finish("PodTemplateSpec (v1)");
    let (labels, annotations) = metadata?;
    Some(PodTemplate { labels, annotations, spec: spec? })
}

/// A pod that no controller made.
#[derive(Debug, Clone, PartialEq)]
pub struct PodObject {
    /// Name, namespace, labels, origin.
    pub meta: ObjectMeta,
    /// Its labels, annotations and spec.
    pub template: PodTemplate,
}

/// v1 Pod.
pub(super) fn pod(value: &Value<'_>) -> Option<PodObject> {
    let fields = object_fields(value)?;
    let meta = metadata(&fields);
    let spec = fields.required("spec").and_then(|spec| pod_spec(&spec));
    fields.finish("Pod (v1)");
    let meta = meta?;
    let (labels, annotations) = (meta.labels.clone(), meta.annotations.clone());
    Some(PodObject { meta, template: PodTemplate { labels, annotations, spec: spec? } })
}

/// The parts that decide where the pod goes.
struct Placement {
    node_name: Option<Arc<str>>,
    node_selector: Labels,
    affinity: Affinity,
    tolerations: Vec<crate::cluster::api::scheduling::Toleration>,
    topology_spread: Vec<crate::cluster::api::scheduling::TopologySpreadConstraint>,
    priority: i32,
    priority_class: Option<Arc<str>>,
    never_preempts: bool,
    gated: bool,
}

fn placement(fields: &Fields<'_>) -> Option<Placement> {
    let node_name = fields.read("nodeName", Value::shared);
    let node_selector = fields.read_or("nodeSelector", Labels::new(), strings);
    let affinity = fields.read_or("affinity", Affinity::default(), affinity);
    let tolerations = fields.read_or("tolerations", Vec::new(), |value| value.list(toleration));
    let topology_spread = fields
        .read_or("topologySpreadConstraints", Vec::new(), |value| value.list(topology_spread));
    let priority = fields.read_or("priority", 0, |value| value.integer(i32::MIN..=i32::MAX));
    let priority_class = fields.read("priorityClassName", Value::shared);
    let preemption = [("Never", true), ("PreemptLowerPriority", false)];
    let never_preempts = fields.read_or("preemptionPolicy", false, |value| value.word(&preemption));
    let gated = fields
        .read_or("schedulingGates", false, |value| value.items().map(|gates| !gates.is_empty()));
    Some(Placement {
        node_name: node_name?.filter(|name| !name.is_empty()),
        node_selector: node_selector?,
        affinity: affinity?,
        tolerations: tolerations?,
        topology_spread: topology_spread?,
        priority: priority?,
        priority_class: priority_class?.filter(|name| !name.is_empty()),
        never_preempts: never_preempts?,
        gated: gated?,
    })
}

/// Most containers of a pod that are told apart.
const CONTAINERS_MOST: usize = 255;

/// There are not too many of them.
fn check_containers(value: &Value<'_>, count: usize) -> Option<()> {
    if count > CONTAINERS_MOST {
        let message = format!("has {count} containers, must have {CONTAINERS_MOST} at most");
        value.report(value.error(codes::UNSUPPORTED, &message));
        return None;
    }
    Some(())
}

fn pod_spec(value: &Value<'_>) -> Option<PodSpec> {
    let fields = value.fields()?;
    let containers = fields.required("containers").and_then(|value| containers(&value));
    let init_containers =
        fields.read_or("initContainers", Vec::new(), |value| value.list(container));
    let resources = resources(&fields);
    let overhead = fields.read_or("overhead", ResourceList::default(), resource_list);
    let placement = placement(&fields);
    let grace = SimDuration::from_secs(30);
    let termination_grace = fields.read_or("terminationGracePeriodSeconds", grace, seconds);
    let host_network = fields.read_or("hostNetwork", false, Value::boolean);
    let policies = [
        ("Always", RestartPolicy::Always),
        ("OnFailure", RestartPolicy::OnFailure),
        ("Never", RestartPolicy::Never),
        ("", RestartPolicy::Always),
    ];
    let restart_policy =
        fields.read_or("restartPolicy", RestartPolicy::Always, |value| value.word(&policies));
    let volumes = fields.read_or("volumes", Vec::new(), |value| value.list(volume));
    fields.ignore(&ASIDE);
    fields.finish("PodSpec (v1)");
    let (resources, host_network) = (resources?, host_network?);
    let (containers, init_containers) = (containers?, init_containers?);
    check_containers(value, containers.len() + init_containers.len())?;
    let finish = |decoded: Vec<Decoded>| finish_containers(decoded, host_network);
    let Placement {
        node_name,
        node_selector,
        affinity,
        tolerations,
        topology_spread,
        priority,
        priority_class,
        never_preempts,
        gated,
    } = placement?;
    Some(PodSpec {
        containers: finish(containers),
        init_containers: finish(init_containers),
        pod_requests: resources.requests,
        pod_limits: resources.limits,
        overhead: overhead?,
        node_name,
        node_selector,
        affinity,
        tolerations,
        topology_spread,
        priority,
        priority_class,
        never_preempts,
        termination_grace: termination_grace?,
        host_network,
        gated,
        restart_policy: restart_policy?,
        volumes: volumes?,
    })
}

/// A pod has at least one container, and their names differ.
fn containers(value: &Value<'_>) -> Option<Vec<Decoded>> {
    let decoded = value.list(container)?;
    if decoded.is_empty() {
        value.report(value.error(codes::MISSING_FIELD, "must have at least one container"));
        return None;
    }
    for (at, later) in decoded.iter().enumerate() {
        if decoded[..at].iter().any(|earlier| earlier.container.name == later.container.name) {
            let message = format!("has two containers named `{}`", later.container.name);
            value.report(value.error(codes::DUPLICATE_NAME, &message));
            return None;
        }
    }
    Some(decoded)
}

/// On a host network every declared port is taken on the host (defaults.go `SetDefaults_PodSpec`).
fn finish_containers(decoded: Vec<Decoded>, host_network: bool) -> Vec<Container> {
    let finish = |Decoded { mut container, declared_ports }| {
        if host_network {
            container.host_ports = declared_ports;
        }
        container
    };
    decoded.into_iter().map(finish).collect()
}

/// The kinds of volume. An ephemeral volume makes a claim of its own, which decides like any other
/// volume here.
fn volume(value: &Value<'_>) -> Option<Volume> {
    let fields = value.fields()?;
    let name = fields.required("name").and_then(|name| name.non_empty());
    let claim = fields.read("persistentVolumeClaim", |claim| {
        let fields = claim.fields()?;
        let name = fields.required("claimName").and_then(|name| name.non_empty().map(Arc::from));
        fields.ignore(&["readOnly"]);
        fields.finish("PersistentVolumeClaimVolumeSource (v1)");
        name
    });
    let memory = fields.read("emptyDir", |directory| {
        let fields = directory.fields()?;
        let medium = fields.read("medium", |medium| medium.string().map(|word| word == "Memory"));
        fields.ignore(&["sizeLimit"]);
        fields.finish("EmptyDirVolumeSource (v1)");
        medium.map(|memory| memory.unwrap_or(false))
    });
    let kind = |name| fields.value().node().get(name).is_some();
    let (empty, host_path) = (kind("emptyDir"), kind("hostPath"));
    fields.ignore(&VOLUME_KINDS);
    fields.finish("Volume (v1)");
    let name: Arc<str> = Arc::from(name?);
    Some(match (claim?, memory?) {
        (Some(claim), _) => Volume::Claim(claim),
        (None, Some(memory)) => Volume::EmptyDir { name, memory },
        (None, None) if empty => Volume::EmptyDir { name, memory: false },
        (None, None) if host_path => Volume::HostPath(name),
        (None, None) => Volume::Other,
    })
}

/// What a volume can be, claims aside.
const VOLUME_KINDS: [&str; 29] = [
    "awsElasticBlockStore",
    "azureDisk",
    "azureFile",
    "cephfs",
    "cinder",
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "fc",
    "flexVolume",
    "flocker",
    "gcePersistentDisk",
    "gitRepo",
    "glusterfs",
    "hostPath",
    "image",
    "iscsi",
    "nfs",
    "photonPersistentDisk",
    "portworxVolume",
    "projected",
    "quobyte",
    "rbd",
    "scaleIO",
    "secret",
    "storageos",
    "vsphereVolume",
];
