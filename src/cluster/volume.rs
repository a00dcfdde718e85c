//! Claims and the disks behind them, as they live.
//!
//! A StatefulSet's templates make one claim per pod, which stays when the pod goes. A claim is bound
//! once, and a zonal disk stays in the zone where it was bound. Which provisioner can do what:
//! block disks (EBS, Persistent Disk, Azure Disk) are zonal and mounted by one node at a time; any
//! other provisioner is taken to serve every node. A class that is in no manifest is taken to be the
//! provider's own class of block disks, which waits for the first consumer.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::pod::Volume;
use crate::cluster::api::storage::{AccessMode, PersistentVolumeClaimSpec, StorageClassSpec};
use crate::cluster::api::workload::WorkloadKind;
use crate::cluster::pod::{Pod, PodOwner};
use crate::cluster::state::Cluster;
use crate::model::id::PodId;
use crate::units::convert::index;

/// Whether claims are held to what their provisioner can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum VolumeMode {
    /// Every claim is served as its provisioner serves it.
    #[default]
    Enforced,
    /// Claims that stand alone are taken to be served, on every node at once, by a provisioner that
    /// can do what they ask. Those of StatefulSets' templates are disks as otherwise.
    Trusted,
}

/// What the cluster knows of volumes before it runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VolumesSpec {
    /// How strictly claims are served.
    pub mode: VolumeMode,
    /// Storage classes.
    pub classes: Vec<Arc<StorageClassSpec>>,
    /// Claims that stand alone.
    pub claims: Vec<Arc<PersistentVolumeClaimSpec>>,
    /// The CSI driver of classes that are in no manifest.
    pub default_driver: Arc<str>,
}

/// All claims of a cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Volumes {
    spec: VolumesSpec,
    zones: Vec<Arc<str>>,
    claims: BTreeMap<Arc<str>, Claim>,
}

/// A PersistentVolumeClaim and the disk behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// `namespace/name`.
    pub name: Arc<str>,
    /// The CSI driver that attaches it; `None` when nothing is attached.
    pub driver: Option<Arc<str>>,
    /// Many nodes may mount it at once.
    pub shared: bool,
    /// Access mode `ReadWriteOncePod`.
    pub one_pod: bool,
    /// Its class waits for the first consumer.
    pub waits_for_consumer: bool,
    /// Why the provisioner makes no volume, in its own words.
    pub refusal: Option<Arc<str>>,
    /// Whether it is bound.
    pub bound: bool,
    /// The zone of its disk, once bound; `None` is any.
    pub zone: Option<Arc<str>>,
    /// Someone deleted it; it stays while a pod uses it (finalizer `kubernetes.io/pvc-protection`).
    pub deleting: bool,
}

impl Claim {
    /// The name of its PersistentVolume, as provisioners make them. The real name ends in the
    /// claim's UID, for which its own name stands here.
    #[must_use]
    pub fn volume_name(&self) -> String {
        let (_, name) = self.name.split_once('/').unwrap_or(("", &self.name));
        format!("pvc-{name}")
    }
}

/// The CSI driver that serves a provisioner: in-tree names are served by their successors
/// (csi-translation-lib, translate.go).
pub(crate) fn driver(provisioner: &str) -> &str {
    match provisioner {
        "kubernetes.io/aws-ebs" => "ebs.csi.aws.com",
        "kubernetes.io/gce-pd" => "pd.csi.storage.gke.io",
        "kubernetes.io/azure-disk" => "disk.csi.azure.com",
        other => other,
    }
}

/// What a driver of block disks answers to a claim that many nodes shall mount; `None` for drivers
/// that are taken to serve it. Of mounted file systems only: raw block volumes are not simulated.
pub(crate) fn refusal(driver: &str, class: &str, mode: AccessMode) -> Option<String> {
    let mode = match mode {
        AccessMode::ReadWriteMany => "MULTI_NODE_MULTI_WRITER",
        AccessMode::ReadOnlyMany => "MULTI_NODE_READER_ONLY",
        AccessMode::ReadWriteOnce | AccessMode::ReadWriteOncePod => return None,
    };
    let why = match driver {
        "ebs.csi.aws.com" => format!(
            "Volume capabilities {mode} not supported. Only AccessModes[ReadWriteOnce] supported."
        ),
        "pd.csi.storage.gke.io" if mode == "MULTI_NODE_MULTI_WRITER" => {
            "VolumeCapabilities is invalid: specified multi writer with mount access type"
                .to_owned()
        }
        "disk.csi.azure.com" => format!("mountVolume is not supported for access mode: {mode}"),
        _ => return None,
    };
    Some(format!(
        "failed to provision volume with StorageClass \"{class}\": rpc error: code = InvalidArgument \
         desc = {why}"
    ))
}

pub(crate) fn is_block_disk(driver: &str) -> bool {
    matches!(driver, "ebs.csi.aws.com" | "pd.csi.storage.gke.io" | "disk.csi.azure.com")
}

/// Where a provisioner puts a volume that waits for nobody: it spreads by a hash of the claim's name
/// (external-provisioner, topology.go `getPVCNameHashAndIndexOffset`).
fn hashed<'a>(zones: &'a [Arc<str>], name: &str) -> Option<&'a Arc<str>> {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let hash = name.bytes().fold(2_166_136_261, step);
    zones.get(index(hash) % zones.len().max(1))
}

impl Volumes {
    fn make(&self, namespace: &str, name: &str, spec: &PersistentVolumeClaimSpec) -> Claim {
        let class = spec.storage_class.as_deref().unwrap_or("default");
        let known = self.spec.classes.iter().find(|known| *known.meta.name == *class);
        let driver = known.map_or(&*self.spec.default_driver, |known| driver(&known.provisioner));
        let block = is_block_disk(driver);
        let many = |mode: &&AccessMode| {
            matches!(mode, AccessMode::ReadWriteMany | AccessMode::ReadOnlyMany)
        };
        let shared = spec.access_modes.iter().find(many);
        let waits_for_consumer = known.is_none_or(|known| known.wait_for_first_consumer);
        let refusal = shared.and_then(|mode| refusal(driver, class, *mode)).map(Arc::from);
        let at_once = !waits_for_consumer && refusal.is_none();
        let zone = hashed(&self.zones, name).filter(|_| at_once && block).cloned();
        Claim {
            name: Arc::from(format!("{namespace}/{name}")),
            driver: block.then(|| Arc::from(driver)),
            shared: shared.is_some() || !block,
            one_pod: spec.access_modes.contains(&AccessMode::ReadWriteOncePod),
            waits_for_consumer,
            refusal,
            bound: at_once || spec.volume_name.is_some(),
            zone,
            deleting: false,
        }
    }
}

impl Cluster {
    /// States the volumes before the run begins.
    pub fn set_volumes(&mut self, spec: VolumesSpec) {
        assert!(self.live_pods == 0, "volumes are stated before there are pods");
        let mut zones: Vec<Arc<str>> =
            self.pools.iter().flat_map(|pool| pool.spec.zones.iter().cloned()).collect();
        zones.sort();
        zones.dedup();
        self.volumes = Volumes { spec, zones, claims: BTreeMap::new() };
        if self.volumes.spec.mode == VolumeMode::Enforced {
            for spec in self.volumes.spec.claims.clone() {
                let claim = self.volumes.make(&spec.meta.namespace, &spec.meta.name, &spec);
                self.volumes.claims.insert(Arc::clone(&claim.name), claim);
            }
        }
    }

    /// A claim by `namespace/name`.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Claim> {
        self.volumes.claims.get(name)
    }

    /// All claims, by name.
    pub fn claims(&self) -> impl Iterator<Item = &Claim> {
        self.volumes.claims.values()
    }

    /// The drivers that attach disks to nodes.
    pub fn volume_drivers(&self) -> impl Iterator<Item = Arc<str>> {
        let spec = &self.volumes.spec;
        let classes = spec.classes.iter().map(|class| driver(&class.provisioner));
        classes.chain([&*spec.default_driver]).filter(|name| is_block_disk(name)).map(Arc::from)
    }

    /// Whether a claim that is in no manifest keeps a pod from being scheduled.
    #[must_use]
    pub fn claims_must_exist(&self) -> bool {
        self.volumes.spec.mode == VolumeMode::Enforced
            && !self.volumes.spec.default_driver.is_empty()
    }

    /// Names of the claims of a pod that decide anything.
    #[must_use]
    pub fn claims_of(&self, pod: &Pod) -> Vec<Arc<str>> {
        let mut names = self.template_claims(pod.owner, &pod.namespace);
        for volume in &pod.template.spec.volumes {
            match volume {
                Volume::Claim(name) if self.claims_must_exist() => {
                    names.push(Arc::from(format!("{}/{name}", pod.namespace)));
                }
                Volume::Claim(_)
                | Volume::EmptyDir { .. }
                | Volume::HostPath(_)
                | Volume::Other => {}
            }
        }
        names
    }

    /// Names of the claims that templates make for a pod of a StatefulSet.
    fn template_claims(&self, owner: PodOwner, namespace: &str) -> Vec<Arc<str>> {
        let PodOwner::Ordinal(workload, ordinal) = owner else { return Vec::new() };
        let spec = &self.workload(workload).spec;
        let WorkloadKind::StatefulSet { claims, .. } = &spec.kind else { return Vec::new() };
        let name = |template: &PersistentVolumeClaimSpec| {
            Arc::from(format!("{namespace}/{}-{}-{ordinal}", template.meta.name, spec.meta.name))
        };
        if self.volumes.spec.default_driver.is_empty() {
            return Vec::new();
        }
        claims.iter().map(name).collect()
    }

    /// Makes the claims of a StatefulSet's pod, unless they are there from its predecessor.
    pub(super) fn make_template_claims(&mut self, owner: PodOwner, namespace: &str) {
        let names = self.template_claims(owner, namespace);
        let WorkloadKind::StatefulSet { claims, .. } =
            &self.workloads[owner.workload().index()].spec.kind
        else {
            return;
        };
        for (full, template) in names.into_iter().zip(claims) {
            if !self.volumes.claims.contains_key(&full) {
                let (_, name) = full.split_once('/').unwrap_or(("", &full));
                let claim = self.volumes.make(namespace, name, template);
                self.volumes.claims.insert(full, claim);
            }
        }
    }

    /// Makes a claim that stands alone, unless it is there.
    pub(super) fn write_claim(&mut self, spec: &PersistentVolumeClaimSpec) {
        if self.volumes.spec.mode == VolumeMode::Enforced {
            let claim = self.volumes.make(&spec.meta.namespace, &spec.meta.name, spec);
            self.volumes.claims.entry(Arc::clone(&claim.name)).or_insert(claim);
        }
    }

    /// Deletes a claim, now or when the last pod that uses it is gone.
    pub(super) fn delete_claim(&mut self, name: &Arc<str>) {
        if let Some(claim) = self.volumes.claims.get_mut(name) {
            claim.deleting = true;
            self.drop_unused(name, None);
        }
    }

    /// A pod goes: claims that wait for that go too.
    pub(super) fn release_claims(&mut self, id: PodId) {
        if !self.volumes.claims.values().any(|claim| claim.deleting) {
            return;
        }
        let Some(pod) = self.pod(id) else { return };
        for name in self.claims_of(pod) {
            self.drop_unused(&name, Some(id));
        }
    }

    fn drop_unused(&mut self, name: &Arc<str>, except: Option<PodId>) {
        let uses = |pod: &Pod| {
            Some(pod.id) != except && pod.node.is_some() && self.claims_of(pod).contains(name)
        };
        let deleting = self.volumes.claims.get(name).is_some_and(|claim| claim.deleting);
        if deleting && !self.pods().any(uses) {
            self.volumes.claims.remove(name);
        }
    }

    /// A claim is bound to a volume that was made for a node in `zone`.
    pub(super) fn bind_claim(&mut self, name: &str, zone: Option<Arc<str>>) {
        if let Some(claim) = self.volumes.claims.get_mut(name) {
            claim.bound = true;
            claim.zone = zone.filter(|_| claim.driver.is_some());
        }
    }
}
