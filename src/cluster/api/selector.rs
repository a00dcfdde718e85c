//! Label selectors: which objects one means.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::api::meta::Labels;

/// `metav1.LabelSelector`. All parts must hold; an empty selector matches everything.
///
/// A selector that is absent (`null`) matches nothing; that is an `Option::None` where it is used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LabelSelector {
    /// `matchLabels`: key equals value.
    pub match_labels: Labels,
    /// `matchExpressions`.
    pub match_expressions: Vec<SelectorRequirement>,
}

/// One expression of a selector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SelectorRequirement {
    /// Label key.
    pub key: Arc<str>,
    /// How the label's value relates to `values`.
    pub operator: SelectorOperator,
    /// Values of the operator; empty for the existence operators.
    pub values: Vec<Arc<str>>,
}

/// Operators of label selectors and node selector terms; the last two only occur in the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelectorOperator {
    /// The label exists with one of the values.
    In,
    /// The label is absent or has none of the values.
    NotIn,
    /// The label exists.
    Exists,
    /// The label does not exist.
    DoesNotExist,
    /// The label is an integer above the value.
    Gt,
    /// The label is an integer below the value.
    Lt,
}

impl SelectorRequirement {
    /// Whether a label value (or its absence) satisfies this requirement.
    ///
    /// apimachinery, labels/selector.go `Requirement.Matches`.
    #[must_use]
    pub fn matches_value(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|v| &**v == value);
        match (self.operator, value) {
            (SelectorOperator::In, Some(value)) => listed(value),
            (SelectorOperator::NotIn, Some(value)) => !listed(value),
            (SelectorOperator::NotIn | SelectorOperator::DoesNotExist, None)
            | (SelectorOperator::Exists, Some(_)) => true,
            (SelectorOperator::Gt | SelectorOperator::Lt, Some(value)) => self.compares(value),
            (SelectorOperator::DoesNotExist, Some(_))
            | (
                SelectorOperator::In
                | SelectorOperator::Exists
                | SelectorOperator::Gt
                | SelectorOperator::Lt,
                None,
            ) => false,
        }
    }

    fn compares(&self, value: &str) -> bool {
        let (Ok(left), Some(Ok(right))) =
            (value.parse::<i64>(), self.values.first().map(|v| v.parse::<i64>()))
        else {
            return false;
        };
        if self.operator == SelectorOperator::Gt { left > right } else { left < right }
    }
}

impl LabelSelector {
    /// A selector of exactly these labels.
    #[must_use]
    pub fn of_labels(labels: Labels) -> Self {
        Self { match_labels: labels, match_expressions: Vec::new() }
    }

    /// Whether an object with these labels is selected.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|wanted| wanted.matches_value(labels.get(&wanted.key).map(|v| &**v)))
    }

    /// Whether it states nothing, and so matches everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }
}

/// Many selectors, asked together which of them select an object: each is filed under one label that
/// it demands, so that an object meets only those filed under its own labels.
#[derive(Debug, Clone, Default)]
pub struct SelectorIndex {
    by_label: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Vec<usize>>>,
    /// Those that demand no label by its value.
    others: Vec<usize>,
}

impl SelectorIndex {
    /// Files selectors under their positions; an absent one selects nothing.
    pub fn new<'a>(selectors: impl IntoIterator<Item = Option<&'a LabelSelector>>) -> Self {
        let mut index = Self::default();
        for (position, selector) in selectors.into_iter().enumerate() {
            let Some(selector) = selector else { continue };
            let filed = match selector.match_labels.first_key_value() {
                Some((key, value)) => {
                    let by_value = index.by_label.entry(Arc::clone(key)).or_default();
                    by_value.entry(Arc::clone(value)).or_default()
                }
                None => &mut index.others,
            };
            filed.push(position);
        }
        index
    }

    /// Positions, ascending, of all selectors that may select an object with these labels; of those
    /// that are left out none does.
    #[must_use]
    pub fn candidates(&self, labels: &Labels) -> Vec<usize> {
        let mut found = self.others.clone();
        for (key, value) in labels {
            found.extend(
                self.by_label.get(key).and_then(|values| values.get(value)).into_iter().flatten(),
            );
        }
        found.sort_unstable();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_leaves_out_only_what_does_not_select() {
        let exists = SelectorRequirement {
            key: Arc::from("tier"),
            operator: SelectorOperator::Exists,
            values: Vec::new(),
        };
        let selectors = [
            Some(LabelSelector::of_labels(labels(&[("app", "web"), ("tier", "front")]))),
            Some(LabelSelector::of_labels(labels(&[("app", "db")]))),
            None,
            Some(LabelSelector { match_expressions: vec![exists], ..LabelSelector::default() }),
            Some(LabelSelector::default()),
        ];
        let index = SelectorIndex::new(selectors.iter().map(Option::as_ref));
        let rows = [
            (vec![], vec![3, 4]),
            (vec![("app", "web")], vec![0, 3, 4]),
            (vec![("app", "web"), ("tier", "front")], vec![0, 3, 4]),
            (vec![("app", "db"), ("x", "y")], vec![1, 3, 4]),
        ];
        for (pairs, expected) in rows {
            let labels = labels(&pairs);
            let candidates = index.candidates(&labels);
            assert_eq!(candidates, expected, "{pairs:?}");
            for (position, selector) in selectors.iter().enumerate() {
                let selects = selector.as_ref().is_some_and(|selector| selector.matches(&labels));
                assert!(!selects || candidates.contains(&position), "{pairs:?} {position}");
            }
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(k, v)| (Arc::from(*k), Arc::from(*v))).collect()
    }

    #[test]
    fn each_operator_treats_presence_and_absence_as_kubernetes_does() {
        use SelectorOperator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
        let rows = [
            (In, Some("a"), true),
            (In, Some("c"), false),
            (In, None, false),
            (NotIn, Some("a"), false),
            (NotIn, None, true),
            (Exists, Some("x"), true),
            (Exists, None, false),
            (DoesNotExist, None, true),
            (DoesNotExist, Some("a"), false),
            (Gt, None, false),
            (Lt, Some("a"), false),
        ];
        for (operator, value, expected) in rows {
            let values = vec![Arc::from("a"), Arc::from("b")];
            let wanted = SelectorRequirement { key: Arc::from("k"), operator, values };
            assert_eq!(wanted.matches_value(value), expected, "{operator:?} {value:?}");
        }
        let above =
            SelectorRequirement { key: Arc::from("k"), operator: Gt, values: vec![Arc::from("4")] };
        assert!(above.matches_value(Some("5")) && !above.matches_value(Some("4")));
    }

    #[test]
    fn all_parts_must_hold_and_empty_matches_everything() {
        let selector = LabelSelector::of_labels(labels(&[("app", "web")]));
        assert!(selector.matches(&labels(&[("app", "web"), ("tier", "x")])));
        assert!(!selector.matches(&labels(&[("app", "api")])));
        assert!(LabelSelector::default().matches(&labels(&[])));
    }
}
