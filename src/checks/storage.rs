//! Claims and storage classes: what no provisioner makes, and what pods cannot share.

use std::sync::Arc;

use crate::checks::subject::{Subject, WorkloadView, at};
use crate::cluster::api::storage::{AccessMode, PersistentVolumeClaimSpec, StorageClassSpec};
use crate::cluster::api::workload::{DeploymentStrategy, WorkloadKind};
use crate::cluster::{driver, refusal};
use crate::input::codes;
use crate::input::decode::{Value, nearest};
use crate::input::diagnostic::Severity::{Error, Warning};
use crate::units::Bytes;

const EBS: &str = "ebs.csi.aws.com";
const GIB: i64 = 1 << 30;

pub(super) fn check(subject: &Subject<'_>) {
    for class in &subject.material.objects.storage_classes {
        if let Some(value) = subject.value("StorageClass", &class.meta)
            && !subject.is_platform(&value)
        {
            in_tree(subject, class, &value);
            volume_type(subject, class, &value);
        }
    }
    for claim in claims(subject) {
        access_mode(subject, &claim);
        size(subject, &claim);
        iops(subject, &claim);
    }
    for workload in subject.workloads() {
        shared_disk(subject, workload);
        attachments(subject, workload);
    }
}

/// A claim, alone or a template, with its tree.
struct Claim<'s, 'a> {
    spec: &'s PersistentVolumeClaimSpec,
    value: Value<'a>,
    /// `PersistentVolumeClaim/models`, or `StatefulSet/db (claim data)`.
    object: String,
    class: Option<&'s StorageClassSpec>,
    driver: Option<&'s str>,
}

fn claims<'s, 'a>(subject: &'s Subject<'a>) -> Vec<Claim<'s, 'a>> {
    let mut found = Vec::new();
    for spec in &subject.material.objects.claims {
        let value = subject.value("PersistentVolumeClaim", &spec.meta);
        let object = format!("PersistentVolumeClaim/{}", spec.meta.name);
        found.extend(value.map(|value| claim(subject, spec, value, object)));
    }
    for workload in subject.workloads() {
        let WorkloadKind::StatefulSet { claims, .. } = &workload.spec.kind else { continue };
        let trees = workload.value.at(&["spec", "volumeClaimTemplates"]);
        let trees = trees.map(|list| list.elements()).unwrap_or_default();
        for (spec, value) in claims.iter().zip(trees) {
            let object = format!("{} (claim {})", workload.name(), spec.meta.name);
            found.push(claim(subject, spec, value, object));
        }
    }
    found.retain(|claim| !subject.is_platform(&claim.value));
    found
}

fn claim<'s, 'a>(
    subject: &'s Subject<'a>,
    spec: &'s PersistentVolumeClaimSpec,
    value: Value<'a>,
    object: String,
) -> Claim<'s, 'a> {
    let classes = &subject.material.objects.storage_classes;
    let class = spec
        .storage_class
        .as_ref()
        .and_then(|name| classes.iter().find(|known| known.meta.name == *name));
    let default = subject.material.cluster.as_ref().map(|cluster| cluster.provider.disk_driver());
    // A class that is in no manifest is taken to be the provider's disks, as a run takes it.
    let driver = class.map(|class| driver(&class.provisioner)).or(default);
    Claim { spec, value, object, class, driver }
}

fn in_tree(subject: &Subject<'_>, class: &StorageClassSpec, value: &Value<'_>) {
    let provisioner = &class.provisioner;
    if !provisioner.starts_with("kubernetes.io/")
        || &**provisioner == "kubernetes.io/no-provisioner"
    {
        return;
    }
    let successor = driver(provisioner);
    let place = value.get("provisioner").unwrap_or_else(|| value.clone());
    let object = value.object();
    if successor == &**provisioner {
        let message =
            format!("{object}: the provisioner {provisioner} was removed from Kubernetes");
        subject.report(at(&place, Error, codes::IN_TREE_PROVISIONER, message, "nobody serves it"));
        return;
    }
    let message = format!("{object}: {provisioner} is no longer part of Kubernetes");
    subject.report(
        at(&place, Warning, codes::IN_TREE_PROVISIONER, message, "served by migration, when the CSI driver is installed")
            .note(format!("its code is gone; claims are redirected to {successor}, and without that driver they stay Pending"))
            .replace("name the driver", place.node().span, successor),
    );
}

fn parameter<'c>(class: &'c StorageClassSpec, name: &str) -> Option<&'c Arc<str>> {
    // Names of parameters are told apart without case by the drivers.
    class.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn parameter_place<'a>(value: &Value<'a>, name: &str) -> Value<'a> {
    let parameters = value.get("parameters");
    let entries =
        parameters.as_ref().and_then(|parameters| parameters.node().mapping()).unwrap_or_default();
    let key = entries.iter().find(|entry| entry.key.eq_ignore_ascii_case(name));
    key.and_then(|key| parameters.as_ref()?.get(&key.key)).unwrap_or_else(|| value.clone())
}

/// Types of volumes by driver, and the name of the parameter.
fn types(driver: &str) -> Option<(&'static str, &'static [&'static str])> {
    match driver {
        EBS => {
            Some(("type", &["io1", "io2", "gp2", "gp3", "sc1", "st1", "standard", "sbp1", "sbg1"]))
        }
        "pd.csi.storage.gke.io" => Some((
            "type",
            &[
                "pd-standard",
                "pd-ssd",
                "pd-balanced",
                "pd-extreme",
                "hyperdisk-balanced",
                "hyperdisk-extreme",
                "hyperdisk-throughput",
                "hyperdisk-ml",
                "hyperdisk-balanced-high-availability",
            ],
        )),
        "disk.csi.azure.com" => Some((
            "skuName",
            &[
                "Standard_LRS",
                "Premium_LRS",
                "StandardSSD_LRS",
                "UltraSSD_LRS",
                "Premium_ZRS",
                "StandardSSD_ZRS",
                "PremiumV2_LRS",
            ],
        )),
        _ => None,
    }
}

fn volume_type(subject: &Subject<'_>, class: &StorageClassSpec, value: &Value<'_>) {
    let driver = driver(&class.provisioner);
    let Some((name, known)) = types(driver) else { return };
    let Some(written) = parameter(class, name) else { return };
    if known.iter().any(|known| known.eq_ignore_ascii_case(written)) {
        return;
    }
    let place = parameter_place(value, name);
    let message = format!("{}: {driver} knows no volume type `{written}`", value.object());
    let finding =
        at(&place, Error, codes::VOLUME_TYPE, message, "provisioning fails with InvalidArgument");
    let finding = finding.note(format!("types: {}", known.join(", ")));
    subject.report(match nearest(written, known.iter().copied()) {
        Some(near) => finding.replace("a similar type exists", place.node().span, near),
        None => finding,
    });
}

/// Access modes that the driver of the class refuses.
fn access_mode(subject: &Subject<'_>, claim: &Claim<'_, '_>) {
    let Some(driver) = claim.driver else { return };
    let class = claim.spec.storage_class.as_deref().unwrap_or("default");
    let refused = claim
        .spec
        .access_modes
        .iter()
        .find_map(|mode| Some((*mode, refusal(driver, class, *mode)?)));
    let Some((mode, says)) = refused else { return };
    let block = claim.value.at(&["spec", "volumeMode"]);
    if block.is_some_and(|mode| mode.node().text() == Some("Block")) {
        return;
    }
    let place = claim.value.at(&["spec", "accessModes"]).unwrap_or_else(|| claim.value.clone());
    let name = match mode {
        AccessMode::ReadWriteMany => "ReadWriteMany",
        AccessMode::ReadOnlyMany => "ReadOnlyMany",
        AccessMode::ReadWriteOnce => "ReadWriteOnce",
        AccessMode::ReadWriteOncePod => "ReadWriteOncePod",
    };
    let message = format!("{}: {driver} cannot make a {name} volume", claim.object);
    let mut finding = at(
        &place,
        Error,
        codes::ACCESS_MODE,
        message,
        "stays Pending, and so do the pods that mount it",
    );
    let tree = claim.class.and_then(|class| subject.value("StorageClass", &class.meta));
    if let Some(provisioner) = tree.and_then(|tree| tree.get("provisioner")) {
        finding =
            finding.secondary(provisioner.span(), format!("the provisioner of class {class}"));
    }
    let users = users(subject, claim.spec);
    if !users.is_empty() {
        finding = finding.note(format!("mounted by {}", users.join(", ")));
    }
    let trusted = subject.material.cluster.as_ref();
    if trusted.is_some_and(|cluster| cluster.volumes == crate::cluster::VolumeMode::Trusted) {
        finding = finding.note(
            "the cluster profile says `volumes: {mode: trusted}`, so a run serves it all the same",
        );
    }
    subject.report(
        finding
            .note(format!("the provisioner says: {says}"))
            .help("use a file system that many nodes mount (EFS, FSx, Filestore, Azure Files)"),
    );
}

fn users(subject: &Subject<'_>, claim: &PersistentVolumeClaimSpec) -> Vec<String> {
    let mounts = |workload: &&WorkloadView<'_>| {
        workload.spec.meta.namespace == claim.meta.namespace
            && workload.shared_claims().any(|name| *name == claim.meta.name)
    };
    subject.workloads().filter(mounts).map(WorkloadView::name).collect()
}

/// Sizes that EBS volumes can have, by type (GiB): Amazon EBS, volume types.
fn sizes(kind: &str) -> Option<(i64, i64)> {
    Some(match kind {
        "gp2" => (1, 16 << 10),
        "gp3" => (1, 64 << 10),
        "io1" => (4, 16 << 10),
        "io2" => (4, 64 << 10),
        "st1" | "sc1" => (125, 16 << 10),
        "standard" => (1, 1 << 10),
        _ => return None,
    })
}

fn ebs_type(claim: &Claim<'_, '_>) -> Option<String> {
    if claim.driver != Some(EBS) {
        return None;
    }
    let written = claim.class.and_then(|class| parameter(class, "type"));
    Some(written.map_or_else(|| "gp3".to_owned(), |kind| kind.to_ascii_lowercase()))
}

fn gibibytes(bytes: Bytes) -> i64 {
    bytes.0.div_euclid(GIB) + i64::from(bytes.0.rem_euclid(GIB) > 0)
}

fn storage_place<'a>(claim: &Claim<'_, 'a>) -> Value<'a> {
    let path = ["spec", "resources", "requests", "storage"];
    claim.value.at(&path).unwrap_or_else(|| claim.value.clone())
}

fn size(subject: &Subject<'_>, claim: &Claim<'_, '_>) {
    let Some(kind) = ebs_type(claim) else { return };
    let Some((least, most)) = sizes(&kind) else { return };
    let size = gibibytes(claim.spec.storage);
    let (severity, says) = if size > most {
        (Error, format!("at most {}", Bytes(most * GIB)))
    } else if size < least && claim.spec.storage.0 > 0 {
        (Warning, format!("at least {}", Bytes(least * GIB)))
    } else {
        return;
    };
    let message =
        format!("{}: a volume of type {kind} is {says}, not {}", claim.object, claim.spec.storage);
    subject.report(at(
        &storage_place(claim),
        severity,
        codes::VOLUME_SIZE,
        message,
        "the size that is asked for",
    ));
}

/// IOPS of EBS types: least, most, and most per GiB (aws-ebs-csi-driver, docs/parameters.md).
fn iops_range(kind: &str, express: bool) -> Option<(i64, i64, i64)> {
    match (kind, express) {
        ("io1", _) => Some((100, 64_000, 50)),
        ("io2", false) => Some((100, 64_000, 500)),
        ("io2", true) => Some((100, 256_000, 500)),
        ("gp3", _) => Some((3_000, 16_000, 500)),
        _ => None,
    }
}

/// What a class asks for is held against what the type and size allow: above the range it is capped,
/// below it refused unless the class lets it be raised.
fn iops(subject: &Subject<'_>, claim: &Claim<'_, '_>) {
    let (Some(kind), Some(class)) = (ebs_type(claim), claim.class) else { return };
    let whole = |name| parameter(class, name).and_then(|text| text.parse::<i64>().ok());
    let (per_gib, total) = (whole("iopsPerGB"), whole("iops"));
    let size = gibibytes(claim.spec.storage).max(1);
    let Some(asked) = total.or_else(|| per_gib.map(|per| per.saturating_mul(size))) else { return };
    let name = if total.is_some() { "iops" } else { "iopsPerGB" };
    let tree = subject.value("StorageClass", &class.meta);
    let parameter_span = tree.map(|tree| parameter_place(&tree, name).span());
    let truth = |name| parameter(class, name).is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let Some((least, most, per)) = iops_range(&kind, truth("blockExpress")) else {
        let message = format!("{}: volumes of type {kind} have no IOPS to ask for", claim.object);
        let finding = at(&storage_place(claim), Warning, codes::VOLUME_IOPS, message, "the claim");
        let finding = parameter_span
            .into_iter()
            .fold(finding, |it, span| it.secondary(span, "has no effect"));
        return subject.report(finding);
    };
    let ceiling = most.min(per.saturating_mul(size));
    let migrated = class.provisioner.starts_with("kubernetes.io/");
    let raises = migrated || truth("allowAutoIOPSPerGBIncrease");
    let (severity, what) = if asked > ceiling {
        (Warning, format!("{asked} IOPS asked for, {ceiling} at most: the rest is cut off"))
    } else if asked < least && !raises {
        (Error, format!("{asked} IOPS asked for, {least} at least: provisioning fails"))
    } else {
        return;
    };
    let message = format!("{}: {what}", claim.object);
    let label = format!("{size} GiB of {kind}");
    let finding = at(&storage_place(claim), severity, codes::VOLUME_IOPS, message, label);
    let finding = parameter_span
        .into_iter()
        .fold(finding, |it, span| it.secondary(span, "what the class asks for"));
    subject.report(finding.note(format!("{kind}: {least} to {most} IOPS, at most {per} a GiB")));
}

/// A disk that one node mounts, wanted by several pods of one workload, or by the new pod of a
/// rollout beside the old one.
fn shared_disk(subject: &Subject<'_>, workload: &WorkloadView<'_>) {
    if workload.is_daemon() || !workload.runs_on() {
        return;
    }
    for name in workload.shared_claims() {
        let mine = |claim: &&PersistentVolumeClaimSpec| {
            claim.meta.name == *name && claim.meta.namespace == workload.spec.meta.namespace
        };
        let Some(spec) = subject.material.objects.claims.iter().find(mine) else { continue };
        let many = |mode: &AccessMode| {
            matches!(mode, AccessMode::ReadWriteMany | AccessMode::ReadOnlyMany)
        };
        if spec.access_modes.iter().any(many) {
            continue;
        }
        let Some(claim) = subject.value("PersistentVolumeClaim", &spec.meta) else { continue };
        let modes = claim.at(&["spec", "accessModes"]).unwrap_or(claim);
        if workload.most > 1 {
            several(subject, workload, spec, &modes);
        } else if let WorkloadKind::Deployment {
            strategy: DeploymentStrategy::RollingUpdate { max_surge, .. },
            ..
        } = &workload.spec.kind
            && max_surge.scaled(workload.most.max(1), true) > 0
            && workload.most == 1
        {
            let message = format!("{}: a rollout needs the disk `{name}` twice", workload.name());
            subject.report(
                at(&mount(workload, name), Warning, codes::ROLLOUT_NEEDS_VOLUME, message, "the new pod mounts it too")
                    .secondary(modes.span(), "one node at a time")
                    .note("the new pod cannot start on another node while the old one holds the disk, and the old one stays until the new one is ready")
                    .help("use `strategy: {type: Recreate}`, or a StatefulSet"),
            );
        }
    }
}

fn several(
    subject: &Subject<'_>,
    workload: &WorkloadView<'_>,
    spec: &PersistentVolumeClaimSpec,
    modes: &Value<'_>,
) {
    let name = &spec.meta.name;
    let (least, most) = (workload.least, workload.most);
    let range = if least == most { format!("{most}") } else { format!("{least} to {most}") };
    let one_pod = spec.access_modes.contains(&AccessMode::ReadWriteOncePod);
    let severity = if least > 1 { Error } else { Warning };
    let (mode, who) =
        if one_pod { ("ReadWriteOncePod", "one pod") } else { ("ReadWriteOnce", "one node") };
    let message = format!("{}: {range} pods share the {mode} claim `{name}`", workload.name());
    let mut finding = at(
        &mount(workload, name),
        severity,
        codes::SHARED_READ_WRITE_ONCE,
        message,
        "every pod mounts it",
    )
    .secondary(modes.span(), format!("{who} at a time"))
    .secondary(workload.least_place(subject).span(), format!("{range} pods"));
    finding = if one_pod {
        finding.note("the scheduler says: node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode")
    } else {
        finding.note("pods on other nodes stay in ContainerCreating: Multi-Attach error for volume: Volume is already used by pod(s)")
    };
    let affinity = &workload.template.spec.affinity;
    if !affinity.pod_anti_required.is_empty() || !affinity.pod_anti_preferred.is_empty() {
        finding = finding.note("its anti-affinity puts the pods on different nodes");
    }
    subject.report(finding.help(
        "ReadWriteMany with a provisioner that can do it, or a StatefulSet with a claim per pod",
    ));
}

/// Where a workload mounts a claim.
fn mount<'a>(workload: &WorkloadView<'a>, claim: &str) -> Value<'a> {
    let volumes =
        workload.pod_spec().get("volumes").map(|list| list.elements()).unwrap_or_default();
    let names =
        volumes.iter().filter_map(|volume| volume.at(&["persistentVolumeClaim", "claimName"]));
    let mut own = names.filter(|name| name.node().text() == Some(claim));
    own.next().unwrap_or_else(|| workload.title())
}

/// More disks in one pod than a node attaches.
fn attachments(subject: &Subject<'_>, workload: &WorkloadView<'_>) {
    let Some(cluster) = &subject.material.cluster else { return };
    let templates = match &workload.spec.kind {
        WorkloadKind::StatefulSet { claims, .. } => claims.len(),
        WorkloadKind::Deployment { .. }
        | WorkloadKind::DaemonSet { .. }
        | WorkloadKind::ReplicaSet
        | WorkloadKind::Job(_) => 0,
    };
    let disks = templates + workload.shared_claims().count();
    let limits = cluster.pools.iter().map(|pool| pool.instance.max_volumes);
    let Some(most) =
        limits.collect::<Option<Vec<i64>>>().and_then(|limits| limits.into_iter().max())
    else {
        return;
    };
    if i64::try_from(disks).unwrap_or(i64::MAX) <= most {
        let all =
            i64::from(workload.most).saturating_mul(i64::try_from(templates).unwrap_or(i64::MAX));
        let places: i64 = cluster
            .pools
            .iter()
            .map(|pool| i64::from(pool.max) * pool.instance.max_volumes.unwrap_or(0))
            .sum();
        if templates > 0 && all > places {
            let message = format!(
                "{}: {all} disks at {} pods, and all nodes together attach {places}",
                workload.name(),
                workload.most
            );
            subject.report(at(
                &workload.title(),
                Error,
                codes::ATTACH_LIMIT,
                message,
                "one disk a claim and pod",
            ));
        }
        return;
    }
    let message = format!(
        "{}: a pod has {disks} disks, and no node attaches more than {most}",
        workload.name()
    );
    let place = workload
        .value
        .at(&["spec", "volumeClaimTemplates"])
        .or_else(|| workload.pod_spec().get("volumes"));
    subject.report(
        at(
            &place.unwrap_or_else(|| workload.title()),
            Error,
            codes::ATTACH_LIMIT,
            message,
            "its disks",
        )
        .note("kube-scheduler would say: node(s) exceed max volume count"),
    );
}
