//! Objects that are written anew in mid-run: another image, another version of the release.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::cluster::api::pod::PodTemplate;
use crate::cluster::api::{
    PersistentVolumeClaimSpec, PodDisruptionBudgetSpec, ResourceQuotaSpec, WorkloadSpec,
};
use crate::control::helm_wait::Rule;
use crate::control::hpa::HpaSpec;
use crate::model::id::{BudgetId, HpaId, WorkloadId};
use crate::units::{SimDuration, SimTime};

/// What a rollout writes, and how long it is waited for.
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutSpec {
    /// The key of the scenario document: `rollout` or `upgrade`.
    pub key: &'static str,
    /// The position of the event among those that are written; `None` is of no document.
    pub position: Option<usize>,
    /// In words: `gateway, ml-service to v2`.
    pub what: Arc<str>,
    /// Workloads and what changes of each.
    pub workloads: Vec<(WorkloadId, WorkloadChange)>,
    /// Autoscalers with their new specs.
    pub hpas: Vec<(HpaId, HpaSpec)>,
    /// Budgets with their new specs.
    pub budgets: Vec<(BudgetId, Arc<PodDisruptionBudgetSpec>)>,
    /// Claims that stand alone.
    pub claims: Vec<Arc<PersistentVolumeClaimSpec>>,
    /// Quotas of namespaces.
    pub quotas: Vec<Arc<ResourceQuotaSpec>>,
    /// Hooks of the release that is written; `None` are those of the release that is there.
    pub hooks: Option<Vec<(WorkloadId, Arc<WorkloadSpec>)>>,
    /// What the release before had and this one has not.
    pub gone: Gone,
    /// What the release before had stays even so (`prune: false`).
    pub keeps_others: bool,
    /// `helm upgrade --timeout`.
    pub timeout: SimDuration,
    /// When an object counts as ready.
    pub rule: Rule,
    /// `--wait-for-jobs`: Jobs have to be complete as well.
    pub wait_for_jobs: bool,
    /// `--rollback-on-failure` (`--atomic` of Helm 3): a failure brings the release before back.
    pub roll_back: bool,
}

impl RolloutSpec {
    /// A rollout that writes nothing yet.
    #[must_use]
    pub fn new(key: &'static str, wait: WaitSpec) -> Self {
        Self {
            key,
            position: None,
            what: Arc::from(""),
            workloads: Vec::new(),
            hpas: Vec::new(),
            budgets: Vec::new(),
            claims: Vec::new(),
            quotas: Vec::new(),
            hooks: None,
            gone: Gone::default(),
            keeps_others: false,
            timeout: wait.timeout,
            rule: wait.rule,
            wait_for_jobs: wait.for_jobs,
            roll_back: wait.roll_back,
        }
    }
}

/// How long and for what helm waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitSpec {
    /// `--timeout`.
    pub timeout: SimDuration,
    /// When an object counts as ready.
    pub rule: Rule,
    /// `--wait-for-jobs`.
    pub for_jobs: bool,
    /// `--rollback-on-failure`.
    pub roll_back: bool,
}

/// Objects that a release no longer has: helm deletes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gone {
    /// Workloads, Jobs and CronJobs among them.
    pub workloads: Vec<WorkloadId>,
    /// Autoscalers.
    pub hpas: Vec<HpaId>,
    /// Budgets.
    pub budgets: Vec<BudgetId>,
    /// Claims that stand alone, by `namespace/name`.
    pub claims: Vec<Arc<str>>,
    /// Quotas, by namespace and name.
    pub quotas: Vec<(Arc<str>, Arc<str>)>,
}

impl Gone {
    /// How many objects.
    #[must_use]
    pub fn count(&self) -> usize {
        let Self { workloads, hpas, budgets, claims, quotas } = self;
        workloads.len() + hpas.len() + budgets.len() + claims.len() + quotas.len()
    }
}

/// Objects of later releases: known from the start, so that everything about them has its name and
/// place, and not there until a release writes them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Later {
    /// Workloads.
    pub workloads: BTreeSet<WorkloadId>,
    /// Autoscalers.
    pub hpas: BTreeSet<HpaId>,
    /// Budgets.
    pub budgets: BTreeSet<BudgetId>,
}

/// What changes of a workload.
#[derive(Debug, Clone, PartialEq)]
pub enum WorkloadChange {
    /// The image of a container, and of all others with the same image.
    Image {
        /// Which container; `None` is the first.
        container: Option<Arc<str>>,
        /// A tag (`v2`), or a whole image.
        image: Arc<str>,
    },
    /// `kubectl rollout restart`: the same pods, made anew.
    Restart,
    /// The object as it is written anew.
    Written {
        /// The new object.
        spec: Arc<WorkloadSpec>,
        /// Its size, when it states one: helm writes it over what an autoscaler decided.
        replicas: Option<i32>,
    },
}

/// A template as `kubectl rollout restart` writes it: the annotation makes it a new revision
/// (polymorphichelpers/objectrestarter.go `defaultObjectRestarter`).
#[must_use]
pub fn restarted(template: &PodTemplate, now: SimTime) -> PodTemplate {
    let mut template = template.clone();
    let at = Arc::from(now.to_string());
    template.annotations.insert(Arc::from("kubectl.kubernetes.io/restartedAt"), at);
    template
}

/// A template with another image in a container and in all others that have the same image now.
#[must_use]
pub fn with_image(template: &PodTemplate, container: Option<&str>, image: &str) -> PodTemplate {
    let mut template = template.clone();
    let spec = &mut template.spec;
    let chosen = match container {
        Some(name) => {
            spec.containers.iter().chain(&spec.init_containers).find(|c| &*c.name == name)
        }
        None => spec.containers.first(),
    };
    let Some(old) = chosen.map(|chosen| Arc::clone(&chosen.image)) else { return template };
    let new: Arc<str> = Arc::from(replaced(&old, image));
    for container in spec.containers.iter_mut().chain(&mut spec.init_containers) {
        if container.image == old {
            container.image = Arc::clone(&new);
        }
    }
    template
}

/// A tag takes the place of the old tag or digest; a whole image stands for itself.
fn replaced(old: &str, image: &str) -> String {
    if image.contains(['/', ':', '@']) {
        return image.to_owned();
    }
    let name = old.split_once('@').map_or(old, |(name, _)| name);
    let name = match name.rsplit_once(':') {
        Some((untagged, tag)) if !tag.contains('/') => untagged,
        Some(_) | None => name,
    };
    format!("{name}:{image}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::api::pod::{Container, PodSpec};

    #[test]
    fn a_tag_replaces_a_tag_and_an_image_an_image() {
        let rows = [
            ("aurelius/gateway:1.0.0", "v2", "aurelius/gateway:v2"),
            ("aurelius/gateway", "v2", "aurelius/gateway:v2"),
            ("registry.example:5000/gateway", "v2", "registry.example:5000/gateway:v2"),
            ("gateway@sha256:abc", "v2", "gateway:v2"),
            ("gateway:1", "other/gateway:2", "other/gateway:2"),
        ];
        for (old, image, new) in rows {
            assert_eq!(replaced(old, image), new);
        }
    }

    #[test]
    fn containers_of_one_image_change_together() {
        let container = |name: &str, image: &str| Container {
            name: Arc::from(name),
            image: Arc::from(image),
            ..Container::default()
        };
        let spec = PodSpec {
            containers: vec![container("app", "app:1"), container("proxy", "proxy:1")],
            init_containers: vec![container("migrate", "app:1")],
            ..PodSpec::default()
        };
        let template = PodTemplate { spec, ..PodTemplate::default() };
        let images = |template: &PodTemplate| {
            let spec = &template.spec;
            let all = spec.containers.iter().chain(&spec.init_containers);
            all.map(|c| c.image.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(images(&with_image(&template, None, "2")), ["app:2", "proxy:1", "app:2"]);
        let proxy = with_image(&template, Some("proxy"), "2");
        assert_eq!(images(&proxy), ["app:1", "proxy:2", "app:1"]);
        assert_eq!(with_image(&template, Some("none"), "2"), template);
    }
}
