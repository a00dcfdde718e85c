//! PodDisruptionBudget status: each case is one budget and a sequence of synchronisations.

use serde::Deserialize;
use serde_json::Value;

use super::budgets::{OwnerDoc, Pdb, PdbDoc, PdbSpecDoc, PodDoc, StatusDoc, World};
use super::common::{At, Span};
use super::{Checks, Outcome, each_case};

pub(crate) fn check(cases: &[Value]) -> Result<Outcome, String> {
    each_case(cases, check_case)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    pdb: PdbDoc,
    #[serde(default)]
    owners: Vec<OwnerDoc>,
    #[serde(default)]
    pods: Vec<PodDoc>,
    syncs: Vec<SyncDoc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SyncDoc {
    at: At,
    #[serde(default)]
    update_pods: Vec<PodDoc>,
    #[serde(default)]
    remove_pods: Vec<String>,
    #[serde(default)]
    scale: Vec<OwnerDoc>,
    spec: Option<PdbSpecDoc>,
    expect: ExpectDoc,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ExpectDoc {
    written: bool,
    status: StatusDoc,
    recheck_after_seconds: Option<Span>,
    #[serde(default)]
    events: Vec<String>,
}

fn check_case(case: Case) -> Checks {
    let mut checks = Checks::default();
    let mut world = World { owners: case.owners, ..World::default() };
    let mut pdb = Pdb::new(case.pdb, &mut world.pod_names);
    world.pods = case.pods.into_iter().map(|pod| (pod.name.clone(), pod)).collect();
    for (index, step) in case.syncs.into_iter().enumerate() {
        for pod in step.update_pods {
            world.pods.insert(pod.name.clone(), pod);
        }
        for pod in step.remove_pods {
            world.pods.remove(&pod);
        }
        for owner in step.scale {
            world.scale(&owner.kind, &owner.name, owner.replicas);
        }
        if let Some(spec) = step.spec {
            pdb.spec = spec;
            pdb.generation += 1;
        }
        let sync = pdb.sync(step.at.0, &mut world);
        checks.at(format!("{} sync {index}", case.name));
        checks.compare("written", &step.expect.written, &sync.write.is_some());
        let recheck = step.expect.recheck_after_seconds.map(|span| span.0);
        checks.compare("recheckAfterSeconds", &recheck, &sync.recheck);
        let mut events: Vec<String> =
            sync.events.iter().map(|event| event.reason().to_owned()).collect();
        events.sort();
        checks.compare("events", &step.expect.events, &events);
        step.expect.status.compare(&pdb.status, &mut world.pod_names, &mut checks);
    }
    checks
}
