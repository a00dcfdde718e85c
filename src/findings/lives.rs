//! Containers that died, pods that were evicted, volumes that did not come, upgrades that stuck.

use std::collections::BTreeMap;

use crate::cluster::VolumeMode;
use crate::findings::Case;
use crate::findings::code::{self, Code};
use crate::findings::finding::{Evidence, EvidenceObject, Finding, Severity, Subject};
use crate::findings::text::plural;
use crate::model::id::{PodId, WorkloadId};
use crate::model::record::{About, Death, Record};
use crate::trace::tell;
use crate::units::{Origin, SimTime};

/// Evidence kept of one finding.
const EVIDENCE_MOST: usize = 20;

pub(super) fn find(case: &Case<'_>, findings: &mut Vec<Finding>) {
    deaths(case, findings);
    announced(case, findings);
}

/// Deaths of one kind of the pods of one workload.
struct Deaths {
    first: SimTime,
    last: SimTime,
    count: u32,
    why: Death,
    pods: Vec<PodId>,
}

fn deaths(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<(WorkloadId, Cause), Deaths> = BTreeMap::new();
    for entry in case.history.entries() {
        let Record::ContainerDied { pod, why, .. } = &entry.record else { continue };
        let Some(life) = case.history.pod(*pod) else { continue };
        let deaths = known.entry((life.workload, Cause::of(*why))).or_insert(Deaths {
            first: entry.first,
            last: entry.last,
            count: 0,
            why: *why,
            pods: Vec::new(),
        });
        deaths.last = entry.last;
        deaths.count += entry.count;
        deaths.why = deaths.why.max(*why);
        if !deaths.pods.contains(pod) {
            deaths.pods.push(*pod);
        }
    }
    for ((workload, cause), deaths) in known {
        let name = case.history.names().workload(workload);
        let pods = deaths.pods.len();
        let times = plural(crate::units::convert::index(deaths.count), "time");
        let (code, message) = match cause {
            Cause::Memory => {
                (&code::OUT_OF_MEMORY, format!("{name} killed {times} over its memory limit"))
            }
            Cause::Node => {
                (&code::NODE_PRESSURE, format!("{name} killed {times}: node out of memory"))
            }
            Cause::Start => {
                (&code::KILLED_BY_PROBE, format!("{name} killed {times} before it was up"))
            }
            Cause::Load => {
                let message =
                    format!("{name} killed {times}, too busy to answer its liveness probe");
                (&code::KILLED_BY_PROBE, message)
            }
            Cause::Own => (&code::CONTAINERS_FAIL, format!("{name} failed {times}")),
        };
        let most = if matches!(cause, Cause::Memory | Cause::Node) { "at most " } else { "" };
        findings.push(Finding {
            code,
            severity: Severity::Error,
            from: deaths.first,
            until: Some(deaths.last),
            subject: Subject::Workload(workload),
            message,
            note: format!("{}; {most}{}", plural(pods, "pod"), tell::death(deaths.why)),
            evidence: evidence(deaths.first, &deaths.pods),
            origins: resources(case, workload),
        });
    }
}

/// Why containers die, as far as what to do about it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Memory,
    Node,
    Start,
    Load,
    Own,
}

impl Cause {
    fn of(why: Death) -> Self {
        match why {
            Death::OutOfMemory { .. } => Self::Memory,
            Death::NodeOutOfMemory { .. } => Self::Node,
            Death::Liveness | Death::Startup => Self::Start,
            Death::Unresponsive => Self::Load,
            Death::Exited(_) => Self::Own,
        }
    }
}

fn evidence(at: SimTime, pods: &[PodId]) -> Vec<Evidence> {
    let pods = pods.iter().take(EVIDENCE_MOST);
    pods.map(|pod| Evidence { at, object: EvidenceObject::Pod(*pod) }).collect()
}

/// Where the resources of a workload's first container stand.
fn resources(case: &Case<'_>, workload: WorkloadId) -> Vec<Origin> {
    let containers = &case.scenario.workloads[workload.index()].template.spec.containers;
    containers.iter().take(1).map(|container| container.resources_origin.clone()).collect()
}

/// Events of one kind about the same thing.
struct Told {
    first: SimTime,
    message: String,
    pods: Vec<PodId>,
}

fn announced(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let mut known: BTreeMap<(&'static str, Option<WorkloadId>, Option<&About>), Told> =
        BTreeMap::new();
    for entry in case.history.entries() {
        let Record::Announced { about, event, message } = &entry.record else { continue };
        let pod = if let About::Pod(pod) = about { Some(*pod) } else { None };
        let workload = pod.and_then(|pod| case.history.pod(pod)).map(|life| life.workload);
        let thing = Some(about).filter(|_| workload.is_none());
        let told = known.entry((event, workload, thing)).or_insert_with(|| Told {
            first: entry.first,
            message: message.to_string(),
            pods: Vec::new(),
        });
        if let Some(pod) = pod.filter(|pod| !told.pods.contains(pod)) {
            told.pods.push(pod);
        }
    }
    for ((event, workload, about), told) in known {
        let Some((code, severity)) = judged(event) else { continue };
        let (message, until) = sentence(case, event, workload, about, &told);
        findings.push(Finding {
            code,
            severity,
            from: told.first,
            until,
            subject: subject(workload, about),
            message,
            note: told.message,
            evidence: evidence(told.first, &told.pods),
            origins: about.map(|about| origin(case, about)).unwrap_or_default(),
        });
    }
}

fn judged(event: &str) -> Option<(&'static Code, Severity)> {
    match event {
        "Evicted" => Some((&code::NODE_PRESSURE, Severity::Error)),
        "UnexpectedAdmissionError" => Some((&code::POD_REJECTED, Severity::Error)),
        "FailedAttachVolume" => Some((&code::VOLUME_ATTACH, Severity::Error)),
        "ForceDetach" => Some((&code::VOLUME_ATTACH, Severity::Info)),
        "ProvisioningFailed" => Some((&code::VOLUME_REFUSED, Severity::Error)),
        "Unhealthy" => Some((&code::UNREADY_UNDER_LOAD, Severity::Error)),
        "PodEvictionFailure" => Some((&code::UPGRADE_BLOCKED, Severity::Error)),
        "ForcedPodDeletion" => Some((&code::UPGRADE_BLOCKED, Severity::Warning)),
        _ => None,
    }
}

/// What happened, and until when.
fn sentence(
    case: &Case<'_>,
    event: &str,
    workload: Option<WorkloadId>,
    about: Option<&About>,
    told: &Told,
) -> (String, Option<SimTime>) {
    let names = case.history.names();
    let whose = workload.map_or("", |workload| names.workload(workload));
    let thing = about.map(|about| tell::about(names, about)).unwrap_or_default();
    let pods = plural(told.pods.len(), "pod");
    match event {
        "Evicted" => (format!("{pods} of {whose} evicted: node out of memory"), None),
        "UnexpectedAdmissionError" => (format!("{pods} of {whose} refused by the kubelet"), None),
        "FailedAttachVolume" => {
            let lives = told.pods.iter().filter_map(|pod| case.history.pod(*pod));
            let ended: Option<Vec<SimTime>> =
                lives.map(|life| life.pulled.map(|(at, _)| at).or(life.gone)).collect();
            let until = ended.and_then(|ends| ends.into_iter().max());
            (format!("no volume for {pods} of {whose}"), until)
        }
        "Unhealthy" => (format!("{pods} of {whose} too busy to be ready"), None),
        "ForceDetach" => (format!("{thing} is detached by force"), None),
        "ProvisioningFailed" => (format!("{thing} is never bound"), None),
        "PodEvictionFailure" => (format!("{thing} fails"), None),
        _ => (format!("{thing} goes on by force"), None),
    }
}

fn subject(workload: Option<WorkloadId>, about: Option<&About>) -> Subject {
    match (workload, about) {
        (Some(workload), _) => Subject::Workload(workload),
        (None, Some(About::Disruption(id))) => Subject::Disruption(*id),
        (
            None,
            Some(
                About::Pod(_)
                | About::Node(_)
                | About::Claim(_)
                | About::NodePool(_)
                | About::ScaledObject(_)
                | About::Quota(_),
            )
            | None,
        ) => Subject::Run,
    }
}

fn origin(case: &Case<'_>, about: &About) -> Vec<Origin> {
    match about {
        About::Claim(name) if case.scenario.volumes.mode == VolumeMode::Enforced => {
            let is_it = |meta: &crate::cluster::api::ObjectMeta| {
                **name == *format!("{}/{}", meta.namespace, meta.name)
            };
            let claims = case.scenario.claims.iter().filter(|claim| is_it(&claim.meta));
            claims.map(|claim| claim.meta.origin.clone()).collect()
        }
        About::Disruption(id) => vec![case.scenario.disruptions[id.index()].origin.clone()],
        About::Claim(_)
        | About::Pod(_)
        | About::Node(_)
        | About::NodePool(_)
        | About::ScaledObject(_)
        | About::Quota(_) => Vec::new(),
    }
}
