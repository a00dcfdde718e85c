//! Labels of a series, its name among them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The label that carries a metric's name.
pub const NAME: &str = "__name__";

/// A set of labels, sorted by name. A label with an empty value is the same as none. Copies share their
/// memory until one is changed: a series is shown again and again under the same labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(Arc<Vec<(Arc<str>, Arc<str>)>>);

impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Labels {
    /// Labels from pairs in any order; of two of one name the later counts.
    #[must_use]
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut labels = Self::default();
        pairs.into_iter().for_each(|(name, value)| labels.set(name, value));
        labels
    }

    /// Whether they are those of these pairs, which are of different names.
    #[must_use]
    pub fn are(&self, pairs: &[(&str, &str)]) -> bool {
        let stated = pairs.iter().filter(|(_, value)| !value.is_empty());
        stated.clone().count() == self.0.len() && { stated }
            .all(|(name, value)| self.get(name) == *value)
    }

    /// The value of a label; empty when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.place(name).map_or("", |at| &self.0[at].1)
    }

    /// The metric's name; empty when there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.get(NAME)
    }

    /// All pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Writes a label; an empty value takes it away.
    pub fn set(&mut self, name: &str, value: &str) {
        let place = self.place(name);
        let own = Arc::make_mut(&mut self.0);
        match (place, value.is_empty()) {
            (Ok(at), true) => drop(own.remove(at)),
            (Ok(at), false) => own[at].1 = Arc::from(value),
            (Err(_), true) => {}
            (Err(at), false) => own.insert(at, (Arc::from(name), Arc::from(value))),
        }
    }

    /// Without the labels of these names.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !names.contains(&&**name));
        Self(Arc::new(kept.cloned().collect()))
    }

    /// Only the labels of these names.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        let kept = self.0.iter().filter(|(name, _)| names.contains(&&**name));
        Self(Arc::new(kept.cloned().collect()))
    }

    /// Without the metric's name.
    #[must_use]
    pub fn nameless(&self) -> Self {
        self.without(&[NAME])
    }

    /// Whether they carry every one of the other's.
    #[must_use]
    pub fn include(&self, others: &Self) -> bool {
        others.iter().all(|(name, value)| self.get(name) == value)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| (**own).cmp(name))
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        let shown = self.iter().filter(|(name, _)| *name != NAME);
        let shown: Vec<String> = shown.map(|(name, value)| format!("{name}={value:?}")).collect();
        if shown.is_empty() && !self.name().is_empty() {
            return Ok(());
        }
        write!(f, "{{{}}}", shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_no_label_and_order_does_not_matter() {
        let one = Labels::of([("pod", "a"), (NAME, "up"), ("zone", "")]);
        assert_eq!(one, Labels::of([(NAME, "up"), ("pod", "a")]));
        assert_eq!(one.to_string(), "up{pod=\"a\"}");
        assert_eq!(one.nameless().to_string(), "{pod=\"a\"}");
        assert_eq!(one.get("zone"), "");
    }

    #[test]
    fn labels_are_those_of_pairs_in_any_order() {
        let labels = Labels::of([("pod", "a"), ("zone", "b")]);
        assert!(labels.are(&[("zone", "b"), ("pod", "a"), ("node", "")]));
        assert!(!labels.are(&[("pod", "a")]));
        assert!(!labels.are(&[("pod", "a"), ("zone", "b"), ("node", "c")]));
        assert!(!labels.are(&[("pod", "a"), ("zone", "c")]));
        assert!(Labels::default().are(&[]));
    }

    #[test]
    fn a_copy_that_is_changed_leaves_the_other_as_it_was() {
        let one = Labels::of([("pod", "a")]);
        let mut other = one.clone();
        other.set("pod", "b");
        assert_eq!((one.get("pod"), other.get("pod")), ("a", "b"));
        assert!(one < other && one.cmp(&one.clone()).is_eq());
    }
}
