//! Which domains a plan may still use: spreads, affinity to pods, and the anti-affinity of others.
//!
//! sigs.k8s.io/karpenter, pkg/controllers/provisioning/scheduling/topology.go, topologygroup.go,
//! topologynodefilter.go, topologydomaingroup.go. Where the original picks any of equal domains, the
//! first by name is picked here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::pods::{Variant, VariantId, Variants};
use crate::cluster::api::scheduling::{
    NodeInclusionPolicy, PodAffinityTerm, Toleration, TopologySpreadConstraint, WhenUnsatisfiable,
};
use crate::cluster::api::{LabelSelector, Labels, Taint};
use crate::control::karpenter::observation::{Node, Observation, Pod};
use crate::control::karpenter::pool::{NodePool, PreferencePolicy};
use crate::control::karpenter::requirement::{HOSTNAME, Requirement, Requirements, Undefined};
use crate::control::scheduler::rules::{completed, with_label_keys};
use crate::model::id::{NodeId, PodId};

/// Kind of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Spread,
    Affinity,
    AntiAffinity,
}

/// Which nodes count for a spread.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct NodeFilter {
    /// Any of them must hold.
    requirements: Vec<Requirements>,
    honors_taints: bool,
    honors_affinity: bool,
    tolerations: Vec<Toleration>,
}

impl NodeFilter {
    fn of(variant: &Variant, constraint: &TopologySpreadConstraint) -> Self {
        let spec = &variant.template.spec;
        let selector = Requirements::of_labels(&spec.node_selector);
        let requirements = match &spec.affinity.node_required {
            None => vec![selector],
            Some(terms) => {
                let with = |term: &crate::cluster::api::scheduling::NodeSelectorTerm| {
                    let mut all = selector.clone();
                    all.add_all(&Requirements::of_expressions(&term.match_expressions));
                    all
                };
                terms.iter().map(with).collect()
            }
        };
        Self {
            requirements,
            honors_taints: constraint.node_taints_policy == NodeInclusionPolicy::Honor,
            honors_affinity: constraint.node_affinity_policy == NodeInclusionPolicy::Honor,
            tolerations: spec.tolerations.clone(),
        }
    }

    fn matches(&self, taints: &[Taint], node: &Requirements) -> bool {
        let mut any = self.requirements.iter();
        let affine = !self.honors_affinity
            || self.requirements.is_empty()
            || any.any(|wanted| node.compatible(wanted, Undefined::Denied).is_ok());
        affine && (!self.honors_taints || tolerates(&self.tolerations, taints))
    }
}

/// Whether every taint is tolerated, those that are only a wish too
/// (pkg/scheduling/taints.go `Tolerates`).
pub(super) fn tolerates(tolerations: &[Toleration], taints: &[Taint]) -> bool {
    taints.iter().all(|taint| tolerations.iter().any(|it| it.tolerates(taint)))
}

/// What makes two rules the same: they are counted once for all pods they rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Rule {
    kind: Kind,
    key: Arc<str>,
    namespaces: BTreeSet<Arc<str>>,
    max_skew: i32,
    filter: Option<NodeFilter>,
    /// `None` selects nobody.
    selector: Option<LabelSelector>,
}

/// A rule and how many of the pods it selects are in each domain.
#[derive(Debug, Clone)]
struct Group {
    rule: Rule,
    min_domains: Option<i32>,
    domains: BTreeMap<Arc<str>, i32>,
}

/// Domains that NodePools could open, and the taints of the pools that could.
#[derive(Debug, Clone, Default)]
pub(crate) struct DomainGroups(BTreeMap<Arc<str>, Domains>);

/// The taints of the pools that could open each domain.
type Domains = BTreeMap<Arc<str>, Vec<Vec<Taint>>>;

impl DomainGroups {
    /// The domains of all labels that machines of these pools may carry (`buildDomainGroups`).
    pub(crate) fn of(pools: &[Arc<NodePool>]) -> Self {
        let mut groups = Self::default();
        for pool in pools {
            let mut own = pool.requirements.clone();
            own.add_all(&Requirements::of_labels(&pool.labels));
            for option in &pool.options {
                let mut all = own.clone();
                all.add_all(&option.requirements);
                for (key, requirement) in all.iter() {
                    groups.insert(key, requirement, &pool.taints);
                }
            }
            for (key, requirement) in own.iter() {
                if requirement.listed().is_some() {
                    groups.insert(key, requirement, &pool.taints);
                }
            }
        }
        groups
    }

    fn insert(&mut self, key: &Arc<str>, requirement: &Requirement, taints: &[Taint]) {
        let domains = self.0.entry(Arc::clone(key)).or_default();
        for domain in requirement.values() {
            let known = domains.entry(Arc::clone(domain)).or_default();
            if known.is_empty() || taints.is_empty() {
                *known = vec![taints.to_vec()];
            } else if !known[0].is_empty() && !known.iter().any(|other| other == taints) {
                known.push(taints.to_vec());
            }
        }
    }

    /// The domains a pod may use: all, or those of pools whose taints it tolerates.
    fn domains(&self, key: &str, tolerations: Option<&[Toleration]>) -> BTreeMap<Arc<str>, i32> {
        let usable = |sets: &Vec<Vec<Taint>>| {
            tolerations.is_none_or(|own| sets.iter().any(|taints| tolerates(own, taints)))
        };
        let all = self.0.get(key).into_iter().flatten();
        all.filter(|(_, sets)| usable(sets)).map(|(domain, _)| (Arc::clone(domain), 0)).collect()
    }
}

impl Group {
    fn selects(&self, variant: &Variant) -> bool {
        self.selects_labels(&variant.namespace, &variant.labels)
    }

    fn selects_labels(&self, namespace: &Arc<str>, labels: &Labels) -> bool {
        self.rule.namespaces.contains(namespace)
            && self.rule.selector.as_ref().is_some_and(|selector| selector.matches(labels))
    }

    fn counts(&self, variant: &Variant, taints: &[Taint], node: &Requirements) -> bool {
        self.selects(variant)
            && self.rule.filter.as_ref().is_none_or(|filter| filter.matches(taints, node))
    }

    fn record(&mut self, domain: &Arc<str>) {
        *self.domains.entry(Arc::clone(domain)).or_default() += 1;
    }

    fn count(&self, domain: &str) -> i32 {
        self.domains.get(domain).copied().unwrap_or(0)
    }

    fn is_hostname(&self) -> bool {
        &*self.rule.key == HOSTNAME
    }

    /// The domains that remain for a pod on a node (`Get`).
    fn next(&self, variant: &Variant, pod: &Requirement, node: &Requirement) -> Requirement {
        match self.rule.kind {
            Kind::Spread => self.next_spread(variant, pod, node),
            Kind::Affinity => self.next_affinity(variant, pod, node),
            Kind::AntiAffinity => self.next_anti_affinity(pod, node),
        }
    }

    /// One domain: that with the fewest pods whose skew stays within bounds
    /// (`nextDomainTopologySpread`).
    fn next_spread(&self, variant: &Variant, pod: &Requirement, node: &Requirement) -> Requirement {
        let own = i32::from(self.selects(variant));
        if let Some(host) = node.only().filter(|_| self.is_hostname()) {
            // A new node is a new domain, so the emptiest one has no pods.
            let fits = self.count(host) + own <= self.rule.max_skew;
            return if fits { one(host) } else { Requirement::none() };
        }
        let least = self.least_count(pod);
        let mut best: Option<(i32, &Arc<str>)> = None;
        for (domain, count) in self.domains.iter().filter(|(domain, _)| node.has(domain)) {
            let count = count.saturating_add(own);
            let better = best.is_none_or(|(fewest, _)| count < fewest);
            if count.saturating_sub(least) <= self.rule.max_skew && better {
                best = Some((count, domain));
            }
        }
        best.map_or_else(Requirement::none, |(_, domain)| one(domain))
    }

    /// The count of the emptiest domain a pod could use (`domainMinCount`).
    fn least_count(&self, pod: &Requirement) -> i32 {
        if self.is_hostname() {
            return 0;
        }
        let usable = || self.domains.iter().filter(|(domain, _)| pod.has(domain));
        let few = |wanted: i32| usable().count() < usize::try_from(wanted).unwrap_or(0);
        if self.min_domains.is_some_and(few) {
            return 0;
        }
        usable().map(|(_, count)| *count).min().unwrap_or(i32::MAX)
    }

    /// Domains with a pod in them; with none anywhere, one to begin in (`nextDomainAffinity`).
    fn next_affinity(
        &self,
        variant: &Variant,
        pod: &Requirement,
        node: &Requirement,
    ) -> Requirement {
        let nobody_yet = || {
            self.selects(variant)
                && !self.domains.iter().any(|(domain, count)| *count > 0 && pod.has(domain))
        };
        if let Some(host) = node.only().filter(|_| self.is_hostname()) {
            let fits = pod.has(host) && (self.count(host) > 0 || nobody_yet());
            return if fits { one(host) } else { Requirement::none() };
        }
        let inhabited = self
            .domains
            .iter()
            .filter(|(domain, count)| **count > 0 && pod.has(domain) && node.has(domain));
        let inhabited: Vec<Arc<str>> = inhabited.map(|(domain, _)| Arc::clone(domain)).collect();
        if !inhabited.is_empty() {
            return Requirement::one_of(inhabited);
        }
        if !nobody_yet() {
            return Requirement::none();
        }
        let both = pod.intersection(node);
        let first = self.domains.keys().find(|domain| both.has(domain));
        let any = self.domains.keys().find(|domain| pod.has(domain));
        Requirement::one_of(first.into_iter().chain(any).cloned())
    }

    /// Domains without a pod in them (`nextDomainAntiAffinity`).
    fn next_anti_affinity(&self, pod: &Requirement, node: &Requirement) -> Requirement {
        if let Some(host) = node.only().filter(|_| self.is_hostname()) {
            return if self.count(host) == 0 { one(host) } else { Requirement::none() };
        }
        let empty = self
            .domains
            .iter()
            .filter(|(domain, count)| **count == 0 && pod.has(domain) && node.has(domain));
        Requirement::one_of(empty.map(|(domain, _)| Arc::clone(domain)))
    }
}

fn one(domain: &Arc<str>) -> Requirement {
    Requirement::one_of([Arc::clone(domain)])
}

/// No domain is left for a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsatisfiable {
    pub(crate) kind: &'static str,
    pub(crate) key: Arc<str>,
}

/// All rules of a plan.
#[derive(Debug, Clone)]
pub(super) struct Topology<'a> {
    seen: &'a Observation,
    nodes: BTreeMap<NodeId, &'a Node>,
    /// The nodes that stay, as far as they have an object.
    staying: Vec<NodeId>,
    domain_groups: &'a DomainGroups,
    policy: PreferencePolicy,
    /// Pods that are planned: they are not counted where they are now.
    moving: BTreeSet<PodId>,
    groups: Vec<Group>,
    known: BTreeMap<Rule, usize>,
    /// Anti-affinity of pods, as those it keeps away see it.
    inverse: Vec<Group>,
    inverse_known: BTreeMap<Rule, usize>,
    /// Which inverse rules are a variant's own.
    inverse_of: BTreeMap<VariantId, Vec<usize>>,
}

impl<'a> Topology<'a> {
    pub(super) fn new(
        seen: &'a Observation,
        staying: Vec<NodeId>,
        domain_groups: &'a DomainGroups,
        policy: PreferencePolicy,
        moving: BTreeSet<PodId>,
    ) -> Self {
        let mut topology = Self {
            seen,
            nodes: seen.nodes.iter().map(|node| (node.id, &**node)).collect(),
            staying,
            domain_groups,
            policy,
            moving,
            groups: Vec::new(),
            known: BTreeMap::new(),
            inverse: Vec::new(),
            inverse_known: BTreeMap::new(),
            inverse_of: BTreeMap::new(),
        };
        topology.count_anti_affinity();
        topology
    }

    /// Counts where pods are that keep others away (`updateInverseAffinities`).
    fn count_anti_affinity(&mut self) {
        let seen = self.seen;
        for pod in &seen.pods {
            let terms = &pod.template.spec.affinity.pod_anti_required;
            if terms.is_empty() || self.moving.contains(&pod.id) {
                continue;
            }
            let node = pod.node.and_then(|node| self.nodes.get(&node).copied());
            let Some(node) = node else { continue };
            for term in terms {
                let rule = self.term_rule(Kind::AntiAffinity, term, &pod.namespace, &pod.labels);
                let at = self.inverse_group(rule, &pod.template.spec.tolerations);
                if let Some(domain) = node.labels.get(&term.topology_key) {
                    self.inverse[at].record(domain);
                }
            }
        }
    }

    fn inverse_group(&mut self, rule: Rule, tolerations: &[Toleration]) -> usize {
        if let Some(known) = self.inverse_known.get(&rule) {
            return *known;
        }
        let domains = self.domain_groups.domains(&rule.key, Some(tolerations));
        self.inverse.push(Group { rule: rule.clone(), min_domains: None, domains });
        self.inverse_known.insert(rule, self.inverse.len() - 1);
        self.inverse.len() - 1
    }

    fn term_rule(
        &self,
        kind: Kind,
        term: &PodAffinityTerm,
        namespace: &Arc<str>,
        labels: &Labels,
    ) -> Rule {
        let own = term.namespaces.is_empty() && term.namespace_selector.is_none();
        let mut namespaces: BTreeSet<Arc<str>> = term.namespaces.iter().cloned().collect();
        if own {
            namespaces.insert(Arc::clone(namespace));
        }
        if let Some(selector) = &term.namespace_selector {
            let all = self.seen.namespaces.iter();
            let chosen = all.filter(|(_, labels)| selector.matches(labels));
            namespaces.extend(chosen.map(|(name, _)| Arc::clone(name)));
        }
        Rule {
            kind,
            key: Arc::clone(&term.topology_key),
            namespaces,
            max_skew: i32::MAX,
            filter: None,
            selector: term.label_selector.clone().map(|it| completed(it, term, labels)),
        }
    }

    /// Makes the rules of a variant known, and tells which they are (`Update`).
    pub(super) fn rule(&mut self, variants: &mut Variants, id: VariantId) -> Arc<[usize]> {
        if let Some(known) = &variants.get(id).groups {
            return Arc::clone(known);
        }
        let variant = variants.get(id).clone();
        let spec = &variant.template.spec;
        let respects = self.policy == PreferencePolicy::Respect;
        let mut groups = Vec::new();
        for constraint in &spec.topology_spread {
            let hard = constraint.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule;
            if hard || respects {
                groups.push(self.spread_group(&variant, constraint));
            }
        }
        let affinity = &spec.affinity;
        let soft = |terms: &[(i32, PodAffinityTerm)]| {
            let terms = if respects { terms } else { &[] };
            terms.iter().map(|(_, term)| term.clone()).collect::<Vec<_>>()
        };
        let near = affinity.pod_required.iter().cloned().chain(soft(&affinity.pod_preferred));
        let far =
            affinity.pod_anti_required.iter().cloned().chain(soft(&affinity.pod_anti_preferred));
        let near = near.map(|term| (Kind::Affinity, term));
        let terms: Vec<_> = near.chain(far.map(|term| (Kind::AntiAffinity, term))).collect();
        for (kind, term) in terms {
            let rule = self.term_rule(kind, &term, &variant.namespace, &variant.labels);
            groups.push(self.group(rule, None, Some(&spec.tolerations)));
        }
        let inverse = affinity.pod_anti_required.iter().map(|term| {
            let rule =
                self.term_rule(Kind::AntiAffinity, term, &variant.namespace, &variant.labels);
            self.inverse_group(rule, &spec.tolerations)
        });
        let inverse: Vec<usize> = inverse.collect();
        self.inverse_of.insert(id, inverse);
        groups.sort_unstable();
        groups.dedup();
        let groups: Arc<[usize]> = groups.into();
        variants.get_mut(id).groups = Some(Arc::clone(&groups));
        groups
    }

    fn spread_group(&mut self, variant: &Variant, constraint: &TopologySpreadConstraint) -> usize {
        let filter = NodeFilter::of(variant, constraint);
        let honors = filter.honors_taints;
        let rule = Rule {
            kind: Kind::Spread,
            key: Arc::clone(&constraint.topology_key),
            namespaces: BTreeSet::from([Arc::clone(&variant.namespace)]),
            max_skew: constraint.max_skew,
            filter: Some(filter),
            selector: with_label_keys(constraint, &variant.labels),
        };
        let tolerations = honors.then_some(&*variant.template.spec.tolerations);
        self.group(rule, constraint.min_domains, tolerations)
    }

    fn group(
        &mut self,
        rule: Rule,
        min_domains: Option<i32>,
        tolerations: Option<&[Toleration]>,
    ) -> usize {
        if let Some(known) = self.known.get(&rule) {
            return *known;
        }
        let domains = self.domain_groups.domains(&rule.key, tolerations);
        let mut group = Group { rule: rule.clone(), min_domains, domains };
        self.count_domains(&mut group);
        self.groups.push(group);
        self.known.insert(rule, self.groups.len() - 1);
        self.groups.len() - 1
    }

    /// Counts the pods there are (`countDomains`).
    fn count_domains(&self, group: &mut Group) {
        let filter = group.rule.filter.clone();
        let counts = |node: &Node| {
            let labels = || Requirements::of_labels(&node.labels);
            filter.as_ref().is_none_or(|filter| filter.matches(&node.taints, &labels()))
        };
        for node in self.staying.iter().filter_map(|id| self.nodes.get(id)) {
            if let Some(domain) = node.labels.get(&group.rule.key).filter(|_| counts(node)) {
                group.domains.entry(Arc::clone(domain)).or_default();
            }
        }
        for pod in &self.seen.pods {
            let selected = match &group.rule.selector {
                // Nobody is selected, and yet everybody of the namespace is counted.
                None => group.rule.namespaces.contains(&pod.namespace),
                Some(_) => group.selects_labels(&pod.namespace, &pod.labels),
            };
            if !selected || !is_counted(pod) || self.moving.contains(&pod.id) {
                continue;
            }
            let node = pod.node.and_then(|node| self.nodes.get(&node).copied());
            let Some(node) = node.filter(|node| counts(node)) else { continue };
            let domain = node.labels.get(&group.rule.key);
            if let Some(domain) = domain.or_else(|| group.is_hostname().then_some(&node.name)) {
                group.record(domain);
            }
        }
    }

    /// What the rules leave of a node's labels for a pod (`AddRequirements`).
    pub(super) fn narrow(
        &self,
        variants: &Variants,
        id: VariantId,
        taints: &[Taint],
        node: &Requirements,
    ) -> Result<Requirements, Unsatisfiable> {
        let variant = variants.get(id);
        let own = variant.groups.iter().flat_map(|groups| groups.iter());
        let own = own.map(|at| &self.groups[*at]);
        let others = self.inverse.iter().filter(|group| group.counts(variant, taints, node));
        let mut narrowed = Requirements::new();
        for group in own.chain(others) {
            let key = &group.rule.key;
            let any = Requirement::any();
            let pod_domains = variant.strict.get(key).unwrap_or(&any);
            let node_domains = node.get(key).unwrap_or(&any);
            let domains = group.next(variant, pod_domains, node_domains);
            if domains.values().is_empty() {
                let kind = match group.rule.kind {
                    Kind::Spread => "topology spread",
                    Kind::Affinity => "pod affinity",
                    Kind::AntiAffinity => "pod anti-affinity",
                };
                return Err(Unsatisfiable { kind, key: Arc::clone(key) });
            }
            narrowed.add(key, domains);
        }
        Ok(narrowed)
    }

    /// A pod is planned for a node of these labels (`Record`).
    pub(super) fn record(
        &mut self,
        variants: &Variants,
        id: VariantId,
        taints: &[Taint],
        node: &Requirements,
    ) {
        let variant = variants.get(id);
        for group in &mut self.groups {
            if !group.counts(variant, taints, node) {
                continue;
            }
            let Some(domains) = node.get(&group.rule.key) else { continue };
            if group.rule.kind == Kind::AntiAffinity {
                domains.values().iter().for_each(|domain| group.record(domain));
            } else if let Some(domain) = domains.only() {
                group.record(domain);
            }
        }
        for at in self.inverse_of.get(&id).into_iter().flatten() {
            let group = &mut self.inverse[*at];
            let domains = node.get(&group.rule.key).map(Requirement::values);
            domains.into_iter().flatten().for_each(|domain| group.record(domain));
        }
    }

    /// A planned node becomes a domain (`Register`).
    pub(super) fn register_host(&mut self, host: &Arc<str>) {
        for group in self.groups.iter_mut().chain(&mut self.inverse) {
            if group.is_hostname() {
                group.domains.entry(Arc::clone(host)).or_default();
            }
        }
    }
}

/// Pods that are bound and neither ended nor going (`IgnoredForTopology`).
fn is_counted(pod: &Pod) -> bool {
    pod.node.is_some() && pod.is_active()
}
