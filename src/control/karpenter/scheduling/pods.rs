//! Pods as a plan sees them: what they demand, their preferences counted as demands, and what is
//! left when preferences are dropped one by one.
//!
//! sigs.k8s.io/karpenter, pkg/scheduling/requirements.go `newPodRequirements`;
//! pkg/controllers/provisioning/scheduling/preferences.go.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::pod::{HostPort, PodTemplate};
use crate::cluster::api::scheduling::{Toleration, WhenUnsatisfiable};
use crate::cluster::api::{Labels, TaintEffect};
use crate::control::karpenter::observation::Pod;
use crate::control::karpenter::pool::PreferencePolicy;
use crate::control::karpenter::requirement::Requirements;

/// Number of a variant.
pub(super) type VariantId = usize;

/// What pods of one shape demand, with some of their preferences dropped.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub(super) namespace: Arc<str>,
    pub(super) labels: Arc<Labels>,
    pub(super) template: Arc<PodTemplate>,
    /// Demands and the heaviest preference.
    pub(super) requirements: Requirements,
    /// Demands only.
    pub(super) strict: Requirements,
    pub(super) ports: Vec<HostPort>,
    /// The next variant, once asked for; `None` in it when nothing is left to drop.
    relaxed: Option<Option<VariantId>>,
    /// Groups of topology that rule it, once known.
    pub(super) groups: Option<Arc<[usize]>>,
}

/// All variants of a plan.
#[derive(Debug, Clone, Default)]
pub(super) struct Variants {
    all: Vec<Variant>,
    by_shape: BTreeMap<u32, VariantId>,
    policy: PreferencePolicy,
    /// Some pool has a taint `PreferNoSchedule`, which pods learn to tolerate at last.
    tolerate_prefer_no_schedule: bool,
}

impl Variants {
    pub(super) fn new(policy: PreferencePolicy, tolerate_prefer_no_schedule: bool) -> Self {
        Self { policy, tolerate_prefer_no_schedule, ..Self::default() }
    }

    /// The unrelaxed variant of a pod.
    pub(super) fn of(&mut self, pod: &Pod) -> VariantId {
        if let Some(known) = self.by_shape.get(&pod.shape) {
            return *known;
        }
        let id = self.add(&pod.namespace, &pod.labels, Arc::clone(&pod.template));
        self.by_shape.insert(pod.shape, id);
        id
    }

    fn add(
        &mut self,
        namespace: &Arc<str>,
        labels: &Arc<Labels>,
        template: Arc<PodTemplate>,
    ) -> VariantId {
        let strict = requirements(&template, false);
        let respects = self.policy == PreferencePolicy::Respect;
        let containers = template.spec.containers.iter().chain(&template.spec.init_containers);
        self.all.push(Variant {
            namespace: Arc::clone(namespace),
            labels: Arc::clone(labels),
            requirements: if respects { requirements(&template, true) } else { strict.clone() },
            strict,
            ports: containers.flat_map(|it| it.host_ports.iter().cloned()).collect(),
            template,
            relaxed: None,
            groups: None,
        });
        self.all.len() - 1
    }

    pub(super) fn get(&self, id: VariantId) -> &Variant {
        &self.all[id]
    }

    pub(super) fn get_mut(&mut self, id: VariantId) -> &mut Variant {
        &mut self.all[id]
    }

    /// The variant with one more preference dropped, if there is one left.
    pub(super) fn relax(&mut self, id: VariantId) -> Option<VariantId> {
        if let Some(known) = self.all[id].relaxed {
            return known;
        }
        let variant = &self.all[id];
        let relaxed = relaxed(&variant.template, self.tolerate_prefer_no_schedule);
        let (namespace, labels) = (Arc::clone(&variant.namespace), Arc::clone(&variant.labels));
        let next = relaxed.map(|template| self.add(&namespace, &labels, Arc::new(template)));
        self.all[id].relaxed = Some(next);
        next
    }
}

/// What a pod demands of a node's labels: its selector, the first of its alternative demands and,
/// when preferences count, the heaviest of them.
pub(super) fn requirements(template: &PodTemplate, preferences: bool) -> Requirements {
    let spec = &template.spec;
    let mut all = Requirements::of_labels(&spec.node_selector);
    let preferred = spec.affinity.node_preferred.iter().min_by_key(|(weight, _)| Reverse(*weight));
    if let Some((_, term)) = preferred.filter(|_| preferences) {
        all.add_all(&Requirements::of_expressions(&term.match_expressions));
    }
    if let Some(term) = spec.affinity.node_required.iter().flatten().next() {
        all.add_all(&Requirements::of_expressions(&term.match_expressions));
    }
    all
}

/// The template without its first alternative demand, when there are several.
pub(super) fn without_first_alternative(template: &PodTemplate) -> Option<PodTemplate> {
    let terms = template.spec.affinity.node_required.as_ref()?;
    (terms.len() > 1).then(|| {
        let mut less = template.clone();
        less.spec.affinity.node_required = Some(terms[1..].to_vec());
        less
    })
}

/// Drops the heaviest; of equals the first.
fn drop_heaviest<T: Clone>(terms: &[(i32, T)]) -> Option<Vec<(i32, T)>> {
    if terms.is_empty() {
        return None;
    }
    let mut sorted = terms.to_vec();
    sorted.sort_by_key(|(weight, _)| Reverse(*weight));
    sorted.remove(0);
    Some(sorted)
}

/// The template with one wish less, in the order in which wishes are given up
/// (preferences.go `Relax`).
fn relaxed(template: &PodTemplate, tolerate: bool) -> Option<PodTemplate> {
    if let Some(less) = without_first_alternative(template) {
        return Some(less);
    }
    let mut less = template.clone();
    let affinity = &mut less.spec.affinity;
    if let Some(rest) = drop_heaviest(&affinity.pod_preferred) {
        affinity.pod_preferred = rest;
        return Some(less);
    }
    if let Some(rest) = drop_heaviest(&affinity.pod_anti_preferred) {
        affinity.pod_anti_preferred = rest;
        return Some(less);
    }
    if let Some(rest) = drop_heaviest(&affinity.node_preferred) {
        affinity.node_preferred = rest;
        return Some(less);
    }
    let spread = &mut less.spec.topology_spread;
    let soft = |it: &WhenUnsatisfiable| *it == WhenUnsatisfiable::ScheduleAnyway;
    if let Some(at) = spread.iter().position(|it| soft(&it.when_unsatisfiable)) {
        spread.swap_remove(at);
        return Some(less);
    }
    let wish = Toleration {
        exists: true,
        effect: Some(TaintEffect::PreferNoSchedule),
        ..Toleration::default()
    };
    if tolerate && !less.spec.tolerations.contains(&wish) {
        less.spec.tolerations.push(wish);
        return Some(less);
    }
    None
}

/// Whether two sets of host ports cannot be on one node: same port and protocol, and addresses that
/// overlap (pkg/scheduling/hostportusage.go `matches`).
pub(super) fn ports_conflict(one: &[HostPort], two: &[HostPort]) -> bool {
    let anywhere = |port: &HostPort| matches!(&*port.ip, "0.0.0.0" | "::" | "");
    one.iter().any(|a| {
        two.iter().any(|b| {
            a.port == b.port
                && a.protocol == b.protocol
                && (a.ip == b.ip || anywhere(a) || anywhere(b))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::api::SelectorOperator;
    use crate::cluster::api::scheduling::{
        NodeInclusionPolicy, NodeSelectorTerm, PodAffinityTerm, TopologySpreadConstraint,
    };
    use crate::cluster::api::selector::SelectorRequirement;

    fn term(key: &str) -> NodeSelectorTerm {
        let requirement = SelectorRequirement {
            key: Arc::from(key),
            operator: SelectorOperator::Exists,
            values: Vec::new(),
        };
        NodeSelectorTerm { match_expressions: vec![requirement], match_fields: Vec::new() }
    }

    fn near(key: &str) -> PodAffinityTerm {
        PodAffinityTerm {
            label_selector: None,
            namespaces: Vec::new(),
            namespace_selector: None,
            topology_key: Arc::from(key),
            match_label_keys: Vec::new(),
            mismatch_label_keys: Vec::new(),
        }
    }

    fn spread(key: &str, when_unsatisfiable: WhenUnsatisfiable) -> TopologySpreadConstraint {
        TopologySpreadConstraint {
            max_skew: 1,
            topology_key: Arc::from(key),
            when_unsatisfiable,
            label_selector: None,
            min_domains: None,
            node_affinity_policy: NodeInclusionPolicy::Honor,
            node_taints_policy: NodeInclusionPolicy::Ignore,
            match_label_keys: Vec::new(),
        }
    }

    #[test]
    fn preferences_are_given_up_one_by_one_in_karpenters_order() {
        let mut template = PodTemplate::default();
        let affinity = &mut template.spec.affinity;
        affinity.node_required = Some(vec![term("r0"), term("r1")]);
        affinity.node_preferred = vec![(1, term("p1")), (9, term("p9"))];
        affinity.pod_preferred = vec![(1, near("near"))];
        affinity.pod_anti_preferred = vec![(1, near("far"))];
        template.spec.topology_spread = vec![
            spread("hard", WhenUnsatisfiable::DoNotSchedule),
            spread("soft", WhenUnsatisfiable::ScheduleAnyway),
        ];
        let mut variants = Variants::new(PreferencePolicy::Respect, true);
        let mut id =
            variants.add(&Arc::from("default"), &Arc::new(Labels::new()), Arc::new(template));
        let state = |variant: &Variant| {
            let spec = &variant.template.spec;
            let affinity = &spec.affinity;
            [
                affinity.node_required.as_ref().map_or(0, Vec::len),
                affinity.pod_preferred.len(),
                affinity.pod_anti_preferred.len(),
                affinity.node_preferred.len(),
                spec.topology_spread.len(),
                spec.tolerations.len(),
            ]
        };
        let mut seen = vec![(state(variants.get(id)), variants.get(id).requirements.to_string())];
        while let Some(next) = variants.relax(id) {
            id = next;
            let variant = variants.get(id);
            seen.push((state(variant), variant.requirements.to_string()));
            assert_eq!(variants.relax(id), variants.relax(id), "asked twice, made once");
        }
        let expected = [
            ([2, 1, 1, 2, 2, 0], "p9 Exists, r0 Exists"),
            ([1, 1, 1, 2, 2, 0], "p9 Exists, r1 Exists"),
            ([1, 0, 1, 2, 2, 0], "p9 Exists, r1 Exists"),
            ([1, 0, 0, 2, 2, 0], "p9 Exists, r1 Exists"),
            ([1, 0, 0, 1, 2, 0], "p1 Exists, r1 Exists"),
            ([1, 0, 0, 0, 2, 0], "r1 Exists"),
            ([1, 0, 0, 0, 1, 0], "r1 Exists"),
            ([1, 0, 0, 0, 1, 1], "r1 Exists"),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(state, text)| (*state, (*text).to_owned())).collect();
        assert_eq!(seen, expected);
        let kept = &variants.get(id).template.spec.topology_spread[0];
        assert_eq!(&*kept.topology_key, "hard");
    }

    #[test]
    fn ports_conflict_when_addresses_overlap() {
        let port = |ip: &str, protocol: &str, port| HostPort {
            ip: Arc::from(ip),
            protocol: Arc::from(protocol),
            port,
        };
        let one = [port("10.0.0.1", "TCP", 80)];
        let rows = [
            (port("10.0.0.1", "TCP", 80), true),
            (port("10.0.0.2", "TCP", 80), false),
            (port("0.0.0.0", "TCP", 80), true),
            (port("0.0.0.0", "UDP", 80), false),
            (port("0.0.0.0", "TCP", 81), false),
        ];
        for (two, expected) in rows {
            assert_eq!(ports_conflict(&one, std::slice::from_ref(&two)), expected, "{two:?}");
        }
    }
}
