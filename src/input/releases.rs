//! Releases that follow one another: which objects each brings, changes and no longer has.
//!
//! Where the objects of a release come from (manifests, a rendered chart) is not looked at here.
//! Objects that only a later release has are known from the start and not there (`Later`). Which
//! objects the first release had is not written anywhere: those of the files that have an object in
//! common with the next one, of the same namespaces, and of the same release where labels or
//! annotations tell (`app.kubernetes.io/instance`, `meta.helm.sh/release-name`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::decode::Context;
use super::hpa_targets::resolve_hpas;
use super::kubernetes::Objects;
use super::source::FileId;
use crate::cluster::api::meta::ObjectMeta;
use crate::cluster::api::{WorkloadKind, WorkloadSpec};
use crate::model::id::{BudgetId, HpaId, WorkloadId};
use crate::scenario::{DisruptionSpec, DisruptionTarget, HpaObject, Later, RolloutSpec};

/// The annotation by which an object outlives its release.
const KEEP: (&str, &str) = ("helm.sh/resource-policy", "keep");
const RELEASE: &str = "meta.helm.sh/release-name";
const INSTANCE: &str = "app.kubernetes.io/instance";

/// All objects of a run, those of later releases behind those of the first.
pub(super) struct Register {
    pub(super) hpas: Vec<Arc<HpaObject>>,
    /// The autoscalers of each upgrade, by the position of its event.
    pub(super) upgraded: BTreeMap<usize, Vec<Arc<HpaObject>>>,
    pub(super) later: Later,
}

/// Puts the objects of upgrades behind those that are there, and finds what autoscalers scale.
pub(super) fn register(
    objects: &mut Objects,
    upgrades: &BTreeMap<usize, Objects>,
    context: Context<'_>,
) -> Register {
    let mut later = Later::default();
    for (at, workload) in objects.workloads.iter().enumerate() {
        // A hook is made when its time comes.
        if is_hook(workload) {
            later.workloads.insert(WorkloadId::at(at));
        }
    }
    for workload in upgrades.values().flat_map(|next| &next.workloads) {
        if find_workload(objects, workload).is_none() {
            later.workloads.insert(WorkloadId::at(objects.workloads.len()));
            objects.workloads.push(workload.clone());
        }
    }
    for budget in upgrades.values().flat_map(|next| &next.budgets) {
        if !objects.budgets.iter().any(|old| is_same(&old.meta, &budget.meta)) {
            later.budgets.insert(BudgetId::at(objects.budgets.len()));
            objects.budgets.push(budget.clone());
        }
    }
    for service in upgrades.values().flat_map(|next| &next.services) {
        if !objects.services.iter().any(|old| is_same(&old.meta, &service.meta)) {
            objects.services.push(service.clone());
        }
    }
    let mut hpas = resolve_hpas(&objects.autoscalers, objects, context);
    let mut upgraded = BTreeMap::new();
    for (position, next) in upgrades {
        let resolved = resolve_hpas(&next.autoscalers, objects, context);
        for hpa in &resolved {
            if find_hpa(&hpas, hpa).is_none() {
                later.hpas.insert(HpaId::at(hpas.len()));
                hpas.push(Arc::clone(hpa));
            }
        }
        upgraded.insert(*position, resolved);
    }
    Register { hpas, upgraded, later }
}

pub(super) fn is_hook(workload: &WorkloadSpec) -> bool {
    use crate::cluster::api::job::{JobSpec, JobTrigger};
    matches!(workload.kind, WorkloadKind::Job(JobSpec { trigger: JobTrigger::Hook(_), .. }))
}

pub(super) fn is_same(one: &ObjectMeta, other: &ObjectMeta) -> bool {
    one.name == other.name && one.namespace == other.namespace
}

/// A workload of another release among all objects.
pub(super) fn find_workload(objects: &Objects, workload: &WorkloadSpec) -> Option<usize> {
    objects.named(&workload.to_string(), Some(&workload.meta.namespace))
}

/// An autoscaler of another release: one that scales something else is another one.
pub(super) fn find_hpa(hpas: &[Arc<HpaObject>], hpa: &HpaObject) -> Option<usize> {
    hpas.iter().position(|old| is_same(&old.meta, &hpa.meta) && old.target == hpa.target)
}

/// An object of a release.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Workload(WorkloadId),
    Hpa(HpaId),
    Budget(BudgetId),
    Claim(Arc<str>),
    Quota(Arc<str>, Arc<str>),
}

/// Fills in, for every upgrade in the order of time, what the release before had and it has not, and
/// says in words what it writes.
pub(super) fn follow_releases(
    disruptions: &mut [DisruptionSpec],
    objects: &Objects,
    hpas: &[Arc<HpaObject>],
    later: &Later,
) {
    let mut before: Vec<BTreeSet<Key>> = Vec::new();
    for disruption in disruptions {
        let DisruptionTarget::Rollout(spec) = &mut disruption.target else { continue };
        if spec.key != "upgrade" {
            continue;
        }
        let spec = Arc::make_mut(spec);
        let has = contents(spec);
        let latest = before.iter().rev().find(|earlier| !earlier.is_disjoint(&has)).cloned();
        let known = latest.is_some();
        let had = latest.unwrap_or_else(|| first_release(objects, hpas, later, &has));
        if !spec.keeps_others {
            for key in had.difference(&has) {
                delete(spec, key, objects);
            }
        }
        spec.what = in_words(spec, &had, known, later).into();
        before.push(has);
    }
}

fn contents(spec: &RolloutSpec) -> BTreeSet<Key> {
    let workloads = spec.workloads.iter().map(|(id, _)| Key::Workload(*id));
    let hpas = spec.hpas.iter().map(|(id, _)| Key::Hpa(*id));
    let budgets = spec.budgets.iter().map(|(id, _)| Key::Budget(*id));
    let claims = spec.claims.iter().map(|claim| Key::Claim(full_name(&claim.meta)));
    let quotas = spec.quotas.iter().map(|quota| quota_key(&quota.meta));
    workloads.chain(hpas).chain(budgets).chain(claims).chain(quotas).collect()
}

fn full_name(meta: &ObjectMeta) -> Arc<str> {
    Arc::from(format!("{}/{}", meta.namespace, meta.name))
}

fn quota_key(meta: &ObjectMeta) -> Key {
    Key::Quota(Arc::clone(&meta.namespace), Arc::clone(&meta.name))
}

fn delete(spec: &mut RolloutSpec, key: &Key, objects: &Objects) {
    let gone = &mut spec.gone;
    match key {
        Key::Workload(id) => {
            // Hooks belong to no release: their own policy deletes them.
            if !is_hook(&objects.workloads[id.index()]) {
                gone.workloads.push(*id);
            }
        }
        Key::Hpa(id) => gone.hpas.push(*id),
        Key::Budget(id) => gone.budgets.push(*id),
        Key::Claim(name) => gone.claims.push(Arc::clone(name)),
        Key::Quota(namespace, name) => {
            gone.quotas.push((Arc::clone(namespace), Arc::clone(name)));
        }
    }
}

/// An object that is there at the start, with what tells its release.
struct There<'a> {
    key: Key,
    meta: &'a ObjectMeta,
    file: Option<FileId>,
}

fn all_there<'a>(
    objects: &'a Objects,
    hpas: &'a [Arc<HpaObject>],
    later: &Later,
) -> Vec<There<'a>> {
    let mut all = Vec::new();
    let mut add = |key, kind: &'static str, meta: &'a ObjectMeta| {
        all.push(There { key, meta, file: objects.file_of(kind, meta) });
    };
    for (at, workload) in objects.workloads.iter().enumerate() {
        let id = WorkloadId::at(at);
        if !later.workloads.contains(&id) {
            add(Key::Workload(id), workload.kind_name(), &workload.meta);
        }
    }
    for (at, hpa) in hpas.iter().enumerate() {
        let id = HpaId::at(at);
        if !later.hpas.contains(&id) {
            add(Key::Hpa(id), "HorizontalPodAutoscaler", &hpa.meta);
        }
    }
    for (at, budget) in objects.budgets.iter().enumerate() {
        let id = BudgetId::at(at);
        if !later.budgets.contains(&id) {
            add(Key::Budget(id), "PodDisruptionBudget", &budget.meta);
        }
    }
    for claim in &objects.claims {
        add(Key::Claim(full_name(&claim.meta)), "PersistentVolumeClaim", &claim.meta);
    }
    for quota in &objects.quotas {
        add(quota_key(&quota.meta), "ResourceQuota", &quota.meta);
    }
    all
}

/// What of the objects that are there belongs to the release that `has` takes the place of.
fn first_release(
    objects: &Objects,
    hpas: &[Arc<HpaObject>],
    later: &Later,
    has: &BTreeSet<Key>,
) -> BTreeSet<Key> {
    let all = all_there(objects, hpas, later);
    // An autoscaler of the same name that scales something else is the same object to helm.
    let scaled = has.iter().filter_map(|key| match key {
        Key::Hpa(id) => Some(&hpas[id.index()].meta),
        Key::Workload(_) | Key::Budget(_) | Key::Claim(_) | Key::Quota(..) => None,
    });
    let scaled: Vec<&ObjectMeta> = scaled.collect();
    let same_object = |it: &There<'_>| {
        let same_hpa = || scaled.iter().any(|meta| is_same(meta, it.meta));
        has.contains(&it.key) || matches!(it.key, Key::Hpa(_)) && same_hpa()
    };
    let shared: Vec<&There<'_>> = all.iter().filter(|it| same_object(it)).collect();
    let told = |of: &dyn Fn(&ObjectMeta) -> Option<Arc<str>>| -> BTreeSet<Arc<str>> {
        shared.iter().filter_map(|it| of(it.meta)).collect()
    };
    let release = |meta: &ObjectMeta| meta.annotations.get(RELEASE).cloned();
    let instance = |meta: &ObjectMeta| meta.labels.get(INSTANCE).cloned();
    let (releases, instances) = (told(&release), told(&instance));
    let namespaces = told(&|meta| Some(Arc::clone(&meta.namespace)));
    let belongs = |it: &&There<'_>| {
        let of_file = it.file.is_some() && shared.iter().any(|other| other.file == it.file);
        let of_release = if releases.is_empty() {
            instance(it.meta).is_none_or(|name| instances.is_empty() || instances.contains(&name))
        } else {
            release(it.meta).is_some_and(|name| releases.contains(&name))
        };
        let keep = it.meta.annotations.get(KEEP.0).is_some_and(|policy| **policy == *KEEP.1);
        of_file && of_release && !keep && namespaces.contains(&it.meta.namespace)
    };
    all.iter().filter(belongs).map(|it| it.key.clone()).collect()
}

/// `the release: 7 workloads (1 new), 2 HPAs, 1 budget; 3 objects deleted`.
fn in_words(spec: &RolloutSpec, had: &BTreeSet<Key>, known: bool, later: &Later) -> String {
    let is_new = |key: &Key| match key {
        _ if known => !had.contains(key),
        Key::Workload(id) => later.workloads.contains(id),
        Key::Hpa(id) => later.hpas.contains(id),
        Key::Budget(id) => later.budgets.contains(id),
        Key::Claim(_) | Key::Quota(..) => !had.contains(key),
    };
    let group = |count: usize, new: usize, word: &str| {
        let new = if new == 0 { String::new() } else { format!(" ({new} new)") };
        (count > 0).then(|| format!("{}{new}", counted(count, word)))
    };
    let has = contents(spec);
    let of = |which: fn(&Key) -> bool, word| {
        let (all, new): (Vec<&Key>, Vec<&Key>) = (
            has.iter().filter(|key| which(key)).collect(),
            has.iter().filter(|key| which(key) && is_new(key)).collect(),
        );
        group(all.len(), new.len(), word)
    };
    let groups = [
        of(|key| matches!(key, Key::Workload(_)), "workload"),
        of(|key| matches!(key, Key::Hpa(_)), "HPA"),
        of(|key| matches!(key, Key::Budget(_)), "budget"),
        of(|key| matches!(key, Key::Claim(_)), "claim"),
        of(|key| matches!(key, Key::Quota(..)), "quota"),
    ];
    let written: Vec<String> = groups.into_iter().flatten().collect();
    let deleted = match spec.gone.count() {
        0 => String::new(),
        count => format!("; {} deleted", counted(count, "object")),
    };
    format!("the release: {}{deleted}", written.join(", "))
}

/// `1 workload`, `7 workloads`.
fn counted(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}
