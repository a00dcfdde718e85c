//! NodePools as plans start from them: what their nodes would be like, and which machine types remain.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/provisioning/scheduling/nodeclaimtemplate.go;
//! scheduler.go `NewScheduler`, `buildDaemonOverheadGroups`; nodeclaim.go
//! `filterInstanceTypesByRequirements`.

use std::sync::Arc;

use super::misfit::TypeMisfit;
use super::pods::{ports_conflict, requirements, without_first_alternative};
use super::topology::tolerates;
use crate::cluster::api::TaintEffect;
use crate::cluster::api::pod::{HostPort, PodTemplate};
use crate::cluster::api::scheduling::Toleration;
use crate::control::karpenter::instance::{Choice, Unavailable, min_values};
use crate::control::karpenter::observation::Pod;
use crate::control::karpenter::pool::{MinValuesPolicy, NodePool};
use crate::control::karpenter::requirement::{NODE_POOL, Requirement, Requirements, Undefined};
use crate::units::Resources;

/// A NodePool ready to plan with.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    pub(crate) pool: Arc<NodePool>,
    pub(crate) requirements: Requirements,
    pub(crate) types: Vec<Typed>,
}

/// A machine type and what DaemonSets will take of it.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) choice: Choice,
    pub(crate) daemons: Load,
    ports: Vec<HostPort>,
}

/// Requests, and the pods that make them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Load {
    pub(crate) requests: Resources,
    pub(crate) pods: i64,
}

impl Load {
    pub(crate) fn add(&mut self, pod: &Pod) {
        self.requests += &pod.requests;
        self.pods += 1;
    }

    pub(crate) fn with(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.requests += &other.requests;
        sum.pods += other.pods;
        sum
    }
}

impl Template {
    /// A pool without any machine type that suits it is `None`.
    pub(crate) fn new(
        pool: &Arc<NodePool>,
        unavailable: &Unavailable,
        daemons: &[Arc<Pod>],
        policy: MinValuesPolicy,
    ) -> Option<Self> {
        let mut requirements = pool.requirements.clone();
        requirements.add_all(&Requirements::of_labels(&pool.labels));
        requirements.add(NODE_POOL, Requirement::one_of([Arc::clone(&pool.name)]));
        // DaemonSets that ask for nodes in a state all nodes come to are counted in.
        for key in ["karpenter.sh/registered", "karpenter.sh/initialized"] {
            requirements.add(key, Requirement::one_of([Arc::from("true")]));
        }
        let all = pool.options.iter().map(|option| Typed {
            choice: Choice::new(option, unavailable),
            daemons: Load::default(),
            ports: Vec::new(),
        });
        let all: Vec<Typed> = all.collect();
        let every: Vec<usize> = (0..all.len()).collect();
        let remaining =
            filter(&all, &every, &mut requirements.clone(), &[], &Load::default(), policy).ok()?;
        let mut types: Vec<Typed> = remaining.into_iter().map(|at| all[at].clone()).collect();
        for typed in &mut types {
            for daemon in daemons {
                if daemon_comes(pool, &requirements, &typed.choice, daemon) {
                    typed.daemons.add(daemon);
                    typed.ports.extend(host_ports(&daemon.template));
                }
            }
        }
        Some(Self { pool: Arc::clone(pool), requirements, types })
    }
}

fn host_ports(template: &PodTemplate) -> impl Iterator<Item = HostPort> {
    let containers = template.spec.containers.iter().chain(&template.spec.init_containers);
    containers.flat_map(|it| it.host_ports.iter().cloned())
}

/// Whether a DaemonSet's pod would come to a node of a type (`isDaemonPodCompatible`).
fn daemon_comes(pool: &NodePool, node: &Requirements, choice: &Choice, daemon: &Pod) -> bool {
    let mut tolerations = daemon.template.spec.tolerations.clone();
    let effect = Some(TaintEffect::PreferNoSchedule);
    tolerations.push(Toleration { exists: true, effect, ..Toleration::default() });
    if !tolerates(&tolerations, &pool.taints) {
        return false;
    }
    let mut template = PodTemplate::clone(&daemon.template);
    loop {
        let wanted = requirements(&template, false);
        if node.compatible(&wanted, Undefined::WellKnownAllowed).is_ok()
            && choice.option.requirements.intersects(&wanted).is_ok()
        {
            return true;
        }
        match without_first_alternative(&template) {
            Some(less) => template = less,
            None => return false,
        }
    }
}

/// The machine types, of those at `among`, that suit the requirements, have room and are to be had.
pub(super) fn filter(
    types: &[Typed],
    among: &[usize],
    requirements: &mut Requirements,
    ports: &[HostPort],
    load: &Load,
    policy: MinValuesPolicy,
) -> Result<Vec<usize>, TypeMisfit> {
    let mut misfit = TypeMisfit::default();
    let mut remaining = Vec::new();
    for &at in among {
        let typed = &types[at];
        if ports_conflict(&typed.ports, ports) {
            continue;
        }
        let total = typed.daemons.with(load);
        let suits = typed.choice.option.requirements.intersects(requirements).is_ok();
        let fits = total.requests.fits_in(typed.choice.allocatable())
            && total.pods <= typed.choice.option.machine.max_pods;
        let offered = typed.choice.suitable(requirements).next().is_some();
        misfit.saw(suits, fits, offered);
        if suits && fits && offered {
            remaining.push(at);
        }
    }
    if requirements.has_min_values() {
        let choices: Vec<Choice> = remaining.iter().map(|at| types[*at].choice.clone()).collect();
        for (key, open) in min_values(&choices, requirements).short {
            if policy == MinValuesPolicy::Strict {
                misfit.short_of_values.push(key);
                remaining.clear();
            } else if let Some(demand) = requirements.get(&key) {
                let mut less = demand.clone();
                less.min_values = Some(open);
                requirements.replace(&key, less);
            }
        }
    }
    if remaining.is_empty() { Err(misfit) } else { Ok(remaining) }
}
