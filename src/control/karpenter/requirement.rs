//! Requirements on labels as sets of values, and what remains of two of them together.
//!
//! sigs.k8s.io/karpenter, pkg/scheduling/requirement.go and requirements.go: a set is listed or is
//! everything but a list, and may be bounded as a whole number. A plan of a node keeps one such set
//! for every label, and each pod that joins it narrows them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::cluster::api::selector::SelectorRequirement;
use crate::cluster::api::{Labels, SelectorOperator};

/// The values one label may have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Requirement {
    /// `values` are those that are not allowed.
    complement: bool,
    values: BTreeSet<Arc<str>>,
    at_least: Option<i64>,
    at_most: Option<i64>,
    /// So many different values must stay open (`minValues`).
    pub min_values: Option<usize>,
}

/// The operator that says the same as a set of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// One of a list.
    In,
    /// None of a list.
    NotIn,
    /// Any value.
    Exists,
    /// No value.
    DoesNotExist,
}

impl Requirement {
    /// Any value.
    #[must_use]
    pub fn any() -> Self {
        Self { complement: true, ..Self::default() }
    }

    /// No value: the label must not be there.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// One of these values.
    #[must_use]
    pub fn one_of(values: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self { values: values.into_iter().collect(), ..Self::default() }
    }

    /// None of these values.
    #[must_use]
    pub fn none_of(values: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self { complement: true, values: values.into_iter().collect(), ..Self::default() }
    }

    /// A whole number of at least this.
    #[must_use]
    pub fn at_least(bound: i64) -> Self {
        Self { at_least: Some(bound), ..Self::any() }
    }

    /// A whole number of at most this.
    #[must_use]
    pub fn at_most(bound: i64) -> Self {
        Self { at_most: Some(bound), ..Self::any() }
    }

    /// The same with so many different values that must stay open.
    #[must_use]
    pub fn open_for(self, min_values: usize) -> Self {
        Self { min_values: Some(min_values), ..self }
    }

    /// What an expression of a node selector says. `Gt` and `Lt` become bounds that belong to the
    /// set; a bound that is no number counts as 0, as the API server would not have let it pass.
    #[must_use]
    pub fn of(expression: &SelectorRequirement) -> Self {
        let values = || expression.values.iter().cloned();
        let bound = || expression.values.first().and_then(|v| v.parse::<i64>().ok()).unwrap_or(0);
        match expression.operator {
            SelectorOperator::In => Self::one_of(values()),
            SelectorOperator::NotIn => Self::none_of(values()),
            SelectorOperator::Exists => Self::any(),
            SelectorOperator::DoesNotExist => Self::none(),
            SelectorOperator::Gt => match bound().checked_add(1) {
                Some(bound) => Self::at_least(bound),
                None => Self::none(),
            },
            SelectorOperator::Lt => match bound().checked_sub(1) {
                Some(bound) => Self::at_most(bound),
                None => Self::none(),
            },
        }
    }

    fn within(value: &str, at_least: Option<i64>, at_most: Option<i64>) -> bool {
        if at_least.is_none() && at_most.is_none() {
            return true;
        }
        let number = value.parse::<i64>();
        number.is_ok_and(|n| {
            at_least.is_none_or(|bound| n >= bound) && at_most.is_none_or(|bound| n <= bound)
        })
    }

    fn bounds(&self, other: &Self) -> (Option<i64>, Option<i64>) {
        let at_least = self.at_least.max(other.at_least);
        let at_most = match (self.at_most, other.at_most) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        (at_least, at_most)
    }

    /// What both allow.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (at_least, at_most) = self.bounds(other);
        let min_values = self.min_values.max(other.min_values);
        if at_least.zip(at_most).is_some_and(|(low, high)| low > high) {
            return Self { min_values, ..Self::none() };
        }
        let complement = self.complement && other.complement;
        let mut values: BTreeSet<Arc<str>> = match (self.complement, other.complement) {
            (true, true) => self.values.union(&other.values).cloned().collect(),
            (true, false) => other.values.difference(&self.values).cloned().collect(),
            (false, true) => self.values.difference(&other.values).cloned().collect(),
            (false, false) => self.values.intersection(&other.values).cloned().collect(),
        };
        values.retain(|value| Self::within(value, at_least, at_most));
        let (at_least, at_most) = if complement { (at_least, at_most) } else { (None, None) };
        Self { complement, values, at_least, at_most, min_values }
    }

    /// Whether some value is allowed by both.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        let (at_least, at_most) = self.bounds(other);
        if at_least.zip(at_most).is_some_and(|(low, high)| low > high) {
            return false;
        }
        let inside = |value: &&Arc<str>| Self::within(value, at_least, at_most);
        match (self.complement, other.complement) {
            (true, true) => true,
            (true, false) => {
                other.values.iter().filter(inside).any(|value| !self.values.contains(value))
            }
            (false, true) => {
                self.values.iter().filter(inside).any(|value| !other.values.contains(value))
            }
            (false, false) => {
                self.values.iter().filter(inside).any(|value| other.values.contains(value))
            }
        }
    }

    /// Whether a value is allowed.
    #[must_use]
    pub fn has(&self, value: &str) -> bool {
        self.values.contains(value) != self.complement
            && Self::within(value, self.at_least, self.at_most)
    }

    /// The listed values: those allowed, or those not allowed of everything else.
    #[must_use]
    pub fn values(&self) -> &BTreeSet<Arc<str>> {
        &self.values
    }

    /// The values allowed, when they are listed.
    #[must_use]
    pub fn listed(&self) -> Option<&BTreeSet<Arc<str>>> {
        (!self.complement).then_some(&self.values)
    }

    /// The only value allowed, if there is one.
    #[must_use]
    pub fn only(&self) -> Option<&Arc<str>> {
        if self.complement || self.values.len() != 1 { None } else { self.values.first() }
    }

    /// The operator that says the same.
    #[must_use]
    pub fn operator(&self) -> Operator {
        match (self.complement, self.values.is_empty()) {
            (true, true) => Operator::Exists,
            (true, false) => Operator::NotIn,
            (false, true) => Operator::DoesNotExist,
            (false, false) => Operator::In,
        }
    }

    /// Whether the label may be missing.
    fn is_negative(&self) -> bool {
        matches!(self.operator(), Operator::NotIn | Operator::DoesNotExist)
    }
}

/// How many values of a list are printed.
const PRINTED: usize = 5;

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.operator() {
            Operator::Exists => f.write_str("Exists")?,
            Operator::DoesNotExist => f.write_str("DoesNotExist")?,
            list @ (Operator::In | Operator::NotIn) => {
                let word = if list == Operator::In { "In" } else { "NotIn" };
                let mut shown: Vec<String> =
                    self.values.iter().take(PRINTED).map(ToString::to_string).collect();
                if self.values.len() > PRINTED {
                    shown.push(format!("and {} others", self.values.len() - PRINTED));
                }
                write!(f, "{word} [{}]", shown.join(" "))?;
            }
        }
        if let Some(bound) = self.at_least {
            write!(f, " >={bound}")?;
        }
        if let Some(bound) = self.at_most {
            write!(f, " <={bound}")?;
        }
        match self.min_values {
            Some(least) => write!(f, " minValues {least}"),
            None => Ok(()),
        }
    }
}

/// Requirements by label.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Requirements(BTreeMap<Arc<str>, Requirement>);

/// Why requirements cannot be met together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clash {
    /// The label is demanded and nothing is known of it.
    Unknown(Arc<str>),
    /// No value of the label is allowed by both.
    Apart {
        /// The label.
        key: Arc<str>,
        /// What is demanded.
        incoming: Box<Requirement>,
        /// What there is.
        existing: Box<Requirement>,
    },
}

impl fmt::Display for Clash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(key) => write!(f, "label \"{key}\" does not have known values"),
            Self::Apart { key, incoming, existing } => {
                write!(f, "key {key}, {key} {incoming} not in {key} {existing}")
            }
        }
    }
}

/// Labels that nothing needs to be known of: every machine has them with some value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undefined {
    /// A demanded label must be known.
    Denied,
    /// Well-known labels may be unknown (`AllowUndefinedWellKnownLabels`).
    WellKnownAllowed,
}

impl Requirements {
    /// No requirements.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Exactly these labels.
    #[must_use]
    pub fn of_labels(labels: &Labels) -> Self {
        let mut all = Self::new();
        for (key, value) in labels {
            all.add(key, Requirement::one_of([Arc::clone(value)]));
        }
        all
    }

    /// The expressions of a term of node affinity.
    #[must_use]
    pub fn of_expressions(expressions: &[SelectorRequirement]) -> Self {
        let mut all = Self::new();
        for expression in expressions {
            all.add(&expression.key, Requirement::of(expression));
        }
        all
    }

    /// Adds a requirement to what is demanded of its label already.
    pub fn add(&mut self, key: &str, requirement: Requirement) {
        let key = normalized(key);
        match self.0.get_mut(key) {
            Some(known) => *known = requirement.intersection(known),
            None => {
                self.0.insert(Arc::from(key), requirement);
            }
        }
    }

    /// Adds all of others.
    pub fn add_all(&mut self, others: &Self) {
        for (key, requirement) in &others.0 {
            self.add(key, requirement.clone());
        }
    }

    /// Replaces what is demanded of a label.
    pub fn replace(&mut self, key: &str, requirement: Requirement) {
        self.0.insert(Arc::from(key), requirement);
    }

    /// Forgets a label.
    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// What is demanded of a label, if anything.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Requirement> {
        self.0.get(key)
    }

    /// Whether a value of a label is allowed; a label of which nothing is demanded may have any.
    #[must_use]
    pub fn allows(&self, key: &str, value: &str) -> bool {
        self.get(key).is_none_or(|requirement| requirement.has(value))
    }

    /// All of them by label.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Requirement)> {
        self.0.iter()
    }

    /// Whether nothing is demanded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any label must keep several values open.
    #[must_use]
    pub fn has_min_values(&self) -> bool {
        self.0.values().any(|requirement| requirement.min_values.is_some())
    }

    /// Whether what is demanded (`wanted`) can be met by what is known (`self`).
    ///
    /// # Errors
    /// The first label that stands in the way.
    pub fn compatible(&self, wanted: &Self, undefined: Undefined) -> Result<(), Clash> {
        for (key, requirement) in &wanted.0 {
            if undefined == Undefined::WellKnownAllowed && is_well_known(key) {
                continue;
            }
            if !self.0.contains_key(key) && !requirement.is_negative() {
                return Err(Clash::Unknown(Arc::clone(key)));
            }
        }
        self.intersects(wanted)
    }

    /// Whether no label that both speak of keeps them apart.
    ///
    /// # Errors
    /// The first label that does.
    pub fn intersects(&self, wanted: &Self) -> Result<(), Clash> {
        for (key, incoming) in &wanted.0 {
            let Some(existing) = self.0.get(key) else { continue };
            let both_negative = incoming.is_negative() && existing.is_negative();
            if !existing.intersects(incoming) && !both_negative {
                return Err(Clash::Apart {
                    key: Arc::clone(key),
                    incoming: Box::new(incoming.clone()),
                    existing: Box::new(existing.clone()),
                });
            }
        }
        Ok(())
    }
}

impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().filter(|(key, _)| &***key != HOSTNAME);
        let shown: Vec<String> = shown.map(|(key, value)| format!("{key} {value}")).collect();
        f.write_str(&shown.join(", "))
    }
}

/// `kubernetes.io/hostname`.
pub const HOSTNAME: &str = "kubernetes.io/hostname";
/// `topology.kubernetes.io/zone`.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// `node.kubernetes.io/instance-type`.
pub const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// `karpenter.sh/capacity-type`: `spot` or `on-demand`.
pub const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
/// `karpenter.sh/nodepool`.
pub const NODE_POOL: &str = "karpenter.sh/nodepool";

/// The present name of a label that has an old one (apis/v1/labels.go `NormalizedLabels`).
#[must_use]
pub fn normalized(key: &str) -> &str {
    match key {
        "failure-domain.beta.kubernetes.io/zone" => ZONE,
        "failure-domain.beta.kubernetes.io/region" => "topology.kubernetes.io/region",
        "beta.kubernetes.io/arch" => "kubernetes.io/arch",
        "beta.kubernetes.io/os" => "kubernetes.io/os",
        "beta.kubernetes.io/instance-type" => INSTANCE_TYPE,
        other => other,
    }
}

/// Whether every machine has a value of this label that the plan need not know yet
/// (apis/v1/labels.go `WellKnownLabels`; karpenter-provider-aws, pkg/apis/v1/labels.go `init`).
#[must_use]
pub fn is_well_known(key: &str) -> bool {
    const AWS: [&str; 7] = [
        "capacity-reservation-id",
        "capacity-reservation-type",
        "capacity-reservation-interruptible",
        "encryption-in-transit-supported",
        "nitro-sandbox",
        "placement-group-id",
        "placement-group-partition",
    ];
    matches!(
        key,
        NODE_POOL
            | ZONE
            | "topology.kubernetes.io/region"
            | INSTANCE_TYPE
            | "kubernetes.io/arch"
            | "kubernetes.io/os"
            | CAPACITY_TYPE
            | "node.kubernetes.io/windows-build"
            | "topology.k8s.aws/zone-id"
    ) || key
        .strip_prefix("karpenter.k8s.aws/")
        .is_some_and(|name| name.starts_with("instance-") || AWS.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(list: &[&str]) -> Vec<Arc<str>> {
        list.iter().map(|value| Arc::from(*value)).collect()
    }

    fn expression(operator: SelectorOperator, list: &[&str]) -> Requirement {
        Requirement::of(&SelectorRequirement {
            key: Arc::from("key"),
            operator,
            values: values(list),
        })
    }

    /// The table of requirement_test.go: every operator with every other.
    #[test]
    fn two_sets_together_allow_what_both_allow() {
        use SelectorOperator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
        let sets = [
            expression(Exists, &[]),
            expression(DoesNotExist, &[]),
            expression(In, &["1", "A"]),
            expression(In, &["9"]),
            expression(NotIn, &["1", "B"]),
            expression(Gt, &["1"]),
            expression(Lt, &["9"]),
            expression(Gt, &["9"]),
            Requirement::at_least(9),
            Requirement::at_most(1),
        ];
        let probes = ["1", "2", "9", "10", "A", "B", "C", "-1"];
        for one in &sets {
            for two in &sets {
                let both = one.intersection(two);
                for value in probes {
                    let expected = one.has(value) && two.has(value);
                    assert_eq!(both.has(value), expected, "{value} of {one} and {two}");
                }
                let some = probes.iter().any(|value| both.has(value));
                // Beyond the probes only open sets have values, and those meet within the probes,
                // unless their bounds lie apart.
                assert_eq!(one.intersects(two), some, "{one} with {two}");
                assert_eq!(one.intersects(two), two.intersects(one), "{one} with {two}");
            }
        }
    }

    #[test]
    fn what_is_unknown_is_denied_unless_every_machine_has_it() {
        let node = Requirements::of_labels(&Labels::from([(Arc::from("team"), Arc::from("a"))]));
        let want = |key: &str, requirement| {
            let mut wanted = Requirements::new();
            wanted.add(key, requirement);
            wanted
        };
        let one = |value: &str| Requirement::one_of([Arc::from(value)]);
        let check = |wanted: &Requirements, undefined| node.compatible(wanted, undefined).is_ok();
        let rows = [
            (want("team", one("a")), true, true),
            (want("team", one("b")), false, false),
            (want("other", one("b")), false, false),
            (want("other", Requirement::any()), false, false),
            (want("other", Requirement::none()), true, true),
            (want("other", Requirement::none_of([Arc::from("b")])), true, true),
            (want("team", Requirement::none()), false, false),
            (want(ZONE, one("b")), false, true),
            (want("failure-domain.beta.kubernetes.io/zone", one("b")), false, true),
            (want("karpenter.k8s.aws/instance-family", one("m5")), false, true),
        ];
        for (wanted, denied, allowed) in rows {
            assert_eq!(check(&wanted, Undefined::Denied), denied, "{wanted}");
            assert_eq!(check(&wanted, Undefined::WellKnownAllowed), allowed, "{wanted}");
        }
    }

    #[test]
    fn sets_are_told_in_karpenters_words() {
        let mut all = Requirements::new();
        all.add(
            "b",
            Requirement { min_values: Some(2), ..Requirement::one_of(values(&["x", "y"])) },
        );
        all.add("a", Requirement::at_least(3));
        all.add("a", Requirement::at_most(7));
        assert_eq!(all.to_string(), "a Exists >=3 <=7, b In [x y] minValues 2");
        let many = Requirement::none_of(values(&["1", "2", "3", "4", "5", "6", "7"]));
        assert_eq!(many.to_string(), "NotIn [1 2 3 4 5 and 2 others]");
        assert_eq!(
            Requirement::none().intersection(&Requirement::any()).to_string(),
            "DoesNotExist"
        );
    }
}
